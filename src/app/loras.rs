//! The LoRAs of the recipe: added, weighed, switched off, found again; and what of a recipe the engine is given.

use std::path::{Path, PathBuf};

use super::background::Done;
use super::model_references::{NO_REFERENCES, uses_references};
use super::models::ModelsDone;
use super::notes::Place;
use super::state::AppState;
use crate::engine::{self, LoraInfo, ModelPaths};
use crate::models::{Part, name_of};
use crate::recipe::{Lora, Recipe};

impl AppState {
    /// Where the file of a LoRA lies, as far as it is known.
    pub fn lora_path(&self, lora: &Lora) -> Option<&PathBuf> {
        self.settings.known_files.get(&lora.hash)
    }

    pub(super) fn open_lora(&mut self, path: PathBuf) {
        let (on, file) = (self.coming_model().clone(), path.clone());
        let model = on.clone();
        self.submit_from(
            Place::Model,
            move || opened(&model, &file, &Lora::default()),
            move |result| Done::Models(ModelsDone::LoraOpened { on, path, result }),
        );
    }

    pub(super) fn take_opened_lora(&mut self, on: &ModelPaths, path: PathBuf, result: Result<LoraInfo, String>) {
        match result {
            // Another model was chosen meanwhile, or the one that was to open did not.
            _ if on != self.coming_model() => self.open_lora(path),
            Ok(info) => self.add_lora(path, info),
            Err(why) => self.notes.error(Place::Model, why),
        }
    }

    fn add_lora(&mut self, path: PathBuf, info: LoraInfo) {
        let LoraInfo { lora, few_step } = info;
        let was_lost = self.settings.known_files.insert(lora.hash.clone(), path.clone()).is_none();
        self.models.lora_troubles.remove(&lora.hash);
        self.models.tried_loras.insert(lora.hash.clone(), path);
        if let Some(defaults) = few_step {
            self.models.few_step.insert(lora.hash.clone(), defaults);
        }
        if self.recipe.loras.iter().any(|known| known.hash == lora.hash) {
            let said = if was_lost { "is found again" } else { "is added already" };
            self.notes.info(Place::Model, format!("'{}' {said}", lora.name));
            return;
        }
        let hash = lora.hash.clone();
        self.recipe.loras.push(lora);
        self.take_up_few_step(&hash);
        self.undo.mark(&self.recipe);
    }

    pub(super) fn remove_lora(&mut self, index: usize) {
        if index < self.recipe.loras.len() {
            let lora = self.recipe.loras.remove(index);
            // Switched off, it has given them back before.
            if lora.strength != 0.0 || !self.settings.resting_loras.contains_key(&lora.hash) {
                self.bring_back_own(&lora.hash);
            }
            self.undo.mark(&self.recipe);
        }
    }

    /// In a recipe a LoRA that is off has no strength; the session keeps the one to go back to, and goes on keeping it: an
    /// undo switches off again, and knows of the recipe alone.
    pub(super) fn toggle_lora(&mut self, index: usize) {
        let Some(lora) = self.recipe.loras.get_mut(index) else { return };
        let hash = lora.hash.clone();
        if lora.strength == 0.0 {
            lora.strength = self.settings.resting_loras.get(&hash).copied().unwrap_or(1.0);
            self.take_up_few_step(&hash);
        } else {
            self.settings.resting_loras.insert(hash.clone(), lora.strength);
            lora.strength = 0.0;
            self.bring_back_own(&hash);
        }
        self.undo.mark(&self.recipe);
    }

    /// Steps, guidance and sampler as a LoRA for few steps wants them, or as the artist had them.
    pub(super) fn follow_lora(&mut self, index: usize, follows: bool) {
        let Some(hash) = self.recipe.loras.get(index).map(|lora| lora.hash.clone()) else { return };
        match follows {
            true => self.use_few_step(&hash),
            false => self.bring_back_own(&hash),
        }
        self.undo.mark(&self.recipe);
    }

