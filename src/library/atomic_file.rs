//! Writing a file so that, whatever happens, either the old content or the new one is there.
//!
//! The content goes into a temporary file beside the target, is flushed to the disk, and takes the target's name.

use std::fs::{self, Metadata, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::pictures::free_names;
use super::{LibraryError, leftovers};

/// Whether a file could be written at `path`, without touching what is there.
///
/// That the folder can be written in is tried with a nameless temporary file in it, which leaves nothing behind;
/// on file systems without nameless files, one with a name exists for a moment.
///
/// # Errors
/// A missing folder, a folder as target, a write-protected file or folder, or an impossible name.
pub fn check_target(path: &Path) -> Result<(), LibraryError> {
    let (target, existing) = resolve(path)?;
    if existing.is_some_and(|m| !m.is_file()) {
        return Ok(());
    }
    let folder = folder_of(&target);
    tempfile::tempfile_in(folder).map(drop).map_err(|e| explain(&e, folder, &target))
}

/// Writes `bytes` to `path`, which then holds all of them or is as it was.
///
/// A new file gets the permissions that the user's umask gives, an old one keeps its own. A link is followed. A device
/// or pipe (`/dev/stdout`) has no content to keep, so it is written as it is.
///
/// # Errors
/// As [`check_target`], and a full disk.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), LibraryError> {
    let (target, existing) = resolve(path)?;
    let folder = folder_of(&target);
    let failed = |e: io::Error| explain(&e, folder, &target);
    if existing.as_ref().is_some_and(|m| !m.is_file()) {
        let mut file = fs::OpenOptions::new().write(true).open(&target).map_err(failed)?;
        return file.write_all(bytes).and_then(|()| file.flush()).map_err(failed);
    }
    let mut pending = PendingFile::begin(target, existing)?;
    pending.file.write_all(bytes).map_err(|e| pending.explain(&e))?;
    pending.finish()
}

/// A file that is written beside its target, also by another process, and takes the target's name when it is finished.
/// Dropped, it is gone.
pub struct PendingFile {
    file: NamedTempFile,
    target: PathBuf,
    existing: Option<Metadata>,
}

impl PendingFile {
    /// Begins a file for `path`.
    ///
    /// # Errors
    /// As [`check_target`], and a target that is a device.
    pub fn beside(path: &Path) -> Result<Self, LibraryError> {
        let (target, existing) = resolve(path)?;
        if existing.as_ref().is_some_and(|m| !m.is_file()) {
            return Err(LibraryError::Failed { why: "it is a device".to_owned(), path: shown(&target) });
        }
        Self::begin(target, existing).map(Self::shared)
    }

    /// Begins a file that is to be called as `path` is, or with a number where that is taken: see [`Self::finish_free`].
    ///
    /// # Errors
    /// A missing folder, or one that cannot be written in.
    pub fn new_like(path: &Path) -> Result<Self, LibraryError> {
        Self::begin(path.to_owned(), None).map(Self::shared)
    }

    /// To be written by another hand.
    fn shared(self) -> Self {
        // There a lock is on the bytes themselves, and the other hand could not write them.
        #[cfg(windows)]
        let _ = self.file.as_file().unlock();
        self
    }

    fn begin(target: PathBuf, existing: Option<Metadata>) -> Result<Self, LibraryError> {
        let folder = folder_of(&target);
        let file = held_temporary(folder).map_err(|e| explain(&e, folder, &target))?;
        Ok(Self { file, target, existing })
    }

    /// Where it lies while it is written.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Flushes it to the disk and gives it its name.
    ///
    /// # Errors
    /// As [`write_atomically`].
    pub fn finish(self) -> Result<(), LibraryError> {
        if let Some(existing) = &self.existing {
            // Some file systems know no permissions; then there are none to keep.
            let _ = self.file.as_file().set_permissions(existing.permissions());
        }
        self.file.as_file().sync_all().map_err(|e| self.explain(&e))?;
        let Self { file, target, .. } = self;
        let folder = folder_of(&target);
        file.persist(&target).map_err(|e| explain(&e.error, folder, &target))?;
        flush_folder(folder);
        Ok(())
    }

    /// Flushes it to the disk and gives it its name, or that with a number behind it: never that of another file, also
    /// where another program was faster by a moment. Returns where it lies.
    ///
    /// # Errors
    /// As [`write_atomically`].
    pub fn finish_free(self) -> Result<PathBuf, LibraryError> {
        self.file.as_file().sync_all().map_err(|e| self.explain(&e))?;
        let Self { mut file, target, .. } = self;
        let folder = folder_of(&target);
        let name = target.file_stem().unwrap_or_default().to_string_lossy();
        let ending = target.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
        for path in free_names(folder, &name, &ending) {
            if fs::symlink_metadata(&path).is_ok() {
                continue;
            }
            match file.persist_noclobber(&path) {
                Ok(_) => {
                    flush_folder(folder);
                    return Ok(path);
                }
                Err(error) if error.error.kind() == ErrorKind::AlreadyExists => file = error.file,
                Err(error) => return Err(explain(&error.error, folder, &path)),
            }
        }
        Err(LibraryError::Failed { why: "every name is taken".to_owned(), path: shown(folder) })
    }

