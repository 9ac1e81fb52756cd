//! A pickled file of weights that was dropped or named: what it is, its safe twin, and a conversion on request.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::background::Done;
use super::models::ModelsDone;
use super::notes::Place;
use super::state::AppState;
use crate::models::{Item, ModelEntry, ModelsError, Places, Progress, Twin, begin_copy, import_new, name_of};

/// A pickle about which the artist is asked.
#[derive(Debug, Clone)]
pub struct Pickled {
    pub path: PathBuf,
    pub name: String,
    pub bytes: u64,
    pub twin: Twin,
    pub stand: Stand,
    /// Of the conversion.
    progress: Arc<Mutex<Option<Progress>>>,
    /// One for each try, which names it too.
    cancel: Arc<AtomicBool>,
}

/// How the conversion of a pickle stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// Nobody has asked for it.
    Idle,
    AtWork,
    /// Another try may end otherwise.
    Failed(String),
    /// No try can end otherwise.
    Refused(String),
}

/// How a conversion ended.
pub struct Converted {
    job: Arc<AtomicBool>,
    result: Result<Box<Item>, Stand>,
}

impl Pickled {
    pub(super) fn new(path: &Path, entries: &'static [ModelEntry]) -> Self {
        Self {
            path: path.to_owned(),
            name: name_of(path),
            bytes: std::fs::metadata(path).map_or(0, |about| about.len()),
            twin: Twin::of(path, entries),
            stand: Stand::Idle,
            progress: Arc::default(),
            cancel: Arc::default(),
        }
    }

    /// How far the conversion is.
    pub fn progress(&self) -> Option<Progress> {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AppState {
    pub(super) fn import_pickled(&mut self) {
        let Some(pickled) = self.models.pickled.as_mut().filter(|pickled| pickled.stand != Stand::AtWork) else {
            return;
        };
        pickled.stand = Stand::AtWork;
        pickled.cancel = Arc::default();
        let (from, slot, cancel) = (pickled.path.clone(), pickled.progress.clone(), pickled.cancel.clone());
        let (source, stop, waker) = (self.models.source.clone(), self.models.stop.clone(), self.models.waker.clone());
        let job = cancel.clone();
        let import = move || {
            let mut say = |progress| {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
                waker();
            };
            let cancelled = || stop.load(Ordering::Relaxed) || cancel.load(Ordering::Relaxed);
            Ok((source.places)()
                .map_err(stand)
                .and_then(|places| convert(&from, &places, source.converter.as_deref(), &mut say, &cancelled)))
        };
        let answer = move |result: Result<Result<Item, Stand>, String>| {
            let result = result.unwrap_or_else(|why| Err(Stand::Failed(why))).map(Box::new);
            Done::Models(ModelsDone::Converted(Converted { job, result }))
        };
        if !self.models.imports.submit(import, answer)
            && let Some(pickled) = &mut self.models.pickled
        {
            pickled.stand = Stand::Failed("too much is waiting; try again in a moment".to_owned());
        }
    }

    pub(super) fn forget_pickled(&mut self) {
        if let Some(pickled) = self.models.pickled.take() {
            pickled.cancel.store(true, Ordering::Relaxed);
        }
        self.ask_about_next_pickled();
    }

    fn ask_about_next_pickled(&mut self) {
        self.models.pickled = self.models.waiting_pickled.pop_front();
    }

    /// A pickle was dropped or named: asked about at once, or after the one whose turn it is.
    pub(super) fn take_pickled(&mut self, pickled: Pickled) {
        let mut known = self.models.pickled.iter().chain(&self.models.waiting_pickled);
        if known.any(|known| known.path == pickled.path) {
            return;
        }
        self.models.waiting_pickled.push_back(pickled);
        if self.models.pickled.is_none() {
            self.ask_about_next_pickled();
        }
    }

    /// Other files were dropped: questions that nobody answered end, an import goes on.
    pub(super) fn leave_pickled(&mut self) {
        self.models.waiting_pickled.clear();
        self.models.pickled.take_if(|pickled| pickled.stand != Stand::AtWork);
    }

    pub(super) fn use_twin(&mut self, path: PathBuf) {
        self.ask_about_next_pickled();
        self.use_path(path);
    }

    pub(super) fn take_converted(&mut self, converted: Converted) {
        // Forgotten meanwhile, perhaps dropped again.
        let current = self.models.pickled.as_mut();
        let Some(pickled) = current.filter(|pickled| Arc::ptr_eq(&pickled.cancel, &converted.job)) else { return };
        match converted.result {
            Ok(item) => {
                let said = format!("a safe copy of {} is {}", pickled.name, item.path.display());
                self.ask_about_next_pickled();
                // The artist may have gone on to other things: the copy is offered, not used.
                self.take_identified(item, false);
                self.notes.info(Place::Model, said);
            }
            Err(stand) => pickled.stand = stand,
        }
    }
}

fn stand(error: ModelsError) -> Stand {
    match error {
        ModelsError::Cancelled => Stand::Failed("stopped; nothing was written".to_owned()),
        error if error.is_bad_input() => Stand::Refused(error.to_string()),
        error => Stand::Failed(error.to_string()),
    }
}

/// Runs on the thread of imports: to a new file beside the pickle, or in the program's own folder where that cannot be
/// written.
fn convert(
    from: &Path,
    places: &Places,
    converter: Option<&Path>,
    say: &mut dyn FnMut(Progress),
    cancelled: &dyn Fn() -> bool,
) -> Result<Item, Stand> {
    let program = match converter {
        Some(program) => program.to_owned(),
        None => std::env::current_exe()
            .map_err(|error| Stand::Failed(format!("the program does not find itself ({error}); try again")))?,
    };
    let pending = match from.parent().map(|folder| begin_copy(from, folder)) {
        Some(Ok(pending)) => pending,
        _ => {
            let folder = places.store().map_err(stand)?.join("imported");
            std::fs::create_dir_all(&folder).map_err(|error| {
                Stand::Failed(format!("{} cannot be made ({error}); free some space", folder.display()))
            })?;
            begin_copy(from, &folder).map_err(|error| stand(error.into()))?
        }
    };
    import_new(&program, from, pending, say, cancelled).map_err(stand)
}
