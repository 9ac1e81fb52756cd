//! Checksums of large files, remembered so that a folder of models is read once only.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reading {
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: u64,
    sha256: String,
}

/// The notes, by path.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// None: nothing is kept beyond this run.
    file: Option<PathBuf>,
    readings: BTreeMap<String, Reading>,
    changed: bool,
}

/// More than this is not worth reading at every start.
const MOST: usize = 10_000;

impl Known {
    /// Unreadable notes are as good as none: they only save time.
    pub(super) fn load(file: Option<PathBuf>) -> Self {
        let text = file.as_ref().and_then(|file| fs::read(file).ok());
        let readings = text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { file, readings, changed: false }
    }

    pub(super) fn sha256(&self, path: &Path, about: &Metadata) -> Option<&str> {
        let reading = self.readings.get(&*path.to_string_lossy())?;
        let same = reading.bytes == about.len() && Some(reading.modified) == modified(about);
        same.then_some(reading.sha256.as_str())
    }

    pub(super) fn note(&mut self, path: &Path, about: &Metadata, sha256: &str) {
        let Some(modified) = modified(about) else { return };
        if self.readings.len() < MOST {
            let reading = Reading { bytes: about.len(), modified, sha256: sha256.to_owned() };
            self.readings.insert(path.to_string_lossy().into_owned(), reading);
            self.changed = true;
        }
    }

    /// Writes the notes. A failure costs the next run some time and nothing else.
    pub(super) fn save(&mut self) {
        let Some(file) = self.file.as_ref().filter(|_| self.changed) else { return };
        let Ok(text) = serde_json::to_vec(&self.readings) else { return };
        if file.parent().is_none_or(|folder| fs::create_dir_all(folder).is_ok()) {
            let _ = crate::library::write_atomically(file, &text);
            self.changed = false;
        }
    }
}

fn modified(about: &Metadata) -> Option<u64> {
    let since = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_nanos()).ok()
}
