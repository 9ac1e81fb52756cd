//! The published SDXL files, by their keys and shapes alone (`golden/headers/`): every tensor that a network asks for is
//! there with the right shape, and none is left over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_nn::VarBuilder;
use instantstyle::engine::projection_shape;
use instantstyle::nn::autoencoder_kl::{AutoencoderKl, AutoencoderKlConfig};
use instantstyle::nn::clip_text::{ClipTextConfig, ClipTextModel};
use instantstyle::nn::clip_vision::ClipVisionModelWithProjection;
use instantstyle::nn::ip_adapter::{ImageProjection, all_key_values};
use instantstyle::nn::unet_2d_blocks::BlockInfo;
use instantstyle::nn::unet_2d_condition::UNet2DConditionModel;
use instantstyle::recipe::{ModelBlocks, Reference, Role};
use instantstyle::weights::{AdapterInfo, Dtype, ModelFolder, Weights, check, pair};
use serde::de::DeserializeOwned;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/headers").join(name)
}

fn json<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(file(name)).unwrap()).unwrap()
}

fn header(name: &str) -> Weights {
    let tensors: BTreeMap<String, (Dtype, Vec<usize>)> = json(&format!("{name}.json"));
    Weights::header_only(name, tensors)
}

fn config<T: DeserializeOwned>(name: &str) -> T {
    json(&format!("{name}.config.json"))
}

fn assert_exact(weights: &Weights, build: impl FnOnce(VarBuilder) -> candle_core::Result<()>) {
    let report = check(weights, build);
    assert_eq!((report.sentence("it"), report.notice("it")), (None, None), "{}", weights.name());
    assert_eq!(report.wanted, weights.len(), "{}", weights.name());
}

fn unet_blocks() -> Vec<BlockInfo> {
    let mut blocks = Vec::new();
    assert_exact(&header("unet"), |vb| {
        blocks = UNet2DConditionModel::new(&config("unet"), vb)?.blocks().to_vec();
        Ok(())
    });
    blocks
}

#[test]
fn unet_and_its_eleven_blocks_in_the_adapters_order() {
    let blocks = unet_blocks();
    let found: Vec<_> = blocks.iter().map(|b| (b.name.as_str(), b.cross_attentions.start * 2 + 1)).collect();
    // The second number is the first key of the block in an adapter file.
    let wanted = [
        ("down_blocks.1.attentions.0", 1),
        ("down_blocks.1.attentions.1", 5),
        ("down_blocks.2.attentions.0", 9),
        ("down_blocks.2.attentions.1", 29),
        ("up_blocks.0.attentions.0", 49),
        ("up_blocks.0.attentions.1", 69),
        ("up_blocks.0.attentions.2", 89),
        ("up_blocks.1.attentions.0", 109),
        ("up_blocks.1.attentions.1", 113),
        ("up_blocks.1.attentions.2", 117),
        ("mid_block.attentions.0", 121),
    ];
    assert_eq!(found, wanted);
    assert_eq!(blocks.iter().map(|b| b.cross_attentions.len()).sum::<usize>(), 70);

    let model = ModelBlocks::new(blocks.iter().map(|b| b.name.clone()).collect(), None, None);
    let reference = Reference { role: Role::StyleLayout, ..Reference::default() };
    let injections = model.injections(&reference).unwrap();
    let entered: Vec<_> =
        wanted.iter().zip(&injections).filter(|(_, i)| i.scale != 0.0).map(|((n, _), _)| *n).collect();
    assert_eq!(entered, ["down_blocks.2.attentions.1", "up_blocks.0.attentions.1"]);
}

#[test]
fn vae_and_text_encoders() {
    assert_exact(&header("vae"), |vb| AutoencoderKl::new(&config("vae"), vb).map(drop));
    for (name, is_second) in [("text_encoder", false), ("text_encoder_2", true)] {
        assert_exact(&header(name), |vb| ClipTextModel::new(&config(name), is_second, vb).map(drop));
    }
}

