//! One transformer block: self-attention, cross-attention, feed-forward (diffusers `attention.py`: `BasicTransformerBlock`,
//! `FeedForward`, `GEGLU`).

use candle_core::{Result, Tensor};
use candle_nn::{Module, VarBuilder};

use super::attention_processor::{Attention, ImagePrompt, KeyValue};
use super::layers::{GatedLinear, Linear};
use super::normalization::{LayerNorm, layer_norm};

/// `net.0.proj` to twice the inner width, value times the GELU of the gate, `net.2` back.
#[derive(Debug, Clone)]
struct FeedForward {
    proj: GatedLinear,
    out: Linear,
}

impl FeedForward {
    fn new(dim: usize, vb: VarBuilder) -> Result<Self> {
        let inner = dim * 4;
        let vb = vb.pp("net");
        Ok(Self {
            proj: GatedLinear::new(dim, inner, vb.pp("0").pp("proj"))?,
            out: Linear::new(inner, dim, vb.pp("2"))?,
        })
    }

    fn forward(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        self.out.forward_add(&self.proj.forward(x)?, residual)
    }
}

#[derive(Debug, Clone)]
pub struct BasicTransformerBlock {
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    ff: FeedForward,
}

impl BasicTransformerBlock {
    pub fn new(dim: usize, heads: usize, cross_attention_dim: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            norm1: layer_norm(dim, 1e-5, vb.pp("norm1"))?,
            attn1: Attention::new(dim, dim, heads, vb.pp("attn1"))?,
            norm2: layer_norm(dim, 1e-5, vb.pp("norm2"))?,
            attn2: Attention::new(dim, cross_attention_dim, heads, vb.pp("attn2"))?,
            norm3: layer_norm(dim, 1e-5, vb.pp("norm3"))?,
            ff: FeedForward::new(dim, vb.pp("ff"))?,
        })
    }

    /// What `attn2` makes of a text `[batch, m, cross_attention_dim]`.
    pub fn text_key_value(&self, text: &Tensor) -> Result<KeyValue> {
        self.attn2.key_value(text)
    }

    /// `x` `[batch, n, dim]`, `text` from [`Self::text_key_value`]; image prompts enter `attn2` only.
    pub fn forward(&self, x: &Tensor, text: &KeyValue, image_prompts: &[ImagePrompt]) -> Result<Tensor> {
        let x = self.attn1.forward(&self.norm1.forward(x)?, None, &[], x)?;
        let x = self.attn2.forward(&self.norm2.forward(&x)?, Some(text), image_prompts, &x)?;
        self.ff.forward(&self.norm3.forward(&x)?, &x)
    }
}
