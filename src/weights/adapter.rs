//! An IP-Adapter described from its header, and whether it fits a UNet and an image encoder.
//!
//! Layout and detection: tencent-ailab/IP-Adapter and diffusers `loaders/unet.py`
//! (`_convert_ip_adapter_image_proj_to_diffusers`).

use std::fmt;

use serde::Serialize;

use super::error::count;
use super::identify::{EncoderNeed, Family, identify, width_of};
use super::{Weights, WeightsError};

/// How an adapter turns what the encoder gives into image tokens. Base, Plus and full can be used, the others are named
/// only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterKind {
    /// One linear layer on the global embedding.
    Base,
    /// A resampler on patch states.
    Plus,
    /// An MLP on every patch state ("full face").
    Full,
    /// An MLP on a face recogniser's embedding.
    FaceId,
    /// As FaceID, with a resampler on patch states.
    FaceIdPlus,
    /// A resampler on a face recogniser's embedding.
    InstantId,
}

impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base => "base",
            Self::Plus => "Plus",
            Self::Full => "full face",
            Self::FaceId => "FaceID",
            Self::FaceIdPlus => "FaceID Plus",
            Self::InstantId => "InstantID",
        })
    }
}

impl AdapterKind {
    /// As the sentence about one begins.
    fn with_article(self) -> String {
        format!("{} {self} adapter", if self == Self::InstantId { "an" } else { "a" })
    }
}

/// InsightFace's embeddings have this many numbers, and no CLIP encoder's states do.
const FACE_EMBEDDING: usize = 512;

/// An adapter, as its header tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterInfo {
    /// What messages call it.
    pub file: String,
    pub kind: AdapterKind,
    /// Image tokens per picture; 0 where the encoder decides (full) or the kind is not supported.
    pub tokens: usize,
    /// What the encoder must give: `projection_dim` (Base) or `hidden_size` (Plus).
    pub embedding_width: usize,
    /// Width of the image tokens, equal to the UNet's `cross_attention_dim`.
    pub cross_attention_dim: usize,
    /// Cross-attention layers with a key and a value projection.
    pub layers: usize,
}

impl AdapterInfo {
    /// Describes the adapter in `weights`; an error if it is none, cannot be used, or lacks parts.
    pub fn read(weights: &Weights) -> Result<Self, WeightsError> {
        let file = weights.name().to_owned();
        let Some(info) = Self::find(weights) else {
            let advice = "choose an IP-Adapter .safetensors file".to_owned();
            let what = identify(weights).to_string();
            return Err(WeightsError::OtherKind { file, what, wanted: "an IP-Adapter", advice });
        };
        if !info.kind.is_supported() {
            return Err(WeightsError::UnsupportedAdapter { file, what: info.kind.with_article() });
        }
        let broken = |why: String| Err(WeightsError::BrokenAdapter { file: info.file.clone(), why });
        let values = width_of(weights, ".to_v_ip.weight").1;
        if info.layers == 0 || values != info.layers {
            return broken(format!("it has {} and {}", count(info.layers, "key layer"), count(values, "value layer")));
        }
        if (info.tokens == 0 && info.kind != AdapterKind::Full)
            || info.embedding_width == 0
            || info.cross_attention_dim == 0
        {
            return broken("its image projection has no usable shape".to_owned());
        }
        let tokens_width = match info.kind {
            AdapterKind::Plus => weights.shape("image_proj.norm_out.weight"),
            AdapterKind::Full => weights.shape("image_proj.proj.3.weight"),
            _ => weights.shape("image_proj.norm.weight"),
        };
        match tokens_width {
            Some([width]) if *width == info.cross_attention_dim => Ok(info),
            Some(shape) => {
                let width = shape.first().copied().unwrap_or(0);
                broken(format!("its image tokens are {width} wide, its layers take {}", info.cross_attention_dim))
            }
            None => broken("the norm of its image projection is missing".to_owned()),
        }
    }

