//! Residual blocks and resampling (diffusers `resnet.py`, `downsampling.py`, `upsampling.py`).

use candle_core::{Result, Tensor};
use candle_nn::{Module, VarBuilder};

use super::activations::Activation;
use super::layers::{Conv2d, ConvExtras, Linear, Window};
use super::normalization::{GroupNorm, group_norm};
use crate::kernels::ResidualBlock;
use crate::kernels::dense::is_native;

/// A 3x3 convolution that keeps the size.
pub fn conv3x3(in_channels: usize, out_channels: usize, vb: VarBuilder) -> Result<Conv2d> {
    Conv2d::new(in_channels, out_channels, 3, Window::padded(1), vb)
}

/// What the residual blocks of one network share.
#[derive(Debug, Clone, Copy)]
pub struct ResnetConfig {
    pub groups: usize,
    pub eps: f64,
    pub activation: Activation,
    /// Width of the time embedding; None in the VAE.
    pub temb_channels: Option<usize>,
    /// `resnet_time_scale_shift == "scale_shift"`: the embedding scales and shifts after the second norm.
    pub scale_shift: bool,
    /// `output_scale_factor`: the sum is divided by it.
    pub output_scale_factor: f64,
}

#[derive(Debug, Clone)]
pub struct ResnetBlock2D {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
    config: ResnetConfig,
}

impl ResnetBlock2D {
    pub fn new(in_channels: usize, out_channels: usize, config: ResnetConfig, vb: VarBuilder) -> Result<Self> {
        let temb_width = if config.scale_shift { 2 * out_channels } else { out_channels };
        Ok(Self {
            norm1: group_norm(config.groups, in_channels, config.eps, vb.pp("norm1"))?,
            conv1: conv3x3(in_channels, out_channels, vb.pp("conv1"))?,
            time_emb_proj: config
                .temb_channels
                .map(|width| Linear::new(width, temb_width, vb.pp("time_emb_proj")))
                .transpose()?,
            norm2: group_norm(config.groups, out_channels, config.eps, vb.pp("norm2"))?,
            conv2: conv3x3(out_channels, out_channels, vb.pp("conv2"))?,
            conv_shortcut: (in_channels != out_channels)
                .then(|| {
                    let vb = vb.pp("conv_shortcut");
                    Conv2d::new(in_channels, out_channels, 1, Window::padded(0), vb)
                })
                .transpose()?,
            config,
        })
    }

    /// `x` `[batch, in_channels, h, w]`, `temb` `[batch, temb_channels]`, after its activation;
    /// `[batch, out_channels, h, w]` out.
    pub fn forward(&self, x: &Tensor, temb: Option<&Tensor>) -> Result<Tensor> {
        let act = self.config.activation;
        let temb = match (&self.time_emb_proj, temb) {
            (Some(project), Some(temb)) => Some(project.forward(temb)?),
            _ => None,
        };
        let shift = temb.as_ref().filter(|_| !self.config.scale_shift);
        if let Some(block) = self.packed(shift).filter(|_| is_native(x)) {
            return self.scaled(block.forward(x)?);
        }
        let h = self.norm1.forward_with(x, act)?;
        let h = self.conv1.forward_with(&h, ConvExtras { shift, ..ConvExtras::default() })?;
        let h = match temb.filter(|_| self.config.scale_shift) {
            Some(temb) => {
                let halves = temb.unsqueeze(2)?.unsqueeze(3)?.chunk(2, 1)?;
                let [scale, shift] = &halves[..] else { candle_core::bail!("scale and shift need an even width") };
                act.apply(&self.norm2.forward(&h)?.broadcast_mul(&(scale + 1.0)?)?.broadcast_add(shift)?)?
            }
            None => self.norm2.forward_with(&h, act)?,
        };
        let shortcut = match &self.conv_shortcut {
            Some(conv) => conv.forward(x)?,
            None => x.clone(),
        };
        let residual = Some(&shortcut);
        self.scaled(self.conv2.forward_with(&h, ConvExtras { residual, ..ConvExtras::default() })?)
    }

    fn scaled(&self, sum: Tensor) -> Result<Tensor> {
        if self.config.output_scale_factor == 1.0 { Ok(sum) } else { sum / self.config.output_scale_factor }
    }

    /// The kernel that does it all in little memory, where one can.
    fn packed<'a>(&'a self, shift: Option<&'a Tensor>) -> Option<ResidualBlock<'a>> {
        if self.config.activation != Activation::Silu || self.config.scale_shift {
            return None;
        }
        let shortcut = match &self.conv_shortcut {
            Some(conv) => Some(conv.packed()?),
            None => None,
        };
        Some(ResidualBlock {
            norms: [self.norm1.spec(true), self.norm2.spec(true)],
            convs: [self.conv1.packed()?, self.conv2.packed()?],
            shift,
            shortcut,
        })
    }
}

/// Halves the size with a strided convolution (`Downsample2D`).
#[derive(Debug, Clone)]
pub struct Downsample2D {
    conv: Conv2d,
}

impl Downsample2D {
    pub fn new(channels: usize, padding: usize, vb: VarBuilder) -> Result<Self> {
        // Without padding, as the VAE has it, the right and the bottom are padded.
        let window = Window { stride: 2, before: padding, after: padding.max(1) };
        Ok(Self { conv: Conv2d::new(channels, channels, 3, window, vb.pp("conv"))? })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.conv.forward(x)
    }
}

/// Nearest-neighbour enlargement, then a convolution (`Upsample2D`).
#[derive(Debug, Clone)]
pub struct Upsample2D {
    conv: Conv2d,
}

impl Upsample2D {
    pub fn new(channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self { conv: conv3x3(channels, channels, vb.pp("conv"))? })
    }

    /// To `size` (height, width): twice the input's, or one less where the level below came from an odd size.
    pub fn forward(&self, x: &Tensor, size: (usize, usize)) -> Result<Tensor> {
        self.conv.forward_with(x, ConvExtras { enlarged: Some(size), ..ConvExtras::default() })
    }
}
