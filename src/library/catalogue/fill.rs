//! Entering pictures, one by one or by looking at the disk.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::Stop;
use crate::library::journal::{self, Journal, StoredPath};
use crate::pixels;
use crate::recipe::Recipe;

/// Pictures entered at a time: other programs wait no longer than that takes, and a kill loses no more.
const AT_A_TIME: usize = 32;
/// Folders within folders of the pictures that are looked into.
const DEEPEST: usize = 4;
/// As large as any picture that this program opens.
const LARGEST: u64 = pixels::MOST_FILE_BYTES;

/// A picture as it is entered.
#[derive(Debug)]
pub struct Entry {
    pub path: PathBuf,
    pub hash: String,
    pub made: i64,
    stamp: Stamp,
    recipe: String,
    prompt: String,
    model: String,
    references: Vec<(String, &'static str)>,
}

/// By which a file is known to be the one of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Stamp {
    size: i64,
    modified: i64,
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        Self {
            size: i64::try_from(metadata.len()).unwrap_or(i64::MAX),
            modified: modified.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0),
        }
    }
}

impl Entry {
    pub fn new(path: &Path, bytes: &[u8], made: i64, recipe: &Recipe) -> Self {
        Self {
            path: path.to_owned(),
            hash: blake3::hash(bytes).to_hex().to_string(),
            made,
            stamp: fs::metadata(path).map(|metadata| Stamp::of(&metadata)).unwrap_or_default(),
            // A recipe is plain data and always becomes JSON.
            recipe: serde_json::to_string(recipe).unwrap_or_default(),
            prompt: recipe.prompt.clone(),
            model: recipe.model.model.clone(),
            references: recipe.references.iter().map(|r| (r.hash.clone(), r.role.name())).collect(),
        }
    }
}

/// What a look at the disk has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Synced {
    pub added: u64,
    pub moved: u64,
    /// Known before, and not where they were.
    pub gone: u64,
    pub came_back: u64,
}

pub fn insert(transaction: &Transaction, entry: &Entry) -> rusqlite::Result<()> {
    let path = StoredPath::from(entry.path.as_path());
    transaction.execute("DELETE FROM pictures WHERE path = ?1", params![path])?;
    transaction.execute("DELETE FROM strangers WHERE path = ?1", params![path])?;
    transaction.prepare_cached(
        "INSERT INTO pictures (path, hash, size, modified, made, prompt, model, recipe) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?.execute(params![
        path,
        entry.hash,
        entry.stamp.size,
        entry.stamp.modified,
        entry.made,
        entry.prompt,
        entry.model,
        entry.recipe
    ])?;
    let id = transaction.last_insert_rowid();
    let sql = "INSERT INTO picture_references (picture, position, hash, mode) VALUES (?1, ?2, ?3, ?4)";
    for (position, (hash, mode)) in entry.references.iter().enumerate() {
        transaction.prepare_cached(sql)?.execute(params![id, position as i64, hash, mode])?;
    }
    Ok(())
}

pub fn set_stars(connection: &Connection, hash: &str, stars: u8) -> rusqlite::Result<()> {
    match stars {
        0 => connection.execute("DELETE FROM stars WHERE hash = ?1", params![hash]),
        _ => connection.execute(
            "INSERT INTO stars (hash, stars) VALUES (?1, ?2) ON CONFLICT (hash) DO UPDATE SET stars = excluded.stars",
            params![hash, stars],
        ),
    }
    .map(drop)
}

/// A row as it is compared with the disk.
struct Known {
    id: i64,
    path: PathBuf,
    hash: String,
    stamp: Stamp,
    is_missing: bool,
}

/// Brings the database to what the disk and the journal say.
pub fn sync(connection: &mut Connection, home: &Path, stop: &Stop) -> rusqlite::Result<Synced> {
    let Journal { stars, pictures } = journal::read(home);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (hash, stars) in &stars {
        set_stars(&transaction, hash, *stars)?;
    }
    transaction.commit()?;

    let known = known(connection)?;
    let strangers = strangers(connection)?;
    let by_path: HashMap<&Path, &Known> = known.iter().map(|known| (known.path.as_path(), known)).collect();
    let mut by_hash: HashMap<&str, Vec<&Known>> = HashMap::new();
    for known in &known {
        by_hash.entry(&known.hash).or_default().push(known);
    }
    let mut found: Vec<(PathBuf, Option<i64>)> = Vec::new();
    let folder = home.join("pictures");
    list(&fs::canonicalize(&folder).unwrap_or(folder), 0, &mut found);
    found.extend(pictures.into_iter().map(|(path, made)| (path, Some(made))));

    let mut synced = Synced::default();
    let mut present: HashSet<PathBuf> = HashSet::new();
    let mut entries: Vec<Entry> = Vec::new();
    let mut passed_over: Vec<(PathBuf, Stamp)> = Vec::new();
    for (path, made) in found {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let Ok(metadata) = fs::metadata(&path) else { continue };
        let stamp = Stamp::of(&metadata);
        if !metadata.is_file() || metadata.len() > LARGEST || strangers.get(&path) == Some(&stamp) {
            continue;
        }
        let is_new = present.insert(path.clone());
        if !is_new || by_path.get(path.as_path()).is_some_and(|known| known.stamp == stamp) {
            continue;
        }
        match read(&path, made.unwrap_or(stamp.modified / 1_000_000)) {
            Some(entry) => entries.push(entry),
            None => passed_over.push((path, stamp)),
        }
        if entries.len() + passed_over.len() >= AT_A_TIME {
            enter(connection, &by_path, &by_hash, &mut entries, &mut passed_over, &mut synced)?;
        }
    }
    enter(connection, &by_path, &by_hash, &mut entries, &mut passed_over, &mut synced)?;
    mark(connection, &known, &mut synced)?;
    Ok(synced)
}