#[test]
fn the_single_file() {
    let weights = header("sd_xl_base_1.0");
    assert_eq!(weights.len(), 2515);
    let model = ModelFolder::of_checkpoint(&weights).unwrap();
    assert_eq!(model.notices(), [""; 0]);
    let part = |name: &str| model.weights(name).unwrap();
    let mut blocks = Vec::new();
    assert_exact(&part("unet"), |vb| {
        blocks = UNet2DConditionModel::new(&model.json("unet/config.json").unwrap(), vb)?.blocks().to_vec();
        Ok(())
    });
    assert_eq!(blocks, unet_blocks());
    assert_exact(&part("vae"), |vb| AutoencoderKl::new(&model.json("vae/config.json").unwrap(), vb).map(drop));
    for (name, is_second) in [("text_encoder", false), ("text_encoder_2", true)] {
        // Both carry a counter or a temperature that no network asks for.
        let weights = part(name);
        let config: ClipTextConfig = model.json(&format!("{name}/config.json")).unwrap();
        let report = check(&weights, |vb| ClipTextModel::new(&config, is_second, vb).map(drop));
        assert_eq!((report.sentence("it"), report.notice("it")), (None, None), "{name}");
        assert_eq!(report.wanted + 1, weights.len(), "{name}");
        let published = ClipTextConfig { architectures: None, ..self::config(name) };
        assert_eq!(config, published);
    }
    let (ours, published): (serde_json::Value, serde_json::Value) =
        (model.json("unet/config.json").unwrap(), config("unet"));
    for (name, value) in ours.as_object().unwrap() {
        let same = &published[name] == value
            || (name == "layers_per_block" && value == &serde_json::json!([2, 2, 2]))
            || (name == "time_embedding_dim" && value == 1280);
        assert!(same, "{name}: {value}, published {}", published[name]);
    }
    let (ours, published): (AutoencoderKlConfig, AutoencoderKlConfig) =
        (model.json("vae/config.json").unwrap(), config("vae"));
    assert_eq!(ours, published);
}

#[test]
fn image_encoders() {
    for name in ["image_encoder_bigg", "image_encoder_vit_h"] {
        assert_exact(&header(name), |vb| ClipVisionModelWithProjection::new(&config(name), vb).map(drop));
    }
}

#[test]
fn adapters_and_their_encoders() {
    let blocks = unet_blocks();
    // projection_dim and hidden_size
    let (big_g, vit_h) = ((1280, 1664), (1024, 1280));
    for (name, fits, other) in [
        ("ip-adapter_sdxl", big_g, vit_h),
        ("ip-adapter_sdxl_vit-h", vit_h, big_g),
        ("ip-adapter-plus_sdxl_vit-h", vit_h, big_g),
    ] {
        let weights = header(name);
        let info = AdapterInfo::read(&weights).unwrap();
        let shape = projection_shape(&info, &weights).unwrap();
        assert_exact(&weights, |vb| {
            ImageProjection::new(&shape, vb.clone())?;
            all_key_values(&blocks, shape.cross_attention_dim(), &vb).map(drop)
        });
        pair(&info, 2048, 70, fits.0, fits.1).unwrap();
        let said = pair(&info, 2048, 70, other.0, other.1).unwrap_err().to_string();
        assert!(said.contains(name) && said.contains("image_encoder"), "{said}");
    }
}

#[test]
fn a_key_too_few_and_one_too_many_are_seen() {
    let mut tensors: BTreeMap<String, (Dtype, Vec<usize>)> = json("vae.json");
    let name = "decoder.mid_block.attentions.0.to_q.weight";
    let about = tensors.remove(name).unwrap();
    tensors.insert("decoder.stray".to_owned(), about);
    let report = check(&Weights::header_only("vae", tensors), |vb| AutoencoderKl::new(&config("vae"), vb).map(drop));
    assert_eq!(report.missing.len(), 1);
    assert_eq!(report.missing[0].0, name);
    assert_eq!(report.left_over, ["decoder.stray"]);
}

/// fp8 is held as f16, which has all of its numbers; a file in f32 takes twice as much.
#[test]
fn memory_of_the_unet_by_dtype() {
    let tensors: BTreeMap<String, (Dtype, Vec<usize>)> = json("unet.json");
    let held = |dtype: Dtype| {
        let tensors = tensors.iter().map(|(name, (_, shape))| (name.clone(), (dtype, shape.clone())));
        Weights::header_only("unet", tensors.collect()).held_bytes()
    };
    assert_eq!(held(Dtype::F16), 2 * 2_567_463_684);
    assert_eq!([Dtype::BF16, Dtype::F8_E4M3].map(held), [held(Dtype::F16); 2]);
    assert_eq!(held(Dtype::F32), 2 * held(Dtype::F16));
}
