//! What is worked out beside the window as the artist edits: what the model sees of a reference, how long a prompt is.

use std::sync::Arc;

use image::RgbImage;

use super::background::Done;
use super::latest::Latest;
use super::references::Opened;
use super::state::AppState;
use crate::engine::PromptCount;
use crate::recipe::{Crop, Recipe};

/// A reference's picture and the part of it that is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub hash: String,
    pub crop: Crop,
}

/// Which of the two prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    Positive,
    Negative,
}

impl Prompt {
    pub const ALL: [Self; 2] = [Self::Positive, Self::Negative];

    fn text(self, recipe: &Recipe) -> &String {
        match self {
            Self::Positive => &recipe.prompt,
            Self::Negative => &recipe.negative_prompt,
        }
    }
}

impl AppState {
    /// The square that CLIP sees of a reference, made by the code that prepares it for the engine. It may be that of
    /// the crop before while the new one is being made; None while there is none, or the model takes no pictures.
    pub fn seen(&mut self, hash: &str, crop: Crop) -> Option<Arc<RgbImage>> {
        let wanted = Seen { hash: hash.to_owned(), crop };
        let processor = self.model_info()?.image_processor.clone()?;
        let Opened { picture, .. } = self.pictures.get(hash)?.clone();
        if self.seen.asks(&wanted) {
            let asked = wanted.clone();
            let look = move || processor.square(&picture.rgb, crop).map(Arc::new).map_err(|error| error.to_string());
            if !self.background.submit(look, move |square| Done::Seen { asked, square: square.ok() }) {
                self.seen.give_up();
            }
        }
        let (seen, square) = self.seen.newest()?;
        square.clone().filter(|_| seen.hash == hash)
    }

    /// How long a prompt is for the model's encoders, as last counted.
    pub fn prompt_count(&self, prompt: Prompt) -> Option<PromptCount> {
        let text = prompt.text(&self.recipe);
        if text.is_empty() {
            return None;
        }
        self.counts.get(prompt as usize)?.newest().and_then(|(_, count)| *count)
    }

    /// Called once a frame: has the prompts counted that are not yet.
    pub(super) fn count_prompts(&mut self) {
        let Some(counter) = self.model_info().map(|info| info.prompt_counter.clone()) else { return };
        for prompt in Prompt::ALL {
            let text = prompt.text(&self.recipe);
            let Some(counts) = self.counts.get_mut(prompt as usize) else { continue };
            if text.is_empty() || !counts.asks(text) {
                continue;
            }
            let (text, counted, counter) = (text.clone(), text.clone(), counter.clone());
            let count = move || counter.count(&counted).map_err(|error| error.to_string());
            if !self.background.submit(count, move |count| Done::Counted { prompt, text, count: count.ok() }) {
                counts.give_up();
            }
        }
    }

    pub(super) fn take_count(&mut self, prompt: Prompt, text: String, count: Option<PromptCount>) {
        if let Some(counts) = self.counts.get_mut(prompt as usize) {
            counts.answer(text, count);
        }
    }

    /// Another model counts and looks in its own way.
    pub(super) fn look_afresh(&mut self) {
        self.seen = Latest::default();
        self.counts = Default::default();
    }
}
