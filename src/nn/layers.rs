//! Linear layers and convolutions: the CPU's packed kernels in f32, candle's operations on every other device and dtype.
//!
//! On the CPU weights stay in the precision of their file, and a convolution's result lies channels-last (see
//! [`crate::kernels`]).

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Conv2dConfig, Module, VarBuilder};

use super::activations::Activation;
use super::normalization::GroupNorm;
use crate::kernels::dense::is_native;
pub use crate::kernels::{ConvExtras, Window};
use crate::kernels::{Isa, PackedConv2d, PackedLinear, get_as_stored};

/// Whether networks of a dtype on a device compute with this program's kernels, and keep weights as their file has them.
pub fn uses_kernels(device: &Device, dtype: DType) -> bool {
    device.is_cpu() && dtype == DType::F32
}

/// A weight, and whether it is to be packed: not where only its header is being checked, and all its numbers are one.
fn weight(vb: &VarBuilder, shape: &[usize]) -> Result<(Tensor, bool)> {
    if !uses_kernels(vb.device(), vb.dtype()) {
        return Ok((vb.get(shape, "weight")?, false));
    }
    let weight = get_as_stored(vb, shape, "weight")?;
    let is_placeholder = weight.elem_count() > 1 && weight.stride().iter().all(|stride| *stride == 0);
    Ok((weight, !is_placeholder))
}

/// `y = x Wᵀ + b`
#[derive(Debug, Clone)]
pub enum Linear {
    Packed(Arc<PackedLinear>),
    Plain(candle_nn::Linear),
}

impl Linear {
    /// From `weight` `[outputs, inputs]` and `bias` `[outputs]`.
    pub fn new(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Self> {
        Self::build(inputs, outputs, true, vb)
    }

    pub fn no_bias(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Self> {
        Self::build(inputs, outputs, false, vb)
    }

    fn build(inputs: usize, outputs: usize, has_bias: bool, vb: VarBuilder) -> Result<Self> {
        let (weight, is_packed) = weight(&vb, &[outputs, inputs])?;
        let bias = has_bias.then(|| vb.get(outputs, "bias")).transpose()?;
        Ok(match is_packed {
            true => Self::Packed(Arc::new(PackedLinear::new(Isa::best(), &weight, bias.as_ref())?)),
            false => Self::Plain(candle_nn::Linear::new(weight, bias)),
        })
    }

    /// `[…, inputs]` to `[…, outputs]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Packed(linear) => linear.forward(x, None),
            Self::Plain(linear) => linear.forward(x),
        }
    }

    /// The same, plus `residual` of the result's shape.
    pub fn forward_add(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        match self {
            Self::Packed(linear) => linear.forward(x, Some(residual)),
            Self::Plain(linear) => linear.forward(x)? + residual,
        }
    }
}

/// A linear layer to twice the outputs, values and gates: `value * gelu(gate)` with the exact GELU (diffusers' `GEGLU`).
#[derive(Debug, Clone)]
pub enum GatedLinear {
    Packed(Arc<PackedLinear>),
    Plain(candle_nn::Linear),
}

impl GatedLinear {
    /// From `weight` `[2 * outputs, inputs]` and `bias` `[2 * outputs]`.
    pub fn new(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Self> {
        let (weight, is_packed) = weight(&vb, &[2 * outputs, inputs])?;
        let bias = vb.get(2 * outputs, "bias")?;
        Ok(match is_packed {
            true => Self::Packed(Arc::new(PackedLinear::gated(Isa::best(), &weight, Some(&bias))?)),
            false => Self::Plain(candle_nn::Linear::new(weight, Some(bias))),
        })
    }

    /// `[…, inputs]` to `[…, outputs]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Packed(linear) => linear.forward(x, None),
            Self::Plain(linear) => {
                let halves = linear.forward(x)?.chunk(2, candle_core::D::Minus1)?;
                let [value, gate] = &halves[..] else { candle_core::bail!("GEGLU needs an even width") };
                // candle's `gelu` is the tanh approximation.
                value * gate.contiguous()?.gelu_erf()?
            }
        }
    }
}

/// A convolution with a square kernel.
#[derive(Debug, Clone)]
pub enum Conv2d {
    Packed(Arc<PackedConv2d>),
    Plain { conv: candle_nn::Conv2d, window: Window },
}

impl Conv2d {
    /// From `weight` `[outputs, channels, kernel, kernel]` and `bias` `[outputs]`.
    pub fn new(channels: usize, outputs: usize, kernel: usize, window: Window, vb: VarBuilder) -> Result<Self> {
        Self::build(channels, outputs, kernel, window, true, vb)
    }

    pub fn no_bias(channels: usize, outputs: usize, kernel: usize, window: Window, vb: VarBuilder) -> Result<Self> {
        Self::build(channels, outputs, kernel, window, false, vb)
    }

    fn build(
        channels: usize,
        outputs: usize,
        kernel: usize,
        window: Window,
        has_bias: bool,
        vb: VarBuilder,
    ) -> Result<Self> {
        let (weight, is_packed) = weight(&vb, &[outputs, channels, kernel, kernel])?;
        let bias = has_bias.then(|| vb.get(outputs, "bias")).transpose()?;
        Ok(match is_packed {
            true => Self::Packed(Arc::new(PackedConv2d::new(Isa::best(), &weight, bias.as_ref(), window)?)),
            false => {
                // candle pads all sides alike; other padding is made by hand.
                let padding = if window.before == window.after { window.before } else { 0 };
                let config = Conv2dConfig { stride: window.stride, padding, ..Conv2dConfig::default() };
                Self::Plain { conv: candle_nn::Conv2d::new(weight, bias, config), window }
            }
        })
    }

    /// `[batch, channels, height, width]` to `[batch, outputs, height', width']`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_with(x, ConvExtras::default())
    }

    /// The norm and the activation, then the convolution.
    pub fn forward_behind(&self, norm: &GroupNorm, activation: Activation, x: &Tensor) -> Result<Tensor> {
        match self.packed() {
            Some(conv) if activation == Activation::Silu && is_native(x) => {
                conv.forward(x, ConvExtras { norm: Some(norm.spec(true)), ..ConvExtras::default() })
            }
            _ => self.forward(&norm.forward_with(x, activation)?),
        }
    }

    /// The kernel that does it, where one does.
    pub fn packed(&self) -> Option<&PackedConv2d> {
        match self {
            Self::Packed(conv) => Some(conv),
            Self::Plain { .. } => None,
        }
    }

    /// The same, with what is done before and after it.
    pub fn forward_with(&self, x: &Tensor, extras: ConvExtras) -> Result<Tensor> {
        match self {
            Self::Packed(conv) => conv.forward(x, extras),
            Self::Plain { conv, window } => {
                let Window { before, after, .. } = *window;
                if extras.norm.is_some() {
                    candle_core::bail!("only a packed convolution normalises its picture");
                }
                let mut x = match extras.enlarged {
                    Some((height, width)) => x.upsample_nearest2d(height, width)?,
                    None => x.clone(),
                };
                if before != after {
                    x = x.pad_with_zeros(2, before, after)?.pad_with_zeros(3, before, after)?;
                }
                let mut out = conv.forward(&x)?;
                if let Some(shift) = extras.shift {
                    out = out.broadcast_add(&shift.unsqueeze(2)?.unsqueeze(3)?)?;
                }
                match extras.residual {
                    Some(residual) => out + residual,
                    None => Ok(out),
                }
            }
        }
    }
}
