//! Transformer blocks over a feature map (diffusers `transformer_2d.py`: `Transformer2DModel`, continuous input).

use candle_core::{Result, Tensor};
use candle_nn::{Conv2d, Conv2dConfig, Linear, Module, VarBuilder};

use super::attention::BasicTransformerBlock;
use super::normalization::{GroupNorm, from_tokens, group_norm, to_tokens};
use super::unet_2d_condition::Conditioning;
use super::unet_config::LevelConfig;

#[derive(Debug, Clone)]
enum Projection {
    Linear { proj_in: Linear, proj_out: Linear },
    Conv { proj_in: Conv2d, proj_out: Conv2d },
}

#[derive(Debug, Clone)]
pub struct Transformer2DModel {
    norm: GroupNorm,
    projection: Projection,
    transformer_blocks: Vec<BasicTransformerBlock>,
    /// Index of the first block's `attn2` among all cross-attentions, in the order of diffusers' `attn_processors`.
    first_cross_attention: usize,
}

impl Transformer2DModel {
    pub fn new(
        channels: usize,
        depth: usize,
        level: &LevelConfig,
        first_cross_attention: usize,
        vb: VarBuilder,
    ) -> Result<Self> {
        let projection = if level.use_linear_projection {
            Projection::Linear {
                proj_in: candle_nn::linear(channels, channels, vb.pp("proj_in"))?,
                proj_out: candle_nn::linear(channels, channels, vb.pp("proj_out"))?,
            }
        } else {
            let one_by_one = Conv2dConfig::default();
            Projection::Conv {
                proj_in: candle_nn::conv2d(channels, channels, 1, one_by_one, vb.pp("proj_in"))?,
                proj_out: candle_nn::conv2d(channels, channels, 1, one_by_one, vb.pp("proj_out"))?,
            }
        };
        let blocks = vb.pp("transformer_blocks");
        Ok(Self {
            norm: group_norm(level.norm_num_groups, channels, 1e-6, vb.pp("norm"))?,
            projection,
            transformer_blocks: (0..depth)
                .map(|i| BasicTransformerBlock::new(channels, level.heads, level.cross_attention_dim, blocks.pp(i)))
                .collect::<Result<_>>()?,
            first_cross_attention,
        })
    }

    /// `[batch, channels, height, width]`, same shape out.
    pub fn forward(&self, x: &Tensor, conditioning: &Conditioning) -> Result<Tensor> {
        let (_, _, height, width) = x.dims4()?;
        let normed = self.norm.forward(x)?;
        let mut tokens = match &self.projection {
            Projection::Linear { proj_in, .. } => proj_in.forward(&to_tokens(&normed)?)?,
            Projection::Conv { proj_in, .. } => to_tokens(&proj_in.forward(&normed)?)?,
        };
        for (i, block) in self.transformer_blocks.iter().enumerate() {
            conditioning.cancel.check()?;
            let image_prompts = conditioning.image_prompts(self.first_cross_attention + i);
            tokens = block.forward(&tokens, conditioning.encoder_hidden_states, image_prompts)?;
        }
        let out = match &self.projection {
            Projection::Linear { proj_out, .. } => from_tokens(&proj_out.forward(&tokens)?, height, width)?,
            Projection::Conv { proj_out, .. } => proj_out.forward(&from_tokens(&tokens, height, width)?)?,
        };
        out + x
    }
}
