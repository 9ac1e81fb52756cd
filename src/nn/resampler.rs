//! The projection of Plus adapters: a perceiver (IP-Adapter `resampler.py`: `Resampler`; diffusers `embeddings.py`:
//! `IPAdapterPlusImageProjection`).

use candle_core::{Result, Tensor, bail};
use candle_nn::{Module, VarBuilder};

use super::activations::Activation;
use super::attention_processor::scaled_dot_product_attention;
use super::layers::Linear;
use super::normalization::{LayerNorm, layer_norm};

/// Width of one attention head in every Plus adapter; the file does not say it.
const DIM_HEAD: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResamplerShape {
    /// Width of the image encoder's states.
    pub embedding_dim: usize,
    /// Width of the latent queries.
    pub dim: usize,
    /// Latent queries = image tokens.
    pub num_queries: usize,
    /// heads * 64
    pub inner_dim: usize,
    pub ff_inner_dim: usize,
    pub output_dim: usize,
    pub depth: usize,
}

#[derive(Debug, Clone)]
struct PerceiverLayer {
    norm1: LayerNorm,
    norm2: LayerNorm,
    to_q: Linear,
    to_kv: Linear,
    to_out: Linear,
    ff_norm: LayerNorm,
    ff_in: Linear,
    ff_out: Linear,
    heads: usize,
}

impl PerceiverLayer {
    fn new(shape: &ResamplerShape, vb: VarBuilder) -> Result<Self> {
        let (attention, ff) = (vb.pp("0"), vb.pp("1"));
        let (dim, inner) = (shape.dim, shape.inner_dim);
        Ok(Self {
            norm1: layer_norm(dim, 1e-5, attention.pp("norm1"))?,
            norm2: layer_norm(dim, 1e-5, attention.pp("norm2"))?,
            to_q: Linear::no_bias(dim, inner, attention.pp("to_q"))?,
            to_kv: Linear::no_bias(dim, inner * 2, attention.pp("to_kv"))?,
            to_out: Linear::no_bias(inner, dim, attention.pp("to_out"))?,
            ff_norm: layer_norm(dim, 1e-5, ff.pp("0"))?,
            ff_in: Linear::no_bias(dim, shape.ff_inner_dim, ff.pp("1"))?,
            ff_out: Linear::no_bias(shape.ff_inner_dim, dim, ff.pp("3"))?,
            heads: inner / DIM_HEAD,
        })
    }

    fn forward(&self, x: &Tensor, latents: &Tensor) -> Result<Tensor> {
        let x = self.norm1.forward(x)?;
        let normed = self.norm2.forward(latents)?;
        let q = self.to_q.forward(&normed)?;
        let kv = self.to_kv.forward(&Tensor::cat(&[&x, &normed], 1)?)?.chunk(2, candle_core::D::Minus1)?;
        let [k, v] = &kv[..] else { bail!("to_kv has an odd width") };
        let attended = scaled_dot_product_attention(&q, k, v, self.heads, None)?;
        let latents = self.to_out.forward_add(&attended, latents)?;
        let ff = Activation::Gelu.apply(&self.ff_in.forward(&self.ff_norm.forward(&latents)?)?)?;
        self.ff_out.forward_add(&ff, &latents)
    }
}

#[derive(Debug, Clone)]
pub struct Resampler {
    /// `[1, num_queries, dim]`
    latents: Tensor,
    proj_in: Linear,
    layers: Vec<PerceiverLayer>,
    proj_out: Linear,
    norm_out: LayerNorm,
}

impl Resampler {
    /// `vb` stands at `image_proj`.
    pub fn new(shape: &ResamplerShape, vb: VarBuilder) -> Result<Self> {
        if shape.inner_dim == 0 || !shape.inner_dim.is_multiple_of(DIM_HEAD) {
            bail!("a Plus adapter's attention must be a multiple of {DIM_HEAD} wide, and is {}", shape.inner_dim);
        }
        let layers = vb.pp("layers");
        Ok(Self {
            latents: vb.get((1, shape.num_queries, shape.dim), "latents")?,
            proj_in: Linear::new(shape.embedding_dim, shape.dim, vb.pp("proj_in"))?,
            layers: (0..shape.depth).map(|i| PerceiverLayer::new(shape, layers.pp(i))).collect::<Result<_>>()?,
            proj_out: Linear::new(shape.dim, shape.output_dim, vb.pp("proj_out"))?,
            norm_out: layer_norm(shape.output_dim, 1e-5, vb.pp("norm_out"))?,
        })
    }

    /// The image encoder's penultimate states `[batch, 1 + patches, embedding_dim]` to image tokens `[batch, num_queries,
    /// output_dim]`.
    pub fn forward(&self, states: &Tensor) -> Result<Tensor> {
        let x = self.proj_in.forward(states)?;
        let mut latents = self.latents.repeat((states.dim(0)?, 1, 1))?;
        for layer in &self.layers {
            latents = layer.forward(&x, &latents)?;
        }
        self.norm_out.forward(&self.proj_out.forward(&latents)?)
    }
}
