//! Models of the list, fetched inside the window: after their licences, one after the other, to be stopped and resumed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::background::Done;
use super::models::{ModelSource, ModelsDone};
use super::models_look::{newest, tell, throttled};
use super::notes::Place;
use super::state::AppState;
use crate::models::{Event, Getting, ModelEntry, ModelsError, Search, State, ensure_space, get, unfinished_bytes};

/// A model of the list, and what is known of it.
pub struct Ware {
    pub entry: &'static ModelEntry,
    /// None until it was looked for.
    pub place: Option<State>,
    /// Bytes of a download that was stopped.
    pub unfinished: u64,
    pub fetch: Fetch,
    cancel: Arc<AtomicBool>,
    /// Counts up with every download of it; only the end of the newest one counts.
    number: u64,
}

/// How a download stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetch {
    Idle,
    /// Waiting for others, or at work: see [`AppState::fetching`].
    Asked,
    /// It was at work, and ends as soon as it hears of it.
    Stopping,
    Failed(String),
}

/// How a download ended.
pub struct Fetched {
    name: String,
    number: u64,
    unfinished: u64,
    /// None for one that was stopped.
    result: Result<Option<PathBuf>, String>,
}

impl Ware {
    pub(super) fn new(entry: &'static ModelEntry) -> Self {
        Self { entry, place: None, unfinished: 0, fetch: Fetch::Idle, cancel: Arc::default(), number: 0 }
    }

    pub fn is_here(&self) -> bool {
        matches!(self.place, Some(State::Here(_)))
    }

    /// Bytes that a download would still bring.
    pub fn missing_bytes(&self) -> u64 {
        match self.place {
            Some(State::Here(_)) => 0,
            Some(State::WeightsOnly(_)) => self.entry.files.iter().skip(1).filter_map(|file| file.bytes).sum(),
            _ => self.entry.bytes().saturating_sub(self.unfinished),
        }
    }
}

impl AppState {
    /// The model that is being fetched, and how far it is.
    pub fn fetching(&self) -> Option<(String, Event)> {
        newest(&self.models.fetching)
    }

    /// A model of the list with those that it does not work without, as far as they are not here.
    pub fn wanted_wares(&self, name: &str) -> Vec<&Ware> {
        let ware = |name: &str| self.models.wares.iter().find(|ware| ware.entry.name == name);
        let Some(first) = ware(name) else { return Vec::new() };
        let needed = first.entry.needs.iter().filter_map(|need| ware(need));
        [first].into_iter().chain(needed).filter(|ware| !ware.is_here()).collect()
    }

    /// The licences have been accepted.
    pub(super) fn fetch(&mut self, name: &str) {
        self.models.asking = None;
        let wanted: Vec<&'static ModelEntry> = self.wanted_wares(name).iter().map(|ware| ware.entry).collect();
        // Weights that lie elsewhere on this disk are used from there.
        let is_elsewhere = |ware: &Ware| matches!(ware.place, Some(State::WeightsOnly(_)));
        let large = self.models.wares.iter().filter(|ware| !is_elsewhere(ware)).map(|ware| &ware.entry.name);
        let large: Vec<String> = large.cloned().collect();
        for (index, entry) in wanted.iter().enumerate() {
            let Some(ware) = self.models.wares.iter_mut().find(|ware| ware.entry.name == entry.name) else { continue };
            if ware.fetch == Fetch::Asked {
                continue;
            }
            // A flag of its own: the one before may still be stopping a download.
            let cancel = Arc::<AtomicBool>::default();
            (ware.fetch, ware.cancel) = (Fetch::Asked, cancel.clone());
            ware.number += 1;
            let number = ware.number;
            let entry = *entry;
            // Those that come after it must find space too.
            let rest = wanted.iter().skip(index).copied().filter(|entry| large.contains(&entry.name));
            let rest: Vec<&'static ModelEntry> = rest.collect();
            let (source, stop, slot, waker) = (
                self.models.source.clone(),
                self.models.stop.clone(),
                self.models.fetching.clone(),
                self.models.waker.clone(),
            );
            let told = slot.clone();
            let fetch = move || {
                let cancelled = || stop.load(Ordering::Relaxed) || cancel.load(Ordering::Relaxed);
                let mut say = throttled(&slot, &entry.name, &waker);
                let result = match bring(entry, &rest, &source, &mut say, &cancelled) {
                    Ok(path) => Ok(Some(path)),
                    Err(ModelsError::Cancelled) => Ok(None),
                    Err(error) => Err(error.to_string()),
                };
                let places = (source.places)().ok();
                let store = places.and_then(|places| places.store);
                let unfinished = store.map_or(0, |store| unfinished_bytes(&store, entry));
                Ok((unfinished, result))
            };
            let answer = move |fetched: Result<(u64, Result<Option<PathBuf>, String>), String>| {
                tell(&told, None);
                let (unfinished, result) = fetched.unwrap_or_else(|why| (0, Err(why)));
                Done::Models(ModelsDone::Fetched(Fetched { name: entry.name.clone(), number, unfinished, result }))
            };
            if !self.models.downloads.submit(fetch, answer)
                && let Some(ware) = self.models.wares.iter_mut().find(|ware| ware.entry.name == entry.name)
            {
                ware.fetch = Fetch::Failed("too many downloads are waiting; try again in a moment".to_owned());
            }
        }
    }

    pub(super) fn stop_fetching(&mut self, name: &str) {
        let is_at_work = self.fetching().is_some_and(|(at_work, _)| at_work == name);
        if let Some(ware) = self.models.wares.iter_mut().find(|ware| ware.entry.name == name) {
            ware.cancel.store(true, Ordering::Relaxed);
            // One that waits for its turn is stopped before it begins.
            ware.fetch = if is_at_work { Fetch::Stopping } else { Fetch::Idle };
        }
    }

    pub(super) fn take_fetched(&mut self, fetched: Fetched) {
        let Fetched { name, number, unfinished, result } = fetched;
        let Some(ware) = self.models.wares.iter_mut().find(|ware| ware.entry.name == name) else { return };
        ware.unfinished = unfinished;
        if number != ware.number && !matches!(result, Ok(Some(_))) {
            // It was asked for again since, and waits for its turn.
            return;
        }
        match result {
            Ok(Some(path)) => {
                ware.fetch = Fetch::Idle;
                ware.place = Some(State::Here(path));
                let said = format!("{} is on this computer now; use it in Models", ware.entry.title);
                self.notes.info(Place::Model, said);
                self.look_for_models();
            }
            Ok(None) => ware.fetch = Fetch::Idle,
            Err(why) => {
                tracing::warn!("{name} was not fetched: {why}");
                ware.fetch = Fetch::Failed(why);
            }
        }
    }
}

/// Runs on the thread of downloads.
fn bring(
    entry: &ModelEntry,
    rest: &[&ModelEntry],
    source: &ModelSource,
    say: &mut dyn FnMut(Event),
    cancelled: &dyn Fn() -> bool,
) -> Result<PathBuf, ModelsError> {
    if cancelled() {
        return Err(ModelsError::Cancelled);
    }
    let mut search = Search::new((source.places)()?);
    let hub = (source.hub)()?;
    ensure_space(rest, search.places(), &source.patience)?;
    let mut work = Getting { hub: &hub, patience: &source.patience, say, cancelled };
    get(entry, &mut search, &mut work)
}
