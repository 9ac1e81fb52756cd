//! A .bin of torch to safetensors, and what can be had in its place.
//!
//! The file is read by a second process, this program again, which has given up what it does not need before it opens
//! the file: memory, time, the length of what it writes, and starting other processes. So a hostile file that finds a
//! fault in the reader wins next to nothing, and the worst that a damaged one can do is end that process.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::progress::{Pace, Progress};
use super::{Item, ModelEntry, ModelsError};
use crate::library::{LibraryError, PendingFile};
use crate::weights::{Impostor, Kind, Weights, WeightsError, identify, twin_name};

/// The hidden command of the process that converts: `instantstyle models convert-confined FROM TO`.
pub const CONVERT: &str = "convert-confined";
/// An SDXL adapter takes a second; the slowest disk and a model of 7 GB a few minutes.
pub const LONGEST: Duration = Duration::from_secs(600);

/// What came of a conversion.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    pub kind: Kind,
    pub tensors: usize,
}

/// Converts `from` to `to`, which is replaced if it is there, by the program at `program`. `say` hears how much is
/// written; `cancelled` is asked many times a second.
///
/// # Errors
/// A file that is refused, in the sentence of the converting process; a target that cannot be written.
pub fn import(
    program: &Path,
    from: &Path,
    to: &Path,
    say: &mut dyn FnMut(Progress),
    cancelled: &dyn Fn() -> bool,
) -> Result<Imported, ModelsError> {
    let pending = PendingFile::beside(to)?;
    let imported = convert(program, from, pending.path(), say, cancelled)?;
    pending.finish()?;
    Ok(imported)
}

fn convert(
    program: &Path,
    from: &Path,
    to: &Path,
    say: &mut dyn FnMut(Progress),
    cancelled: &dyn Fn() -> bool,
) -> Result<Imported, ModelsError> {
    run_confined(program, from, to, say, cancelled)?;
    // Whatever the other process did, only a sound file gets the name.
    let weights = Weights::open(to)?;
    Ok(Imported { kind: identify(&weights), tensors: weights.len() })
}

/// Begins a file in `folder` for what is made of the pickle `from`, under its twin's name or one after that, where
/// nothing lies when it is finished.
///
/// # Errors
/// A folder that cannot be written in.
pub fn begin_copy(from: &Path, folder: &Path) -> Result<PendingFile, LibraryError> {
    PendingFile::new_like(&folder.join(twin_name(&from.to_string_lossy())))
}

/// As [`import`], but never over another file ([`begin_copy`]), and only of weights for which there is a use: of others
/// no file is left.
///
/// # Errors
/// As [`import`], and what nothing here can use.
pub fn import_new(
    program: &Path,
    from: &Path,
    pending: PendingFile,
    say: &mut dyn FnMut(Progress),
    cancelled: &dyn Fn() -> bool,
) -> Result<Item, ModelsError> {
    let Imported { kind, .. } = convert(program, from, pending.path(), say, cancelled)?;
    let has_settings = |file: &Path| file.with_file_name("config.json").is_file();
    let is_encoder = matches!(kind, Kind::ImageEncoder { .. });
    // An encoder is used by its folder, where the file must have its name first.
    if !(is_encoder && has_settings(pending.path())) {
        Item::look(pending.path()).map_err(|why| {
            let (temporary, own) = (pending.path().display().to_string(), from.display().to_string());
            ModelsError::ImportRefused(match is_encoder && has_settings(from) {
                true => format!(
                    "the folder of {own} cannot be written in, and {kind} is used with the config.json that lies there; \
                     copy the folder elsewhere and import it there"
                ),
                false => why.replace(&temporary, &own),
            })
        })?;
    }
    if cancelled() {
        return Err(ModelsError::Cancelled);
    }
    let to = pending.finish_free()?;
    Item::look(&to).map_err(|why| {
        let _ = std::fs::remove_file(&to);
        ModelsError::ImportRefused(why)
    })
}

