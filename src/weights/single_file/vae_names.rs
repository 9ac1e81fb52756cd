//! The VAE's names in single files (LDM's `first_stage_model`) as diffusers' names.
//!
//! The rule is that of diffusers' `convert_ldm_vae_checkpoint`: the decoder's levels are numbered from the outside in,
//! diffusers numbers them in the order of use; the middle's attention is made of convolutions of one by one.

use crate::weights::Weights;
use crate::weights::cut::Cut;

/// How many levels the decoder has, under LDM's names with `prefix` before them.
pub fn decoder_levels(weights: &Weights, prefix: &str) -> usize {
    weights.count(&format!("{prefix}decoder.up."))
}

/// diffusers' name of a tensor and how it is read; `None` for a name of another kind.
pub fn diffusers(ldm: &str, decoder_levels: usize) -> Option<(String, Cut)> {
    let whole = |name: String| Some((name, Cut::Whole));
    if ldm.starts_with("quant_conv.") || ldm.starts_with("post_quant_conv.") {
        return whole(ldm.to_owned());
    }
    let (half, rest) = ldm.split_once('.')?;
    if !matches!(half, "encoder" | "decoder") {
        return None;
    }
    if rest.starts_with("conv_in.") || rest.starts_with("conv_out.") {
        return whole(ldm.to_owned());
    }
    if let Some(end) = rest.strip_prefix("norm_out.") {
        return whole(format!("{half}.conv_norm_out.{end}"));
    }
    if let Some(middle) = rest.strip_prefix("mid.") {
        if let Some(end) = middle.strip_prefix("attn_1.") {
            let (name, end) = end.split_once('.')?;
            let name = match name {
                "norm" => "group_norm",
                "q" => "to_q",
                "k" => "to_k",
                "v" => "to_v",
                "proj_out" => "to_out.0",
                _ => return None,
            };
            let cut = if name != "group_norm" && end == "weight" { Cut::Matrix } else { Cut::Whole };
            return Some((format!("{half}.mid_block.attentions.0.{name}.{end}"), cut));
        }
        let (number, end) = middle.strip_prefix("block_")?.split_once('.')?;
        let number = number.parse::<usize>().ok()?.checked_sub(1)?;
        return whole(format!("{half}.mid_block.resnets.{number}.{}", resnet(end)));
    }
    let (blocks, rest) = match half {
        "encoder" => ("down_blocks", rest.strip_prefix("down.")?),
        _ => ("up_blocks", rest.strip_prefix("up.")?),
    };
    let (level, rest) = rest.split_once('.')?;
    let level: usize = level.parse().ok()?;
    let level = if half == "decoder" { decoder_levels.checked_sub(level + 1)? } else { level };
    if let Some(end) = rest.strip_prefix("block.") {
        let (number, end) = end.split_once('.')?;
        return whole(format!("{half}.{blocks}.{level}.resnets.{number}.{}", resnet(end)));
    }
    let (change, end) = rest.split_once('.')?;
    match change {
        "downsample" => whole(format!("{half}.{blocks}.{level}.downsamplers.0.{end}")),
        "upsample" => whole(format!("{half}.{blocks}.{level}.upsamplers.0.{end}")),
        _ => None,
    }
}

fn resnet(end: &str) -> String {
    match end.strip_prefix("nin_shortcut.") {
        Some(end) => format!("conv_shortcut.{end}"),
        None => end.to_owned(),
    }
}
