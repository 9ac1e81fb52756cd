//! A whole model in one file, as artists share them, seen as the diffusers folder that it stands for.
//!
//! Names, shapes and published facts: diffusers' `loaders/single_file_utils.py`. Tensors stay where they are and get
//! another name; configs follow from their shapes. What a file cannot say (scheduler, scaling factor, empty prompts) is
//! as in the folder that the original of its kind was published in.

mod configs;
mod image_encoder;
mod open_clip_names;
mod unet_names;
mod vae_names;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::clip_vocabulary::tokenizer_files;
use super::cut::{Cut, Pick};
use super::{Family, FewStep, Kind, Weights, WeightsError, identify};

pub use unet_names::UnetLayout;

const UNET: &str = "model.diffusion_model.";
const VAE: &[&str] = &["first_stage_model.", "vae."];
/// SDXL's first text encoder and SD 1.5's only one, under transformers' names.
const CLIP_L: &[&str] = &["conditioner.embedders.0.transformer.", "cond_stage_model.transformer."];
const OPEN_CLIP_G: &str = "conditioner.embedders.1.model.";
/// What training leaves in a file and no picture needs, by the beginning of its name.
const HARMLESS: &[&str] = &[
    "model_ema.",
    "denoiser.",
    "alphas_cumprod",
    "betas",
    "sqrt_",
    "log_one_minus_",
    "posterior_",
    "lvlb_weights",
    "logvar",
    "v_pred",
    "ztsnr",
    "first_stage_model.loss.",
];
/// stabilityai/stable-diffusion-xl-base-1.0 and stable-diffusion-v1-5, `vae/config.json`.
const SDXL_SCALING_FACTOR: f64 = 0.13025;
const SD15_SCALING_FACTOR: f64 = 0.18215;

/// The parts of a single file.
#[derive(Debug)]
pub struct SingleFile {
    /// Settings and tokenizers, by their names inside the folder.
    pub texts: BTreeMap<String, String>,
    pub components: BTreeMap<&'static str, Arc<Weights>>,
    /// What is odd but harmless, one sentence each.
    pub notices: Vec<String>,
}

