//! The unfinished file `NAME.part` and the note `NAME.part.json` beside it that says where its bytes came from.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::checksum::{self, Checksum};

/// Where the bytes of a part came from. Bytes of another origin are never joined to them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Origin {
    pub address: String,
    /// Strong ETag of the server that sent the bytes.
    pub etag: Option<String>,
    /// As the hub or the list has it.
    pub sha256: Option<String>,
    pub total: Option<u64>,
}

/// An unfinished file, open for writing at its end.
pub(super) struct PartFile {
    target: PathBuf,
    file: File,
    /// Of what is in the file.
    pub checksum: Checksum,
    pub origin: Origin,
}

impl PartFile {
    /// Opens or makes the part of `target`. Bytes without a readable note are forgotten; the rest is read once for the
    /// checksum, with `look` as in [`checksum::of_open_file`]. None when told to stop.
    pub(super) fn open(target: &Path, look: &mut dyn FnMut(u64) -> bool) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(part_path(target))?;
        let mut part =
            Self { target: target.to_owned(), file, checksum: Checksum::default(), origin: Origin::default() };
        let note = fs::read(note_path(target)).ok().and_then(|note| serde_json::from_slice::<Origin>(&note).ok());
        match note.filter(|_| part.file.metadata().is_ok_and(|about| about.is_file())) {
            Some(origin) => {
                let Some(checksum) = checksum::of_open_file(&mut part.file, look)? else { return Ok(None) };
                (part.checksum, part.origin) = (checksum, origin);
            }
            None => part.restart(Origin::default())?,
        }
        Ok(Some(part))
    }

    pub(super) fn len(&self) -> u64 {
        self.checksum.bytes
    }

    /// Forgets all bytes; the next come from `origin`.
    pub(super) fn restart(&mut self, origin: Origin) -> io::Result<()> {
        // A device (in tests, /dev/full) has no length.
        if self.file.metadata()?.len() > 0 {
            self.file.set_len(0)?;
        }
        self.file.seek(SeekFrom::Start(0))?;
        self.checksum = Checksum::default();
        self.set_origin(origin)
    }

    /// Notes the origin, before the first byte of it is written.
    pub(super) fn set_origin(&mut self, origin: Origin) -> io::Result<()> {
        if self.origin != origin {
            fs::write(note_path(&self.target), serde_json::to_vec(&origin)?)?;
            self.origin = origin;
        }
        Ok(())
    }

    pub(super) fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.checksum.bytes))?;
        self.file.write_all(data)?;
        self.checksum.update(data);
        Ok(())
    }

    /// Flushes to the disk and gives the file its name.
    pub(super) fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        // What was written by another hand meanwhile was not checked.
        if self.file.metadata()?.len() != self.checksum.bytes {
            return Err(io::Error::other("another program writes to it"));
        }
        fs::rename(part_path(&self.target), &self.target)?;
        let _ = fs::remove_file(note_path(&self.target));
        #[cfg(unix)]
        if let Some(Ok(folder)) = self.target.parent().map(File::open) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    /// Removes bytes that are known to be bad.
    pub(super) fn remove(self) {
        let _ = fs::remove_file(part_path(&self.target));
        let _ = fs::remove_file(note_path(&self.target));
    }
}

pub(super) fn part_path(target: &Path) -> PathBuf {
    with_ending(target, ".part")
}

fn note_path(target: &Path) -> PathBuf {
    with_ending(target, ".part.json")
}

fn with_ending(target: &Path, ending: &str) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
