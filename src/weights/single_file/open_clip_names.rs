//! OpenCLIP's text tower (SDXL's second) as transformers' names.
//!
//! Source: open_clip `transformer.py` (`TextTransformer`: `in_proj` holds query, key and value one above the other, and
//! `text_projection` is multiplied from the right) and diffusers' `convert_open_clip_checkpoint`.

use crate::weights::cut::Cut;

/// transformers' tensors that one of OpenCLIP's stands for; empty for a name of another kind.
pub fn transformers(open_clip: &str) -> Vec<(String, Cut)> {
    let whole = |name: String| vec![(name, Cut::Whole)];
    match open_clip {
        "positional_embedding" => return whole("text_model.embeddings.position_embedding.weight".to_owned()),
        "token_embedding.weight" => return whole("text_model.embeddings.token_embedding.weight".to_owned()),
        "text_projection" => return vec![("text_projection.weight".to_owned(), Cut::Transposed)],
        // As a linear layer it lies the other way round already.
        "text_projection.weight" => return whole(open_clip.to_owned()),
        // CLIP's temperature; no network asks for it.
        "logit_scale" => return whole(open_clip.to_owned()),
        _ => {}
    }
    if let Some(end) = open_clip.strip_prefix("ln_final.") {
        return whole(format!("text_model.final_layer_norm.{end}"));
    }
    let layer = open_clip.strip_prefix("transformer.resblocks.").and_then(|rest| rest.split_once('.'));
    let Some((number, rest)) = layer else { return vec![] };
    let to = |name: &str| format!("text_model.encoder.layers.{number}.{name}");
    match rest {
        "attn.in_proj_weight" | "attn.in_proj_bias" => {
            let end = rest.trim_start_matches("attn.in_proj_");
            ["q", "k", "v"]
                .iter()
                .enumerate()
                .map(|(block, part)| (to(&format!("self_attn.{part}_proj.{end}")), Cut::Rows { block, of: 3 }))
                .collect()
        }
        _ => {
            const PARTS: &[(&str, &str)] = &[
                ("ln_1.", "layer_norm1."),
                ("ln_2.", "layer_norm2."),
                ("attn.out_proj.", "self_attn.out_proj."),
                ("mlp.c_fc.", "mlp.fc1."),
                ("mlp.c_proj.", "mlp.fc2."),
            ];
            let renamed = PARTS.iter().find_map(|(old, new)| Some(to(&format!("{new}{}", rest.strip_prefix(old)?))));
            renamed.map(whole).unwrap_or_default()
        }
    }
}
