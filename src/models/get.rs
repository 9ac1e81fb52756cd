//! One model of the list brought into the store: from elsewhere on this disk where it lies there, else from the hub.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::download::{Patience, Source, download};
use super::find::{State, is_stored};
use super::folders::make_folder;
use super::part::{PartFile, part_path};
use super::progress::{Event, Pace};
use super::{Hub, ModelEntry, ModelFile, ModelsError, Places, Search, size};

/// What [`get`] works with.
pub struct Getting<'a> {
    pub hub: &'a Hub,
    pub patience: &'a Patience,
    pub say: &'a mut dyn FnMut(Event),
    pub cancelled: &'a dyn Fn() -> bool,
}

/// Makes sure that `entry` is on this computer, and returns the path to use it by.
///
/// Two processes that want the same model do not disturb each other: the second waits, and finds it there.
///
/// # Errors
/// See [`ModelsError`]. Files that are whole stay, and an unfinished one is continued by the next call.
pub fn get(entry: &ModelEntry, search: &mut Search, work: &mut Getting) -> Result<PathBuf, ModelsError> {
    let store = search.places().store()?.to_owned();
    let folder = store.join(&entry.name);
    make_folder(&folder)?;
    let _lock = lock(&store.join(".locks"), &entry.name, work)?;
    let weights = match search.find(entry, work.say, work.cancelled)? {
        State::Here(path) => return Ok(path),
        State::WeightsOnly(path) => Some(path),
        State::Missing => None,
    };
    for (index, file) in entry.files.iter().enumerate() {
        let target = folder.join(file.name());
        if is_stored(&target, file) {
            continue;
        }
        if let Some(elsewhere) = weights.as_ref().filter(|_| index == 0) {
            reuse(elsewhere, &target, file, work)?;
            continue;
        }
        let source = Source { address: work.hub.address(&entry.repo, &entry.revision, &file.path), file };
        download(work.hub, &source, &target, work.patience, work.say, work.cancelled)?;
    }
    match search.find(entry, work.say, work.cancelled)? {
        State::Here(path) => Ok(path),
        _ => Err(ModelsError::Disk {
            file: folder.display().to_string(),
            why: "a file in it has changed".to_owned(),
            advice: "try again when nothing else writes there",
        }),
    }
}

/// Bytes of `entry` that an unfinished download has left in the store.
pub fn unfinished_bytes(store: &Path, entry: &ModelEntry) -> u64 {
    let part = |file: &ModelFile| fs::metadata(part_path(&store.join(&entry.name).join(file.name())));
    entry.files.iter().filter_map(|file| part(file).ok()).map(|about| about.len()).sum()
}

/// Whether the disk of the store has room for what is missing of `entries`, all together.
///
/// # Errors
/// [`ModelsError::NoSpace`], before anything is fetched.
pub fn ensure_space(entries: &[&ModelEntry], places: &Places, patience: &Patience) -> Result<(), ModelsError> {
    let store = places.store()?;
    make_folder(store)?;
    let stored = |entry: &ModelEntry| -> u64 {
        let folder = store.join(&entry.name);
        let whole = entry.files.iter().filter(|file| is_stored(&folder.join(file.name()), file));
        whole.filter_map(|file| file.bytes).sum()
    };
    let missing =
        |entry: &ModelEntry| entry.bytes().saturating_sub(stored(entry)).saturating_sub(unfinished_bytes(store, entry));
    let needed = entries.iter().map(|entry| missing(entry)).sum();
    match (patience.free_space)(store) {
        Ok(free) if free < needed => Err(ModelsError::NoSpace {
            folder: store.display().to_string(),
            file: entries.iter().map(|entry| entry.title.as_str()).collect::<Vec<_>>().join(" with "),
            free: size(free),
            needed: size(needed),
        }),
        // A file system that does not tell is tried.
        _ => Ok(()),
    }
}

/// Held until the file is dropped, also by the death of the process.
fn lock(folder: &Path, name: &str, work: &mut Getting) -> Result<File, ModelsError> {
    make_folder(folder)?;
    let path = folder.join(name);
    let bad = |error: std::io::Error| ModelsError::Disk {
        file: path.display().to_string(),
        why: error.to_string(),
        advice: "check its permissions",
    };
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(bad)?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                if (work.cancelled)() {
                    return Err(ModelsError::Cancelled);
                }
                if !std::mem::replace(&mut told, true) {
                    (work.say)(Event::Waiting);
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            // A file system without locks has no second process to fear more than any other.
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(bad(error)),
        }
    }
}

/// A second name for the file, which costs no space; where that cannot be, a checked copy.
fn reuse(from: &Path, target: &Path, file: &ModelFile, work: &mut Getting) -> Result<(), ModelsError> {
    (work.say)(Event::Reused { file: file.name().to_owned(), from: from.display().to_string() });
    // A name that leads to a file of the wrong length stands in the way.
    let _ = fs::remove_file(target);
    let real = fs::canonicalize(from).unwrap_or_else(|_| from.to_owned());
    if fs::hard_link(&real, target).is_ok() {
        return Ok(());
    }
    let failed =
        |error: std::io::Error| ModelsError::CannotWrite { file: target.display().to_string(), why: error.to_string() };
    let mut part =
        PartFile::open(target, &mut |_| !(work.cancelled)()).map_err(failed)?.ok_or(ModelsError::Cancelled)?;
    part.restart(super::part::Origin::default()).map_err(failed)?;
    let mut source = File::open(&real).map_err(failed)?;
    let (mut buffer, mut pace) = (vec![0; 1 << 20], Pace::default());
    loop {
        if (work.cancelled)() {
            return Err(ModelsError::Cancelled);
        }
        let read = source.read(&mut buffer).map_err(failed)?;
        let Some(data) = buffer.get(..read).filter(|data| !data.is_empty()) else { break };
        part.append(data).map_err(failed)?;
        let progress = pace.mark(std::time::Instant::now(), part.len(), file.bytes);
        (work.say)(Event::Checking { file: file.name().to_owned(), progress });
    }
    let found = part.checksum.clone().hex();
    if let Some(wanted) = file.sha256.clone().filter(|wanted| *wanted != found) {
        part.remove();
        return Err(ModelsError::WrongHash { file: file.name().to_owned(), wanted, found });
    }
    part.finish().map_err(failed)
}
