//! One window a home: the second one may read and add pictures, but the session belongs to the first.

use std::fs::{self, File, TryLockError};
use std::path::Path;

const FILE: &str = "session.lock";

/// Held as long as the window lives; the system lets go of it when the program ends, however it ends.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
}

/// Who has the session of a home.
#[derive(Debug)]
pub enum Instance {
    First(InstanceLock),
    /// Another window is open.
    Second,
    /// The disk has no locks, or cannot be written; nothing is known of other windows.
    Unknown,
}

impl Instance {
    /// Asks without waiting.
    pub fn of(home: &Path) -> Self {
        let file = fs::create_dir_all(home)
            .and_then(|()| File::options().create(true).truncate(false).write(true).open(home.join(FILE)));
        let Ok(file) = file else { return Self::Unknown };
        match file.try_lock() {
            Ok(()) => Self::First(InstanceLock { _file: file }),
            Err(TryLockError::WouldBlock) => Self::Second,
            Err(TryLockError::Error(_)) => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_second_of_two_is_told_and_the_next_is_first_again() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().join("new");
        let first = Instance::of(&home);
        assert!(matches!(first, Instance::First(_)));
        assert!(matches!(Instance::of(&home), Instance::Second));
        drop(first);
        assert!(matches!(Instance::of(&home), Instance::First(_)));
    }

    #[test]
    fn a_home_that_cannot_be_made_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(matches!(Instance::of(&file.join("home")), Instance::Unknown));
    }
}
