//! One network at a time against transformers and diffusers (`golden/parts.json`, made by `golden/make_golden.py`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use instantstyle::engine::projection_shape;
use instantstyle::nn::autoencoder_kl::{AutoencoderKl, AutoencoderKlConfig, Cut};
use instantstyle::nn::cancel::Cancel;
use instantstyle::nn::clip_text::{ClipTextConfig, ClipTextModel};
use instantstyle::nn::clip_vision::{ClipVisionConfig, ClipVisionModelWithProjection};
use instantstyle::nn::ip_adapter::{ImageFeatures, ImageProjection, ProjectionShape};
use instantstyle::nn::unet_2d_condition::{AddedConditioning, Conditioning, UNet2DConditionModel};
use instantstyle::nn::unet_config::UNet2DConditionConfig;
use instantstyle::pixels::{ClipImageProcessor, Picture};
use instantstyle::recipe::Crop;
use instantstyle::weights::{AdapterInfo, ModelFolder, Weights};
use serde::Deserialize;

/// f32 sums in another order differ by less than this.
const TOLERANCE: f64 = 2e-5;

#[derive(Deserialize)]
struct Row {
    part: String,
    name: String,
    model: Option<String>,
    folder: Option<String>,
    adapter: Option<String>,
    picture: Option<String>,
    ids: Option<Vec<u32>>,
    timestep: Option<f64>,
    tensors: BTreeMap<String, String>,
}

struct Golden {
    rows: Vec<Row>,
    tensors: HashMap<String, Tensor>,
}

