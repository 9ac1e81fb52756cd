//! Transformer blocks over a feature map (diffusers `transformer_2d.py`: `Transformer2DModel`, continuous input).

use candle_core::{Result, Tensor};
use candle_nn::{Module, VarBuilder};

use super::attention::BasicTransformerBlock;
use super::layers::{Conv2d, ConvExtras, Linear, Window};
use super::normalization::{GroupNorm, from_tokens, group_norm, to_tokens};
use super::unet_2d_condition::{Conditioning, TextKeyValues};
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
                proj_in: Linear::new(channels, channels, vb.pp("proj_in"))?,
                proj_out: Linear::new(channels, channels, vb.pp("proj_out"))?,
            }
        } else {
            let one_by_one = Window::padded(0);
            Projection::Conv {
                proj_in: Conv2d::new(channels, channels, 1, one_by_one, vb.pp("proj_in"))?,
                proj_out: Conv2d::new(channels, channels, 1, one_by_one, vb.pp("proj_out"))?,
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

    /// Keys and values of a text `[batch, m, cross_attention_dim]`, by their index among all cross-attentions.
    pub fn text_key_values(&self, text: &Tensor, out: &mut TextKeyValues) -> Result<()> {
        for (i, block) in self.transformer_blocks.iter().enumerate() {
            out.insert(self.first_cross_attention + i, block.text_key_value(text)?);
        }
        Ok(())
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
            let index = self.first_cross_attention + i;
            let Some(text) = conditioning.text.get(&index) else {
                candle_core::bail!("the text's keys and values are of another network: there are none for {index}")
            };
            tokens = block.forward(&tokens, text, conditioning.image_prompts(index))?;
        }
        match &self.projection {
            Projection::Linear { proj_out, .. } => {
                from_tokens(&proj_out.forward_add(&tokens, &to_tokens(x)?)?, height, width)
            }
            Projection::Conv { proj_out, .. } => {
                let extras = ConvExtras { residual: Some(x), ..ConvExtras::default() };
                proj_out.forward_with(&from_tokens(&tokens, height, width)?, extras)
            }
        }
    }
}
