//! Looking for models, on a thread of its own: through folders, and into large files where only a checksum tells.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::background::Done;
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
        let list = move || {
            let stopped = || stop.load(Ordering::Relaxed);
            let places = places().map_err(said)?;
            let folders = match &places.store {
                Some(store) => Folders::load(store).map_err(said)?.folders,
                None => Vec::new(),
            };
            Ok((Listing::of(&places, entries, &stopped), folders))
        };
        let listed = move |found| Done::Models(ModelsDone::Listed(look, found));
        let ModelSource { places, .. } = self.models.source.clone();
        let (stop, slot, waker) = (self.models.stop.clone(), self.models.checking.clone(), self.models.waker.clone());
        let told = slot.clone();
        let locate = move || {
            let stopped = || stop.load(Ordering::Relaxed);
            let mut search = Search::new(places().map_err(said)?);
            let mut found = Vec::new();
            for entry in entries {
                let mut say = throttled(&slot, &entry.name, &waker);
                let state = search.find(entry, &mut say, &stopped).map_err(said)?;
                let store = search.places().store.as_deref();
                let unfinished = store.map_or(0, |store| unfinished_bytes(store, entry));
                found.push((entry.name.clone(), state, unfinished));
            }
            Ok(found)
        };
        let located = move |found| {
            tell(&told, None);
            Done::Models(ModelsDone::Located(look, found))
        };
        if !self.models.looking.submit(list, listed) || !self.models.looking.submit(locate, located) {
            self.models.is_looking = false;
        }
    }
}

fn said(error: ModelsError) -> String {
    error.to_string()
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
