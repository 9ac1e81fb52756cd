//! The settings of a job when nothing is left open.

use super::EngineError;
use crate::recipe::{Recipe, SchedulerName};

/// The settings of a resolved recipe, without options.
pub(super) struct Settings {
    pub scheduler: SchedulerName,
    pub steps: usize,
    pub guidance: f64,
    pub seed: u64,
    pub width: u32,
    pub height: u32,
}

impl Settings {
    pub(super) fn of(recipe: &Recipe) -> Result<Self, EngineError> {
        let open = || EngineError::Input("the recipe leaves a setting open that the model does not fill in".to_owned());
        Ok(Self {
            scheduler: recipe.scheduler.ok_or_else(open)?,
            steps: recipe.steps.ok_or_else(open)? as usize,
            guidance: recipe.guidance.ok_or_else(open)?,
            seed: recipe.seed.ok_or_else(open)?,
            width: recipe.width.ok_or_else(open)?,
            height: recipe.height.ok_or_else(open)?,
        })
    }
}

/// A seed from the system's randomness.
pub fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // 32 bits: torch's generator uses no more, and short seeds are easier to write down.
    std::collections::hash_map::RandomState::new().build_hasher().finish() & 0xffff_ffff
}
