//! How LoRA files name what they change, in the dialects that artists have.
//!
//! Sources: kohya-ss/sd-scripts `networks/lora.py` (one word with underscores, LDM's or diffusers' names), diffusers
//! `loaders/lora_conversion_utils.py` and `lora_base.py` (old attention processors, PEFT's `lora_A` and `lora_B`, the
//! header's `lora_adapter_metadata`).

/// The part of a model that a module of a LoRA belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoraPart {
    Unet,
    TextEncoder,
    TextEncoder2,
}

/// What a tensor is within its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Down,
    Up,
    Alpha,
}

/// A module as the file names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ModuleName {
    pub part: LoraPart,
    /// With dots, or as one word with underscores.
    pub path: String,
    pub is_one_word: bool,
}

/// Ends of names. A longer one stands before those that it ends with.
const ENDS: &[(&str, Role)] = &[
    (".lora_linear_layer.down.weight", Role::Down),
    (".lora_linear_layer.up.weight", Role::Up),
    (".lora_down.weight", Role::Down),
    (".lora_up.weight", Role::Up),
    (".lora.down.weight", Role::Down),
    (".lora.up.weight", Role::Up),
    ("_lora.down.weight", Role::Down),
    ("_lora.up.weight", Role::Up),
    (".lora_A.weight", Role::Down),
    (".lora_B.weight", Role::Up),
    (".lora_A.default.weight", Role::Down),
    (".lora_B.default.weight", Role::Up),
    (".alpha", Role::Alpha),
];

/// Beginnings of one-word names, and of those with dots.
const WORDS: &[(&str, LoraPart)] = &[
    ("lora_unet_", LoraPart::Unet),
    ("lora_te1_", LoraPart::TextEncoder),
    ("lora_te2_", LoraPart::TextEncoder2),
    ("lora_te_", LoraPart::TextEncoder),
];
const DOTTED: &[(&str, LoraPart)] = &[
    ("unet.", LoraPart::Unet),
    ("diffusion_model.", LoraPart::Unet),
    ("text_encoder_2.", LoraPart::TextEncoder2),
    ("text_encoder.", LoraPart::TextEncoder),
];

/// Module and role of a tensor; `None` for what is no part of a plain LoRA.
pub(super) fn parse(name: &str) -> Option<(ModuleName, Role)> {
    let (module, role) = ENDS.iter().find_map(|(end, role)| Some((name.strip_suffix(end)?, *role)))?;
    let module = module.strip_prefix("base_model.model.").unwrap_or(module);
    if let Some((path, part)) = WORDS.iter().find_map(|(start, part)| Some((module.strip_prefix(start)?, *part))) {
        return Some((ModuleName { part, path: path.to_owned(), is_one_word: true }, role));
    }
    let (path, part) = DOTTED
        .iter()
        .find_map(|(start, part)| Some((module.strip_prefix(start)?, *part)))
        // PEFT's own files hold one network, whose name they do not say.
        .unwrap_or((module, if module.starts_with("text_model.") { LoraPart::TextEncoder } else { LoraPart::Unet }));
    let mut path = path.replace(".processor.", ".");
    // The old attention processors say `to_out`, where the layer is the first of a list.
    if path.ends_with(".to_out") {
        path.push_str(".0");
    }
    Some((ModuleName { part, path, is_one_word: false }, role))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_dialect_is_understood() {
        let read = |name: &str| {
            let (module, role) = parse(name).unwrap();
            (module.part, module.path, role)
        };
        let q = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
        for name in [
            format!("unet.{q}.lora.down.weight"),
            format!("unet.{q}.lora_A.weight"),
            format!("{q}.lora_A.default.weight"),
            format!("base_model.model.{q}.lora_A.weight"),
            "unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight".to_owned(),
        ] {
            assert_eq!(read(&name), (LoraPart::Unet, q.to_owned(), Role::Down), "{name}");
        }
        let out = "unet.up_blocks.0.attentions.1.transformer_blocks.0.attn2.processor.to_out_lora.up.weight";
        assert_eq!(read(out).1, "up_blocks.0.attentions.1.transformer_blocks.0.attn2.to_out.0");
        let kohya = read("lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha");
        assert_eq!(kohya, (LoraPart::TextEncoder2, "text_model_encoder_layers_0_mlp_fc1".to_owned(), Role::Alpha));
        let text = read("text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight");
        assert_eq!(text, (LoraPart::TextEncoder, "text_model.encoder.layers.0.self_attn.q_proj".to_owned(), Role::Up));
        assert_eq!(parse("lora_unet_x.hada_w1_a"), None);
    }
}
