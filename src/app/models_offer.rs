//! Files and folders that were dropped or named: what they are, and the questions about them.

use std::path::{Path, PathBuf};

use super::background::Done;
use super::models::{Models, ModelsDone};
use super::models_import::Pickled;
use super::notes::Place;
use super::state::AppState;
use crate::models::{Item, ModelEntry, is_pickle, name_of};

impl Models {
    /// Newer files take the place of those that nobody has answered for.
    pub(super) fn leave_offers(&mut self) {
        self.offered.clear();
        self.offered_folders.clear();
    }
}

impl AppState {
    /// Says what files are, from their headers, on the files' thread.
    pub(super) fn identify(&mut self, paths: Vec<PathBuf>) {
        self.notes.clear(Place::Model);
        self.models.leave_offers();
        self.leave_pickled();
        for path in paths {
            self.identify_one(path, false);
        }
    }

    /// `is_chosen`: nobody is asked about it.
    pub(super) fn identify_one(&mut self, path: PathBuf, is_chosen: bool) {
        let entries = self.models.source.entries;
        let identify = move || Ok(identified(&path, is_chosen, entries));
        let failed = move |why| Done::Models(ModelsDone::Identified { result: Err(why), is_chosen });
        if self.submit_from(Place::Model, identify, move |done| done.unwrap_or_else(failed)) {
            self.opening += 1;
        }
    }

    /// Takes up the dropped file that was asked about, or leaves it. Of the next one it is known by the time of its answer
    /// whether it would open.
    pub(super) fn answer_offered(&mut self, is_used: bool) {
        let Some(item) = self.models.offered.pop_front() else { return };
        if is_used {
            self.use_item(&item);
        }
        if let Some(path) = self.models.offered.front().map(|next| next.path.clone()) {
            self.examine(path);
        }
    }

    pub(super) fn offer_folder(&mut self, folder: PathBuf) {
        if !self.models.offered_folders.contains(&folder) {
            self.models.offered_folders.push_back(folder);
        }
    }

    pub(super) fn look_in_offered(&mut self) {
        if let Some(folder) = self.models.offered_folders.pop_front() {
            self.notes.info(Place::Model, format!("'{}' is looked through for models", name_of(&folder)));
            self.add_models_folder(folder);
        }
    }

    pub(super) fn take_identified(&mut self, item: Box<Item>, is_chosen: bool) {
        self.models.take_item((*item).clone());
        if is_chosen {
            self.use_item(&item);
        } else {
            if self.models.offered.is_empty() {
                self.examine(item.path.clone());
            }
            self.models.offered.push_back(*item);
        }
    }
}

/// A folder of diffusers has one of these.
const SETTINGS: [&str; 2] = ["model_index.json", "config.json"];

/// Runs on the files' thread.
pub(super) fn identified(path: &Path, is_chosen: bool, entries: &'static [ModelEntry]) -> Done {
    if is_pickle(path) {
        return Done::Models(ModelsDone::Pickled(Pickled::new(path, entries)));
    }
    match Item::look(path) {
        // Without any of their settings it is not meant to be one of a model or of a part.
        Err(_) if path.is_dir() && SETTINGS.iter().all(|name| !path.join(name).exists()) => {
            Done::Models(ModelsDone::Folder(path.to_owned()))
        }
        result => Done::Models(ModelsDone::Identified { result: result.map(Box::new), is_chosen }),
    }
}
