//! GroupNorm and LayerNorm, computed in f32 whatever the dtype of their input (torch does so inside its kernels).

use candle_core::{Result, Tensor};
use candle_nn::{GroupNorm, LayerNorm, LayerNormConfig, VarBuilder};

/// GroupNorm over `[batch, channels, …]` with `weight` and `bias` of `[channels]`.
pub fn group_norm(groups: usize, channels: usize, eps: f64, vb: VarBuilder) -> Result<GroupNorm> {
    if groups == 0 || !channels.is_multiple_of(groups) {
        candle_core::bail!("{channels} channels cannot be split into {groups} norm groups");
    }
    candle_nn::group_norm(groups, channels, eps, vb)
}

/// LayerNorm over the last axis with `weight` and `bias` of `[width]`.
pub fn layer_norm(width: usize, eps: f64, vb: VarBuilder) -> Result<LayerNorm> {
    candle_nn::layer_norm(width, LayerNormConfig { eps, ..LayerNormConfig::default() }, vb)
}

/// Moves channels last and flattens: `[batch, channels, height, width]` to `[batch, height * width, channels]`.
pub fn to_tokens(x: &Tensor) -> Result<Tensor> {
    x.flatten_from(2)?.transpose(1, 2)?.contiguous()
}

/// The way back from [`to_tokens`].
pub fn from_tokens(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let (batch, _, channels) = x.dims3()?;
    x.transpose(1, 2)?.contiguous()?.reshape((batch, channels, height, width))
}
