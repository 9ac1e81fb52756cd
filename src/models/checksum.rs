//! sha256 of a stream, and of a file that is already there.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Counts and hashes what passes.
#[derive(Clone, Default)]
pub(super) struct Checksum {
    hasher: Sha256,
    pub(super) bytes: u64,
}

impl Checksum {
    pub(super) fn update(&mut self, data: &[u8]) {
        self.hasher.update(data);
        self.bytes += data.len() as u64;
    }

    /// Lower-case hex.
    pub(super) fn hex(self) -> String {
        self.hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Reads `file` from where it stands; `look` hears how far it is and says whether to go on. None when told to stop.
pub(super) fn of_open_file(file: &mut File, look: &mut dyn FnMut(u64) -> bool) -> std::io::Result<Option<Checksum>> {
    let mut checksum = Checksum::default();
    let mut buffer = vec![0; 1 << 20];
    loop {
        if !look(checksum.bytes) {
            return Ok(None);
        }
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Some(checksum)),
            Ok(n) => checksum.update(buffer.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

pub(super) fn of_file(path: &Path, look: &mut dyn FnMut(u64) -> bool) -> std::io::Result<Option<String>> {
    let checksum = of_open_file(&mut File::open(path)?, look)?;
    Ok(checksum.map(Checksum::hex))
}
