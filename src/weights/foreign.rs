//! Files that artists have beside those that can be used here: named, so that nobody looks for a fault in them.
//!
//! Key layouts: black-forest-labs/flux and diffusers' Flux, stabilityai's SD 3 and control-lora, AnimateDiff, T2I-Adapter,
//! transformers' T5, A1111's and diffusers' textual inversion, ESRGAN.

use super::Weights;

/// What a file is that nothing here can use; None for all else. LoRAs come before it.
pub(super) fn foreign(weights: &Weights) -> Option<&'static str> {
    let any = |part: &str| weights.names().any(|name| name.contains(part));
    let has = |name: &str| weights.contains(name);
    // SDXL's embeddings are one table a text encoder.
    let is_table = |name: &str| weights.shape(name).is_some_and(|shape| shape.len() == 2) && weights.len() <= 4;
    Some(if any("double_blocks.0.") || any("single_transformer_blocks.0.") {
        "a Flux model"
    } else if any("joint_blocks.0.") || (any("transformer_blocks.0.ff_context.") && any("pos_embed")) {
        "a Stable Diffusion 3 model"
    } else if any("motion_modules.") {
        "an AnimateDiff motion module"
    } else if has("lora_controlnet") {
        "a Control-LoRA"
    } else if any("body.0.block1.weight") || any("adapter.body.0.resnets.0.block1.weight") {
        "a T2I-Adapter"
    } else if has("encoder.block.0.layer.0.SelfAttention.q.weight") {
        "a T5 text encoder"
    } else if is_table("emb_params") || is_table("clip_g") || any("string_to_param.") {
        "a textual inversion embedding"
    } else if has("model.0.weight") && any("RDB1.conv1.") || has("conv_first.weight") && any("body.0.") {
        "an upscaler"
    } else {
        return None;
    })
}
