//! Finished pictures: kept by themselves, under a name that says what they are, never over another.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{LibraryError, write_new};

/// Characters of the prompt in a picture's name.
const PROMPT_LENGTH: usize = 48;

/// Writes a finished picture's file into `folder`, which is made where it is missing, and returns its path.
///
/// # Errors
/// A folder that cannot be made or written in, or a full disk.
pub fn keep_picture_in(folder: &Path, bytes: &[u8], prompt: &str, seed: u64) -> Result<PathBuf, LibraryError> {
    fs::create_dir_all(folder).map_err(|error| super::atomic_file::explain(&error, folder, folder))?;
    write_free(folder, &format!("{}-{seed}", words_for_name(prompt)), "png", bytes)
}

/// Writes `bytes` into `folder` as `name` with `ending`, or with a number behind the name where that is taken.
///
/// # Errors
/// A folder that cannot be written in, or a full disk.
pub fn write_free(folder: &Path, name: &str, ending: &str, bytes: &[u8]) -> Result<PathBuf, LibraryError> {
    for path in free_names(folder, name, &format!(".{ending}")) {
        // Another program may want the same name at the same moment.
        if write_new(&path, bytes)? {
            return Ok(path);
        }
    }
    Err(LibraryError::Failed { why: "every name is taken".to_owned(), path: folder.display().to_string() })
}

/// Makes a folder in `folder` that was not there before.
///
/// # Errors
/// A folder that cannot be written in.
pub fn make_free_folder(folder: &Path, name: &str) -> Result<PathBuf, LibraryError> {
    let failed = |error: io::Error, path: &Path| super::atomic_file::explain(&error, folder, path);
    fs::create_dir_all(folder).map_err(|error| failed(error, folder))?;
    for path in free_names(folder, name, "") {
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error, &path)),
        }
    }
    Err(LibraryError::Failed { why: "every name is taken".to_owned(), path: folder.display().to_string() })
}

/// `name`, `name-2`, `name-3` and so on.
pub(super) fn free_names(folder: &Path, name: &str, ending: &str) -> impl Iterator<Item = PathBuf> {
    (1_u32..).map(move |n| folder.join(if n == 1 { format!("{name}{ending}") } else { format!("{name}-{n}{ending}") }))
}

/// Letters and digits that every file system takes, words joined by hyphens.
pub fn words_for_name(prompt: &str) -> String {
    let lower = prompt.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut out = String::new();
    for word in words {
        if out.len() + word.len() >= PROMPT_LENGTH {
            break;
        }
        if !out.is_empty() {
            out.push('-');
        }
        out.push_str(word);
    }
    if out.is_empty() { "picture".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_follow_the_prompt_and_never_replace() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("pictures");
        let first = keep_picture_in(&folder, b"1", "A fox, in ../the \"snow\"", 7).unwrap();
        let second = keep_picture_in(&folder, b"2", "A fox, in ../the \"snow\"", 7).unwrap();
        assert_eq!(first, folder.join("a-fox-in-the-snow-7.png"));
        assert_eq!(second, folder.join("a-fox-in-the-snow-7-2.png"));
        assert_eq!(fs::read(first).unwrap(), b"1");
        assert_eq!(words_for_name("猫"), "picture");
        assert!(words_for_name(&"long ".repeat(99)).len() < PROMPT_LENGTH);
    }
}
