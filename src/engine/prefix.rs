//! Steps that several pictures share: until references enter (`start` above 0), cells of a board that differ in nothing
//! but their references go the same way.
//!
//! What is kept is the sampler's whole state after a step, so that a picture that goes on from there is the very picture
//! that a run from the start gives.

use super::Latents;
use crate::nn::schedulers::Scheduler;
use crate::nn::torch_rng::TorchGenerator;
use crate::recipe::{ModelFiles, Recipe};

/// What all kept states may hold together. A state of a 1024 x 1024 picture takes about half a MiB.
const MOST_BYTES: usize = 64 << 20;

/// A run of the sampler between two steps.
pub struct SamplerState {
    pub scheduler: Box<dyn Scheduler + Send>,
    pub generator: TorchGenerator,
    pub latents: Latents,
    /// Steps done, counted from the first that runs.
    pub done: usize,
}

impl Clone for SamplerState {
    fn clone(&self) -> Self {
        Self {
            scheduler: self.scheduler.boxed(),
            generator: self.generator.clone(),
            latents: self.latents.clone(),
            done: self.done,
        }
    }
}

impl SamplerState {
    /// The latents, and those that a multistep sampler remembers.
    fn bytes(&self) -> usize {
        2 * size_of_val(self.latents.values.as_slice())
    }
}

/// The states of past runs, by what led to them.
#[derive(Default)]
pub struct Prefixes {
    /// Oldest first.
    runs: Vec<(Recipe, Vec<SamplerState>)>,
}

impl Prefixes {
    /// The furthest known state on the way of `recipe` (resolved), not beyond step `most`.
    pub fn find(&mut self, recipe: &Recipe, most: usize) -> Option<SamplerState> {
        let way = without_references(recipe);
        let place = self.runs.iter().position(|(known, _)| *known == way)?;
        let run = self.runs.remove(place);
        let state = run.1.iter().filter(|state| state.done <= most).max_by_key(|state| state.done).cloned();
        self.runs.push(run);
        state
    }

    /// Remembers a state in which no reference has entered yet.
    pub fn keep(&mut self, recipe: &Recipe, state: &SamplerState) {
        if state.bytes() > MOST_BYTES {
            return;
        }
        let way = without_references(recipe);
        let mut run = match self.runs.iter().position(|(known, _)| *known == way) {
            Some(place) => self.runs.remove(place),
            None => (way, Vec::new()),
        };
        if run.1.iter().all(|known| known.done != state.done) {
            run.1.push(state.clone());
        }
        self.runs.push(run);
        while self.runs.iter().flat_map(|(_, states)| states).map(SamplerState::bytes).sum::<usize>() > MOST_BYTES {
            match self.runs.first_mut() {
                Some((_, states)) if !states.is_empty() => drop(states.remove(0)),
                _ => drop(self.runs.remove(0)),
            }
        }
        self.runs.retain(|(_, states)| !states.is_empty());
    }
}

/// What shapes the steps before references enter: everything but the references and their window.
fn without_references(recipe: &Recipe) -> Recipe {
    Recipe { references: Vec::new(), start: 0.0, end: 1.0, model: ModelFiles::default(), ..recipe.clone() }
}