fn golden(part: &str) -> Golden {
    let rows: Vec<Row> = serde_json::from_slice(&std::fs::read(folder().join("parts.json")).unwrap()).unwrap();
    let rows: Vec<Row> = rows.into_iter().filter(|row| row.part == part).collect();
    assert!(!rows.is_empty(), "no rows for {part}");
    let tensors = candle_core::safetensors::load(folder().join("parts.safetensors"), &Device::Cpu).unwrap();
    Golden { rows, tensors }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

impl Golden {
    fn tensor(&self, row: &Row, what: &str) -> Tensor {
        self.tensors[&row.tensors[what]].clone()
    }

    fn assert_equal(&self, row: &Row, what: &str, ours: &Tensor) {
        let theirs = self.tensor(row, what);
        assert_eq!(ours.dims(), theirs.dims(), "{} {what}", row.name);
        let norm = |t: &Tensor| {
            t.to_dtype(DType::F64).unwrap().sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt()
        };
        let error = norm(&(ours - &theirs).unwrap()) / norm(&theirs);
        println!("{} {what}: {error:.1e}", row.name);
        // Written so that a NaN fails.
        assert!(error < TOLERANCE, "{} {what}: relative error {error:.2e}", row.name);
    }
}

fn model(row: &Row) -> ModelFolder {
    ModelFolder::open(&folder().join(row.model.as_ref().unwrap())).unwrap()
}

#[test]
fn text_towers() {
    let golden = golden("text");
    let (mut highest, mut first) = (0, 0);
    for row in &golden.rows {
        let part = row.folder.as_ref().unwrap();
        let config: ClipTextConfig = model(row).json(&format!("{part}/config.json")).unwrap();
        let is_second = part == "text_encoder_2";
        let weights = model(row).weights(part).unwrap();
        let encode = |eos_token_id: u32| {
            let config = ClipTextConfig { eos_token_id, ..config.clone() };
            let tower = ClipTextModel::new(&config, is_second, weights.var_builder(DType::F32, &Device::Cpu)).unwrap();
            tower.forward(&[row.ids.clone().unwrap()], Cancel::never()).unwrap()
        };
        golden.assert_equal(row, "penultimate", &encode(config.eos_token_id).penultimate);
        if is_second {
            golden.assert_equal(row, "pooled_highest", &encode(2).text_embeds.unwrap());
            // The end token follows the start token in every CLIP vocabulary.
            let end = row.ids.as_ref().unwrap()[0] + 1;
            golden.assert_equal(row, "pooled_first", &encode(end).text_embeds.unwrap());
            highest += usize::from(config.eos_token_id == 2);
            first += usize::from(config.eos_token_id != 2);
        }
    }
    assert!(highest > 0 && first > 0, "configs of both rules are seen");
}

#[test]
fn image_tower_from_a_picture() {
    let golden = golden("vision");
    for row in &golden.rows {
        let encoder = ModelFolder::open_component(&folder().join(row.folder.as_ref().unwrap())).unwrap();
        let config: ClipVisionConfig = encoder.json("config.json").unwrap();
        let picture = Picture::open(&folder().join(row.picture.as_ref().unwrap())).unwrap();
        let side = config.image_size;
        let values = ClipImageProcessor::new(side as u32).pixel_values(&picture.rgb, Crop::Fill).unwrap();
        let pixels = Tensor::from_vec(values, (1, 3, side, side), &Device::Cpu).unwrap();
        golden.assert_equal(row, "pixel_values", &pixels);
        let vb = encoder.weights("").unwrap().var_builder(DType::F32, &Device::Cpu);
        let tower = ClipVisionModelWithProjection::new(&config, vb).unwrap();
        let encoding = tower.forward(&pixels, Cancel::never()).unwrap();
        golden.assert_equal(row, "image_embeds", &encoding.image_embeds);
        golden.assert_equal(row, "penultimate", &encoding.penultimate);
    }
}

#[test]
fn image_projections_base_and_plus() {
    let golden = golden("projection");
    for row in &golden.rows {
        let weights = std::sync::Arc::new(Weights::open(&folder().join(row.adapter.as_ref().unwrap())).unwrap());
        let shape = projection_shape(&AdapterInfo::read(&weights).unwrap(), &weights).unwrap();
        let projection = ImageProjection::new(&shape, weights.var_builder(DType::F32, &Device::Cpu)).unwrap();
        for (states, tokens) in [("states", "tokens"), ("zero_states", "zero_tokens")] {
            let states = golden.tensor(row, states);
            let features = match shape {
                ProjectionShape::Base { .. } => ImageFeatures::Embeds(states),
                ProjectionShape::Plus(_) | ProjectionShape::Full { .. } => ImageFeatures::States(states),
            };
            golden.assert_equal(row, tokens, &projection.forward(&features).unwrap());
        }
    }
}

#[test]
fn unet_at_whole_and_broken_timesteps_and_odd_sizes() {
    let golden = golden("unet");
    for row in &golden.rows {
        let config: UNet2DConditionConfig = model(row).json("unet/config.json").unwrap();
        let vb = model(row).weights("unet").unwrap().var_builder(DType::F32, &Device::Cpu);
        let unet = UNet2DConditionModel::new(&config, vb).unwrap();
        let [sample, text, pooled, ids] =
            ["sample", "encoder_hidden_states", "text_embeds", "time_ids"].map(|what| golden.tensor(row, what));
        // The fixture's rows differ in their time ids, while a pipeline gives all rows the same: one row at a time.
        let rows: Vec<Tensor> = (0..sample.dim(0).unwrap())
            .map(|i| {
                let ids = ids.get(i).unwrap().to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap();
                let at = |tensor: &Tensor| tensor.narrow(0, i, 1).unwrap();
                let conditioning = Conditioning {
                    text: &unet.text_key_values(&at(&text), Cancel::never()).unwrap(),
                    added: Some(AddedConditioning { text_embeds: &at(&pooled), time_ids: ids.try_into().unwrap() }),
                    image_prompts: &[],
                    cancel: Cancel::never(),
                };
                unet.forward(&at(&sample), row.timestep.unwrap(), None, &conditioning).unwrap()
            })
            .collect();
        let out = Tensor::cat(&rows, 0).unwrap();
        golden.assert_equal(row, "out", &out);
    }
}

#[test]
fn vae_both_ways() {
    let golden = golden("vae");
    for row in &golden.rows {
        let config: AutoencoderKlConfig = model(row).json("vae/config.json").unwrap();
        let vb = model(row).weights("vae").unwrap().var_builder(DType::F32, &Device::Cpu);
        let vae = AutoencoderKl::new(&config, vb).unwrap();
        let posterior = vae.encode(&golden.tensor(row, "image"), Cut::Whole, Cancel::never()).unwrap();
        golden.assert_equal(row, "mean", &posterior.mean);
        golden.assert_equal(row, "logvar", &posterior.logvar);
        golden.assert_equal(
            row,
            "decoded",
            &vae.decode(&golden.tensor(row, "latents"), Cut::Whole, Cancel::never()).unwrap(),
        );
    }
}
