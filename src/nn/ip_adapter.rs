//! IP-Adapter: image tokens, and their keys and values for each cross-attention (IP-Adapter `ip_adapter.py`; diffusers
//! `embeddings.py`: `ImageProjection`, `unet_loader_utils.py`).

use candle_core::{Result, Tensor, bail};
use candle_nn::{Module, VarBuilder};

use super::layers::Linear;
use super::normalization::{LayerNorm, layer_norm};
use super::resampler::{Resampler, ResamplerShape};
use super::unet_2d_blocks::BlockInfo;

/// What the adapter projects from, and its sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectionShape {
    /// From `image_embeds`: one linear to `tokens * cross_attention_dim`, then LayerNorm.
    Base { embedding_dim: usize, tokens: usize, cross_attention_dim: usize },
    /// From `hidden_states[-2]`.
    Plus(ResamplerShape),
    /// From `hidden_states[-2]`: two linears and a LayerNorm for each of its states.
    Full { embedding_dim: usize, inner_dim: usize, cross_attention_dim: usize },
}

impl ProjectionShape {
    pub fn cross_attention_dim(&self) -> usize {
        match self {
            Self::Base { cross_attention_dim, .. } | Self::Full { cross_attention_dim, .. } => *cross_attention_dim,
            Self::Plus(shape) => shape.output_dim,
        }
    }
}

/// What an image encoder gives, as far as an adapter takes it.
#[derive(Debug, Clone)]
pub enum ImageFeatures {
    /// `[1, projection_dim]`
    Embeds(Tensor),
    /// `[1, 1 + patches, hidden_size]`
    States(Tensor),
}

#[derive(Debug, Clone)]
pub enum ImageProjection {
    Base { proj: Linear, norm: LayerNorm, tokens: usize },
    Plus(Resampler),
    Full { first: Linear, second: Linear, norm: LayerNorm },
}

impl ImageProjection {
    /// `vb` stands at the file's root.
    pub fn new(shape: &ProjectionShape, vb: VarBuilder) -> Result<Self> {
        let vb = vb.pp("image_proj");
        Ok(match *shape {
            ProjectionShape::Base { embedding_dim, tokens, cross_attention_dim } => Self::Base {
                proj: Linear::new(embedding_dim, tokens * cross_attention_dim, vb.pp("proj"))?,
                norm: layer_norm(cross_attention_dim, 1e-5, vb.pp("norm"))?,
                tokens,
            },
            ProjectionShape::Plus(ref shape) => Self::Plus(Resampler::new(shape, vb)?),
            // diffusers: `IPAdapterFullImageProjection`.
            ProjectionShape::Full { embedding_dim, inner_dim, cross_attention_dim } => {
                let proj = vb.pp("proj");
                Self::Full {
                    first: Linear::new(embedding_dim, inner_dim, proj.pp("0"))?,
                    second: Linear::new(inner_dim, cross_attention_dim, proj.pp("2"))?,
                    norm: layer_norm(cross_attention_dim, 1e-5, proj.pp("3"))?,
                }
            }
        })
    }

    /// To image tokens `[1, tokens, cross_attention_dim]`.
    pub fn forward(&self, features: &ImageFeatures) -> Result<Tensor> {
        match (self, features) {
            (Self::Base { proj, norm, tokens }, ImageFeatures::Embeds(embeds)) => {
                let projected = proj.forward(embeds)?;
                let batch = projected.dim(0)?;
                norm.forward(&projected.reshape((batch, *tokens, ()))?)
            }
            (Self::Plus(resampler), ImageFeatures::States(states)) => resampler.forward(states),
            (Self::Full { first, second, norm }, ImageFeatures::States(states)) => {
                norm.forward(&second.forward(&first.forward(states)?.gelu_erf()?)?)
            }
            _ => bail!("this adapter takes other image features than it was given"),
        }
    }
}

/// `to_k_ip` and `to_v_ip` of one cross-attention.
#[derive(Debug, Clone)]
pub struct ImageKeyValue {
    to_k_ip: Linear,
    to_v_ip: Linear,
}

impl ImageKeyValue {
    /// Builds the pair of the `cross_attention`-th cross-attention, counted down, up, mid: in the file its number is its
    /// place among all attentions, where self-attentions are even.
    pub fn new(cross_attention: usize, cross_attention_dim: usize, inner_dim: usize, vb: &VarBuilder) -> Result<Self> {
        let vb = vb.pp("ip_adapter").pp(2 * cross_attention + 1);
        Ok(Self {
            to_k_ip: Linear::no_bias(cross_attention_dim, inner_dim, vb.pp("to_k_ip"))?,
            to_v_ip: Linear::no_bias(cross_attention_dim, inner_dim, vb.pp("to_v_ip"))?,
        })
    }

    /// Image tokens `[batch, tokens, cross_attention_dim]` to key and value `[batch, tokens, inner_dim]`.
    pub fn forward(&self, tokens: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.to_k_ip.forward(tokens)?, self.to_v_ip.forward(tokens)?))
    }
}

/// Builds every pair of an adapter: what a check of its file asks for.
pub fn all_key_values(blocks: &[BlockInfo], cross_attention_dim: usize, vb: &VarBuilder) -> Result<Vec<ImageKeyValue>> {
    blocks
        .iter()
        .flat_map(|block| block.cross_attentions.clone().map(|index| (index, block.inner_dim)))
        .map(|(index, inner_dim)| ImageKeyValue::new(index, cross_attention_dim, inner_dim, vb))
        .collect()
}
