//! How many tokens a prompt has, and how many pieces the text encoders read it in.

use std::sync::Arc;

use super::EngineError;
use super::model::Model;
use super::text::token_error;
use crate::nn::tokenizer::ClipTokenizer;

/// A prompt as its encoders will read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptCount {
    /// By the tokenizer that needs more.
    pub tokens: usize,
    /// Pieces that are encoded one by one; at least 1.
    pub chunks: usize,
    /// Tokens that fit into a piece: 75 for CLIP.
    pub room: usize,
}

/// Counts with a model's own tokenizers. Cheap to clone; needs no weights.
#[derive(Clone)]
pub struct PromptCounter {
    tokenizers: Arc<[ClipTokenizer]>,
}

impl PromptCounter {
    pub(super) fn new(model: &Model) -> Self {
        Self { tokenizers: model.text.iter().map(|tower| tower.tokenizer.clone()).collect() }
    }

    /// Takes time with the length of the text (a page: milliseconds), so not for a thread that paints.
    ///
    /// # Errors
    /// A text that the tokenizer gives up on; none is known.
    pub fn count(&self, text: &str) -> Result<PromptCount, EngineError> {
        let mut out = PromptCount { tokens: 0, chunks: 1, room: usize::MAX };
        for tokenizer in self.tokenizers.iter() {
            let tokens = tokenizer.count(text).map_err(token_error)?;
            let room = tokenizer.room().max(1);
            out.tokens = out.tokens.max(tokens);
            out.chunks = out.chunks.max(tokens.div_ceil(room));
            out.room = out.room.min(room);
        }
        Ok(out)
    }
}

/// The same counter, not an equal one: tokenizers are too large to compare.
impl PartialEq for PromptCounter {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.tokenizers, &other.tokenizers)
    }
}

impl std::fmt::Debug for PromptCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PromptCounter")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{ModelPaths, describe};
    use super::*;

    #[test]
    fn a_long_prompt_needs_as_many_pieces_as_the_engine_makes_of_it() {
        let paths = ModelPaths::default();
        let counter = describe(&paths).unwrap().prompt_counter;
        let model = Model::without_loras(&paths, false).unwrap();
        assert_eq!(counter.count("").unwrap(), PromptCount { tokens: 0, chunks: 1, room: 75 });
        let mut most = 0;
        for words in [1, 30, 75, 76, 149, 151, 400] {
            let text = "a ".repeat(words);
            let count = counter.count(&text).unwrap();
            assert_eq!(count.chunks, super::super::text::chunk_count(&model, "it", &text).unwrap(), "{words} words");
            assert_eq!(count.tokens, words);
            most = most.max(count.chunks);
        }
        assert!(most > 3);
    }
}
