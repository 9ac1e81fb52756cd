//! The library of finished pictures: each with its recipe, in SQLite, to be searched and rated.
//!
//! The pictures themselves are the truth, since each carries its recipe; the database is an index that is made again
//! from them whenever it is damaged. What they cannot tell, stars and pictures outside of the folder, stands in a
//! journal beside it ([`super::journal`]).

mod fill;
mod schema;
mod search;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rusqlite::{Connection, Error, ErrorCode, params};

use super::journal::{self, Line, StoredPath};
use super::{LibraryError, leftovers};
use crate::recipe::Recipe;

pub use fill::Synced;
pub use search::{LibraryPicture, Order, Page, Query};

const FILE: &str = "library.sqlite";
const LOCK: &str = "library.lock";

/// Set to true, it ends what takes long; what has been done until then stays.
pub type Stop = Arc<AtomicBool>;

/// The open library. It waits for the disk, so it is for a thread that does not paint.
#[derive(Debug)]
pub struct Catalogue {
    connection: Connection,
    home: PathBuf,
    stop: Stop,
    notices: Vec<String>,
}

impl Catalogue {
    /// Opens the library of `home`, which is made where it is missing. A damaged database is set aside under a dated
    /// name and made again from the pictures; [`Catalogue::take_notices`] then tells so.
    ///
    /// # Errors
    /// A home that cannot be written in, a full disk, or a library of a newer program.
    pub fn open(home: &Path, stop: &Stop) -> Result<Self, LibraryError> {
        let failed = |error: std::io::Error| super::atomic_file::explain(&error, home, home);
        fs::create_dir_all(home).map_err(failed)?;
        leftovers::sweep(home);
        let path = home.join(FILE);
        let opened = schema::connect(&path, &lock(home)?);
        let (connection, is_damaged) = match opened {
            Ok(connection) => (connection, false),
            Err(schema::Trouble::Damaged) => (Connection::open_in_memory().map_err(|e| explain(&e, &path))?, true),
            Err(trouble) => return Err(explain_trouble(trouble, &path)),
        };
        let mut catalogue = Self { connection, home: home.to_owned(), stop: stop.clone(), notices: Vec::new() };
        if is_damaged {
            catalogue.repair()?;
        }
        Ok(catalogue)
    }