/// Enters what was read. A picture whose old place is empty has moved.
fn enter(
    connection: &mut Connection,
    by_path: &HashMap<&Path, &Known>,
    by_hash: &HashMap<&str, Vec<&Known>>,
    entries: &mut Vec<Entry>,
    passed_over: &mut Vec<(PathBuf, Stamp)>,
    synced: &mut Synced,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for mut entry in entries.drain(..) {
        let copies = by_hash.get(entry.hash.as_str()).into_iter().flatten();
        let mut left = copies.filter(|known| known.path != entry.path && !known.path.exists());
        let is_known = by_path.contains_key(entry.path.as_path());
        match left.next() {
            Some(old) if !is_known => {
                // It was made when it was made, whatever copying did to the file's own date.
                let sql = "DELETE FROM pictures WHERE id = ?1 RETURNING made";
                if let Some(made) = transaction.query_row(sql, params![old.id], |row| row.get(0)).optional()? {
                    entry.made = made;
                    synced.moved += 1;
                }
            }
            _ if !is_known => synced.added += 1,
            _ => {}
        }
        insert(&transaction, &entry)?;
    }
    let sql = "INSERT OR REPLACE INTO strangers (path, size, modified) VALUES (?1, ?2, ?3)";
    for (path, stamp) in passed_over.drain(..) {
        let path = StoredPath::from(path.as_path());
        transaction.execute("DELETE FROM pictures WHERE path = ?1", params![path])?;
        transaction.prepare_cached(sql)?.execute(params![path, stamp.size, stamp.modified])?;
    }
    transaction.commit()
}

/// Notes which of the known pictures are no longer there, and which are again.
fn mark(connection: &mut Connection, known: &[Known], synced: &mut Synced) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for known in known {
        let is_missing = !known.path.is_file();
        if is_missing != known.is_missing {
            let sql = "UPDATE pictures SET missing = ?2 WHERE id = ?1";
            let changed = transaction.prepare_cached(sql)?.execute(params![known.id, is_missing])? as u64;
            let count = if is_missing { &mut synced.gone } else { &mut synced.came_back };
            *count += changed;
        }
    }
    transaction.commit()
}

fn known(connection: &Connection) -> rusqlite::Result<Vec<Known>> {
    let mut statement = connection.prepare("SELECT id, path, hash, size, modified, missing FROM pictures")?;
    let rows = statement.query_map([], |row| {
        Ok(Known {
            id: row.get(0)?,
            path: row.get::<_, StoredPath>(1)?.into(),
            hash: row.get(2)?,
            stamp: Stamp { size: row.get(3)?, modified: row.get(4)? },
            is_missing: row.get(5)?,
        })
    })?;
    rows.collect()
}

fn strangers(connection: &Connection) -> rusqlite::Result<HashMap<PathBuf, Stamp>> {
    let mut statement = connection.prepare("SELECT path, size, modified FROM strangers")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, StoredPath>(0)?.into(), Stamp { size: row.get(1)?, modified: row.get(2)? }))
    })?;
    rows.collect()
}

/// The files that may be pictures of ours in a folder and in those within it. Links are not followed, so there is no way
/// round in a circle.
fn list(folder: &Path, depth: usize, out: &mut Vec<(PathBuf, Option<i64>)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if kind.is_dir() && depth < DEEPEST {
            list(&path, depth + 1, out);
        } else if kind.is_file() && pixels::PictureFormat::of(&path).is_some() {
            out.push((path, None));
        }
    }
}

/// A picture with a recipe of ours; `None` for any other.
fn read(path: &Path, made: i64) -> Option<Entry> {
    let bytes = fs::read(path).ok()?;
    let carried = pixels::carried(&bytes, &path.to_string_lossy()).ok()?;
    let recipe: Recipe = serde_json::from_str(&carried.recipe_json?).ok()?;
    Some(Entry::new(path, &bytes, made, &recipe))
}
