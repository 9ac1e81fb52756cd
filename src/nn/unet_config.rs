//! `unet/config.json`, read as diffusers reads it (`UNet2DConditionModel.__init__`), and what it means level by level.

use candle_core::{Result, bail};
use serde::Deserialize;

use super::activations::Activation;
use super::bounds::{self, all_within, within};
use super::resnet::ResnetConfig;

/// A value for all levels, one a level, or one a layer of each level.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum PerLevel {
    One(usize),
    Each(Vec<PerLevel>),
}

impl PerLevel {
    fn level(&self, index: usize, levels: usize, what: &str) -> Result<&Self> {
        match self {
            Self::One(_) => Ok(self),
            Self::Each(each) if each.len() == levels => match each.get(index) {
                Some(value) => Ok(value),
                None => bail!("{what} has no entry for level {index}"),
            },
            Self::Each(each) => bail!("{what} has {} entries for {levels} levels", each.len()),
        }
    }

    fn single(&self, index: usize, levels: usize, what: &str) -> Result<usize> {
        match self.level(index, levels, what)? {
            Self::One(value) => Ok(*value),
            Self::Each(_) => bail!("{what} must be one number a level"),
        }
    }

    /// The largest of all.
    fn largest(&self) -> usize {
        match self {
            Self::One(value) => *value,
            Self::Each(each) => each.iter().map(Self::largest).max().unwrap_or(0),
        }
    }

    /// One value for each of `layers` layers of a level.
    fn layers(&self, layers: usize, what: &str) -> Result<Vec<usize>> {
        match self {
            Self::One(value) => Ok(vec![*value; layers]),
            Self::Each(each) => (0..layers).map(|i| self.single(i, each.len().max(layers), what)).collect(),
        }
    }
}

/// The fields of `unet/config.json` that this program understands; those that it must refuse are here too.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct UNet2DConditionConfig {
    pub sample_size: Option<SampleSize>,
    pub in_channels: usize,
    pub out_channels: usize,
    pub center_input_sample: bool,
    pub flip_sin_to_cos: bool,
    pub freq_shift: f64,
    pub down_block_types: Vec<String>,
    pub mid_block_type: Option<String>,
    pub up_block_types: Vec<String>,
    pub only_cross_attention: serde_json::Value,
    pub block_out_channels: Vec<usize>,
    pub layers_per_block: PerLevel,
    pub downsample_padding: usize,
    pub mid_block_scale_factor: f64,
    pub act_fn: String,
    pub norm_num_groups: Option<usize>,
    pub norm_eps: f64,
    pub cross_attention_dim: PerLevel,
    pub transformer_layers_per_block: PerLevel,
    pub reverse_transformer_layers_per_block: Option<PerLevel>,
    pub encoder_hid_dim: Option<usize>,
    pub attention_head_dim: PerLevel,
    pub num_attention_heads: Option<PerLevel>,
    pub dual_cross_attention: bool,
    pub use_linear_projection: bool,
    pub class_embed_type: Option<String>,
    pub num_class_embeds: Option<usize>,
    pub addition_embed_type: Option<String>,
    pub addition_time_embed_dim: Option<usize>,
    pub resnet_time_scale_shift: String,
    pub resnet_skip_time_act: bool,
    pub time_embedding_type: String,
    pub time_embedding_dim: Option<usize>,
    pub time_embedding_act_fn: Option<String>,
    pub timestep_post_act: Option<String>,
    pub time_cond_proj_dim: Option<usize>,
    pub conv_in_kernel: usize,
    pub conv_out_kernel: usize,
    pub projection_class_embeddings_input_dim: Option<usize>,
    pub attention_type: String,
}

/// Side of the latents that the model was trained on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum SampleSize {
    Square(usize),
    HeightWidth(usize, usize),
}

