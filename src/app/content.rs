//! The content picture: what image to image begins from.

use super::background::Done;
use super::models_offer::identified;
use super::notes::Place;
use super::references::{self, Dropped, Opened};
use super::state::AppState;
use crate::pixels::init_size;
use crate::recipe::Init;

impl AppState {
    /// The opened content picture, if there is one.
    pub fn content_picture(&self) -> Option<&Opened> {
        self.pictures.get(&self.recipe.init.as_ref()?.hash)
    }

    /// Width and height that a picture gets where the recipe leaves them open.
    pub fn open_size(&self) -> Option<(u32, u32)> {
        let defaults = &self.model_info()?.defaults;
        Some(match self.content_picture() {
            Some(opened) => init_size(&opened.picture.rgb, defaults.width.max(defaults.height)),
            None => (defaults.width, defaults.height),
        })
    }

    pub(super) fn set_content(&mut self, dropped: Dropped) {
        self.notes.clear(Place::Content);
        let (folder, entries) = (self.folder("references"), self.models.source.entries);
        let open = move || {
            Ok(match &dropped {
                Dropped::File(path) if path.is_dir() => identified(path, false, entries),
                _ => Done::Content(references::open(&dropped, folder.as_deref())),
            })
        };
        if self.submit_from(Place::Content, open, |done| done.unwrap_or_else(|why| Done::Content(Err(why)))) {
            self.opening += 1;
        }
    }

    pub(super) fn take_content(&mut self, result: Result<Box<Opened>, String>) {
        self.opening = self.opening.saturating_sub(1);
        match result {
            Ok(opened) => {
                let (hash, name) = (opened.picture.hash.clone(), opened.picture.name.clone());
                for notice in opened.picture.notices.iter().chain(&opened.not_kept) {
                    self.notes.info(Place::Content, notice.clone());
                }
                self.pictures.insert(hash.clone(), *opened);
                let denoise = self.recipe.init.as_ref().map_or(Init::default().denoise, |init| init.denoise);
                self.recipe.init = Some(Init { hash, name, denoise });
                self.undo.mark(&self.recipe);
            }
            Err(why) => self.notes.error(Place::Content, why),
        }
    }

    pub(super) fn use_as_content(&mut self, id: u64) {
        self.keep_if_draft(id);
        match self.history.get(id).and_then(|entry| entry.file.clone()) {
            Some(file) => self.set_content(Dropped::File(file)),
            None => self.notes.info(Place::Picture, "The picture is still being kept; try again in a moment"),
        }
    }

    pub(super) fn remove_content(&mut self) {
        self.notes.clear(Place::Content);
        if self.recipe.init.take().is_some() {
            self.undo.mark(&self.recipe);
        }
    }
}
