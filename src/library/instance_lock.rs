//! One window a home: the second one may read and add pictures, but the session belongs to the first.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

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

impl InstanceLock {
    /// Hands the lock over once the window that has it is closed; `wake` is called then.
    ///
    /// # Errors
    /// A file that cannot be opened, or a thread that does not start.
    pub fn awaited(home: &Path, wake: impl Fn() + Send + 'static) -> io::Result<Receiver<Self>> {
        let file = lock_file(home)?;
        let (sender, lock) = bounded(1);
        // Sleeps in the system, and ends with the program.
        std::thread::Builder::new().name("session lock".to_owned()).spawn(move || {
            if file.lock().is_ok() && sender.send(Self { _file: file }).is_ok() {
                wake();
            }
        })?;
        Ok(lock)
    }
}

fn lock_file(home: &Path) -> io::Result<File> {
    fs::create_dir_all(home)?;
    File::options().create(true).truncate(false).write(true).open(home.join(FILE))
}

impl Instance {
    /// As [`Instance::of`], but a window that is just closing is waited for, at most so long.
    pub fn of_patiently(home: &Path, patience: Duration) -> Self {
        match Self::of(home) {
            Self::Second => {
                let lock = InstanceLock::awaited(home, || {});
                lock.ok().and_then(|lock| lock.recv_timeout(patience).ok()).map_or(Self::Second, Self::First)
            }
            other => other,
        }
    }

    /// Asks without waiting.
    pub fn of(home: &Path) -> Self {
        let Ok(file) = lock_file(home) else { return Self::Unknown };
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
    fn a_lock_is_handed_over_when_the_window_before_has_closed() {
        let home = tempfile::tempdir().unwrap();
        let first = Instance::of(home.path());
        let lock = InstanceLock::awaited(home.path(), || {}).unwrap();
        assert!(lock.try_recv().is_err());
        drop(first);
        let lock = lock.recv().unwrap();
        assert!(matches!(Instance::of(home.path()), Instance::Second));
        drop(lock);
        assert!(matches!(Instance::of_patiently(home.path(), Duration::ZERO), Instance::First(_)));
    }

    #[test]
    fn a_home_that_cannot_be_made_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(matches!(Instance::of(&file.join("home")), Instance::Unknown));
    }
}