impl SingleFile {
    /// Looks at the header of `weights`; no data is read.
    ///
    /// Errors: no checkpoint, one of a kind that cannot be used, or one without a UNet or text encoders.
    pub fn open(weights: &Weights) -> Result<Self, WeightsError> {
        let file = || weights.name().to_owned();
        let refused = |(why, advice): (String, &'static str)| WeightsError::SingleFile { file: file(), why, advice };
        let kind = identify(weights);
        let Kind::Checkpoint { family, .. } = kind else {
            let advice = "choose a whole model: a diffusers folder or a single-file checkpoint".to_owned();
            return Err(WeightsError::OtherKind { file: file(), what: kind.to_string(), wanted: "a model", advice });
        };
        refuse(weights, family).map_err(refused)?;
        let mut out = Self { texts: BTreeMap::new(), components: BTreeMap::new(), notices: vec![] };
        let unusable = |why: String| refused((why, "choose another checkpoint, or a folder in diffusers format"));

        let names = UnetLayout::of_ldm(weights, UNET).names();
        let unet = weights.view(renamed(weights, UNET, |rest| whole(names.diffusers(rest))))?;
        let text = text_encoders(weights)?;
        let is_sdxl = text.len() == 2;
        let pooled = text.last().and_then(|(_, tower)| tower.shape("text_projection.weight")?.first()).copied();
        out.set("unet/config.json", configs::unet(&unet, pooled).map_err(unusable)?);
        out.components.insert("unet", Arc::new(unet));

        if let Some(vae) = vae(weights)? {
            let factor = if is_sdxl { SDXL_SCALING_FACTOR } else { SD15_SCALING_FACTOR };
            out.set("vae/config.json", configs::vae(&vae, factor).map_err(unusable)?);
            out.components.insert("vae", Arc::new(vae));
        }
        let towers = [
            ("text_encoder", "tokenizer", "quick_gelu", "<|endoftext|>"),
            ("text_encoder_2", "tokenizer_2", "gelu", "!"),
        ];
        for ((_, tower), (part, tokenizer, activation, pad)) in text.into_iter().zip(towers) {
            let config = configs::text(&tower, activation).map_err(unusable)?;
            let rows = config.get("vocab_size").and_then(Value::as_u64).unwrap_or_default() as usize;
            for (name, content) in tokenizer_files(rows, pad).map_err(unusable)? {
                out.texts.insert(format!("{tokenizer}/{name}"), content);
            }
            out.set(&format!("{part}/config.json"), config);
            out.components.insert(part, Arc::new(tower));
        }
        let few_step = FewStep::told(weights.name(), weights.metadata());
        out.set("scheduler/scheduler_config.json", scheduler(weights, few_step.as_ref()));
        if let Some(few_step) = few_step {
            out.set("instantstyle.json", few_step.settings());
        }
        let class = if is_sdxl { "StableDiffusionXLPipeline" } else { "StableDiffusionPipeline" };
        // As in SDXL's own model_index.json; SD 1.5 knows no such word.
        out.set("model_index.json", json!({"_class_name": class, "force_zeros_for_empty_prompt": is_sdxl}));
        out.notices.extend(left_over(weights));
        Ok(out)
    }

    fn set(&mut self, name: &str, value: Value) {
        self.texts.insert(name.to_owned(), value.to_string());
    }
}

/// Kinds of checkpoint that are known and cannot be used: why, and what to do.
fn refuse(weights: &Weights, family: Family) -> Result<(), (String, &'static str)> {
    if weights.contains("conditioner.embedders.0.model.token_embedding.weight") || family == Family::SdxlRefiner {
        return Err(("it is an SDXL refiner, which only finishes pictures".to_owned(), "choose an SDXL base model"));
    }
    if weights.contains("cond_stage_model.model.token_embedding.weight") || family == Family::Sd2 {
        return Err(("it is an SD 2 model".to_owned(), "choose an SDXL or SD 1.5 model"));
    }
    if weights.contains("scaled_fp8") || weights.names().any(|name| name.ends_with(".scale_weight")) {
        return Err((
            "it is fp8 with a scale for each tensor, which this program does not read".to_owned(),
            "choose the f16 file, or one in plain fp8 (e4m3)",
        ));
    }
    if let Some([_, channels, ..]) = weights.shape(&format!("{UNET}input_blocks.0.0.weight"))
        && *channels == 9
    {
        return Err((
            "it is an inpainting model (9 input channels)".to_owned(),
            "choose the base model that it was made from",
        ));
    }
    Ok(())
}

fn whole(name: Option<String>) -> Vec<(String, Cut)> {
    name.map(|name| (name, Cut::Whole)).into_iter().collect()
}

/// Every tensor under `prefix` with its new names; one that the rule does not know keeps its own, so that it is noticed.
fn renamed<'a>(
    weights: &'a Weights,
    prefix: &'a str,
    rule: impl Fn(&str) -> Vec<(String, Cut)> + 'a,
) -> impl Iterator<Item = (String, Pick)> + 'a {
    weights.names().filter_map(move |name| Some((name, name.strip_prefix(prefix)?))).flat_map(move |(name, rest)| {
        let mut found = rule(rest);
        if found.is_empty() {
            found.push((name.to_owned(), Cut::Whole));
        }
        found.into_iter().map(move |(to, cut)| (to, Pick { from: name.to_owned(), cut }))
    })
}

/// One tower for SD 1.5, two for SDXL, under transformers' names, each with the prefix that it has in the file.
fn text_encoders(weights: &Weights) -> Result<Vec<(&'static str, Weights)>, WeightsError> {
    let mut out = vec![];
    for prefix in CLIP_L {
        if weights.names().any(|name| name.starts_with(prefix)) {
            out.push((*prefix, weights.view(renamed(weights, prefix, |rest| whole(Some(rest.to_owned()))))?));
            break;
        }
    }
    if weights.names().any(|name| name.starts_with(OPEN_CLIP_G)) {
        out.push((OPEN_CLIP_G, weights.view(renamed(weights, OPEN_CLIP_G, open_clip_names::transformers))?));
    }
    let file = weights.name().to_owned();
    let wants_two = weights.contains(&format!("{UNET}label_emb.0.0.weight"));
    if out.first().is_none_or(|(prefix, _)| *prefix == OPEN_CLIP_G) || (wants_two && out.len() == 1) {
        let why = "its text encoders are missing".to_owned();
        let advice = "it may hold the UNet alone: choose the whole checkpoint, or a folder in diffusers format";
        return Err(WeightsError::SingleFile { file, why, advice });
    }
    Ok(out)
}

