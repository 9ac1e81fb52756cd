//! CLIP's image tower (transformers `modeling_clip.py`: `CLIPVisionModelWithProjection`).

use candle_core::{Result, Tensor, bail};
use candle_nn::{Module, VarBuilder};
use serde::Deserialize;

use super::activations::Activation;
use super::bounds::{self, all_within, within};
use super::cancel::Cancel;
use super::clip::{ClipEncoder, TowerShape};
use super::layers::{Conv2d, Linear, Window};
use super::normalization::{LayerNorm, layer_norm, to_tokens};

/// `image_encoder/config.json`; what a file leaves out is as in transformers' `CLIPVisionConfig`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClipVisionConfig {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub projection_dim: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_channels: usize,
    pub image_size: usize,
    pub patch_size: usize,
    pub hidden_act: String,
    pub layer_norm_eps: f64,
}

impl Default for ClipVisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            projection_dim: 512,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 224,
            patch_size: 32,
            hidden_act: "quick_gelu".to_owned(),
            layer_norm_eps: 1e-5,
        }
    }
}

#[derive(Debug, Clone)]
pub struct ClipVisionModelWithProjection {
    class_embedding: Tensor,
    patch_embedding: Conv2d,
    /// `[1 + patches, hidden_size]`
    position_embedding: Tensor,
    pre_layrnorm: LayerNorm,
    encoder: ClipEncoder,
    post_layernorm: LayerNorm,
    visual_projection: Linear,
    image_size: usize,
}

/// One picture, encoded.
#[derive(Debug, Clone)]
pub struct ImageEncoding {
    /// The projected class state, `[batch, projection_dim]`.
    pub image_embeds: Tensor,
    /// `hidden_states[-2]`, `[batch, 1 + patches, hidden_size]`: what Plus adapters take.
    pub penultimate: Tensor,
}

impl ClipVisionModelWithProjection {
    /// Builds from keys with the prefix `vision_model.`.
    pub fn new(config: &ClipVisionConfig, vb: VarBuilder) -> Result<Self> {
        if config.patch_size == 0 || config.image_size < config.patch_size {
            bail!(
                "the image encoder's patches of {} do not fit its pictures of {}",
                config.patch_size,
                config.image_size
            );
        }
        let widths = [
            ("its hidden_size", config.hidden_size),
            ("its intermediate_size", config.intermediate_size),
            ("its projection_dim", config.projection_dim),
            ("its num_channels", config.num_channels),
        ];
        all_within(&widths, bounds::WIDTH)?;
        within("its image_size", config.image_size, bounds::LENGTH)?;
        let shape = TowerShape {
            hidden_size: config.hidden_size,
            intermediate_size: config.intermediate_size,
            num_hidden_layers: config.num_hidden_layers,
            num_attention_heads: config.num_attention_heads,
            layer_norm_eps: config.layer_norm_eps,
            activation: Activation::from_name(&config.hidden_act)?,
        };
        let (width, eps) = (config.hidden_size, config.layer_norm_eps);
        let vision = vb.pp("vision_model");
        let embeddings = vision.pp("embeddings");
        let patches = (config.image_size / config.patch_size).pow(2);
        let strided = Window { stride: config.patch_size, before: 0, after: 0 };
        Ok(Self {
            class_embedding: embeddings.get(width, "class_embedding")?,
            patch_embedding: Conv2d::no_bias(
                config.num_channels,
                width,
                config.patch_size,
                strided,
                embeddings.pp("patch_embedding"),
            )?,
            position_embedding: embeddings.pp("position_embedding").get((1 + patches, width), "weight")?,
            // The name is misspelt in every published file.
            pre_layrnorm: layer_norm(width, eps, vision.pp("pre_layrnorm"))?,
            encoder: ClipEncoder::new(&shape, vision.pp("encoder"))?,
            post_layernorm: layer_norm(width, eps, vision.pp("post_layernorm"))?,
            visual_projection: Linear::no_bias(width, config.projection_dim, vb.pp("visual_projection"))?,
            image_size: config.image_size,
        })
    }

    /// Normalised pixels `[batch, 3, image_size, image_size]`.
    pub fn forward(&self, pixel_values: &Tensor, cancel: Cancel) -> Result<ImageEncoding> {
        let (batch, _, height, width) = pixel_values.dims4()?;
        if height != self.image_size || width != self.image_size {
            bail!("the image encoder takes pictures of {0} x {0}, and got {width} x {height}", self.image_size);
        }
        let patches = self.patch_embedding.forward(&pixel_values.to_dtype(self.class_embedding.dtype())?)?;
        let patches = to_tokens(&patches)?;
        let class = self.class_embedding.reshape((1, 1, ()))?.broadcast_as((batch, 1, patches.dim(2)?))?;
        let x = Tensor::cat(&[&class.contiguous()?, &patches], 1)?.broadcast_add(&self.position_embedding)?;
        let states = self.encoder.forward(self.pre_layrnorm.forward(&x)?, None, cancel)?;
        let class = states.last.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?;
        Ok(ImageEncoding {
            image_embeds: self.visual_projection.forward(&self.post_layernorm.forward(&class)?)?,
            penultimate: states.penultimate,
        })
    }
}
