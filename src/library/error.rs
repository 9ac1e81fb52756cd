//! What can go wrong on the disk, in one line that says what to do, with the path last.

/// The errors of this room.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    #[error("the folder does not exist; make it first or choose another: {path}")]
    FolderMissing { path: String },
    #[error("the place for the file is no folder; choose another: {path}")]
    NotAFolder { path: String },
    #[error("this is a folder; name a file in it: {path}")]
    IsFolder { path: String },
    #[error("the file is write-protected; choose another name or lift the protection: {path}")]
    FileReadOnly { path: String },
    #[error("nothing can be written in this folder ({why}); choose another or check its permissions: {path}")]
    FolderReadOnly { why: String, path: String },
    #[error("the file's name is not possible here ({why}); choose another: {path}")]
    BadName { why: String, path: String },
    #[error("the disk is full; free some space or choose another disk: {path}")]
    DiskFull { path: String },
    #[error("the file could not be written ({why}); choose another place: {path}")]
    Failed { why: String, path: String },
}
