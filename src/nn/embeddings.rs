//! Sinusoidal timestep embeddings and their MLP (diffusers `embeddings.py`: `get_timestep_embedding`, `TimestepEmbedding`).

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::activations::Activation;
use super::layers::Linear;

/// `Timesteps`: numbers to sinusoids.
#[derive(Debug, Clone, Copy)]
pub struct Timesteps {
    pub num_channels: usize,
    /// Cosines before sines.
    pub flip_sin_to_cos: bool,
    /// `freq_shift` of the UNet's config.
    pub downscale_freq_shift: f64,
}

impl Timesteps {
    /// `[values]` to f32 `[values, num_channels]`, on the host: in half precision the phase of t = 980 would be off by up
    /// to half a radian.
    pub fn embed(&self, values: &[f64], device: &Device) -> Result<Tensor> {
        let half = self.num_channels / 2;
        let mut out = Vec::with_capacity(values.len() * self.num_channels);
        for value in values {
            let phase = |i: usize| {
                let exponent = -(10_000f32.ln()) * i as f32 / (half as f32 - self.downscale_freq_shift as f32);
                *value as f32 * exponent.exp()
            };
            let sines = (0..half).map(|i| phase(i).sin());
            let cosines = (0..half).map(|i| phase(i).cos());
            if self.flip_sin_to_cos {
                out.extend(cosines.chain(sines));
            } else {
                out.extend(sines.chain(cosines));
            }
            // An odd width is padded with a zero, as the reference does.
            out.extend(std::iter::repeat_n(0.0, self.num_channels % 2));
        }
        Tensor::from_vec(out, (values.len(), self.num_channels), device)
    }
}

/// Two linears with an activation between; the first may take a condition (the guidance of LCM models).
#[derive(Debug, Clone)]
pub struct TimestepEmbedding {
    linear_1: Linear,
    linear_2: Linear,
    cond_proj: Option<Linear>,
    activation: Activation,
}

impl TimestepEmbedding {
    pub fn new(
        in_channels: usize,
        time_embed_dim: usize,
        activation: Activation,
        cond_proj_dim: Option<usize>,
        vb: VarBuilder,
    ) -> Result<Self> {
        Ok(Self {
            linear_1: Linear::new(in_channels, time_embed_dim, vb.pp("linear_1"))?,
            linear_2: Linear::new(time_embed_dim, time_embed_dim, vb.pp("linear_2"))?,
            cond_proj: cond_proj_dim.map(|dim| Linear::no_bias(dim, in_channels, vb.pp("cond_proj"))).transpose()?,
            activation,
        })
    }

    /// `[batch, in_channels]` (and a condition `[batch, cond_proj_dim]`) to `[batch, time_embed_dim]`.
    pub fn forward(&self, sample: &Tensor, condition: Option<&Tensor>) -> Result<Tensor> {
        let sample = match (&self.cond_proj, condition) {
            (Some(project), Some(condition)) => (sample + project.forward(condition)?)?,
            _ => sample.clone(),
        };
        self.linear_2.forward(&self.activation.apply(&self.linear_1.forward(&sample)?)?)
    }
}

/// The embedding of a guidance scale for models with `time_cond_proj_dim` (`get_guidance_scale_embedding` of the SDXL
/// pipeline): f32 `[1, embedding_dim]`.
pub fn guidance_scale_embedding(guidance: f64, embedding_dim: usize, device: &Device) -> Result<Tensor> {
    let half = embedding_dim / 2;
    let w = (guidance - 1.0) as f32 * 1000.0;
    let phase = |i: usize| w * (-(10_000f32.ln()) / (half as f32 - 1.0) * i as f32).exp();
    let mut out: Vec<f32> = (0..half).map(|i| phase(i).sin()).chain((0..half).map(|i| phase(i).cos())).collect();
    out.resize(embedding_dim, 0.0);
    Tensor::from_vec(out, (1, embedding_dim), device)?.to_dtype(DType::F32)
}
