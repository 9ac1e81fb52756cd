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
    #[error("the file names cannot be made ({why}); correct the template: {template}")]
    Template { why: String, template: String },
    #[error("the disk is full; free some space or choose another disk: {path}")]
    DiskFull { path: String },
    #[error("this machine names no home folder, so nothing can be kept; set INSTANTSTYLE_HOME")]
    NoHome,

    #[error("another program writes to the library for long; try again in a moment: {path}")]
    Busy { path: String },
    #[error("a newer version of this program wrote the library; update this one: {path}")]
    Newer { path: String },
    #[error("the library does not answer ({why}); try again, or run `instantstyle library rebuild`: {path}")]
    Database { why: String, path: String },

    #[error("there is no style '{name}'; {there}")]
    NoSuchStyle { name: String, there: String },
    #[error("there is a style '{name}' already; choose another name, or remove it first")]
    StyleExists { name: String },
    #[error("'{name}' is no name for a style; take 1 to 80 characters on one line")]
    StyleName { name: String },
    #[error("the picture of a style may have 64 MiB at most, and this has {mib}; make it smaller first: {path}")]
    StyleTooLarge { mib: u64, path: String },
    #[error("this is no style, or a damaged one ({why}); export it again where it came from: {path}")]
    NotAStyle { why: String, path: String },

    #[error("the file could not be written ({why}); choose another place: {path}")]
    Failed { why: String, path: String },
}