fn run_confined(
    program: &Path,
    from: &Path,
    to: &Path,
    say: &mut dyn FnMut(Progress),
    cancelled: &dyn Fn() -> bool,
) -> Result<(), ModelsError> {
    let failed = |error: std::io::Error| {
        ModelsError::ImportFailed(format!("the converting process failed ({error}); try again"))
    };
    let mut child = Command::new(program)
        .args(["models", CONVERT, "--"])
        .args([from, to])
        .env_remove("HF_TOKEN")
        .env_remove("HUGGING_FACE_HUB_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |about| about.len());
    let (total, mut pace) = (length(from), Pace::default());
    // It writes one line, which fits into the pipe.
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        let is_late = begun.elapsed() > LONGEST;
        if is_late || cancelled() {
            let _ = child.kill();
            let _ = child.wait();
            let (file, minutes) = (from.display().to_string(), LONGEST.as_secs() / 60);
            return Err(if is_late { ModelsError::SlowImport { file, minutes } } else { ModelsError::Cancelled });
        }
        // About as long as what is read.
        say(pace.mark(Instant::now(), length(to).min(total), Some(total)));
        std::thread::sleep(Duration::from_millis(10));
    };
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = stderr.take(8192).read_to_string(&mut said);
    }
    let sentence = said.lines().next().and_then(|line| line.strip_prefix("error: "));
    Err(match (status.code(), sentence) {
        (Some(2), Some(sentence)) => ModelsError::ImportRefused(sentence.to_owned()),
        (Some(1), Some(sentence)) => ModelsError::ImportFailed(sentence.to_owned()),
        _ => ModelsError::LargeImport { file: from.display().to_string() },
    })
}

/// Whether a file is a pickle, by its first bytes.
pub fn is_pickle(path: &Path) -> bool {
    let opened = Weights::open(path);
    matches!(opened, Err(WeightsError::NotSafetensors { what: Impostor::Pickle, .. }))
}

/// The same weights in a format that cannot run anything.
#[derive(Debug, Clone, PartialEq)]
pub enum Twin {
    /// They lie beside the pickle.
    Beside(PathBuf),
    /// The list of models has them.
    Listed(&'static ModelEntry),
    /// What they are called where they are published.
    Named(String),
}

impl Twin {
    /// Of the pickle at `path`.
    pub fn of(path: &Path, entries: &'static [ModelEntry]) -> Self {
        let name = twin_name(&path.to_string_lossy());
        let beside = path.with_file_name(&name);
        if beside != path && beside.is_file() {
            return Self::Beside(beside);
        }
        // Those of whole towers and networks are called alike everywhere.
        let is_telling = |name: &str| !matches!(name, "model.safetensors" | "diffusion_pytorch_model.safetensors");
        let mut listed = entries.iter().filter(|_| is_telling(&name));
        match listed.find(|entry| entry.weights().is_some_and(|file| file.name() == name)) {
            Some(entry) => Self::Listed(entry),
            None => Self::Named(name),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::models::list;

    #[test]
    fn the_twin_of_a_pickle_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let twin = |name: &str| Twin::of(&folder.path().join(name), list());
        let Twin::Listed(entry) = twin("ip-adapter_sdxl.bin") else { unreachable!() };
        assert_eq!(entry.name, "ip-adapter-sdxl");
        assert_eq!(twin("pytorch_model.bin"), Twin::Named("model.safetensors".to_owned()));
        assert_eq!(twin("my.style.pt"), Twin::Named("my.style.safetensors".to_owned()));
        let beside = folder.path().join("ip-adapter_sdxl.safetensors");
        std::fs::write(&beside, "x").unwrap();
        assert_eq!(twin("ip-adapter_sdxl.bin"), Twin::Beside(beside));
    }

    #[test]
    fn a_pickle_is_known_by_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let is = |bytes: &[u8]| {
            let path = folder.path().join("x.bin");
            std::fs::write(&path, bytes).unwrap();
            is_pickle(&path)
        };
        assert!(is(b"PK\x03\x04 and more of a zip") && is(b"\x80\x02}q\x00."));
        assert!(!is(b"GGUF and more") && !is(b""));
        assert!(!is_pickle(folder.path()) && !is_pickle(&folder.path().join("missing")));
    }

    #[test]
    fn nothing_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let begin = || begin_copy(Path::new("/m/pytorch_lora_weights.bin"), folder.path()).unwrap();
        let place = |name: &str| folder.path().join(format!("{name}.safetensors"));
        let pending = begin();
        // Another program takes the name while the conversion is at work.
        std::fs::write(place("pytorch_lora_weights"), "another's").unwrap();
        assert_eq!(pending.finish_free().unwrap(), place("pytorch_lora_weights-2"));
        assert_eq!(std::fs::read(place("pytorch_lora_weights")).unwrap(), b"another's");
        (3..1100).for_each(|n| std::fs::write(place(&format!("pytorch_lora_weights-{n}")), "").unwrap());
        assert_eq!(begin().finish_free().unwrap(), place("pytorch_lora_weights-1100"));
    }
}
