//! Where the bytes of one safetensors file lie, and reading a range of them.
//!
//! Files are read at a position and never mapped: a file that is cut short while it is open must be an error, not a
//! signal that ends the program.

use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use super::WeightsError;
use super::error::shown_path;

#[derive(Debug)]
pub(super) enum Source {
    File {
        file: Handle,
        len: u64,
        modified: Option<SystemTime>,
    },
    Static(&'static [u8]),
    /// Known by its header only; there is nothing to read.
    Nothing,
}

#[cfg(any(unix, windows))]
type Handle = File;
#[cfg(not(any(unix, windows)))]
type Handle = std::sync::Mutex<File>;

impl Source {
    /// Opens a regular file. A folder, a device or a missing file is an error.
    pub(super) fn open(path: &Path) -> Result<Self, WeightsError> {
        let name = shown_path(path);
        // Asked before opening: opening a named pipe would wait for ever.
        let about = std::fs::metadata(path).map_err(|e| WeightsError::io(&name, &e))?;
        if about.is_dir() {
            return Err(WeightsError::IsFolder { file: name });
        }
        if !about.is_file() {
            return Err(WeightsError::Io { file: name, why: "it is not a regular file".to_owned() });
        }
        let file = File::open(path).map_err(|e| WeightsError::io(&name, &e))?;
        let about = file.metadata().map_err(|e| WeightsError::io(&name, &e))?;
        #[cfg(not(any(unix, windows)))]
        let file = std::sync::Mutex::new(file);
        Ok(Self::File { file, len: about.len(), modified: about.modified().ok() })
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::File { len, .. } => *len,
            Self::Static(bytes) => bytes.len() as u64,
            Self::Nothing => 0,
        }
    }

    /// Fills `into` from `offset`. A range outside the file is [`std::io::ErrorKind::UnexpectedEof`].
    pub(super) fn read_at(&self, offset: u64, into: &mut [u8]) -> std::io::Result<()> {
        match self {
            Self::File { file, .. } => read_exact_at(file, offset, into),
            Self::Static(_) | Self::Nothing => {
                into.copy_from_slice(self.slice(offset, into.len()).ok_or(std::io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    /// The bytes themselves where they are in memory already.
    pub(super) fn slice(&self, offset: u64, len: usize) -> Option<&'static [u8]> {
        let Self::Static(bytes) = self else { return None };
        let start = usize::try_from(offset).ok()?;
        bytes.get(start..start.checked_add(len)?)
    }

    /// Whether the file is still the one that was opened: same length, same time of writing.
    pub(super) fn is_unchanged(&self) -> bool {
        let Self::File { file, len, modified } = self else { return true };
        #[cfg(not(any(unix, windows)))]
        let file = &*file.lock().unwrap_or_else(|e| e.into_inner());
        file.metadata().is_ok_and(|now| now.len() == *len && now.modified().ok() == *modified)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &Handle, offset: u64, into: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &Handle, mut offset: u64, mut into: &mut [u8]) -> std::io::Result<()> {
    while !into.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, into, offset) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                into = into.get_mut(n..).unwrap_or_default();
                offset += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(not(any(unix, windows)))]
fn read_exact_at(file: &Handle, offset: u64, into: &mut [u8]) -> std::io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = file.lock().unwrap_or_else(|e| e.into_inner());
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(into)
}
