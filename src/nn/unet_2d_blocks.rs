//! The UNet's blocks (diffusers `unet_2d_blocks.py`: `DownBlock2D`, `CrossAttnDownBlock2D`, `UNetMidBlock2DCrossAttn`,
//! `UpBlock2D`, `CrossAttnUpBlock2D`). A block without cross-attention is one whose list of attentions is empty.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::maps::concat_channels;
use super::resnet::{Downsample2D, ResnetBlock2D, ResnetConfig, Upsample2D};
use super::transformer_2d::Transformer2DModel;
use super::unet_2d_condition::Conditioning;
use super::unet_config::LevelConfig;

/// Hands out indices of cross-attentions and notes which block each belongs to, in the order of diffusers'
/// `attn_processors`: down, up, mid. IP-Adapter files number their keys by it.
#[derive(Debug, Default)]
pub struct CrossAttentionIndex {
    pub blocks: Vec<BlockInfo>,
    pub count: usize,
}

/// One `attentions.N` group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockInfo {
    /// As diffusers names it, such as `up_blocks.0.attentions.1`.
    pub name: String,
    /// Its cross-attentions.
    pub cross_attentions: std::ops::Range<usize>,
    /// Width of its queries, keys and values.
    pub inner_dim: usize,
}

impl CrossAttentionIndex {
    fn take(&mut self, name: String, depth: usize, inner_dim: usize) -> usize {
        let first = self.count;
        self.count += depth;
        self.blocks.push(BlockInfo { name, cross_attentions: first..self.count, inner_dim });
        first
    }
}

fn attentions(
    level: &LevelConfig,
    index: &mut CrossAttentionIndex,
    vb: &VarBuilder,
) -> Result<Vec<Transformer2DModel>> {
    let depths = level.depths.as_deref().unwrap_or_default();
    depths
        .iter()
        .enumerate()
        .map(|(i, depth)| {
            let vb = vb.pp("attentions").pp(i);
            let first = index.take(vb.prefix(), *depth, level.channels);
            Transformer2DModel::new(level.channels, *depth, level, first, vb)
        })
        .collect()
}

#[derive(Debug, Clone)]
pub struct DownBlock {
    resnets: Vec<ResnetBlock2D>,
    attentions: Vec<Transformer2DModel>,
    downsampler: Option<Downsample2D>,
}

impl DownBlock {
    pub fn attentions(&self) -> &[Transformer2DModel] {
        &self.attentions
    }

    pub fn new(
        in_channels: usize,
        level: &LevelConfig,
        resnet: ResnetConfig,
        downsample_padding: Option<usize>,
        index: &mut CrossAttentionIndex,
        vb: VarBuilder,
    ) -> Result<Self> {
        let resnets = (0..level.layers)
            .map(|i| {
                let input = if i == 0 { in_channels } else { level.channels };
                ResnetBlock2D::new(input, level.channels, resnet, vb.pp("resnets").pp(i))
            })
            .collect::<Result<_>>()?;
        let downsampler = downsample_padding
            .map(|padding| Downsample2D::new(level.channels, padding, vb.pp("downsamplers").pp("0")))
            .transpose()?;
        Ok(Self { resnets, attentions: attentions(level, index, &vb)?, downsampler })
    }

    /// Pushes each layer's output onto `skips`.
    pub fn forward(&self, x: Tensor, temb: &Tensor, cond: &Conditioning, skips: &mut Vec<Tensor>) -> Result<Tensor> {
        let mut x = x;
        for (i, resnet) in self.resnets.iter().enumerate() {
            cond.cancel.check()?;
            x = resnet.forward(&x, Some(temb))?;
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(&x, cond)?;
            }
            skips.push(x.clone());
        }
        if let Some(downsampler) = &self.downsampler {
            x = downsampler.forward(&x)?;
            skips.push(x.clone());
        }
        Ok(x)
    }
}

#[derive(Debug, Clone)]
pub struct MidBlock {
    first: ResnetBlock2D,
    attention: Vec<Transformer2DModel>,
    second: ResnetBlock2D,
}

impl MidBlock {
    pub fn attentions(&self) -> &[Transformer2DModel] {
        &self.attention
    }

    pub fn new(
        level: &LevelConfig,
        resnet: ResnetConfig,
        index: &mut CrossAttentionIndex,
        vb: VarBuilder,
    ) -> Result<Self> {
        let resnets = vb.pp("resnets");
        Ok(Self {
            first: ResnetBlock2D::new(level.channels, level.channels, resnet, resnets.pp("0"))?,
            attention: attentions(level, index, &vb)?,
            second: ResnetBlock2D::new(level.channels, level.channels, resnet, resnets.pp("1"))?,
        })
    }

    pub fn forward(&self, x: &Tensor, temb: &Tensor, cond: &Conditioning) -> Result<Tensor> {
        cond.cancel.check()?;
        let mut x = self.first.forward(x, Some(temb))?;
        for attention in &self.attention {
            x = attention.forward(&x, cond)?;
        }
        self.second.forward(&x, Some(temb))
    }
}

#[derive(Debug, Clone)]
pub struct UpBlock {
    resnets: Vec<ResnetBlock2D>,
    attentions: Vec<Transformer2DModel>,
    upsampler: Option<Upsample2D>,
}

impl UpBlock {
    pub fn attentions(&self) -> &[Transformer2DModel] {
        &self.attentions
    }

    /// `prev_channels` comes from the block below, `skip_channels` from the down path: one for each layer.
    pub fn new(
        prev_channels: usize,
        skip_channels: &[usize],
        level: &LevelConfig,
        resnet: ResnetConfig,
        has_upsampler: bool,
        index: &mut CrossAttentionIndex,
        vb: VarBuilder,
    ) -> Result<Self> {
        let resnets = skip_channels
            .iter()
            .enumerate()
            .map(|(i, skip)| {
                let input = if i == 0 { prev_channels } else { level.channels };
                ResnetBlock2D::new(input + skip, level.channels, resnet, vb.pp("resnets").pp(i))
            })
            .collect::<Result<_>>()?;
        let upsampler =
            has_upsampler.then(|| Upsample2D::new(level.channels, vb.pp("upsamplers").pp("0"))).transpose()?;
        Ok(Self { resnets, attentions: attentions(level, index, &vb)?, upsampler })
    }

    /// Takes its skips off the end of `skips`.
    pub fn forward(&self, x: Tensor, temb: &Tensor, cond: &Conditioning, skips: &mut Vec<Tensor>) -> Result<Tensor> {
        let mut x = x;
        for (i, resnet) in self.resnets.iter().enumerate() {
            cond.cancel.check()?;
            let Some(skip) = skips.pop() else { candle_core::bail!("the up path has more layers than the down path") };
            x = resnet.forward(&concat_channels(&x, &skip)?, Some(temb))?;
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(&x, cond)?;
            }
        }
        if let Some(upsampler) = &self.upsampler {
            // The next block's skips say which size the level above had: twice this one's, or one less.
            let size = match skips.last() {
                Some(skip) => (skip.dim(2)?, skip.dim(3)?),
                None => (x.dim(2)? * 2, x.dim(3)? * 2),
            };
            x = upsampler.forward(&x, size)?;
        }
        Ok(x)
    }
}
