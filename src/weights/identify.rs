//! What a safetensors file is, from names and shapes alone.
//!
//! Key layouts: diffusers' modules and `loaders/single_file_utils.py`, transformers' CLIP, tencent-ailab/IP-Adapter,
//! kohya-ss/sd-scripts `networks/lora.py`.

use std::fmt;

use serde::Serialize;

use super::Weights;
use super::adapter::{AdapterInfo, AdapterKind};

/// Which family of models a file belongs to, told by the width of its cross-attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    Sdxl,
    SdxlRefiner,
    Sd15,
    Sd2,
    /// Another width, with SDXL's size conditioning (`add_embedding`).
    SdxlShaped,
    Other,
}

impl Family {
    /// `added_width` is the input of `add_embedding.linear_1`, absent in models without size conditioning.
    pub fn of(cross_attention_dim: usize, added_width: Option<usize>) -> Self {
        match (cross_attention_dim, added_width) {
            (2048, Some(2816)) => Self::Sdxl,
            (1280, Some(2560)) => Self::SdxlRefiner,
            (768, None) => Self::Sd15,
            (1024, None) => Self::Sd2,
            (_, Some(_)) => Self::SdxlShaped,
            (_, None) => Self::Other,
        }
    }

    /// The family of an adapter, which has no size conditioning to look at.
    pub fn of_adapter(cross_attention_dim: usize) -> Self {
        match cross_attention_dim {
            2048 => Self::Sdxl,
            768 => Self::Sd15,
            1024 => Self::Sd2,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sdxl => "SDXL",
            Self::SdxlRefiner => "SDXL refiner",
            Self::Sd15 => "SD 1.5",
            Self::Sd2 => "SD 2",
            Self::SdxlShaped => "SDXL-shaped",
            Self::Other => "unknown family",
        })
    }
}

/// The image encoder that an adapter needs, told by the width that it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EncoderNeed {
    /// `projection_dim` for adapters of the global embedding, `hidden_size` for those of patch states.
    pub width: usize,
    /// Patch states (`hidden_size`) rather than the projected embedding (`projection_dim`).
    pub patches: bool,
}

impl EncoderNeed {
    /// The folder of h94/IP-Adapter that holds a fitting encoder, and the model in it.
    pub fn published(&self) -> Option<(&'static str, &'static str)> {
        match (self.patches, self.width) {
            (false, 1280) | (true, 1664) => Some(("sdxl_models/image_encoder", "OpenCLIP ViT-bigG")),
            (false, 1024) | (true, 1280) => Some(("models/image_encoder", "OpenCLIP ViT-H")),
            _ => None,
        }
    }
}

impl fmt::Display for EncoderNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = if self.patches { "hidden_size" } else { "projection_dim" };
        match self.published() {
            Some((folder, model)) => {
                write!(f, "an image encoder with {size} {}: {model}, folder {folder} of h94/IP-Adapter", self.width)
            }
            None => write!(f, "an image encoder with {size} {}", self.width),
        }
    }
}

/// How a LoRA file names its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoraDialect {
    Kohya,
    Peft,
    Diffusers,
    Dora,
    Lycoris,
}

impl fmt::Display for LoraDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kohya => "kohya names",
            Self::Peft => "PEFT names",
            Self::Diffusers => "old diffusers names",
            Self::Dora => "DoRA",
            Self::Lycoris => "LyCORIS",
        })
    }
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Kind {
    Unet {
        family: Family,
        cross_attention_dim: usize,
        cross_attentions: usize,
        in_channels: usize,
    },
    Vae {
        latent_channels: usize,
    },
    TextEncoder {
        hidden_size: usize,
        layers: usize,
        projection_dim: Option<usize>,
    },
    ImageEncoder {
        hidden_size: usize,
        layers: usize,
        projection_dim: Option<usize>,
    },
    Adapter {
        adapter: AdapterInfo,
        family: Family,
        needs: Option<EncoderNeed>,
    },
    /// A whole model in one file, in the original (LDM) names.
    Checkpoint {
        family: Family,
        cross_attention_dim: usize,
    },
    Lora {
        dialect: LoraDialect,
    },
    ControlNet,
    Unknown,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let projected = |dim: &Option<usize>| dim.map_or("no projection".to_owned(), |d| format!("projection {d}"));
        match self {
            Self::Unet { family, cross_attention_dim, cross_attentions, in_channels } => write!(
                f,
                "a UNet ({family}, cross-attention {cross_attention_dim} wide in {cross_attentions} layers, {in_channels} input channels)"
            ),
            Self::Vae { latent_channels } => write!(f, "a VAE ({latent_channels} latent channels)"),
            Self::TextEncoder { hidden_size, layers, projection_dim } => {
                write!(f, "a CLIP text encoder ({layers} layers, width {hidden_size}, {})", projected(projection_dim))
            }
            Self::ImageEncoder { hidden_size, layers, projection_dim } => {
                write!(f, "a CLIP image encoder ({layers} layers, width {hidden_size}, {})", projected(projection_dim))
            }
            Self::Adapter { adapter, family, .. } => write!(
                f,
                "an IP-Adapter ({}, for {family}, cross-attention {} wide in {} layers)",
                adapter.kind, adapter.cross_attention_dim, adapter.layers
            ),
            Self::Checkpoint { family, cross_attention_dim } => {
                write!(f, "a single-file checkpoint ({family}, cross-attention {cross_attention_dim} wide)")
            }
            Self::Lora { dialect } => write!(f, "a LoRA ({dialect})"),
            Self::ControlNet => f.write_str("a ControlNet"),
            Self::Unknown => f.write_str("a safetensors file of no known kind"),
        }
    }
}

