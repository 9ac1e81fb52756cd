//! Temporary files that a killed program has left: taken away at the next start, never from under a running one.
//!
//! Whoever writes a file holds a lock on its temporary one ([`super::write_atomically`]), and the system lets go of the
//! locks of a program that is gone. So what can be locked belongs to nobody.

use std::fs;
use std::path::Path;

/// How the names of temporary files begin and end.
pub(super) const PREFIX: &str = ".instantstyle-";
pub(super) const SUFFIX: &str = ".part";

/// The folders of `home` in which files are written.
const FOLDERS: &[&str] = &[
    "",
    "pictures",
    "pictures/boards",
    "exports",
    "references",
    "styles",
    "cache/thumbnails",
    "cache/embeddings",
    // Settings and checksums; weights that were being converted.
    "models",
    "models/imported",
];

/// Takes away what was left in the folders of `home`; returns how many files that were.
pub fn sweep(home: &Path) -> usize {
    FOLDERS.iter().map(|folder| sweep_folder(&home.join(folder))).sum()
}

fn sweep_folder(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let is_ours = |name: &str| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
    let left = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_ours));
    left.filter(|entry| remove_abandoned(&entry.path())).count()
}

/// Removes the file while it holds the lock, so that a writer who waits for the lock then finds the name gone.
fn remove_abandoned(path: &Path) -> bool {
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    let mut options = fs::OpenOptions::new();
    options.write(true);
    // There a file that another process fills is not locked ([`super::PendingFile`]), but it is open: only one that nobody
    // reads or writes is opened so (FILE_SHARE_DELETE alone).
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, 4);
    let Some(file) = is_file.then(|| options.open(path).ok()).flatten() else {
        return false;
    };
    file.try_lock().is_ok() && fs::remove_file(path).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_what_nobody_holds_is_taken_away() {
        let home = tempfile::tempdir().unwrap();
        let pictures = home.path().join("pictures");
        fs::create_dir(&pictures).unwrap();
        let (left, held, other) =
            (pictures.join(".instantstyle-a.part"), pictures.join(".instantstyle-b.part"), pictures.join("b.part"));
        for path in [&left, &held, &other] {
            fs::write(path, b"half").unwrap();
        }
        let writer = fs::File::open(&held).unwrap();
        writer.lock().unwrap();
        assert_eq!(sweep(home.path()), 1);
        assert!(!left.exists() && held.exists() && other.exists());
        drop(writer);
        assert_eq!(sweep(home.path()), 1);
        assert!(!held.exists());
    }

    #[test]
    fn a_conversion_that_was_killed_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let imported = home.path().join("models").join("imported");
        fs::create_dir_all(&imported).unwrap();
        let begun = super::super::PendingFile::new_like(&imported.join("adapter.safetensors")).unwrap();
        let kept = imported.join("a-download.safetensors.part");
        fs::write(&kept, b"half").unwrap();
        assert_eq!(sweep(home.path()), 0);
        let path = begun.path().to_owned();
        // A killed program says no goodbye.
        drop(begun);
        fs::write(&path, b"half").unwrap();
        assert_eq!(sweep(home.path()), 1);
        assert!(!path.exists() && kept.exists());
    }
}
