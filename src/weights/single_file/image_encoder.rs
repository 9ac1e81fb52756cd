//! A CLIP image tower in one file without its settings, as ComfyUI's users have it, seen as the folder that it stands for.
//!
//! Sizes follow from shapes. The number of heads and the activation do not: they are those of the published towers of
//! the same width (config.json of laion/CLIP-ViT-H-14-laion2B-s32B-b79K and laion/CLIP-ViT-bigG-14-laion2B-39B-b160k).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::SingleFile;
use crate::weights::Weights;

/// `hidden_size` and `num_attention_heads`; both use `gelu`. ViT-L has two publishers with different activations.
const TOWERS: [(usize, usize); 2] = [(1280, 16), (1664, 16)];

impl SingleFile {
    /// None for what is no image tower, or one of which the header does not tell enough.
    pub fn of_image_encoder(weights: &Arc<Weights>) -> Option<Self> {
        let [hidden_size, num_channels, patch_size, _] =
            *weights.shape("vision_model.embeddings.patch_embedding.weight")?
        else {
            return None;
        };
        let num_attention_heads = TOWERS.iter().find(|(width, _)| *width == hidden_size)?.1;
        let positions = *weights.shape("vision_model.embeddings.position_embedding.weight")?.first()?;
        let side = positions.checked_sub(1)?.isqrt();
        // A whole CLIP file holds the layers of its text tower too.
        let is_layer = |name: &&str| {
            name.starts_with("vision_model.encoder.layers.") && name.ends_with(".self_attn.q_proj.weight")
        };
        let config = json!({
            "hidden_size": hidden_size,
            "intermediate_size": *weights.shape("vision_model.encoder.layers.0.mlp.fc1.weight")?.first()?,
            "projection_dim": *weights.shape("visual_projection.weight")?.first()?,
            "num_hidden_layers": weights.names().filter(is_layer).count(),
            "num_attention_heads": num_attention_heads,
            "num_channels": num_channels,
            "image_size": side.checked_mul(patch_size)?,
            "patch_size": patch_size,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-5,
        });
        Some(Self {
            texts: BTreeMap::from([("config.json".to_owned(), config.to_string())]),
            components: BTreeMap::from([("", weights.clone())]),
            notices: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use serde_json::{Map, Value};

    use super::*;
    use crate::weights::Dtype;

    #[test]
    fn the_published_towers_get_their_own_settings() {
        let headers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/headers");
        let json = |name: &str| std::fs::read(headers.join(name)).unwrap();
        for tower in ["image_encoder_bigg", "image_encoder_vit_h"] {
            let header: BTreeMap<String, (Dtype, Vec<usize>)> =
                serde_json::from_slice(&json(&format!("{tower}.json"))).unwrap();
            let single = SingleFile::of_image_encoder(&Arc::new(Weights::header_only(tower, header))).unwrap();
            let ours: Map<String, Value> = serde_json::from_str(&single.texts["config.json"]).unwrap();
            let theirs: Map<String, Value> = serde_json::from_slice(&json(&format!("{tower}.config.json"))).unwrap();
            assert_eq!(ours.len(), 10);
            for (key, value) in ours {
                assert_eq!(theirs.get(&key), Some(&value), "{tower}: {key}");
            }
        }
        // A width that says nothing of the heads.
        let other = BTreeMap::from([(
            "vision_model.embeddings.patch_embedding.weight".to_owned(),
            (Dtype::F16, vec![1024, 3, 14, 14]),
        )]);
        assert!(SingleFile::of_image_encoder(&Arc::new(Weights::header_only("l", other))).is_none());
    }
}