/// Names what `weights` hold. Never fails: what fits nothing is [`Kind::Unknown`].
pub fn identify(weights: &Weights) -> Kind {
    let has = |name: &str| weights.contains(name);
    let size = |name: &str, axis: usize| weights.shape(name).and_then(|shape| shape.get(axis)).copied();
    let any = |part: &str| weights.names().any(|name| name.contains(part));

    // Parts before wholes: a LoRA's and a ControlNet's names contain those of the UNet that they belong to.
    if let Some(dialect) = lora(weights) {
        return Kind::Lora { dialect };
    }
    if any("controlnet_cond_embedding.") || weights.names().any(|name| name.starts_with("control_model.")) {
        return Kind::ControlNet;
    }
    if let Some(adapter) = AdapterInfo::find(weights) {
        let needs = adapter.encoder_need();
        return Kind::Adapter { family: Family::of_adapter(adapter.cross_attention_dim), needs, adapter };
    }
    if has("model.diffusion_model.input_blocks.0.0.weight") {
        let cross_attention_dim = width_of(weights, ".attn2.to_k.weight").0;
        let added = size("model.diffusion_model.label_emb.0.0.weight", 1);
        return Kind::Checkpoint { family: Family::of(cross_attention_dim, added), cross_attention_dim };
    }
    if has("conv_in.weight") && has("time_embedding.linear_1.weight") {
        let (cross_attention_dim, cross_attentions) = width_of(weights, ".attn2.to_k.weight");
        let family = Family::of(cross_attention_dim, size("add_embedding.linear_1.weight", 1));
        let in_channels = size("conv_in.weight", 1).unwrap_or(0);
        return Kind::Unet { family, cross_attention_dim, cross_attentions, in_channels };
    }
    if has("decoder.conv_in.weight") && has("decoder.conv_out.weight") {
        return Kind::Vae { latent_channels: size("decoder.conv_in.weight", 1).unwrap_or(0) };
    }
    let layers = |tower: &str| {
        let end = ".self_attn.q_proj.weight";
        // Without its prefix a tower's names begin at `encoder.`.
        let in_tower = |name: &&str| name.starts_with(tower) || name.starts_with("encoder.");
        weights.names().filter(|name| name.ends_with(end)).filter(in_tower).count()
    };
    if let Some(hidden_size) = size("vision_model.embeddings.patch_embedding.weight", 0) {
        let projection_dim = size("visual_projection.weight", 0);
        return Kind::ImageEncoder { hidden_size, layers: layers("vision_model."), projection_dim };
    }
    if let Some(hidden_size) = size("text_model.embeddings.token_embedding.weight", 1) {
        let projection_dim = size("text_projection.weight", 0);
        return Kind::TextEncoder { hidden_size, layers: layers("text_model."), projection_dim };
    }
    Kind::Unknown
}

/// Input width of the first tensor whose name ends so, and the number of such tensors.
pub(super) fn width_of(weights: &Weights, end: &str) -> (usize, usize) {
    let mut all = weights.entries().filter(|(name, _)| name.ends_with(end)).peekable();
    let width = all.peek().and_then(|(_, entry)| entry.shape.get(1)).copied().unwrap_or(0);
    (width, all.count())
}

fn lora(weights: &Weights) -> Option<LoraDialect> {
    // FaceID adapters carry LoRA parts of their own.
    if weights.names().any(|name| name.starts_with("image_proj.")) {
        return None;
    }
    let any = |part: &str| weights.names().any(|name| name.contains(part));
    if any(".hada_w1_a") || any(".lokr_w1") || any(".oft_blocks") {
        Some(LoraDialect::Lycoris)
    } else if any(".dora_scale") || any(".lora_magnitude_vector") {
        Some(LoraDialect::Dora)
    } else if any(".lora_down.weight") {
        Some(LoraDialect::Kohya)
    } else if any(".lora_A.") {
        Some(LoraDialect::Peft)
    } else if any(".lora.down.weight") {
        Some(LoraDialect::Diffusers)
    } else {
        None
    }
}

impl AdapterKind {
    /// Whether the adapter reads patch states rather than the projected embedding.
    pub fn reads_patches(self) -> bool {
        matches!(self, Self::Plus | Self::Full | Self::FaceIdPlus)
    }
}
