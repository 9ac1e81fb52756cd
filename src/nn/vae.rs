//! The VAE's two halves (diffusers `vae.py`: `Encoder`, `Decoder`; `unet_2d_blocks.py`: `DownEncoderBlock2D`,
//! `UNetMidBlock2D`, `UpDecoderBlock2D`).

use candle_core::{Result, Tensor};
use candle_nn::{Module, VarBuilder};

use super::activations::Activation;
use super::attention_processor::scaled_dot_product_attention;
use super::cancel::Cancel;
use super::layers::{Conv2d, Linear};
use super::normalization::{GroupNorm, from_tokens, group_norm, to_tokens};
use super::resnet::{Downsample2D, ResnetBlock2D, ResnetConfig, Upsample2D, conv3x3};

/// Self-attention over the pixels with one head, its norm and its residual (`Attention` with `residual_connection`).
#[derive(Debug, Clone)]
struct AttentionBlock {
    group_norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
}

impl AttentionBlock {
    fn new(channels: usize, resnet: ResnetConfig, vb: VarBuilder) -> Result<Self> {
        let linear = |name: &str| Linear::new(channels, channels, vb.pp(name));
        Ok(Self {
            group_norm: group_norm(resnet.groups, channels, resnet.eps, vb.pp("group_norm"))?,
            to_q: linear("to_q")?,
            to_k: linear("to_k")?,
            to_v: linear("to_v")?,
            to_out: linear("to_out.0")?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let tokens = to_tokens(&self.group_norm.forward(x)?)?;
        let (q, k, v) = (self.to_q.forward(&tokens)?, self.to_k.forward(&tokens)?, self.to_v.forward(&tokens)?);
        let attended = scaled_dot_product_attention(&q, &k, &v, 1, None)?;
        from_tokens(&self.to_out.forward_add(&attended, &to_tokens(x)?)?, height, width)
    }
}

#[derive(Debug, Clone)]
struct MidBlock {
    first: ResnetBlock2D,
    attention: Option<AttentionBlock>,
    second: ResnetBlock2D,
}

impl MidBlock {
    fn new(channels: usize, has_attention: bool, resnet: ResnetConfig, vb: VarBuilder) -> Result<Self> {
        let resnets = vb.pp("resnets");
        Ok(Self {
            first: ResnetBlock2D::new(channels, channels, resnet, resnets.pp("0"))?,
            attention: has_attention
                .then(|| AttentionBlock::new(channels, resnet, vb.pp("attentions").pp("0")))
                .transpose()?,
            second: ResnetBlock2D::new(channels, channels, resnet, resnets.pp("1"))?,
        })
    }

    fn forward(&self, x: &Tensor, cancel: Cancel) -> Result<Tensor> {
        cancel.check()?;
        let mut x = self.first.forward(x, None)?;
        if let Some(attention) = &self.attention {
            cancel.check()?;
            x = attention.forward(&x)?;
        }
        cancel.check()?;
        self.second.forward(&x, None)
    }
}

/// What both halves are built from.
#[derive(Debug, Clone)]
pub struct VaeShape<'a> {
    pub block_out_channels: &'a [usize],
    pub layers_per_block: usize,
    pub mid_block_add_attention: bool,
    pub resnet: ResnetConfig,
}

/// Behind its last norm stands SiLU, whatever `act_fn` is; so it is in the decoder.
#[derive(Debug, Clone)]
pub struct Encoder {
    conv_in: Conv2d,
    down_blocks: Vec<(Vec<ResnetBlock2D>, Option<Downsample2D>)>,
    mid_block: MidBlock,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Encoder {
    /// `out_channels` is twice the latent channels: mean and log-variance.
    pub fn new(in_channels: usize, out_channels: usize, shape: &VaeShape, vb: VarBuilder) -> Result<Self> {
        let widths = shape.block_out_channels;
        let (Some(&outermost), Some(&innermost)) = (widths.first(), widths.last()) else {
            candle_core::bail!("the VAE's config names no block_out_channels")
        };
        let mut input = outermost;
        let mut down_blocks = Vec::with_capacity(widths.len());
        for (i, &width) in widths.iter().enumerate() {
            let vb = vb.pp("down_blocks").pp(i);
            let resnets = (0..shape.layers_per_block)
                .map(|j| {
                    let from = if j == 0 { input } else { width };
                    ResnetBlock2D::new(from, width, shape.resnet, vb.pp("resnets").pp(j))
                })
                .collect::<Result<_>>()?;
            let down = (i + 1 < widths.len())
                .then(|| Downsample2D::new(width, 0, vb.pp("downsamplers").pp("0")))
                .transpose()?;
            down_blocks.push((resnets, down));
            input = width;
        }
        Ok(Self {
            conv_in: conv3x3(in_channels, outermost, vb.pp("conv_in"))?,
            down_blocks,
            mid_block: MidBlock::new(innermost, shape.mid_block_add_attention, shape.resnet, vb.pp("mid_block"))?,
            conv_norm_out: group_norm(shape.resnet.groups, innermost, shape.resnet.eps, vb.pp("conv_norm_out"))?,
            conv_out: conv3x3(innermost, out_channels, vb.pp("conv_out"))?,
        })
    }

    /// `[batch, in_channels, height, width]` to `[batch, out_channels, height / f, width / f]`.
    pub fn forward(&self, x: &Tensor, cancel: Cancel) -> Result<Tensor> {
        let mut x = self.conv_in.forward(x)?;
        for (resnets, down) in &self.down_blocks {
            for resnet in resnets {
                cancel.check()?;
                x = resnet.forward(&x, None)?;
            }
            if let Some(down) = down {
                cancel.check()?;
                x = down.forward(&x)?;
            }
        }
        let x = self.mid_block.forward(&x, cancel)?;
        cancel.check()?;
        self.conv_out.forward_behind(&self.conv_norm_out, Activation::Silu, &x)
    }
}

#[derive(Debug, Clone)]
pub struct Decoder {
    conv_in: Conv2d,
    mid_block: MidBlock,
    up_blocks: Vec<(Vec<ResnetBlock2D>, Option<Upsample2D>)>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Decoder {
    pub fn new(in_channels: usize, out_channels: usize, shape: &VaeShape, vb: VarBuilder) -> Result<Self> {
        let widths = shape.block_out_channels;
        let (Some(&outermost), Some(&innermost)) = (widths.first(), widths.last()) else {
            candle_core::bail!("the VAE's config names no block_out_channels")
        };
        let mut input = innermost;
        let mut up_blocks = Vec::with_capacity(widths.len());
        for (i, &width) in widths.iter().rev().enumerate() {
            let vb = vb.pp("up_blocks").pp(i);
            let resnets = (0..=shape.layers_per_block)
                .map(|j| {
                    let from = if j == 0 { input } else { width };
                    ResnetBlock2D::new(from, width, shape.resnet, vb.pp("resnets").pp(j))
                })
                .collect::<Result<_>>()?;
            let up = (i + 1 < widths.len()).then(|| Upsample2D::new(width, vb.pp("upsamplers").pp("0"))).transpose()?;
            up_blocks.push((resnets, up));
            input = width;
        }
        Ok(Self {
            conv_in: conv3x3(in_channels, innermost, vb.pp("conv_in"))?,
            mid_block: MidBlock::new(innermost, shape.mid_block_add_attention, shape.resnet, vb.pp("mid_block"))?,
            up_blocks,
            conv_norm_out: group_norm(shape.resnet.groups, outermost, shape.resnet.eps, vb.pp("conv_norm_out"))?,
            conv_out: conv3x3(outermost, out_channels, vb.pp("conv_out"))?,
        })
    }

    /// `[batch, in_channels, h, w]` to `[batch, out_channels, h * f, w * f]`.
    pub fn forward(&self, z: &Tensor, cancel: Cancel) -> Result<Tensor> {
        let mut x = self.mid_block.forward(&self.conv_in.forward(z)?, cancel)?;
        for (resnets, up) in &self.up_blocks {
            for resnet in resnets {
                cancel.check()?;
                x = resnet.forward(&x, None)?;
            }
            if let Some(up) = up {
                cancel.check()?;
                let size = (x.dim(2)? * 2, x.dim(3)? * 2);
                x = up.forward(&x, size)?;
            }
        }
        cancel.check()?;
        self.conv_out.forward_behind(&self.conv_norm_out, Activation::Silu, &x)
    }
}
