//! GroupNorm and LayerNorm, computed in f32 whatever the dtype of their input (torch does so inside its kernels).

use candle_core::{Result, Tensor};
use candle_nn::{LayerNormConfig, Module, VarBuilder};

use super::activations::Activation;
use crate::kernels::dense::is_native;
use crate::kernels::group_norm::{GroupNormSpec, group_norm as group_norm_kernel};
use crate::kernels::layer_norm::layer_norm as layer_norm_kernel;
use crate::kernels::meter::{measured, shape_words};
use crate::kernels::{channels_first, channels_last};

/// GroupNorm over `[batch, channels, …]`.
#[derive(Debug, Clone)]
pub struct GroupNorm {
    groups: usize,
    eps: f64,
    /// `[channels]`
    weight: Tensor,
    /// `[channels]`
    bias: Tensor,
}

impl GroupNorm {
    /// The norm, then the activation. The result lies as `x` does, channels-first or channels-last.
    pub fn forward_with(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        match activation {
            Activation::Silu if is_native(x) => group_norm_kernel(x, &self.spec(true)),
            other => other.apply(&self.forward(x)?),
        }
    }

    /// For a kernel that normalises on its way; `silu` follows the norm.
    pub fn spec(&self, silu: bool) -> GroupNormSpec<'_> {
        GroupNormSpec { groups: self.groups, weight: &self.weight, bias: &self.bias, eps: self.eps, silu }
    }
}

impl Module for GroupNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if is_native(x) {
            return group_norm_kernel(x, &self.spec(false));
        }
        let channels = self.weight.dim(0)?;
        candle_nn::GroupNorm::new(self.weight.clone(), self.bias.clone(), channels, self.groups, self.eps)?.forward(x)
    }
}

/// GroupNorm over `[batch, channels, …]` with `weight` and `bias` of `[channels]`.
pub fn group_norm(groups: usize, channels: usize, eps: f64, vb: VarBuilder) -> Result<GroupNorm> {
    if groups == 0 || !channels.is_multiple_of(groups) {
        candle_core::bail!("{channels} channels cannot be split into {groups} norm groups");
    }
    Ok(GroupNorm { groups, eps, weight: vb.get(channels, "weight")?, bias: vb.get(channels, "bias")? })
}

/// LayerNorm over the last axis.
#[derive(Debug, Clone)]
pub struct LayerNorm(candle_nn::LayerNorm);

impl Module for LayerNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self.0.bias() {
            Some(bias) if is_native(x) => measured(
                "layer norm",
                || (shape_words(x.dims()), 0.0),
                || layer_norm_kernel(x, self.0.weight(), bias, self.0.eps()),
            ),
            _ => self.0.forward(x),
        }
    }
}

/// LayerNorm over the last axis with `weight` and `bias` of `[width]`.
pub fn layer_norm(width: usize, eps: f64, vb: VarBuilder) -> Result<LayerNorm> {
    candle_nn::layer_norm(width, LayerNormConfig { eps, ..LayerNormConfig::default() }, vb).map(LayerNorm)
}

/// Moves channels last and flattens: `[batch, channels, height, width]` to `[batch, height * width, channels]`. A view
/// where the picture lies channels-last.
pub fn to_tokens(x: &Tensor) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    channels_last(x)?.reshape((batch, height * width, channels))
}

/// The way back from [`to_tokens`]; on the CPU a view that lies channels-last.
pub fn from_tokens(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let (batch, _, channels) = x.dims3()?;
    let picture = channels_first(&x.reshape((batch, height, width, channels))?)?;
    // candle's GPU convolutions want a picture without gaps.
    if x.device().is_cpu() { Ok(picture) } else { picture.contiguous() }
}