    /// Whatever adapter the names tell of, whole or not.
    pub(super) fn find(weights: &Weights) -> Option<Self> {
        let has = |name: &str| weights.contains(&format!("image_proj.{name}"));
        let size = |name: &str, axis: usize| {
            let shape = weights.shape(&format!("image_proj.{name}"));
            shape.and_then(|shape| shape.get(axis)).copied().unwrap_or(0)
        };
        let (cross_attention_dim, layers) = width_of(weights, ".to_k_ip.weight");
        // diffusers' order: the first name that is there decides.
        let (kind, embedding_width, tokens) = if has("proj.weight") {
            let tokens = size("proj.weight", 0).checked_div(cross_attention_dim).unwrap_or(0);
            (AdapterKind::Base, size("proj.weight", 1), tokens)
        } else if has("proj.3.weight") {
            (AdapterKind::Full, size("proj.0.weight", 1), 0)
        } else if has("perceiver_resampler.proj_in.weight") {
            (AdapterKind::FaceIdPlus, size("perceiver_resampler.proj_in.weight", 1), 0)
        } else if has("norm.weight") {
            (AdapterKind::FaceId, size("proj.0.weight", 1), 0)
        } else if has("latents") && size("proj_in.weight", 1) == FACE_EMBEDDING {
            (AdapterKind::InstantId, FACE_EMBEDDING, size("latents", 1))
        } else if has("latents") {
            (AdapterKind::Plus, size("proj_in.weight", 1), size("latents", 1))
        } else {
            return None;
        };
        Some(Self { file: weights.name().to_owned(), kind, tokens, embedding_width, cross_attention_dim, layers })
    }

    /// The image encoder that this adapter needs; none for a face recogniser's embedding.
    pub fn encoder_need(&self) -> Option<EncoderNeed> {
        let patches = self.kind.reads_patches();
        (!matches!(self.kind, AdapterKind::FaceId | AdapterKind::InstantId))
            .then_some(EncoderNeed { width: self.embedding_width, patches })
    }
}

/// Whether an adapter fits a UNet (`cross_attention_dim`, number of cross-attention layers) and an image encoder
/// (`projection_dim`, `hidden_size`); the first thing that does not fit is named.
pub fn pair(
    adapter: &AdapterInfo,
    unet_cross_attention_dim: usize,
    unet_cross_attentions: usize,
    encoder_projection_dim: usize,
    encoder_hidden_size: usize,
) -> Result<(), WeightsError> {
    let file = adapter.file.clone();
    if !adapter.kind.is_supported() {
        return Err(WeightsError::UnsupportedAdapter { file, what: adapter.kind.with_article() });
    }
    if adapter.cross_attention_dim != unet_cross_attention_dim {
        let named = |width: usize| match Family::of_adapter(width) {
            Family::Other => String::new(),
            family => format!(" ({family})"),
        };
        let why = format!(
            "its cross-attention is {} wide{}, the model's {unet_cross_attention_dim}{}",
            adapter.cross_attention_dim,
            named(adapter.cross_attention_dim),
            named(unet_cross_attention_dim),
        );
        return Err(WeightsError::AdapterForOtherModel { file, why });
    }
    if adapter.layers != unet_cross_attentions {
        let why =
            format!("it has {}, the model {unet_cross_attentions}", count(adapter.layers, "cross-attention layer"));
        return Err(WeightsError::AdapterForOtherModel { file, why });
    }
    let need = EncoderNeed { width: adapter.embedding_width, patches: adapter.kind.reads_patches() };
    let (what, found) = match need.patches {
        true => ("hidden_size", encoder_hidden_size),
        false => ("projection_dim", encoder_projection_dim),
    };
    if need.width == found {
        return Ok(());
    }
    let why = format!("it needs {what} {}, the encoder has {found}", need.width);
    let advice = match need.published() {
        Some((folder, model)) => format!("use {model}, folder {folder} of h94/IP-Adapter"),
        None => "use the image encoder that it was trained with".to_owned(),
    };
    Err(WeightsError::EncoderDoesNotFit { file, why, advice })
}
