//! The UNet (diffusers `unet_2d_condition.py`: `UNet2DConditionModel`), with SDXL's text_time conditioning.

use std::collections::BTreeMap;

use candle_core::{DType, Result, Tensor, bail};
use candle_nn::VarBuilder;

use super::activations::Activation;
use super::attention_processor::{ImagePrompt, KeyValue};
use super::cancel::Cancel;
use super::embeddings::{TimestepEmbedding, Timesteps};
use super::layers::{Conv2d, Window};
use super::normalization::{GroupNorm, group_norm};
use super::unet_2d_blocks::{BlockInfo, CrossAttentionIndex, DownBlock, MidBlock, UpBlock};
use super::unet_config::UNet2DConditionConfig;

/// Keys and values of a text by cross-attention, in the order of [`UNet2DConditionModel::blocks`].
pub type TextKeyValues = BTreeMap<usize, KeyValue>;

/// What a forward pass is conditioned on, apart from the time.
#[derive(Clone, Copy)]
pub struct Conditioning<'a> {
    /// diffusers' `encoder_hidden_states`, as [`UNet2DConditionModel::text_key_values`] makes them once for all steps.
    pub text: &'a TextKeyValues,
    /// SDXL's `added_cond_kwargs`; required where the model has `add_embedding`.
    pub added: Option<AddedConditioning<'a>>,
    /// Image prompts by cross-attention, in the order of [`UNet2DConditionModel::blocks`]; may be empty.
    pub image_prompts: &'a [Vec<ImagePrompt>],
    pub cancel: Cancel<'a>,
}

/// `text_embeds` `[batch, pooled]` and `time_ids` (original height and width, crop top and left, target height and width),
/// the same for the whole batch.
#[derive(Clone, Copy)]
pub struct AddedConditioning<'a> {
    pub text_embeds: &'a Tensor,
    pub time_ids: [f64; 6],
}

impl Conditioning<'_> {
    pub fn image_prompts(&self, cross_attention: usize) -> &[ImagePrompt] {
        self.image_prompts.get(cross_attention).map(Vec::as_slice).unwrap_or_default()
    }
}

#[derive(Debug, Clone)]
struct AddEmbedding {
    time_proj: Timesteps,
    embedding: TimestepEmbedding,
}

#[derive(Debug, Clone)]
pub struct UNet2DConditionModel {
    conv_in: Conv2d,
    time_proj: Timesteps,
    time_embedding: TimestepEmbedding,
    add_embedding: Option<AddEmbedding>,
    down_blocks: Vec<DownBlock>,
    mid_block: Option<MidBlock>,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    activation: Activation,
    conv_out: Conv2d,
    blocks: Vec<BlockInfo>,
    center_input_sample: bool,
    dtype: DType,
}

impl UNet2DConditionModel {
    /// Builds from tensors named as in `unet/diffusion_pytorch_model.safetensors`.
    pub fn new(config: &UNet2DConditionConfig, vb: VarBuilder) -> Result<Self> {
        config.refuse_unsupported()?;
        let resnet = config.resnet()?;
        let widths = &config.block_out_channels;
        let (Some(&outermost), levels) = (widths.first(), widths.len()) else { bail!("the UNet has no levels") };
        let padded = |kernel: usize| Window::padded((kernel - 1) / 2);
        let mut index = CrossAttentionIndex::default();

        let conv_in = Conv2d::new(
            config.in_channels,
            outermost,
            config.conv_in_kernel,
            padded(config.conv_in_kernel),
            vb.pp("conv_in"),
        )?;
        let mut skip_channels = vec![outermost];
        let mut down_blocks = Vec::with_capacity(levels);
        let mut input = outermost;
        for i in 0..levels {
            let level = config.down_level(i)?;
            let padding = (i + 1 < levels).then_some(config.downsample_padding);
            let skips = level.layers + usize::from(padding.is_some());
            skip_channels.extend(std::iter::repeat_n(level.channels, skips));
            down_blocks.push(DownBlock::new(input, &level, resnet, padding, &mut index, vb.pp("down_blocks").pp(i))?);
            input = level.channels;
        }
        // The up path comes before the middle, because diffusers registers them in that order and adapters count by it.
        let mut up_blocks = Vec::with_capacity(levels);
        for i in 0..levels {
            let level = config.up_level(levels - 1 - i)?;
            let taken = skip_channels.split_off(skip_channels.len().saturating_sub(level.layers + 1));
            let skips: Vec<usize> = taken.into_iter().rev().collect();
            let vb = vb.pp("up_blocks").pp(i);
            up_blocks.push(UpBlock::new(input, &skips, &level, resnet, i + 1 < levels, &mut index, vb)?);
            input = level.channels;
        }
        let mid_block = match &config.mid_block_type {
            Some(_) => {
                let resnet =
                    super::resnet::ResnetConfig { output_scale_factor: config.mid_block_scale_factor, ..resnet };
                Some(MidBlock::new(&config.mid_level()?, resnet, &mut index, vb.pp("mid_block"))?)
            }
            None => None,
        };

        let time_proj = Timesteps {
            num_channels: outermost,
            flip_sin_to_cos: config.flip_sin_to_cos,
            downscale_freq_shift: config.freq_shift,
        };
        let time_embed_dim = config.time_embed_dim();
        Ok(Self {
            conv_in,
            time_proj,
            time_embedding: TimestepEmbedding::new(
                outermost,
                time_embed_dim,
                Activation::from_name(&config.act_fn)?,
                config.time_cond_proj_dim,
                vb.pp("time_embedding"),
            )?,
            add_embedding: add_embedding(config, time_embed_dim, &vb)?,
            down_blocks,
            mid_block,
            up_blocks,
            conv_norm_out: group_norm(resnet.groups, outermost, config.norm_eps, vb.pp("conv_norm_out"))?,
            activation: resnet.activation,
            conv_out: Conv2d::new(
                outermost,
                config.out_channels,
                config.conv_out_kernel,
                padded(config.conv_out_kernel),
                vb.pp("conv_out"),
            )?,
            blocks: index.blocks,
            center_input_sample: config.center_input_sample,
            dtype: vb.dtype(),
        })
    }

