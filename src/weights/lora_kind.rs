//! What kind of LoRA a file is, from its names.
//!
//! kohya-ss/sd-scripts `networks/lora.py`, diffusers' `loaders/lora_pipeline.py`, PEFT, KohakuBlueleaf/LyCORIS.

use std::fmt;

use serde::Serialize;

use super::Weights;
use super::identify::{Family, Kind};

/// How a LoRA file names its parts, or what else it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoraDialect {
    /// kohya's one-word names after diffusers' modules.
    Kohya,
    /// kohya's one-word names after LDM's modules.
    KohyaLdm,
    Peft,
    Diffusers,
    Dora,
    /// A LyCORIS algorithm other than plain LoRA, by its name.
    Lycoris(&'static str),
}

impl fmt::Display for LoraDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kohya => "kohya names",
            Self::KohyaLdm => "kohya names after LDM",
            Self::Peft => "PEFT names",
            Self::Diffusers => "old diffusers names",
            Self::Dora => "DoRA",
            Self::Lycoris(algorithm) => return write!(f, "LyCORIS {algorithm}"),
        })
    }
}

/// The dialect of a LoRA; `None` for what is none.
pub(super) fn lora_dialect(weights: &Weights) -> Option<LoraDialect> {
    // FaceID adapters carry LoRA parts of their own.
    if weights.names().any(|name| name.starts_with("image_proj.")) {
        return None;
    }
    let any = |part: &str| weights.names().any(|name| name.contains(part));
    const LYCORIS: &[(&str, &str)] = &[
        (".hada_w1_a", "LoHa"),
        (".lokr_w1", "LoKr"),
        (".oft_blocks", "OFT"),
        (".oft_diag", "OFT"),
        (".boft_blocks", "BOFT"),
        (".on_input", "IA3"),
        (".b1.weight", "GLoRA"),
        (".lora_mid.", "LoCon with a core tensor"),
        (".diff_b", "full difference"),
        (".w_norm", "norm difference"),
    ];
    if any(".dora_scale") || any(".lora_magnitude_vector") {
        Some(LoraDialect::Dora)
    } else if let Some((_, algorithm)) = LYCORIS.iter().find(|(part, _)| any(part)) {
        Some(LoraDialect::Lycoris(algorithm))
    } else if any(".lora_down.weight") {
        let ldm = ["lora_unet_input_blocks_", "lora_unet_output_blocks_", "lora_unet_middle_block_"];
        Some(if ldm.iter().any(|start| any(start)) { LoraDialect::KohyaLdm } else { LoraDialect::Kohya })
    } else if any(".lora_A.") {
        Some(LoraDialect::Peft)
    } else if any("lora.down.weight") || any(".lora_linear_layer.down.weight") {
        Some(LoraDialect::Diffusers)
    } else {
        None
    }
}

/// A LoRA of a dialect, with what its shapes tell.
pub(super) fn lora(weights: &Weights, dialect: LoraDialect) -> Kind {
    let down =
        |name: &str| [".lora_down.", "lora.down.", ".lora_A.", ".hada_w1_b"].iter().any(|part| name.contains(part));
    let attends =
        |name: &str| ["attn2_to_k", "attn2.to_k", "attn2.processor.to_k"].iter().any(|part| name.contains(part));
    let downs = || weights.entries().filter(|(name, _)| down(name));
    let rank = downs().next().and_then(|(_, entry)| entry.shape.first()).copied().unwrap_or(0);
    let width = downs().find(|(name, _)| attends(name)).and_then(|(_, entry)| entry.shape.get(1)).copied();
    let text = weights.names().any(|name| name.starts_with("lora_te") || name.starts_with("text_encoder"));
    Kind::Lora { dialect, family: width.map(Family::of_adapter), rank, text }
}
