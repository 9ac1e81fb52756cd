//! What the pictures themselves cannot tell, line by line in a file that is only ever added to: stars, and pictures
//! that lie outside of the pictures' folder.
//!
//! Stars do not go into the pictures: that would write a finished file anew for every click, change its content hash
//! (by which recipes and other programs know it), and fail where it is write-protected. A line is one write at the
//! file's end, so that two programs do not tear each other's, and each begins with the line break, so that one that a
//! power cut has torn spoils no other.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};

use super::LibraryError;

const FILE: &str = "library.journal";
/// Millions of lines; more was not written by this program.
const LARGEST: u64 = 256 << 20;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    Stars {
        hash: String,
        stars: u8,
    },
    /// `made`: ms since 1970.
    Picture {
        path: StoredPath,
        hash: String,
        made: i64,
    },
}

/// What all lines together say.
#[derive(Debug, Default)]
pub struct Journal {
    /// By content hash, the last word on each.
    pub stars: BTreeMap<String, u8>,
    /// Where pictures were written, and when.
    pub pictures: BTreeMap<PathBuf, i64>,
}

/// A path as text, or as bytes where it is not Unicode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StoredPath {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<&Path> for StoredPath {
    fn from(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(path.as_os_str().as_encoded_bytes().to_vec()),
        }
    }
}

impl From<StoredPath> for PathBuf {
    fn from(path: StoredPath) -> Self {
        match path {
            StoredPath::Text(text) => text.into(),
            #[cfg(unix)]
            StoredPath::Bytes(bytes) => {
                use std::os::unix::ffi::OsStringExt as _;
                std::ffi::OsString::from_vec(bytes).into()
            }
            #[cfg(not(unix))]
            StoredPath::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
        }
    }
}

impl ToSql for StoredPath {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl FromSql for StoredPath {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Text(_) => value.as_str().map(|text| Self::Text(text.to_owned())),
            ValueRef::Blob(bytes) => Ok(Self::Bytes(bytes.to_vec())),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

/// Adds a line; it is on the disk when this returns.
pub fn append(home: &Path, line: &Line) -> Result<(), LibraryError> {
    let path = home.join(FILE);
    let failed = |error: std::io::Error| super::atomic_file::explain(&error, home, &path);
    let json = serde_json::to_string(line).map_err(|error| failed(error.into()))?;
    let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    file.write_all(format!("\n{json}").as_bytes()).map_err(failed)?;
    file.sync_data().map_err(failed)
}

/// Everything that the journal says; lines that are torn or strange say nothing.
pub fn read(home: &Path) -> Journal {
    let mut bytes = Vec::new();
    let opened = fs::File::open(home.join(FILE));
    // What cannot be read says nothing either; the pictures in the folder are still found.
    let _ = opened.and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
    let mut journal = Journal::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        match serde_json::from_slice(line) {
            Ok(Line::Stars { hash, stars }) => drop(journal.stars.insert(hash, stars.min(5))),
            Ok(Line::Picture { path, made, .. }) => drop(journal.pictures.insert(path.into(), made)),
            Err(_) => {}
        }
    }
    journal
}

/// ms since 1970.
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_last_word_counts_and_a_torn_line_spoils_no_other() {
        let home = tempfile::tempdir().unwrap();
        assert!(read(home.path()).stars.is_empty());
        let stars = |hash: &str, stars| Line::Stars { hash: hash.to_owned(), stars };
        append(home.path(), &stars("a", 1)).unwrap();
        append(home.path(), &stars("b", 5)).unwrap();
        let file = home.path().join(FILE);
        let mut torn = fs::read(&file).unwrap();
        torn.truncate(torn.len() - 4);
        fs::write(&file, torn).unwrap();
        append(home.path(), &stars("a", 3)).unwrap();
        let path = StoredPath::Text("/b/c.png".to_owned());
        append(home.path(), &Line::Picture { path, hash: "c".to_owned(), made: 7 }).unwrap();
        let journal = read(home.path());
        assert_eq!(journal.stars, BTreeMap::from([("a".to_owned(), 3)]));
        assert_eq!(journal.pictures, BTreeMap::from([(PathBuf::from("/b/c.png"), 7)]));
    }
}
