//! The model that the recipe names, followed when the recipe changes; and what waits until it is open.
//!
//! A model is opened on the files' thread, which may have much to read before. Until its answer is there the one that
//! was open before must paint nothing more.

use std::path::PathBuf;

use super::command::Command;
use super::models_choice::{Described, Opening};
use super::state::AppState;
use crate::engine::ModelPaths;
use crate::recipe::{ID_DIGITS, ModelFiles, is_built_in, split_id};

impl AppState {
    /// The model that is being opened, else the open one.
    pub(super) fn coming_model(&self) -> &ModelPaths {
        self.asked_model.as_ref().unwrap_or(&self.opened)
    }

    pub(super) fn take_described(&mut self, described: Described) {
        if described.question != self.model_question {
            // Another one was asked for since, and its answer is still to come.
            return;
        }
        self.asked_model = None;
        let is_followed = matches!(described.why, Opening::Followed | Opening::Back);
        if is_followed && self.paths_of(&self.recipe.model).as_ref() != Some(&described.paths) {
            // The recipe has gone on to another model meanwhile.
            self.open_named();
        } else {
            self.take_opened(described);
        }
        self.go_on();
    }

    /// Does what waited for the model or for pictures, once all of them are there.
    pub(super) fn go_on(&mut self) {
        self.lay_out_wanted();
        if self.asked_model.is_none() && self.asked_for.is_empty() && std::mem::take(&mut self.wants_picture) {
            self.execute(Command::Generate);
        }
    }

    /// Opens the weights that the recipe names, where they are known and not open anyway.
    fn open_named(&mut self) {
        if let Some(paths) = self.paths_of(&self.recipe.model)
            && paths != *self.coming_model()
        {
            self.describe_model(paths, Opening::Followed);
        }
    }

    /// What was chosen does not open. The recipe may name another model than the open one, whose answer was dropped for the
    /// sake of this choice.
    pub(super) fn go_back_to_named(&mut self) {
        match self.paths_of(&self.recipe.model) {
            Some(paths) if paths != self.opened || self.model_info().is_none() => {
                self.describe_model(paths, Opening::Back);
            }
            _ => {}
        }
    }

    /// What Generate or a board was asked for and waits for, in words.
    pub fn waiting(&self) -> Option<&'static str> {
        let is_waiting = self.wants_picture || self.wants_board.is_some();
        is_waiting.then_some(match self.asked_model {
            Some(_) => "Waiting for the model to open",
            None => "Waiting for the pictures to open",
        })
    }

    /// Nothing is painted any more once the model or the pictures are there. True where something waited.
    pub(super) fn stop_waiting(&mut self) -> bool {
        let had_board = self.wants_board.take().is_some();
        std::mem::take(&mut self.wants_picture) || had_board
    }

    /// The recipe names other weights than before: opens them where they are known.
    pub(super) fn follow_model(&mut self, before: &ModelFiles) {
        if self.recipe.model != *before {
            self.open_named();
        }
    }

    /// Opens the model that the recipe wants, if it has been found.
    pub(super) fn find_model(&mut self) {
        let is_found = |paths: ModelPaths| paths.model.is_some_and(|path| self.models.item(&path).is_some());
        if self.models.is_wanted && self.paths_of(&self.recipe.model).is_some_and(is_found) {
            self.open_named();
        }
    }

    /// Where the weights that a recipe names lie; None where one of them is not known here.
    pub(super) fn paths_of(&self, files: &ModelFiles) -> Option<ModelPaths> {
        let find = |id: &str| {
            if is_built_in(id) { Some(None) } else { self.place_of(id).map(Some) }
        };
        Some(ModelPaths {
            model: find(&files.model)?,
            vae: find(&files.vae)?,
            adapter: find(&files.adapter)?,
            image_encoder: find(&files.image_encoder)?,
            loras: Vec::new(),
        })
    }

    /// Where the file or folder lies that a recipe calls so: where it lay last, unless its content was found elsewhere.
    fn place_of(&self, id: &str) -> Option<PathBuf> {
        let hash = split_id(id).1.filter(|hash| hash.len() == ID_DIGITS);
        let found = hash.and_then(|hash| self.models.items.iter().find(|item| item.id.starts_with(hash)));
        let last = self.settings.known_files.get(id);
        match (last, found) {
            (Some(last), Some(found)) if self.models.item(last).is_none() => Some(found.path.clone()),
            (Some(last), _) => Some(last.clone()),
            (None, found) => found.map(|item| item.path.clone()),
        }
    }
}
