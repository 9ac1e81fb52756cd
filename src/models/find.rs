//! Which models of the list lie on this computer already, and what else there is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::cache::{self, Cached};
use super::checksum;
use super::known::Known;
use super::progress::{Event, Pace};
use super::walk::{self, Candidate};
use super::{ModelEntry, ModelFile, ModelsError, Part, Places, list};
use crate::weights::{Kind, Weights, identify};

/// Where a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Missing,
    /// Ready for use by this path: a file, or the folder of one.
    Here(PathBuf),
    /// The weights are here, but under a name or without the settings with which they could be used.
    WeightsOnly(PathBuf),
}

/// A model of the list and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub entry: &'static ModelEntry,
    pub state: State,
}

/// A file in a named folder that is none of the list, as its header tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    pub path: PathBuf,
    pub bytes: u64,
    /// The sentence says why where it is no whole safetensors file.
    pub kind: Result<Kind, String>,
}

/// A look through all places; folders are read once and checksums remembered.
pub struct Search {
    places: Places,
    known: Known,
    candidates: Option<Vec<Candidate>>,
}

impl Search {
    pub fn new(places: Places) -> Self {
        let known = Known::load(places.store.as_ref().map(|store| store.join("known.json")));
        Self { places, known, candidates: None }
    }

    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Where `entry` is. Large files of the right length are read once; `say` hears of it.
    ///
    /// # Errors
    /// Only [`ModelsError::Cancelled`]: what cannot be read is not there.
    pub fn find(
        &mut self,
        entry: &ModelEntry,
        say: &mut dyn FnMut(Event),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<State, ModelsError> {
        let state = self.look_for(entry, say, cancelled);
        self.known.save();
        state
    }

    /// Where everything of the list is.
    ///
    /// # Errors
    /// As [`Search::find`].
    pub fn all(&mut self, say: &mut dyn FnMut(Event), cancelled: &dyn Fn() -> bool) -> Result<Vec<Found>, ModelsError> {
        list().iter().map(|entry| Ok(Found { entry, state: self.find(entry, say, cancelled)? })).collect()
    }

    /// Weights in the named folders that are no files of the list.
    pub fn others(&mut self) -> Vec<Other> {
        let known = |path: &Path, known: &Known| {
            let sha256 = fs::metadata(path).ok().and_then(|about| known.sha256(path, &about).map(str::to_owned));
            sha256
                .is_some_and(|sha256| list().iter().flat_map(|e| &e.files).any(|f| f.sha256.as_ref() == Some(&sha256)))
        };
        let candidates = self.candidates().to_vec();
        let others = candidates.into_iter().filter(|candidate| !known(&candidate.path, &self.known));
        let named = |Candidate { path, bytes }| {
            let kind = Weights::open(&path).map(|weights| identify(&weights)).map_err(|error| error.to_string());
            Other { path, bytes, kind }
        };
        others.map(named).collect()
    }

    fn look_for(
        &mut self,
        entry: &ModelEntry,
        say: &mut dyn FnMut(Event),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<State, ModelsError> {
        let Some(weights) = entry.weights() else { return Ok(State::Missing) };
        if let Some(folder) = self.places.store.as_ref().map(|store| store.join(&entry.name))
            && entry.files.iter().all(|file| is_stored(&folder.join(file.name()), file))
        {
            return Ok(State::Here(if entry.folder { folder } else { folder.join(weights.name()) }));
        }
        let snapshots = self.places.hub_cache.as_ref().map(|cache| cache::snapshots(cache, entry)).unwrap_or_default();
        let mut weights_only = State::Missing;
        for snapshot in &snapshots {
            let mut right = Vec::new();
            for file in &entry.files {
                let path = snapshot.join(&file.path);
                right.push(match cache::look(&path, file) {
                    Cached::Right => true,
                    Cached::Wrong => false,
                    Cached::Perhaps => self.is_right(&path, file, say, cancelled)?,
                });
            }
            let path = snapshot.join(&weights.path);
            if right.iter().all(|right| *right) {
                return Ok(State::Here(if entry.folder { folder_of(&path) } else { path }));
            }
            if right.first() == Some(&true) {
                weights_only = State::WeightsOnly(path);
            }
        }
        if entry.part == Part::Model
            && let Some(whole) = snapshots.iter().find(|snapshot| cache::is_whole_model(snapshot))
        {
            return Ok(State::Here(whole.clone()));
        }
        let lengths = |candidate: &&Candidate| Some(candidate.bytes) == weights.bytes;
        let candidates: Vec<PathBuf> = self.candidates().iter().filter(lengths).map(|c| c.path.clone()).collect();
        for path in candidates {
            if !self.is_right(&path, weights, say, cancelled)? {
                continue;
            }
            if !entry.folder {
                return Ok(State::Here(path));
            }
            let folder = folder_of(&path);
            let is_named = path.file_name().is_some_and(|name| name == weights.name());
            if is_named && entry.files.iter().skip(1).all(|file| is_settings(&folder.join(file.name()))) {
                return Ok(State::Here(folder));
            }
            weights_only = State::WeightsOnly(path);
        }
        Ok(weights_only)
    }

    fn candidates(&mut self) -> &[Candidate] {
        let named = &self.places.named;
        self.candidates.get_or_insert_with(|| named.iter().flat_map(|root| walk::candidates(root)).collect())
    }

    /// Whether a file of the right length has the right bytes; one without a known checksum has.
    fn is_right(
        &mut self,
        path: &Path,
        file: &ModelFile,
        say: &mut dyn FnMut(Event),
        cancelled: &dyn Fn() -> bool,
    ) -> Result<bool, ModelsError> {
        let Some(wanted) = &file.sha256 else { return Ok(true) };
        let Ok(about) = fs::metadata(path) else { return Ok(false) };
        if let Some(sha256) = self.known.sha256(path, &about) {
            return Ok(sha256 == wanted);
        }
        let (name, mut pace) = (path.display().to_string(), Pace::default());
        let mut look = |done| {
            let progress = pace.mark(Instant::now(), done, Some(about.len()));
            say(Event::Checking { file: name.clone(), progress });
            !cancelled()
        };
        match checksum::of_file(path, &mut look) {
            Ok(Some(found)) => {
                self.known.note(path, &about, &found);
                Ok(found == *wanted)
            }
            Ok(None) => Err(ModelsError::Cancelled),
            Err(_) => Ok(false),
        }
    }
}

/// A file that this program put there, checked before it got its name.
pub(super) fn is_stored(path: &Path, file: &ModelFile) -> bool {
    let Ok(about) = fs::metadata(path) else { return false };
    about.is_file() && about.len() > 0 && file.bytes.is_none_or(|bytes| bytes == about.len())
}

/// Settings may be written in many ways; the engine checks them against the weights.
fn is_settings(path: &Path) -> bool {
    const LONGEST: u64 = 1 << 20;
    let short = fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() <= LONGEST);
    let text = short.then(|| fs::read(path).ok()).flatten();
    text.is_some_and(|text| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&text).is_ok())
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new(".")).to_owned()
}