/// The VAE inside a checkpoint, under diffusers' names.
fn vae(weights: &Weights) -> Result<Option<Weights>, WeightsError> {
    let found = VAE.iter().find(|prefix| weights.contains(&format!("{prefix}decoder.conv_in.weight")));
    found.map(|prefix| vae_view(weights, prefix)).transpose()
}

fn vae_view(weights: &Weights, prefix: &str) -> Result<Weights, WeightsError> {
    let levels = vae_names::decoder_levels(weights, prefix);
    let wanted = renamed(weights, prefix, |rest| vae_names::diffusers(rest, levels).into_iter().collect());
    weights.view(wanted.filter(|(_, pick)| !is_harmless(&pick.from)))
}

/// A VAE in a file of its own, under diffusers' or LDM's names, alone or inside a checkpoint: its config and weights.
///
/// `scaling_factor` is that of the model which it shall serve.
pub fn open_vae(weights: &Arc<Weights>, scaling_factor: f64) -> Result<(Value, Arc<Weights>), WeightsError> {
    let refused = |why: String| WeightsError::SingleVae { file: weights.name().to_owned(), why };
    let view = if weights.contains("decoder.up.0.block.0.conv1.weight") {
        Arc::new(vae_view(weights, "")?)
    } else if weights.contains("decoder.up_blocks.0.resnets.0.conv1.weight") {
        weights.clone()
    } else if let Some(view) = vae(weights)? {
        Arc::new(view)
    } else {
        let (file, what) = (weights.name().to_owned(), identify(weights).to_string());
        let advice = "choose a VAE's .safetensors file or folder".to_owned();
        return Err(WeightsError::OtherKind { file, what, wanted: "a VAE", advice });
    };
    let config = configs::vae(&view, scaling_factor).map_err(refused)?;
    Ok((config, view))
}

/// `scheduler_config.json` as SDXL's and SD 1.5's (diffusers' `SCHEDULER_DEFAULT_CONFIG`). The empty tensors `v_pred` and
/// `ztsnr` are how trainers and ComfyUI mark v-prediction and a zero terminal signal-to-noise ratio.
fn scheduler(weights: &Weights, few_step: Option<&FewStep>) -> Value {
    let own = if weights.contains("v_pred") { "v_prediction" } else { "epsilon" };
    let prediction = few_step.and_then(FewStep::prediction_type).unwrap_or(own);
    json!({
        "_class_name": "EulerDiscreteScheduler",
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "interpolation_type": "linear",
        "num_train_timesteps": 1000,
        "prediction_type": prediction,
        "rescale_betas_zero_snr": weights.contains("ztsnr"),
        "set_alpha_to_one": false,
        "steps_offset": 1,
        "timestep_spacing": "leading",
    })
}

fn is_harmless(name: &str) -> bool {
    HARMLESS.iter().any(|start| name.starts_with(start))
}

/// Tensors under none of the known beginnings.
fn left_over(weights: &Weights) -> Option<String> {
    let known = [UNET, OPEN_CLIP_G].into_iter().chain(VAE.iter().copied()).chain(CLIP_L.iter().copied());
    let known: Vec<&str> = known.collect();
    let is_known = |name: &str| is_harmless(name) || known.iter().any(|prefix| name.starts_with(prefix));
    let others: Vec<&str> = weights.names().filter(|name| !is_known(name)).collect();
    let first = others.first()?;
    Some(format!(
        "{} holds more than this program uses: {}",
        weights.name(),
        super::error::count_named(others.len(), "tensor", first)
    ))
}
