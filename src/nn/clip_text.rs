//! CLIP's text towers (transformers `modeling_clip.py`: `CLIPTextModel`, `CLIPTextModelWithProjection`).

use candle_core::{DType, Result, Tensor, bail};
use candle_nn::{Embedding, Module, VarBuilder};
use serde::Deserialize;

use super::activations::Activation;
use super::bounds::{self, all_within, within};
use super::cancel::Cancel;
use super::clip::{ClipEncoder, TowerShape};
use super::layers::Linear;
use super::normalization::{LayerNorm, layer_norm};

/// `text_encoder/config.json`; what a file leaves out is as in transformers' `CLIPTextConfig`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClipTextConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub projection_dim: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub max_position_embeddings: usize,
    pub hidden_act: String,
    pub layer_norm_eps: f64,
    pub eos_token_id: u32,
    /// The class that the weights were saved from; one that ends in `WithProjection` has `text_projection`.
    pub architectures: Option<Vec<String>>,
}

impl Default for ClipTextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            projection_dim: 512,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: "quick_gelu".to_owned(),
            layer_norm_eps: 1e-5,
            eos_token_id: 49407,
            architectures: None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct ClipTextModel {
    token_embedding: Embedding,
    /// `[max_position_embeddings, hidden_size]`
    position_embedding: Tensor,
    encoder: ClipEncoder,
    final_layer_norm: LayerNorm,
    text_projection: Option<Linear>,
    eos_token_id: u32,
    dtype: DType,
}

/// One text, encoded.
#[derive(Debug, Clone)]
pub struct TextEncoding {
    /// `hidden_states[-2]` without the final norm, `[batch, tokens, hidden_size]`.
    pub penultimate: Tensor,
    /// `last_hidden_state`, which is after the final norm, `[batch, tokens, hidden_size]`.
    pub last: Tensor,
    /// The projected state of the end token, `[batch, projection_dim]`; only from a tower with projection.
    pub text_embeds: Option<Tensor>,
}

impl ClipTextModel {
    /// Builds from keys with the prefix `text_model.`; `with_projection` for SDXL's second tower.
    pub fn new(config: &ClipTextConfig, with_projection: bool, vb: VarBuilder) -> Result<Self> {
        let widths = [
            ("its hidden_size", config.hidden_size),
            ("its intermediate_size", config.intermediate_size),
            ("its projection_dim", config.projection_dim),
        ];
        all_within(&widths, bounds::WIDTH)?;
        within("its vocab_size", config.vocab_size, 1 << 24)?;
        within("its max_position_embeddings", config.max_position_embeddings, bounds::LENGTH)?;
        let shape = TowerShape {
            hidden_size: config.hidden_size,
            intermediate_size: config.intermediate_size,
            num_hidden_layers: config.num_hidden_layers,
            num_attention_heads: config.num_attention_heads,
            layer_norm_eps: config.layer_norm_eps,
            activation: Activation::from_name(&config.hidden_act)?,
        };
        let text = vb.pp("text_model");
        let embeddings = text.pp("embeddings");
        let width = config.hidden_size;
        Ok(Self {
            token_embedding: candle_nn::embedding(config.vocab_size, width, embeddings.pp("token_embedding"))?,
            position_embedding: embeddings
                .pp("position_embedding")
                .get((config.max_position_embeddings, width), "weight")?,
            encoder: ClipEncoder::new(&shape, text.pp("encoder"))?,
            final_layer_norm: layer_norm(width, config.layer_norm_eps, text.pp("final_layer_norm"))?,
            text_projection: with_projection
                .then(|| Linear::no_bias(width, config.projection_dim, vb.pp("text_projection")))
                .transpose()?,
            eos_token_id: config.eos_token_id,
            dtype: vb.dtype(),
        })
    }

    /// Token ids, one row a text, all of one length of at most `max_position_embeddings`.
    pub fn forward(&self, ids: &[Vec<u32>], cancel: Cancel) -> Result<TextEncoding> {
        let device = self.position_embedding.device();
        let (rows, columns) = (ids.len(), ids.first().map_or(0, Vec::len));
        let positions = self.position_embedding.dim(0)?;
        if columns == 0 || columns > positions || ids.iter().any(|row| row.len() != columns) {
            bail!("the text tower takes 1 to {positions} tokens, all rows alike, and got {columns}");
        }
        let vocabulary = self.token_embedding.embeddings().dim(0)?;
        if let Some(id) = ids.iter().flatten().find(|id| **id as usize >= vocabulary) {
            bail!(
                "the tokenizer gave id {id}, but the text tower knows {vocabulary} tokens: they are of different models"
            );
        }
        let flat = Tensor::from_vec(ids.concat(), (rows, columns), device)?;
        let x = self.token_embedding.forward(&flat)?.broadcast_add(&self.position_embedding.narrow(0, 0, columns)?)?;
        let states = self.encoder.forward(x, Some(&causal_mask(columns, device)?), cancel)?;
        let normed = self.final_layer_norm.forward(&states.last)?;
        let text_embeds = match &self.text_projection {
            Some(project) => {
                let ends = ids
                    .iter()
                    .enumerate()
                    .map(|(row, ids)| normed.get(row)?.get(eos_position(ids, self.eos_token_id)))
                    .collect::<Result<Vec<_>>>()?;
                Some(project.forward(&Tensor::stack(&ends, 0)?)?)
            }
            None => None,
        };
        let last = normed.to_dtype(self.dtype)?;
        Ok(TextEncoding { penultimate: states.penultimate.to_dtype(self.dtype)?, last, text_embeds })
    }
}

/// Where the pooled state is taken. Configs written before transformers fixed its rule say `eos_token_id` 2, and there the
/// highest id is the end; others name the end token, and its first occurrence counts.
fn eos_position(ids: &[u32], eos_token_id: u32) -> usize {
    let end = if eos_token_id == 2 { ids.iter().copied().max().unwrap_or_default() } else { eos_token_id };
    ids.iter().position(|id| *id == end).unwrap_or(0)
}

/// `[n, n]`: a token attends to itself and those before it.
fn causal_mask(n: usize, device: &candle_core::Device) -> Result<Tensor> {
    let mask: Vec<f32> =
        (0..n).flat_map(|i| (0..n).map(move |j| if j > i { f32::NEG_INFINITY } else { 0.0 })).collect();
    Tensor::from_vec(mask, (n, n), device)
}

#[cfg(test)]
mod tests {
    use super::eos_position;

    #[test]
    fn both_rules_for_the_end_of_a_text() {
        // Rule of old configs: the highest id, wherever the padding stands.
        assert_eq!(eos_position(&[90, 4, 7, 99, 0, 0], 2), 3);
        // Rule of new configs: the first end token, though a higher id comes first.
        assert_eq!(eos_position(&[90, 99, 7, 98, 98], 98), 3);
        // transformers falls back to the first position where there is no end token.
        assert_eq!(eos_position(&[5, 6], 98), 0);
    }
}
