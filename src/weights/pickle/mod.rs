//! Weights out of a file that `torch.save` wrote, without ever running what is in it.
//!
//! Such a file is a zip of a pickle, which says what the tensors are called and how they lie, and of one file of raw
//! numbers per storage. A pickle is a program; [`machine`] plays the part of it that names tensors and refuses the
//! rest. Format: Python's `pickletools.py` (opcodes), torch `serialization.py` and `_utils.py` (what is in the zip).

mod archive;
mod machine;
mod tensors;
mod values;
mod write;

use std::fs::File;
use std::path::Path;

use super::WeightsError;
use super::error::{shown, shown_path};

pub use write::Converted;

/// Why a file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refusal {
    /// It names something that could run.
    Code(String),
    /// It is damaged, or of a kind that is not read.
    Bad(String),
}

impl Refusal {
    fn about(self, file: String) -> WeightsError {
        match self {
            Self::Code(call) => WeightsError::PickleRunsCode { file, call },
            Self::Bad(why) => WeightsError::BadPickle { file, why },
        }
    }
}

fn bad<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Bad(why.into()))
}

/// Writes the tensors of the torch file `from` into `to` as safetensors. Nested dictionaries become names joined by
/// dots (`image_proj.proj.weight`); what is no tensor is left out and counted.
///
/// Nothing in the file is run. Time and memory are bounded by a few times its length; the caller sees to limits of its
/// own where that is too much (see `instantstyle models import`).
///
/// # Errors
/// A file that is none of torch's, is damaged, claims more than it holds, or names anything besides tensors.
pub fn convert_pickle(from: &Path, to: &mut File) -> Result<Converted, WeightsError> {
    let file = shown_path(from);
    let mut archive = archive::Archive::open(from)?;
    let converted = archive
        .pickle()
        .and_then(|pickle| {
            let state = machine::run(&pickle)?;
            let named = tensors::flatten(&state)?;
            tensors::ensure_covered(&state, &named, &archive)?;
            Ok((state, named))
        })
        .map_err(|refusal| refusal.about(file.clone()))?;
    let (state, named) = converted;
    write::write(&state, &named, &mut archive, to).map_err(|error| match error {
        write::Failure::Refused(refusal) => refusal.about(file),
        write::Failure::Output(error) => {
            WeightsError::Io { file: "the converted file".to_owned(), why: shown(&error.to_string()) }
        }
    })
}

/// What a pickle is made of, for tests and fuzzing: whether the machine takes these bytes.
///
/// # Errors
/// The sentence with which they are refused, about a file called `name`.
pub fn check_pickle(name: &str, pickle: &[u8]) -> Result<usize, WeightsError> {
    let names = machine::run(pickle).and_then(|state| Ok(tensors::flatten(&state)?.tensors.len()));
    names.map_err(|refusal| refusal.about(name.to_owned()))
}
