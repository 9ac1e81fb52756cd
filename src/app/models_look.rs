//! Looking for models, on a thread of its own: through folders, and into large files where only a checksum tells.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::background::{Done, guarded};
use super::models::{ModelSource, ModelsDone};
use super::state::AppState;
use crate::engine::Waker;
use crate::models::{Event, Folders, Listing, ModelsError, Search, unfinished_bytes};

/// The newest event of a thread; older ones interest nobody.
pub(super) type Newest = Arc<Mutex<Option<(String, Event)>>>;

pub(super) fn newest(slot: &Newest) -> Option<(String, Event)> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

pub(super) fn tell(slot: &Newest, event: Option<(String, Event)>) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = event;
}

impl AppState {
    /// Looks through all places: first what there is, then, where files must be read whole, which of the list it is.
    pub(super) fn look_for_models(&mut self) {
        self.models.has_looked = true;
        if std::mem::replace(&mut self.models.is_looking, true) {
            // What changed may lie behind the look that is under way.
            self.models.look_again = true;
            return;
        }
        self.models.look_again = false;
        self.models.look += 1;
        let look = self.models.look;
        let ModelSource { places, entries, .. } = self.models.source.clone();
        let stop = self.models.stop.clone();
        let listed = move || {
            let stopped = || stop.load(Ordering::Relaxed);
            let list = move || {
                let places = places()?;
                let folders = match &places.store {
                    Some(store) => Folders::load(store)?.folders,
                    None => Vec::new(),
                };
                Ok((Listing::of(&places, entries, &stopped), folders))
            };
            Done::Models(ModelsDone::Listed(look, told(list)))
        };
        let ModelSource { places, .. } = self.models.source.clone();
        let (stop, slot, waker) = (self.models.stop.clone(), self.models.checking.clone(), self.models.waker.clone());
        let located = move || {
            let stopped = || stop.load(Ordering::Relaxed);
            let locate = || {
                let mut search = Search::new(places()?);
                let mut found = Vec::new();
                for entry in entries {
                    let mut say = throttled(&slot, &entry.name, &waker);
                    let state = search.find(entry, &mut say, &stopped)?;
                    let store = search.places().store.as_deref();
                    let unfinished = store.map_or(0, |store| unfinished_bytes(store, entry));
                    found.push((entry.name.clone(), state, unfinished));
                }
                Ok(found)
            };
            let located = told(locate);
            tell(&slot, None);
            Done::Models(ModelsDone::Located(look, located))
        };
        if !self.models.looking.submit(listed) || !self.models.looking.submit(located) {
            self.models.is_looking = false;
        }
    }
}

/// What came of a look, or why nothing did: a bug too is an end to it.
fn told<T>(look: impl FnOnce() -> Result<T, ModelsError>) -> Result<T, String> {
    guarded(look).and_then(|found| found.map_err(|error| error.to_string()))
}

/// Leaves events in `slot`, and wakes the window for some of them: a disk is faster than a screen.
pub(super) fn throttled(slot: &Newest, name: &str, waker: &Waker) -> impl FnMut(Event) + use<> {
    const PAUSE: Duration = Duration::from_millis(100);
    let (slot, name, waker) = (slot.clone(), name.to_owned(), waker.clone());
    let mut last: Option<Instant> = None;
    move |event| {
        let is_number = matches!(event, Event::Data { .. } | Event::Checking { .. });
        tell(&slot, Some((name.clone(), event)));
        if !is_number || last.is_none_or(|at| at.elapsed() > PAUSE) {
            last = is_number.then(Instant::now);
            waker();
        }
    }
}