    fn explain(&self, e: &io::Error) -> LibraryError {
        explain(e, folder_of(&self.target), &self.target)
    }
}

/// As [`write_atomically`], but never over another file: false where the name is taken, also by a program that was
/// faster by a moment.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<bool, LibraryError> {
    if fs::symlink_metadata(path).is_ok() {
        return Ok(false);
    }
    let (target, _) = resolve(path)?;
    let folder = folder_of(&target);
    let failed = |e: io::Error| explain(&e, folder, &target);
    let mut file = held_temporary(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    match file.persist_noclobber(&target) {
        Ok(_) => flush_folder(folder),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(failed(error.error)),
    }
    Ok(true)
}

/// The name itself is data of the folder. Where folders cannot be flushed, the file is still whole.
fn flush_folder(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = fs::File::open(folder) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

/// A new temporary file in `folder`, locked for as long as it is written, so that no [`super::leftovers`] takes it away.
fn held_temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(leftovers::PREFIX).suffix(leftovers::SUFFIX);
    if let Some(permissions) = new_file_permissions() {
        builder.permissions(permissions);
    }
    loop {
        let file = builder.tempfile_in(folder)?;
        // Where there are no locks, nothing is swept either.
        let is_held = file.as_file().lock().is_ok();
        // A sweep may have come between making the file and locking it; then it has no name any more.
        if !is_held || file.path().exists() {
            return Ok(file);
        }
    }
}

/// What the umask is taken from; without it a temporary file is for its owner alone.
#[cfg(unix)]
fn new_file_permissions() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn new_file_permissions() -> Option<Permissions> {
    None
}

/// The file that `path` stands for, behind links, and what is there now.
fn resolve(path: &Path) -> Result<(PathBuf, Option<Metadata>), LibraryError> {
    let shown = || shown(path);
    let is_link = fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink());
    let target = if is_link { fs::canonicalize(path).unwrap_or_else(|_| behind_links(path)) } else { path.to_owned() };
    let existing = match fs::metadata(&target) {
        Ok(metadata) if metadata.is_dir() => return Err(LibraryError::IsFolder { path: shown() }),
        Ok(metadata) if metadata.is_file() && metadata.permissions().readonly() => {
            return Err(LibraryError::FileReadOnly { path: shown() });
        }
        Ok(metadata) => Some(metadata),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        Err(e) => return Err(explain(&e, folder_of(&target), &target)),
    };
    // `a/b/` and `a/..` name folders, there or not.
    let ends_in_separator =
        path.as_os_str().as_encoded_bytes().last().is_some_and(|b| std::path::is_separator(char::from(*b)));
    if ends_in_separator || target.file_name().is_none() {
        return Err(LibraryError::IsFolder { path: shown() });
    }
    if existing.is_none() {
        let folder = folder_of(&target);
        match fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(LibraryError::NotAFolder { path: self::shown(folder) }),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Err(LibraryError::FolderMissing { path: self::shown(folder) });
            }
            Err(e) => return Err(explain(&e, folder, &target)),
        }
    }
    Ok((target, existing))
}

/// Where a chain of links ends in a name that nothing has yet. What can be opened but has no path, such as the pipe behind
/// `/dev/stdout`, stays as it is.
fn behind_links(path: &Path) -> PathBuf {
    // As many as Linux follows; a circle is told when it is opened.
    const MOST_LINKS: usize = 40;
    let mut target = path.to_owned();
    if fs::metadata(path).is_ok() {
        return target;
    }
    for _ in 0..MOST_LINKS {
        let Ok(link) = fs::read_link(&target) else { break };
        target = folder_of(&target).join(link);
    }
    target
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

pub(super) fn explain(e: &io::Error, folder: &Path, target: &Path) -> LibraryError {
    let path = shown(target);
    let why = e.to_string();
    match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => LibraryError::DiskFull { path },
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            LibraryError::FolderReadOnly { why, path: shown(folder) }
        }
        ErrorKind::NotFound => LibraryError::FolderMissing { path: shown(folder) },
        ErrorKind::NotADirectory => LibraryError::NotAFolder { path: shown(folder) },
        ErrorKind::IsADirectory => LibraryError::IsFolder { path },
        ErrorKind::InvalidFilename | ErrorKind::InvalidInput => LibraryError::BadName { why, path },
        _ => LibraryError::Failed { why, path },
    }
}

/// A path for a message: on one line, whatever is in it.
fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
