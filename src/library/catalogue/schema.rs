//! The database's tables, and opening it: write-ahead log, patience with other programs, migrations.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Error, ErrorCode, ffi};

/// How long to wait for another program that writes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Each brings a database from the version of its index to the next; `user_version` counts them.
const MIGRATIONS: &[&str] = &["
CREATE TABLE pictures (
    id INTEGER PRIMARY KEY,
    path NOT NULL UNIQUE,        -- text, or bytes where a path is not Unicode
    hash TEXT NOT NULL,          -- blake3 of the file
    size INTEGER NOT NULL,       -- bytes, and the time of the last change in ns: has the file been replaced?
    modified INTEGER NOT NULL,
    made INTEGER NOT NULL,       -- ms since 1970
    prompt TEXT NOT NULL,
    model TEXT NOT NULL,
    recipe TEXT NOT NULL,        -- JSON
    missing INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX pictures_made ON pictures (made);
CREATE INDEX pictures_hash ON pictures (hash);
CREATE INDEX pictures_model ON pictures (model);
CREATE TABLE picture_references (
    picture INTEGER NOT NULL REFERENCES pictures (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    hash TEXT NOT NULL,
    mode TEXT NOT NULL,
    PRIMARY KEY (picture, position)
) WITHOUT ROWID;
CREATE INDEX picture_references_hash ON picture_references (hash);
-- Stars belong to what a file holds, not to where it lies.
CREATE TABLE stars (hash TEXT PRIMARY KEY, stars INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5)) WITHOUT ROWID;
-- Pictures in the folder that carry no recipe of ours, so that they are not read at every start.
CREATE TABLE strangers (path NOT NULL PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE prompts USING fts5 (
    prompt, content = 'pictures', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER pictures_inserted AFTER INSERT ON pictures BEGIN
    INSERT INTO prompts (rowid, prompt) VALUES (new.id, new.prompt);
END;
CREATE TRIGGER pictures_deleted AFTER DELETE ON pictures BEGIN
    INSERT INTO prompts (prompts, rowid, prompt) VALUES ('delete', old.id, old.prompt);
END;
CREATE TRIGGER pictures_updated AFTER UPDATE OF prompt ON pictures BEGIN
    INSERT INTO prompts (prompts, rowid, prompt) VALUES ('delete', old.id, old.prompt);
    INSERT INTO prompts (rowid, prompt) VALUES (new.id, new.prompt);
END;
"];

/// Reads every column that this program uses, so that a stranger's database is known at once.
const CHECK: &str = "
SELECT p.id, p.path, p.hash, p.size, p.modified, p.made, p.prompt, p.model, p.recipe, p.missing,
       r.picture, r.position, r.hash, r.mode, s.hash, s.stars, x.path, x.size, x.modified, f.prompt
FROM pictures p, picture_references r, stars s, strangers x, prompts f LIMIT 1";

/// Why a database could not be opened.
pub enum Trouble {
    /// It is none, is damaged, or has other tables.
    Damaged,
    /// A newer program wrote it.
    Newer,
    Failed(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        if is_damage(&error) { Self::Damaged } else { Self::Failed(error) }
    }
}

/// Whether the file itself is at fault, and not the moment.
pub fn is_damage(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || matches!(error, Error::InvalidColumnType(..) | Error::FromSqlConversionFailure(..))
}

/// Opens the database at `path`, made or brought up to date where needed.
///
/// `lock` is held meanwhile: SQLite does not wait for another program that switches on the write-ahead log.
pub fn connect(path: &Path, lock: &File) -> Result<Connection, Trouble> {
    let _ = lock.lock();
    let opened = open(path);
    let _ = lock.unlock();
    opened
}

/// As [`connect`], by who holds the lock already.
pub fn open(path: &Path) -> Result<Connection, Trouble> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // With a write-ahead log this keeps the file sound; what the last moments before a power cut brought is found
    // again in the pictures themselves.
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > MIGRATIONS.len() {
        return Err(Trouble::Newer);
    }
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if version == 0 && tables > 0 {
        return Err(Trouble::Damaged);
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", index as i64 + 1)?;
        transaction.commit()?;
    }
    // Whatever is wrong with our own words, the tables are at fault.
    match connection.prepare(CHECK).and_then(|mut statement| statement.exists([])) {
        Ok(_) => Ok(connection),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Err(Trouble::Failed(error)),
        Err(_) => Err(Trouble::Damaged),
    }
}

/// Reads the whole file once.
///
/// # Errors
/// One that [`is_damage`] knows where anything is wrong with it.
pub fn quick_check(connection: &Connection) -> rusqlite::Result<()> {
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    match said.as_str() {
        "ok" => Ok(()),
        _ => Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(said))),
    }
}
