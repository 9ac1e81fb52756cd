//! What a safetensors file is, from names and shapes alone.
//!
//! Key layouts: diffusers' modules and `loaders/single_file_utils.py`, transformers' CLIP, tencent-ailab/IP-Adapter,
//! kohya-ss/sd-scripts `networks/lora.py`.

use std::fmt;

use serde::Serialize;

use super::FewStep;
use super::Weights;
use super::adapter::{AdapterInfo, AdapterKind};
use super::error::count;
use super::foreign::foreign;
use super::lora_kind::{LoraDialect, lora, lora_dialect};

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

impl Family {
    /// What is made for this family, after "for".
    pub fn models(self) -> String {
        match self {
            Self::Other => "a model of unknown family".to_owned(),
            known => known.to_string(),
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
    /// A small decoder for previews (TAESD).
    TinyVae {
        latent_channels: usize,
    },
    /// A CLIP tower under OpenCLIP's names, which nothing here reads on its own.
    OpenClip,
    /// A whole model in one file, in the original (LDM) names.
    Checkpoint {
        family: Family,
        cross_attention_dim: usize,
        /// 9 in inpainting models.
        in_channels: usize,
        v_prediction: bool,
        /// As far as its name or metadata tell.
        few_step: Option<FewStep>,
    },
    Lora {
        dialect: LoraDialect,
        /// Of the UNet that it was trained on, where it changes a cross-attention.
        family: Option<Family>,
        rank: usize,
        /// It changes text encoders too.
        text: bool,
    },
    ControlNet {
        family: Family,
    },
    /// What `render --save-latents` writes.
    Latents {
        channels: usize,
        height: usize,
        width: usize,
    },
    /// Known, and of no use here: "a Flux model".
    Foreign {
        what: &'static str,
    },
    Unknown,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let projected = |dim: &Option<usize>| dim.map_or("no projection".to_owned(), |d| format!("projection {d}"));
        match self {
            Self::Unet { family, cross_attention_dim, cross_attentions, in_channels } => write!(
                f,
                "a UNet ({family}, cross-attention {cross_attention_dim} wide in {}, {})",
                count(*cross_attentions, "layer"),
                count(*in_channels, "input channel")
            ),
            Self::Vae { latent_channels } => write!(f, "a VAE ({})", count(*latent_channels, "latent channel")),
            Self::TextEncoder { hidden_size, layers, projection_dim } => {
                let layers = count(*layers, "layer");
                write!(f, "a CLIP text encoder ({layers}, width {hidden_size}, {})", projected(projection_dim))
            }
            Self::ImageEncoder { hidden_size, layers, projection_dim } => {
                let layers = count(*layers, "layer");
                write!(f, "a CLIP image encoder ({layers}, width {hidden_size}, {})", projected(projection_dim))
            }
            Self::Adapter { adapter, family, .. } => write!(
                f,
                "an IP-Adapter ({}, for {}, cross-attention {} wide in {})",
                adapter.kind,
                family.models(),
                adapter.cross_attention_dim,
                count(adapter.layers, "layer")
            ),
            Self::TinyVae { latent_channels } => {
                write!(f, "a TAESD preview VAE ({})", count(*latent_channels, "latent channel"))
            }
            Self::OpenClip => f.write_str("a CLIP tower under OpenCLIP's names"),
            Self::Checkpoint { family, cross_attention_dim, in_channels, v_prediction, few_step } => {
                let kind = if *in_channels == 9 { " inpainting" } else { "" };
                write!(f, "a single-file checkpoint ({family}{kind}, cross-attention {cross_attention_dim} wide")?;
                if *v_prediction {
                    f.write_str(", v-prediction")?;
                }
                match few_step {
                    Some(few_step) => write!(f, ", {few_step})"),
                    None => f.write_str(")"),
                }
            }
            Self::Lora { dialect, family, rank, text } => {
                f.write_str("a LoRA")?;
                if let Some(family) = family {
                    write!(f, " for {}", family.models())?;
                }
                write!(f, " ({dialect}")?;
                if *rank > 0 {
                    write!(f, ", rank {rank}")?;
                }
                f.write_str(if *text { ", with text encoders)" } else { ")" })
            }
            Self::ControlNet { family } => write!(f, "a ControlNet for {}", family.models()),
            Self::Latents { channels, height, width } => {
                write!(f, "the latents of a picture ({}, {width} x {height})", count(*channels, "channel"))
            }
            Self::Foreign { what } => f.write_str(what),
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
    if let Some(dialect) = lora_dialect(weights) {
        return lora(weights, dialect);
    }
    // Before what shares names with the models that can be used.
    if let Some(what) = foreign(weights) {
        return Kind::Foreign { what };
    }
    if any("controlnet_cond_embedding.") || weights.names().any(|name| name.starts_with("control_model.")) {
        let added = size("add_embedding.linear_1.weight", 1).or(size("control_model.label_emb.0.0.weight", 1));
        return Kind::ControlNet { family: Family::of(width_of(weights, ".attn2.to_k.weight").0, added) };
    }
    if let Some(adapter) = AdapterInfo::find(weights) {
        let needs = adapter.encoder_need();
        return Kind::Adapter { family: Family::of_adapter(adapter.cross_attention_dim), needs, adapter };
    }
    let (cross_attention_dim, cross_attentions) = width_of(weights, ".attn2.to_k.weight");
    for prefix in ["model.diffusion_model.", ""] {
        if !weights.names().any(|name| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("input_blocks.")))
        {
            continue;
        }
        let in_channels = size(&format!("{prefix}input_blocks.0.0.weight"), 1).unwrap_or(0);
        let family = Family::of(cross_attention_dim, size(&format!("{prefix}label_emb.0.0.weight"), 1));
        let whole = ["conditioner.", "cond_stage_model.", "first_stage_model."];
        if weights.names().any(|name| whole.iter().any(|part| name.starts_with(part))) {
            let few_step = FewStep::told(weights.name(), weights.metadata());
            let v_prediction = has("v_pred");
            return Kind::Checkpoint { family, cross_attention_dim, in_channels, v_prediction, few_step };
        }
        return Kind::Unet { family, cross_attention_dim, cross_attentions, in_channels };
    }
    if has("conv_in.weight") && has("time_embedding.linear_1.weight") {
        let family = Family::of(cross_attention_dim, size("add_embedding.linear_1.weight", 1));
        let in_channels = size("conv_in.weight", 1).unwrap_or(0);
        return Kind::Unet { family, cross_attention_dim, cross_attentions, in_channels };
    }
    for prefix in ["", "first_stage_model.", "vae."] {
        if has(&format!("{prefix}decoder.conv_out.weight"))
            && let Some(latent_channels) = size(&format!("{prefix}decoder.conv_in.weight"), 1)
        {
            return Kind::Vae { latent_channels };
        }
    }
    // taesdxl as diffusers' AutoencoderTiny, and as its own repository's decoder.
    for first in ["decoder.layers.0.weight", "1.weight"] {
        let residual = has("decoder.layers.2.conv.0.weight") || has("3.conv.0.weight");
        if let (true, Some([_, latent_channels, 3, 3])) = (residual, weights.shape(first)) {
            return Kind::TinyVae { latent_channels: *latent_channels };
        }
    }
    if has("visual.conv1.weight") || (has("positional_embedding") && any("transformer.resblocks.")) {
        return Kind::OpenClip;
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
    match weights.shape("latents") {
        Some([1, channels, height, width]) if weights.len() == 1 => {
            Kind::Latents { channels: *channels, height: *height, width: *width }
        }
        _ => Kind::Unknown,
    }
}

/// Input width of the first tensor whose name ends so, and the number of such tensors.
pub(super) fn width_of(weights: &Weights, end: &str) -> (usize, usize) {
    let mut all = weights.entries().filter(|(name, _)| name.ends_with(end)).peekable();
    let width = all.peek().and_then(|(_, entry)| entry.shape.get(1)).copied().unwrap_or(0);
    (width, all.count())
}

impl AdapterKind {
    /// Whether this program can use the kind.
    pub fn is_supported(self) -> bool {
        matches!(self, Self::Base | Self::Plus | Self::Full)
    }

    /// Whether the adapter reads patch states rather than the projected embedding.
    pub fn reads_patches(self) -> bool {
        matches!(self, Self::Plus | Self::Full | Self::FaceIdPlus)
    }
}
