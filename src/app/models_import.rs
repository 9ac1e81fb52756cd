//! A pickled file of weights that was dropped or named: what it is, its safe twin, and a conversion on request.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::background::Done;
use super::models::ModelsDone;
use super::notes::Place;
use super::state::AppState;
use crate::models::{Item, ModelEntry, ModelsError, Places, Progress, Twin, free_place, import, name_of};

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
    cancel: Arc<AtomicBool>,
}

/// How the conversion of a pickle stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// Nobody has asked for it.
    Idle,
    AtWork,
    Failed(String),
}

/// How a conversion ended.
pub struct Converted {
    from: PathBuf,
    result: Result<Box<Item>, String>,
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
        let task = move || {
            let mut say = |progress| {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
                waker();
            };
            let cancelled = || stop.load(Ordering::Relaxed) || cancel.load(Ordering::Relaxed);
            let result = (source.places)()
                .map_err(|error| error.to_string())
                .and_then(|places| convert(&from, &places, source.converter.as_deref(), &mut say, &cancelled));
            Done::Models(ModelsDone::Converted(Converted { from, result: result.map(Box::new) }))
        };
        if !self.models.imports.submit(task)
            && let Some(pickled) = &mut self.models.pickled
        {
            pickled.stand = Stand::Failed("too much is waiting; try again in a moment".to_owned());
        }
    }

    pub(super) fn forget_pickled(&mut self) {
        if let Some(pickled) = self.models.pickled.take() {
            pickled.cancel.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn take_converted(&mut self, converted: Converted) {
        // Forgotten meanwhile, or another was dropped.
        let Some(pickled) = self.models.pickled.as_mut().filter(|pickled| pickled.path == converted.from) else {
            return;
        };
        match converted.result {
            Ok(item) => {
                let said = format!("{} was imported as {}", pickled.name, item.path.display());
                self.models.pickled = None;
                self.models.selected = Some(item.path.clone());
                self.take_identified(item, true);
                self.notes.info(Place::Model, said);
            }
            Err(why) => pickled.stand = Stand::Failed(why),
        }
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
) -> Result<Item, String> {
    let program = match converter {
        Some(program) => program.to_owned(),
        None => {
            std::env::current_exe().map_err(|error| format!("the program does not find itself ({error}); try again"))?
        }
    };
    let beside = from.parent().map(|folder| free_place(from, folder));
    let to = match beside.filter(|to| crate::library::check_target(to).is_ok()) {
        Some(to) => to,
        None => {
            let folder = places.store().map_err(|error| error.to_string())?.join("imported");
            std::fs::create_dir_all(&folder)
                .map_err(|error| format!("{} cannot be made ({error}); free some space", folder.display()))?;
            free_place(from, &folder)
        }
    };
    import(&program, from, &to, say, cancelled).map_err(|error| match error {
        ModelsError::Cancelled => "stopped; nothing was written".to_owned(),
        error => error.to_string(),
    })?;
    Item::look(&to)
}
