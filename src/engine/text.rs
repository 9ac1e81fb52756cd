//! Prompts to conditioning (diffusers `pipeline_stable_diffusion_xl.py` and `pipeline_stable_diffusion.py`:
//! `encode_prompt`), with long prompts in chunks.

use candle_core::{D, Tensor};

use super::EngineError;
use super::device::Place;
use super::model::Model;
use super::networks::Networks;
use crate::nn::cancel::Cancel;
use crate::nn::tokenizer::{ClipTokenizer, TokenizerError};

/// A prompt, encoded by all towers: SDXL has two, SD 1.5 one.
#[derive(Debug, Clone)]
pub struct PromptEmbeds {
    /// `[1, 77 * chunks, width of all towers]`
    pub embeds: Tensor,
    /// Pooled by the second tower from the first chunk, `[1, projection_dim]`.
    pub pooled: Option<Tensor>,
}

impl PromptEmbeds {
    /// What stands for an empty prompt where the model says so.
    pub fn zeros_like(&self) -> Result<Self, EngineError> {
        let pooled = self.pooled.as_ref().map(Tensor::zeros_like).transpose()?;
        Ok(Self { embeds: self.embeds.zeros_like()?, pooled })
    }
}

pub fn token_error(error: TokenizerError) -> EngineError {
    EngineError::Input(error.to_string())
}

/// A page of text has about ten; SDXL's UNet takes 100 MB for each.
const MOST_CHUNKS: usize = 64;
/// Longer texts are not even cut into tokens: 64 chunks of words have a third of so many bytes.
const MOST_BYTES: usize = 100_000;

/// Refuses a text that is longer than any prompt.
pub fn ensure_short(what: &str, text: &str) -> Result<(), EngineError> {
    if text.len() <= MOST_BYTES {
        return Ok(());
    }
    let characters = text.chars().count();
    Err(EngineError::Input(format!(
        "{what} has {characters} characters, and at most {MOST_CHUNKS} pieces of 75 tokens are taken; shorten it"
    )))
}

/// How many chunks of 75 tokens a text needs, by the tokenizer that needs more. `what` it is, is for messages.
pub fn chunk_count(model: &Model, what: &str, text: &str) -> Result<usize, EngineError> {
    ensure_short(what, text)?;
    let mut most = 1;
    for tower in &model.text {
        most = most.max(tower.tokenizer.chunks(text).map_err(token_error)?.len());
    }
    if most > MOST_CHUNKS {
        return Err(EngineError::Input(format!(
            "{what} is {most} pieces of 75 tokens long, and at most {MOST_CHUNKS} are taken; shorten it"
        )));
    }
    Ok(most)
}

fn padded_chunks(tokenizer: &ClipTokenizer, text: &str, chunks: usize) -> Result<Vec<Vec<u32>>, EngineError> {
    let mut out = tokenizer.chunks(text).map_err(token_error)?;
    while out.len() < chunks {
        out.push(tokenizer.empty_chunk());
    }
    Ok(out)
}

/// Encodes `text` as `chunks` chunks; a text with fewer gets empty ones at its end.
pub fn encode(
    networks: &mut Networks,
    model: &Model,
    place: &Place,
    text: &str,
    chunks: usize,
    cancel: Cancel,
) -> Result<PromptEmbeds, EngineError> {
    let mut states = Vec::with_capacity(2);
    let mut pooled = None;
    for (tower, is_second) in model.text.iter().zip([false, true]) {
        let ids = padded_chunks(&tower.tokenizer, text, chunks)?;
        let encoding = networks.text(&model.text, is_second, place, cancel)?.forward(&ids, cancel)?;
        // [chunks, 77, width] and [1, chunks * 77, width] hold the same numbers in the same order.
        // SDXL takes the penultimate states of both towers, SD 1.5 the last ones of its own.
        let taken = if model.text.len() == 1 { &encoding.last } else { &encoding.penultimate };
        let (_, _, width) = taken.dims3()?;
        states.push(taken.contiguous()?.reshape((1, (), width))?);
        if let Some(embeds) = encoding.text_embeds {
            pooled = Some(embeds.narrow(0, 0, 1)?);
        }
    }
    let lengths = states.iter().map(|state| state.dim(1)).collect::<candle_core::Result<Vec<_>>>()?;
    if lengths.windows(2).any(|pair| pair.first() != pair.last()) {
        return Err(EngineError::Input(
            "the model's two tokenizers make chunks of different lengths; its folder is damaged".to_owned(),
        ));
    }
    Ok(PromptEmbeds { embeds: Tensor::cat(&states, D::Minus1)?, pooled })
}

/// The second tower's pooled projection of the words to subtract (their first 75 tokens), `[1, projection_dim]`.
pub fn encode_words(
    networks: &mut Networks,
    model: &Model,
    place: &Place,
    words: &str,
    cancel: Cancel,
) -> Result<Tensor, EngineError> {
    let none = || EngineError::Compute("the model has no text tower with a pooled output".to_owned());
    let ids = model.pooling_tower().ok_or_else(none)?.tokenizer.chunks(words).map_err(token_error)?;
    let first: Vec<_> = ids.into_iter().take(1).collect();
    let encoding = networks.text(&model.text, true, place, cancel)?.forward(&first, cancel)?;
    encoding.text_embeds.ok_or_else(none)
}
