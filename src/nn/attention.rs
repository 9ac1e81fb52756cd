//! One transformer block: self-attention, cross-attention, feed-forward (diffusers `attention.py`: `BasicTransformerBlock`,
//! `FeedForward`, `GEGLU`).

use candle_core::{Result, Tensor};
use candle_nn::{Linear, Module, VarBuilder};

use super::activations::Activation;
use super::attention_processor::{Attention, ImagePrompt};
use super::normalization::{LayerNorm, layer_norm};

/// `net.0.proj` to twice the inner width, value times the GELU of the gate, `net.2` back.
#[derive(Debug, Clone)]
struct FeedForward {
    proj: Linear,
    out: Linear,
}

impl FeedForward {
    fn new(dim: usize, vb: VarBuilder) -> Result<Self> {
        let inner = dim * 4;
        let vb = vb.pp("net");
        Ok(Self {
            proj: candle_nn::linear(dim, inner * 2, vb.pp("0").pp("proj"))?,
            out: candle_nn::linear(inner, dim, vb.pp("2"))?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let halves = self.proj.forward(x)?.chunk(2, candle_core::D::Minus1)?;
        let [value, gate] = &halves[..] else { candle_core::bail!("GEGLU needs an even width") };
        // The exact GELU: candle's `gelu` is the tanh approximation.
        self.out.forward(&(value * Activation::Gelu.apply(gate)?)?)
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

    /// `x` `[batch, n, dim]`, `context` `[batch, m, cross_attention_dim]`; image prompts enter `attn2` only.
    pub fn forward(&self, x: &Tensor, context: &Tensor, image_prompts: &[ImagePrompt]) -> Result<Tensor> {
        let x = (x + self.attn1.forward(&self.norm1.forward(x)?, None, &[])?)?;
        let x = (&x + self.attn2.forward(&self.norm2.forward(&x)?, Some(context), image_prompts)?)?;
        &x + self.ff.forward(&self.norm3.forward(&x)?)?
    }
}