    /// The recipe's LoRAs among the files that were found, wherever they lay before.
    pub(super) fn find_loras(&mut self) {
        for lora in &self.recipe.loras {
            let known = self.settings.known_files.get(&lora.hash);
            let is_found = |path: &Path| self.models.items.iter().any(|item| item.path == path);
            let found = self.models.of_part(Part::Lora).find(|item| item.id == lora.hash);
            if let Some(item) = found.filter(|_| known.is_none_or(|path| !is_found(path))) {
                self.settings.known_files.insert(lora.hash.clone(), item.path.clone());
            }
        }
    }

    /// Tries the recipe's LoRAs on the open model, where that has not been done: those that were found again, or came
    /// with a restored picture or by undo. Called once a frame.
    pub(super) fn try_loras(&mut self) {
        if self.asked_model.is_some() || self.model_info().is_none() {
            return;
        }
        for lora in &self.recipe.loras {
            let is_new = |path: &&PathBuf| self.models.tried_loras.get(&lora.hash) != Some(*path);
            let Some(path) = self.lora_path(lora).filter(is_new).cloned() else { continue };
            let (on, hash, tried) = (self.opened.clone(), lora.hash.clone(), (lora.hash.clone(), path.clone()));
            let (model, file, lora) = (on.clone(), path.clone(), lora.clone());
            let answer = move |result| Done::Models(ModelsDone::LoraTried { on, path, hash, result });
            // Where too much waits, the next frame asks again.
            if self.background.submit(move || opened(&model, &file, &lora), answer) {
                self.models.tried_loras.extend([tried]);
            }
        }
    }

    pub(super) fn take_tried_lora(
        &mut self,
        on: &ModelPaths,
        path: &Path,
        hash: String,
        result: Result<LoraInfo, String>,
    ) {
        if *on != self.opened || !self.lies_at(&hash, path) {
            return;
        }
        match result {
            Ok(info) => {
                self.models.lora_troubles.remove(&hash);
                self.models.few_step.extend(info.few_step.map(|defaults| (hash, defaults)));
            }
            Err(why) => drop(self.models.lora_troubles.insert(hash, why)),
        }
    }

    /// What was tried at this path says something about a LoRA of this hash: it has not been found elsewhere since.
    pub(super) fn lies_at(&self, hash: &str, path: &Path) -> bool {
        self.settings.known_files.get(hash).is_some_and(|known| known == path)
    }

    /// A recipe and the files for it as the engine wants them: LoRAs that are off left out.
    ///
    /// # Errors
    /// What is missing, in one sentence.
    pub(super) fn job_parts(&self, mut recipe: Recipe) -> Result<(Recipe, ModelPaths), String> {
        if !self.takes_references() && uses_references(&recipe) {
            return Err(NO_REFERENCES.to_owned());
        }
        recipe.loras.retain(|lora| lora.strength != 0.0);
        let path = |lora: &Lora| {
            self.lora_path(lora).cloned().ok_or_else(|| {
                format!("the file of the LoRA '{}' is not known here; find it in Models, or turn it off", lora.name)
            })
        };
        let loras = recipe.loras.iter().map(path).collect::<Result<_, _>>()?;
        Ok((recipe, ModelPaths { loras, ..self.opened.clone() }))
    }
}

/// Runs on the files' thread: a LoRA on this model, or in words for artists why it does not go with it.
pub(super) fn opened(on: &ModelPaths, path: &Path, how: &Lora) -> Result<LoraInfo, String> {
    engine::describe_lora(on, path, how).map_err(|error| {
        if !error.is_lora_for_other_model() {
            return error.to_string();
        }
        // Names and shapes of tensors tell something only to those who make models.
        tracing::warn!("{error}");
        let name = name_of(path);
        let name = name.trim_end_matches(".safetensors");
        format!("'{name}' is made for another kind of model; choose a LoRA for the model in use")
    })
}