    /// What should be told since this was last asked, a sentence each.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Enters a finished picture that lies at `file` as `bytes`. A picture that stood there before is forgotten.
    ///
    /// # Errors
    /// A disk that is full or cannot be written, or another program that writes for long.
    pub fn record(&mut self, file: &Path, bytes: &[u8], recipe: &Recipe) -> Result<(), LibraryError> {
        let path = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let entry = fill::Entry::new(&path, bytes, journal::now_ms(), recipe);
        // Those in the folder are found by looking into it.
        if !path.starts_with(fs::canonicalize(self.pictures()).unwrap_or_else(|_| self.pictures())) {
            let line =
                Line::Picture { path: StoredPath::from(path.as_path()), hash: entry.hash.clone(), made: entry.made };
            journal::append(&self.home, &line)?;
        }
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            fill::insert(&transaction, &entry)?;
            transaction.commit()
        })
    }

    /// Gives a picture 0 to 5 stars; every copy of the same file has them too.
    ///
    /// # Errors
    /// As [`Catalogue::record`].
    pub fn set_stars(&mut self, hash: &str, stars: u8) -> Result<(), LibraryError> {
        let stars = stars.min(5);
        // First where it survives.
        journal::append(&self.home, &Line::Stars { hash: hash.to_owned(), stars })?;
        self.with(|connection| fill::set_stars(connection, hash, stars))
    }

    /// The pictures that `query` asks for.
    ///
    /// # Errors
    /// A database that does not answer.
    pub fn search(&mut self, query: &Query) -> Result<Page, LibraryError> {
        self.with(|connection| search::search(connection, query))
    }

    /// Every model that a picture was made with, as recipes name it, the most used first.
    ///
    /// # Errors
    /// As [`Catalogue::search`].
    pub fn models(&mut self) -> Result<Vec<String>, LibraryError> {
        self.with(|connection| {
            let sql = "SELECT model FROM pictures WHERE missing = 0 GROUP BY model ORDER BY count(*) DESC, model";
            let mut statement = connection.prepare(sql)?;
            statement.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// Looks at what the disk says: pictures that came, moved, went away or came back.
    ///
    /// # Errors
    /// As [`Catalogue::record`].
    pub fn sync(&mut self) -> Result<Synced, LibraryError> {
        self.with(|connection| schema::quick_check(connection))?;
        let (home, stop) = (self.home.clone(), self.stop.clone());
        self.with(|connection| fill::sync(connection, &home, &stop))
    }

    /// Makes the database again from the pictures and the journal.
    ///
    /// # Errors
    /// As [`Catalogue::record`].
    pub fn rebuild(&mut self) -> Result<Synced, LibraryError> {
        let (home, stop) = (self.home.clone(), self.stop.clone());
        self.with(|connection| {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            transaction.execute_batch("DELETE FROM pictures; DELETE FROM stars; DELETE FROM strangers;")?;
            transaction.execute("INSERT INTO prompts (prompts) VALUES ('rebuild')", params![])?;
            transaction.commit()?;
            fill::sync(connection, &home, &stop)
        })
    }

    fn pictures(&self) -> PathBuf {
        self.home.join("pictures")
    }

    /// Does `work`; where that shows that the database is damaged, makes it again and tries once more.
    fn with<T>(&mut self, work: impl Fn(&mut Connection) -> rusqlite::Result<T>) -> Result<T, LibraryError> {
        match work(&mut self.connection) {
            Err(error) if schema::is_damage(&error) => {
                self.repair()?;
                work(&mut self.connection)
            }
            result => result,
        }
        .map_err(|error| explain(&error, &self.home.join(FILE)))
    }

    /// Sets the damaged database aside and fills a new one.
    fn repair(&mut self) -> Result<(), LibraryError> {
        let path = self.home.join(FILE);
        let lock = lock(&self.home)?;
        let _ = lock.lock();
        // Closed first: its file gets another name.
        self.connection = Connection::open_in_memory().map_err(|error| explain(&error, &path))?;
        // Another program may have made it again meanwhile.
        if let Ok(connection) = schema::open(&path)
            && schema::quick_check(&connection).is_ok()
        {
            self.connection = connection;
            return Ok(());
        }
        let aside = set_aside(&path)?;
        self.connection = schema::open(&path).map_err(|trouble| explain_trouble(trouble, &path))?;
        drop(lock);
        let synced =
            fill::sync(&mut self.connection, &self.home, &self.stop).map_err(|error| explain(&error, &path))?;
        self.notices.push(format!(
            "the library's database was damaged and was made again from {} pictures with their stars; the old one is kept as {}",
            synced.added,
            aside.display()
        ));
        Ok(())
    }
}

/// The file whose lock is held while the database is made or set aside.
pub(super) fn lock(home: &Path) -> Result<File, LibraryError> {
    let path = home.join(LOCK);
    let opened = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    opened.map_err(|error| super::atomic_file::explain(&error, home, &path))
}

/// Gives the database, and what SQLite keeps beside it, a dated name that is free.
fn set_aside(path: &Path) -> Result<PathBuf, LibraryError> {
    let date = jiff::Zoned::now().strftime("%Y-%m-%d-%H%M%S").to_string();
    let names = (1_u32..).map(|n| match n {
        1 => format!("library.broken-{date}.sqlite"),
        n => format!("library.broken-{date}-{n}.sqlite"),
    });
    let mut free = names.map(|name| path.with_file_name(name)).filter(|aside| fs::symlink_metadata(aside).is_err());
    let aside = free.next().unwrap_or_else(|| path.with_extension("broken"));
    fs::rename(path, &aside)
        .map_err(|error| super::atomic_file::explain(&error, path.parent().unwrap_or(path), path))?;
    for kept_beside in ["-wal", "-shm"] {
        let beside = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(kept_beside);
            PathBuf::from(name)
        };
        // Not there where the last program closed it properly.
        let _ = fs::rename(beside(path), beside(&aside));
    }
    Ok(aside)
}

fn explain_trouble(trouble: schema::Trouble, path: &Path) -> LibraryError {
    match trouble {
        schema::Trouble::Newer => LibraryError::Newer { path: path.display().to_string() },
        schema::Trouble::Damaged => {
            LibraryError::Database { why: "it cannot be made".to_owned(), path: path.display().to_string() }
        }
        schema::Trouble::Failed(error) => explain(&error, path),
    }
}

fn explain(error: &Error, path: &Path) -> LibraryError {
    let shown = path.display().to_string();
    let folder = path.parent().unwrap_or(path).display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => LibraryError::DiskFull { path: shown },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LibraryError::Busy { path: shown },
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            LibraryError::FolderReadOnly { why: "the library cannot be written".to_owned(), path: folder }
        }
        _ => {
            let why = error.to_string();
            LibraryError::Database { why: why.lines().next().unwrap_or_default().to_owned(), path: shown }
        }
    }
}
