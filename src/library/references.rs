//! The pictures of references, kept by content hash, so that a finished picture can be made again from its recipe.

use std::fs;
use std::path::{Path, PathBuf};

use super::{LibraryError, references_folder, write_atomically};

/// Keeps a reference's file under its content hash (blake3, hex). One that is kept already is not written again.
///
/// # Errors
/// No home folder, one that cannot be written in, or a full disk.
pub fn keep_reference(bytes: &[u8], hash: &str) -> Result<(), LibraryError> {
    let folder = references_folder().ok_or_else(|| LibraryError::FolderMissing {
        path: format!("{} is not set and there is no home folder", super::HOME_VARIABLE),
    })?;
    keep_reference_in(&folder, bytes, hash)
}

/// The kept file with this content hash.
///
/// The hash may come from a stranger's picture: what is no hash is not found, and never becomes a path.
pub fn find_reference(hash: &str) -> Option<PathBuf> {
    find_reference_in(&references_folder()?, hash)
}

/// As [`keep_reference`], in a folder of choice.
///
/// # Errors
/// As [`keep_reference`].
pub fn keep_reference_in(folder: &Path, bytes: &[u8], hash: &str) -> Result<(), LibraryError> {
    let failed = |why: String| LibraryError::Failed { why, path: folder.display().to_string() };
    if blake3::hash(bytes).to_hex().as_str() != hash {
        return Err(failed("the reference's file changed while it was read".to_owned()));
    }
    let path = folder.join(hash);
    let length = bytes.len() as u64;
    if fs::metadata(&path).is_ok_and(|kept| kept.is_file() && kept.len() == length) {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    write_atomically(&path, bytes)
}

/// As [`find_reference`], in a folder of choice.
pub fn find_reference_in(folder: &Path, hash: &str) -> Option<PathBuf> {
    is_hash(hash).then(|| folder.join(hash)).filter(|path| path.is_file())
}

/// Whether this is a content hash as this program writes them, which may become a file's name.
pub(super) fn is_hash(hash: &str) -> bool {
    hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The bytes of a file that was read before, for keeping it.
///
/// # Errors
/// The file is gone, or is another one by now.
pub fn read_unchanged(path: &Path, hash: &str) -> Result<Vec<u8>, LibraryError> {
    let failed = |why: String| LibraryError::Failed { why, path: path.display().to_string() };
    let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
    match blake3::hash(&bytes).to_hex().as_str() == hash {
        true => Ok(bytes),
        false => Err(failed("the file changed while it was read".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_is_kept_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("references");
        let hash = blake3::hash(b"picture").to_hex().to_string();
        assert_eq!(find_reference_in(&folder, &hash), None);
        keep_reference_in(&folder, b"picture", &hash).unwrap();
        keep_reference_in(&folder, b"picture", &hash).unwrap();
        assert_eq!(fs::read(find_reference_in(&folder, &hash).unwrap()).unwrap(), b"picture");
    }

    #[test]
    fn a_cut_file_is_mended_and_a_wrong_hash_refused() {
        let folder = tempfile::tempdir().unwrap();
        let hash = blake3::hash(b"picture").to_hex().to_string();
        fs::write(folder.path().join(&hash), b"pic").unwrap();
        keep_reference_in(folder.path(), b"picture", &hash).unwrap();
        assert_eq!(fs::read(folder.path().join(&hash)).unwrap(), b"picture");
        assert!(keep_reference_in(folder.path(), b"other", &hash).is_err());
    }

    #[test]
    fn what_is_no_hash_never_becomes_a_path() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), b"x").unwrap();
        for hash in ["", "a", "../a", "/etc/passwd", &"A".repeat(64), &"../".repeat(21)] {
            assert_eq!(find_reference_in(folder.path(), hash), None, "{hash}");
        }
    }
}
