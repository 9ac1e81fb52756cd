//! What a LoRA for few steps (LCM, Lightning, Hyper) does to the settings: steps, guidance and sampler are its own while
//! it is used whole, and the artist's come back after it.

use serde::{Deserialize, Serialize};

use super::notes::Place;
use super::sampling_words::words_for_sampling;
use super::state::{AppState, ModelState};
use crate::recipe::{Lora, ModelDefaults, SchedulerName};

/// The artist's own settings, which stand back behind those of a LoRA.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnSampling {
    steps: Option<u32>,
    guidance: Option<f64>,
    scheduler: Option<SchedulerName>,
}

impl AppState {
    /// The settings for few steps that a LoRA brings on the open model.
    pub fn few_step(&self, lora: &Lora) -> Option<&ModelDefaults> {
        self.models.few_step.get(&lora.hash)
    }

    /// The first LoRA that makes a few-step model, as the engine finds it.
    fn few_step_lora(&self) -> Option<&Lora> {
        let mut whole = self.recipe.loras.iter().filter(|lora| lora.strength > 0.0 && lora.blocks.is_empty());
        whole.find(|lora| self.few_step(lora).is_some())
    }

    /// This LoRA makes the model one for few steps just now.
    pub fn leads(&self, lora: &Lora) -> bool {
        self.few_step_lora().is_some_and(|first| first.hash == lora.hash)
    }

    /// The artist's steps, guidance or sampler are others than these.
    pub fn samples_otherwise(&self, defaults: &ModelDefaults) -> bool {
        let recipe = &self.recipe;
        recipe.steps.is_some_and(|steps| steps != defaults.steps)
            || recipe.guidance.is_some_and(|guidance| guidance != defaults.guidance)
            || recipe.scheduler.is_some_and(|scheduler| scheduler != defaults.scheduler)
    }

    /// Settings of the artist's stand back behind this LoRA's, and are left open now.
    pub fn can_bring_back(&self, lora: &Lora) -> bool {
        let recipe = &self.recipe;
        self.settings.own_sampling.get(&lora.hash).is_some_and(|own| {
            (own.steps.is_some() && recipe.steps.is_none())
                || (own.guidance.is_some() && recipe.guidance.is_none())
                || (own.scheduler.is_some() && recipe.scheduler.is_none())
        })
    }

    /// What the model brings, with its LoRAs, is what settings that are left open show. Called once a frame: LoRAs come
    /// and go by undo and by restored pictures, too.
    pub(super) fn follow_few_step(&mut self) {
        let lora = self.few_step_lora().and_then(|lora| self.few_step(lora));
        let Some(wanted) = lora.or(self.models.own_defaults.as_ref()).cloned() else { return };
        if let ModelState::Ready(info) = &mut self.model
            && info.defaults != wanted
        {
            info.defaults = wanted;
        }
    }

    /// A LoRA was added or switched on by the artist: one for few steps paints noise with the settings of others.
    pub(super) fn take_up_few_step(&mut self, hash: &str) {
        let Some(lora) = self.few_step_lora().filter(|lora| lora.hash == hash) else { return };
        let name = lora.name.trim_end_matches(".safetensors").to_owned();
        let Some(defaults) = self.few_step(lora) else { return };
        let words = words_for_sampling(defaults);
        let differed = self.samples_otherwise(defaults);
        // What an earlier use has left is old.
        self.settings.own_sampling.remove(hash);
        self.use_few_step(hash);
        let back = if differed { "; its card brings your settings back" } else { "" };
        self.notes.info(Place::Model, format!("'{name}' is made for few steps and paints with {words}{back}"));
    }

    /// Leaves steps, guidance and sampler to the LoRA, and remembers the artist's: one that is left open already is
    /// remembered from before.
    pub(super) fn use_few_step(&mut self, hash: &str) {
        let recipe = &mut self.recipe;
        let (steps, guidance, scheduler) = (recipe.steps.take(), recipe.guidance.take(), recipe.scheduler.take());
        if steps.is_none() && guidance.is_none() && scheduler.is_none() {
            return;
        }
        let own = self.settings.own_sampling.entry(hash.to_owned()).or_default();
        own.steps = steps.or(own.steps);
        own.guidance = guidance.or(own.guidance);
        own.scheduler = scheduler.or(own.scheduler);
    }

    /// Brings the artist's settings back that stood back behind this LoRA's, each unless there is a newer one. They stay
    /// remembered: undo may bring the LoRA back.
    pub(super) fn bring_back_own(&mut self, hash: &str) {
        let Some(own) = self.settings.own_sampling.get(hash) else { return };
        let recipe = &mut self.recipe;
        recipe.steps = recipe.steps.or(own.steps);
        recipe.guidance = recipe.guidance.or(own.guidance);
        recipe.scheduler = recipe.scheduler.or(own.scheduler);
    }
}