impl Default for UNet2DConditionConfig {
    fn default() -> Self {
        let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect();
        Self {
            sample_size: None,
            in_channels: 4,
            out_channels: 4,
            center_input_sample: false,
            flip_sin_to_cos: true,
            freq_shift: 0.0,
            down_block_types: words(&[
                "CrossAttnDownBlock2D",
                "CrossAttnDownBlock2D",
                "CrossAttnDownBlock2D",
                "DownBlock2D",
            ]),
            mid_block_type: Some("UNetMidBlock2DCrossAttn".to_owned()),
            up_block_types: words(&["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]),
            only_cross_attention: serde_json::Value::Bool(false),
            block_out_channels: vec![320, 640, 1280, 1280],
            layers_per_block: PerLevel::One(2),
            downsample_padding: 1,
            mid_block_scale_factor: 1.0,
            act_fn: "silu".to_owned(),
            norm_num_groups: Some(32),
            norm_eps: 1e-5,
            cross_attention_dim: PerLevel::One(1280),
            transformer_layers_per_block: PerLevel::One(1),
            reverse_transformer_layers_per_block: None,
            encoder_hid_dim: None,
            attention_head_dim: PerLevel::One(8),
            num_attention_heads: None,
            dual_cross_attention: false,
            use_linear_projection: false,
            class_embed_type: None,
            num_class_embeds: None,
            addition_embed_type: None,
            addition_time_embed_dim: None,
            resnet_time_scale_shift: "default".to_owned(),
            resnet_skip_time_act: false,
            time_embedding_type: "positional".to_owned(),
            time_embedding_dim: None,
            time_embedding_act_fn: None,
            timestep_post_act: None,
            time_cond_proj_dim: None,
            conv_in_kernel: 3,
            conv_out_kernel: 3,
            projection_class_embeddings_input_dim: None,
            attention_type: "default".to_owned(),
        }
    }
}

/// What the layers of one level (or of the middle) share.
#[derive(Debug, Clone)]
pub struct LevelConfig {
    pub channels: usize,
    /// Attention heads (`attention_head_dim` in config files is, by an old mistake, the number of heads).
    pub heads: usize,
    pub cross_attention_dim: usize,
    /// Transformer depth of each `attentions.N`; None where the level has no cross-attention.
    pub depths: Option<Vec<usize>>,
    /// `layers_per_block` of the down path; the up path has one more.
    pub layers: usize,
    pub norm_num_groups: usize,
    pub use_linear_projection: bool,
}

impl UNet2DConditionConfig {
    /// Refuses what would give another picture than diffusers' rather than leave it out.
    pub fn refuse_unsupported(&self) -> Result<()> {
        let levels = self.block_out_channels.len();
        if levels == 0 || self.down_block_types.len() != levels || self.up_block_types.len() != levels {
            bail!(
                "the UNet's config names {levels} widths, {} down blocks and {} up blocks; they must be as many",
                self.down_block_types.len(),
                self.up_block_types.len()
            );
        }
        self.refuse_boundless()?;
        let known_down = ["DownBlock2D", "CrossAttnDownBlock2D"];
        let known_up = ["UpBlock2D", "CrossAttnUpBlock2D"];
        let unknown = |list: &[String], known: &[&str]| list.iter().find(|b| !known.contains(&b.as_str())).cloned();
        if let Some(block) = unknown(&self.down_block_types, &known_down).or(unknown(&self.up_block_types, &known_up)) {
            bail!("the UNet has a block of type {block}, which this program cannot compute");
        }
        let only_cross = match &self.only_cross_attention {
            serde_json::Value::Array(each) => each.iter().any(|v| v == &serde_json::Value::Bool(true)),
            value => value == &serde_json::Value::Bool(true),
        };
        let refused = [
            ("mid_block_type", !matches!(self.mid_block_type.as_deref(), None | Some("UNetMidBlock2DCrossAttn"))),
            ("only_cross_attention", only_cross),
            ("encoder_hid_dim", self.encoder_hid_dim.is_some()),
            ("dual_cross_attention", self.dual_cross_attention),
            ("class_embed_type", self.class_embed_type.is_some()),
            ("num_class_embeds", self.num_class_embeds.is_some()),
            ("addition_embed_type", !matches!(self.addition_embed_type.as_deref(), None | Some("text_time"))),
            ("resnet_time_scale_shift", !matches!(self.resnet_time_scale_shift.as_str(), "default" | "scale_shift")),
            ("resnet_skip_time_act", self.resnet_skip_time_act),
            ("time_embedding_type", self.time_embedding_type != "positional"),
            ("time_embedding_act_fn", self.time_embedding_act_fn.is_some()),
            ("timestep_post_act", self.timestep_post_act.is_some()),
            ("norm_num_groups", self.norm_num_groups.is_none()),
            ("attention_type", self.attention_type != "default"),
        ];
        match refused.iter().find(|(_, is_set)| *is_set) {
            Some((name, _)) => bail!("the UNet's config sets {name} to something that this program cannot compute"),
            None => Ok(()),
        }
    }

    /// Numbers that no UNet has.
    fn refuse_boundless(&self) -> Result<()> {
        within("the number of the UNet's levels", self.block_out_channels.len(), bounds::LAYERS)?;
        let layers = [
            ("the UNet's layers_per_block", Some(&self.layers_per_block)),
            ("the UNet's transformer_layers_per_block", Some(&self.transformer_layers_per_block)),
            ("the UNet's reverse_transformer_layers_per_block", self.reverse_transformer_layers_per_block.as_ref()),
        ];
        for (what, value) in layers {
            within(what, value.map_or(0, PerLevel::largest), bounds::LAYERS)?;
        }
        let widest = self.block_out_channels.iter().copied().max().unwrap_or(0);
        let widths = [
            ("the UNet's block_out_channels", widest),
            ("the UNet's cross_attention_dim", self.cross_attention_dim.largest()),
            ("the UNet's in_channels", self.in_channels),
            ("the UNet's out_channels", self.out_channels),
            ("the UNet's time_embedding_dim", self.time_embedding_dim.unwrap_or(0)),
            ("the UNet's time_cond_proj_dim", self.time_cond_proj_dim.unwrap_or(0)),
            ("the UNet's addition_time_embed_dim", self.addition_time_embed_dim.unwrap_or(0)),
            (
                "the UNet's projection_class_embeddings_input_dim",
                self.projection_class_embeddings_input_dim.unwrap_or(0),
            ),
        ];
        all_within(&widths, bounds::WIDTH)?;
        for (what, kernel) in [("conv_in_kernel", self.conv_in_kernel), ("conv_out_kernel", self.conv_out_kernel)] {
            if !(1..=15).contains(&kernel) {
                bail!("the UNet's {what} is {kernel}, and this program takes 1 to 15");
            }
        }
        within("the UNet's downsample_padding", self.downsample_padding, 15)
    }

    /// `level` counts from the outside in, as in `block_out_channels`.
    fn level(&self, level: usize, types: &[String], is_up: bool) -> Result<LevelConfig> {
        let levels = self.block_out_channels.len();
        let heads = self.num_attention_heads.as_ref().unwrap_or(&self.attention_head_dim);
        let layers = self.layers_per_block.single(level, levels, "layers_per_block")?;
        let depth_layers = if is_up { layers + 1 } else { layers };
        let type_index = if is_up { levels - 1 - level } else { level };
        let has_attention = types.get(type_index).is_some_and(|t| t.starts_with("CrossAttn"));
        let what = "transformer_layers_per_block";
        let depths = match (&self.reverse_transformer_layers_per_block, is_up) {
            (Some(reversed), true) => reversed.level(levels - 1 - level, levels, what)?,
            _ => self.transformer_layers_per_block.level(level, levels, what)?,
        };
        Ok(LevelConfig {
            channels: self.block_out_channels.get(level).copied().unwrap_or_default(),
            heads: heads.single(level, levels, "attention_head_dim")?,
            cross_attention_dim: self.cross_attention_dim.single(level, levels, "cross_attention_dim")?,
            depths: if has_attention { Some(depths.layers(depth_layers, what)?) } else { None },
            layers,
            norm_num_groups: self.norm_num_groups.unwrap_or(32),
            use_linear_projection: self.use_linear_projection,
        })
    }

    /// The down path's level, 0 = outermost.
    pub fn down_level(&self, level: usize) -> Result<LevelConfig> {
        self.level(level, &self.down_block_types, false)
    }

    /// The up path's level, 0 = outermost (the last up block).
    pub fn up_level(&self, level: usize) -> Result<LevelConfig> {
        self.level(level, &self.up_block_types, true)
    }

    /// The middle: the innermost level with one attention.
    pub fn mid_level(&self) -> Result<LevelConfig> {
        let innermost = self.block_out_channels.len().saturating_sub(1);
        let mut level = self.down_level(innermost)?;
        let what = "transformer_layers_per_block";
        let depths = self.transformer_layers_per_block.level(innermost, self.block_out_channels.len(), what)?;
        level.depths = Some(match depths {
            PerLevel::One(depth) => vec![*depth],
            PerLevel::Each(each) => vec![depths.single(0, each.len(), what)?],
        });
        Ok(level)
    }

    pub fn time_embed_dim(&self) -> usize {
        self.time_embedding_dim.unwrap_or(self.block_out_channels.first().copied().unwrap_or_default() * 4)
    }

    pub fn resnet(&self) -> Result<ResnetConfig> {
        Ok(ResnetConfig {
            groups: self.norm_num_groups.unwrap_or(32),
            eps: self.norm_eps,
            activation: Activation::from_name(&self.act_fn)?,
            temb_channels: Some(self.time_embed_dim()),
            scale_shift: self.resnet_time_scale_shift == "scale_shift",
            // diffusers hands resnet_out_scale_factor to block types that this program refuses; the others ignore it.
            output_scale_factor: 1.0,
        })
    }
}