    /// The blocks with cross-attention in the order in which adapters count them: down, up, mid.
    pub fn blocks(&self) -> &[BlockInfo] {
        &self.blocks
    }

    /// Text `[batch, tokens, cross_attention_dim]` to what the cross-attentions take of it.
    pub fn text_key_values(&self, text: &Tensor, cancel: Cancel) -> Result<TextKeyValues> {
        let text = text.to_dtype(self.dtype)?;
        let mut out = TextKeyValues::new();
        let down = self.down_blocks.iter().map(DownBlock::attentions);
        let up = self.up_blocks.iter().map(UpBlock::attentions);
        let mid = self.mid_block.iter().map(MidBlock::attentions);
        for attention in down.chain(up).chain(mid).flatten() {
            cancel.check()?;
            attention.text_key_values(&text, &mut out)?;
        }
        Ok(out)
    }

    /// Predicts from `sample` `[batch, in_channels, height, width]` (any size of at least 1) at `timestep`; `[batch, out_channels,
    /// height, width]` in the model's dtype. `guidance_embedding` `[batch, time_cond_proj_dim]` is for LCM models.
    pub fn forward(
        &self,
        sample: &Tensor,
        timestep: f64,
        guidance_embedding: Option<&Tensor>,
        conditioning: &Conditioning,
    ) -> Result<Tensor> {
        let device = sample.device();
        let batch = sample.dim(0)?;
        let mut sample = sample.to_dtype(self.dtype)?;
        if self.center_input_sample {
            sample = ((sample * 2.0)? - 1.0)?;
        }
        let t = self.time_proj.embed(&vec![timestep; batch], device)?.to_dtype(self.dtype)?;
        let mut temb = self.time_embedding.forward(&t, guidance_embedding)?;
        if let Some(add) = &self.add_embedding {
            let Some(added) = &conditioning.added else { bail!("this UNet needs pooled text and time ids") };
            let ids = add.time_proj.embed(&added.time_ids, device)?.flatten_all()?.unsqueeze(0)?;
            let ids = ids.to_dtype(self.dtype)?.repeat((batch, 1))?;
            let joined = Tensor::cat(&[&added.text_embeds.to_dtype(self.dtype)?, &ids], 1)?;
            temb = (temb + add.embedding.forward(&joined, None)?)?;
        }
        // Every residual block begins with it.
        let temb = self.activation.apply(&temb)?;

        let mut x = self.conv_in.forward(&sample)?;
        let mut skips = vec![x.clone()];
        for block in &self.down_blocks {
            x = block.forward(x, &temb, conditioning, &mut skips)?;
        }
        if let Some(mid) = &self.mid_block {
            x = mid.forward(&x, &temb, conditioning)?;
        }
        for block in &self.up_blocks {
            x = block.forward(x, &temb, conditioning, &mut skips)?;
        }
        conditioning.cancel.check()?;
        self.conv_out.forward_behind(&self.conv_norm_out, self.activation, &x)
    }
}

fn add_embedding(
    config: &UNet2DConditionConfig,
    time_embed_dim: usize,
    vb: &VarBuilder,
) -> Result<Option<AddEmbedding>> {
    if config.addition_embed_type.is_none() {
        return Ok(None);
    }
    let (Some(num_channels), Some(input)) =
        (config.addition_time_embed_dim, config.projection_class_embeddings_input_dim)
    else {
        bail!(
            "the UNet's config names text_time, but not addition_time_embed_dim and projection_class_embeddings_input_dim"
        );
    };
    let time_proj =
        Timesteps { num_channels, flip_sin_to_cos: config.flip_sin_to_cos, downscale_freq_shift: config.freq_shift };
    let activation = Activation::Silu; // TimestepEmbedding's default: diffusers passes act_fn to time_embedding only
    let embedding = TimestepEmbedding::new(input, time_embed_dim, activation, None, vb.pp("add_embedding"))?;
    Ok(Some(AddEmbedding { time_proj, embedding }))
}
