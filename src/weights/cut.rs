//! Tensors under other names, cut and turned: what a single file's tensors become in diffusers' terms.

use super::error::shown;
use super::header::Entry;
use super::{Weights, WeightsError};

/// Where a tensor of a [`Weights::view`] comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pick {
    pub(super) from: String,
    pub(super) cut: Cut,
}

/// What a view makes of a tensor. Only [`Cut::Transposed`] moves data; the others name a part of it or another shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Whole,
    /// One of several blocks of rows of equal height.
    Rows {
        block: usize,
        of: usize,
    },
    /// A convolution of one by one as a matrix; a matrix stays one.
    Matrix,
    Transposed,
}

impl Cut {
    fn apply(self, entry: &Entry) -> Option<Entry> {
        let mut out = entry.clone();
        match (self, entry.shape.as_slice()) {
            (Self::Whole, _) | (Self::Matrix, [_, _]) => {}
            (Self::Rows { block, of }, [rows, ..])
                if of > 0 && block < of && rows.is_multiple_of(of) && entry.bytes.is_multiple_of(of) =>
            {
                out.bytes = entry.bytes / of;
                out.start = entry.start + (block * out.bytes) as u64;
                *out.shape.first_mut()? = rows / of;
            }
            (Self::Matrix, [_, _, 1, 1]) => out.shape.truncate(2),
            (Self::Transposed, [_, _]) => out.shape.reverse(),
            _ => return None,
        }
        Some(out)
    }
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole => f.write_str("used"),
            Self::Rows { of, .. } => write!(f, "split into {of} equal parts"),
            Self::Matrix => f.write_str("read as a matrix"),
            Self::Transposed => f.write_str("transposed"),
        }
    }
}

impl Weights {
    /// The same files under other names: a part of them, or their tensors cut and turned as `picks` say.
    pub(super) fn view(&self, picks: impl IntoIterator<Item = (String, Pick)>) -> Result<Self, WeightsError> {
        let mut out = Self { pieces: self.pieces.clone(), ..Self::empty(self.name.clone()) };
        out.metadata.clone_from(&self.metadata);
        for (name, Pick { from, cut }) in picks {
            let missing = || WeightsError::MissingTensor { file: self.name.clone(), tensor: shown(&from) };
            let (piece, entry) = self.tensors.get(&from).ok_or_else(missing)?;
            let cut_entry = cut.apply(entry).ok_or_else(|| {
                let found = entry.shape.clone();
                WeightsError::CannotCut { file: self.name.clone(), tensor: shown(&from), found, cut }
            })?;
            if cut == Cut::Transposed {
                out.transposed.insert(name.clone());
            }
            out.tensors.insert(name, (*piece, cut_entry));
        }
        Ok(out)
    }
}
