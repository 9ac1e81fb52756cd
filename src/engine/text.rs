//! Prompts to conditioning (diffusers `pipeline_stable_diffusion_xl.py`: `encode_prompt`), with long prompts in chunks.

use candle_core::{D, Tensor};

use super::EngineError;
use super::device::Place;
use super::model::Model;
use super::networks::Networks;
use crate::nn::cancel::Cancel;
use crate::nn::tokenizer::{ClipTokenizer, TokenizerError};

/// A prompt, encoded by both towers.
#[derive(Debug, Clone)]
pub struct PromptEmbeds {
    /// `[1, 77 * chunks, width of both towers]`
    pub embeds: Tensor,
    /// Pooled by the second tower from the first chunk, `[1, projection_dim]`.
    pub pooled: Tensor,
}

impl PromptEmbeds {
    /// What stands for an empty prompt where the model says so.
    pub fn zeros_like(&self) -> Result<Self, EngineError> {
        Ok(Self { embeds: self.embeds.zeros_like()?, pooled: self.pooled.zeros_like()? })
    }
}

pub fn token_error(error: TokenizerError) -> EngineError {
    EngineError::Input(error.to_string())
}

/// How many chunks of 75 tokens a text needs, by the tokenizer that needs more.
pub fn chunk_count(model: &Model, text: &str) -> Result<usize, EngineError> {
    let mut most = 1;
    for tower in &model.text {
        most = most.max(tower.tokenizer.chunks(text).map_err(token_error)?.len());
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
        let encoding = networks.text(&model.text, is_second, place)?.forward(&ids, cancel)?;
        // [chunks, 77, width] and [1, chunks * 77, width] hold the same numbers in the same order.
        let (_, _, width) = encoding.penultimate.dims3()?;
        states.push(encoding.penultimate.contiguous()?.reshape((1, (), width))?);
        if let Some(embeds) = encoding.text_embeds {
            pooled = Some(embeds.narrow(0, 0, 1)?);
        }
    }
    let pooled = pooled.ok_or_else(|| EngineError::Compute("the second text tower gave no pooled text".to_owned()))?;
    let [first, second] = &states[..] else {
        return Err(EngineError::Compute("a text tower gave nothing".to_owned()));
    };
    if first.dim(1)? != second.dim(1)? {
        return Err(EngineError::Input(
            "the model's two tokenizers make chunks of different lengths; its folder is damaged".to_owned(),
        ));
    }
    Ok(PromptEmbeds { embeds: Tensor::cat(&[first, second], D::Minus1)?, pooled })
}

/// The second tower's pooled projection of the words to subtract (their first 75 tokens), `[1, projection_dim]`.
pub fn encode_words(
    networks: &mut Networks,
    model: &Model,
    place: &Place,
    words: &str,
    cancel: Cancel,
) -> Result<Tensor, EngineError> {
    let ids = model.text[1].tokenizer.chunks(words).map_err(token_error)?;
    let first: Vec<_> = ids.into_iter().take(1).collect();
    let encoding = networks.text(&model.text, true, place)?.forward(&first, cancel)?;
    encoding.text_embeds.ok_or_else(|| EngineError::Compute("the second text tower gave no pooled text".to_owned()))
}
