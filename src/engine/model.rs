//! A model opened by its headers and configs: everything that can be known, and refused, before weights are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_nn::VarBuilder;
use serde::Deserialize;

use super::image_prompt_parts::{ImagePromptParts, check_image_encoder, image_prompt_parts};
use super::latent_rgb::{LatentRgb, SD15_SCALING_FACTOR, SDXL_SCALING_FACTOR};
use super::loras::Loras;
use super::{EngineError, ModelPaths, builtin};
use crate::nn::autoencoder_kl::{AutoencoderKl, AutoencoderKlConfig};
use crate::nn::clip_text::{ClipTextConfig, ClipTextModel};
use crate::nn::schedulers::SchedulerConfig;
use crate::nn::tokenizer::{ClipTokenizer, TokenizerTexts};
use crate::nn::unet_2d_blocks::BlockInfo;
use crate::nn::unet_2d_condition::UNet2DConditionModel;
use crate::nn::unet_config::{PerLevel, SampleSize, UNet2DConditionConfig};
use crate::recipe::{BUILT_IN, Lora, ModelBlocks, ModelDefaults, ModelFiles, SchedulerName, file_id};
use crate::weights::{FewStep, Kind, LoraPart, ModelFolder, Weights, WeightsError, check, identify, open_vae};

/// One text tower with its tokenizer.
pub struct TextTower {
    pub config: ClipTextConfig,
    pub weights: Arc<Weights>,
    pub tokenizer: ClipTokenizer,
}

pub struct Model {
    pub unet_config: UNet2DConditionConfig,
    pub unet: Arc<Weights>,
    pub vae_config: AutoencoderKlConfig,
    pub vae: Arc<Weights>,
    /// Two for SDXL, one for SD 1.5.
    pub text: Vec<TextTower>,
    pub scheduler_config: SchedulerConfig,
    /// An empty or absent negative prompt is zeros.
    pub force_zeros_for_empty_prompt: bool,
    /// Order and names of the cross-attentions.
    pub block_infos: Vec<BlockInfo>,
    pub blocks: ModelBlocks,
    pub defaults: ModelDefaults,
    pub latent_rgb: Option<Arc<LatentRgb>>,
    pub image_prompt: Option<ImagePromptParts>,
    pub files: ModelFiles,
    /// Those that are merged in.
    pub loras: Vec<Lora>,
    pub notices: Vec<String>,
}

/// `instantstyle.json`: what a model made for this program says about itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OwnSettings {
    style_block: Option<String>,
    layout_block: Option<String>,
    steps: Option<u32>,
    guidance: Option<f64>,
    scheduler: Option<SchedulerName>,
    /// Of that sampler alone; another that is chosen is spaced as the model's `scheduler_config.json` says.
    timestep_spacing: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    latent_rgb_factors: Option<Vec<[f32; 3]>>,
    latent_rgb_bias: Option<[f32; 3]>,
}

impl OwnSettings {
    /// What a LoRA makes of them when it makes a few-step model; the size stays the model's.
    fn make_few_step(self, few_step: &FewStep) -> Result<Self, EngineError> {
        let brought = Self::deserialize(few_step.settings()).map_err(|e| EngineError::Input(e.to_string()))?;
        let Self { steps, guidance, scheduler, timestep_spacing, .. } = brought;
        Ok(Self { steps, guidance, scheduler, timestep_spacing, ..self })
    }
}

/// A diffusers folder whose name tells of few steps; a single file has said so in its settings already.
fn few_step_folder(folder: &ModelFolder) -> Option<FewStep> {
    FewStep::told(&folder.path()?.to_string_lossy(), &BTreeMap::new())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ModelIndex {
    force_zeros_for_empty_prompt: Option<bool>,
}

/// Without its betas a model paints noise.
const SCHEDULER: &str = "scheduler/scheduler_config.json";

impl Model {
    /// Opens every part by its header and checks that all of it fits together.
    pub fn open(paths: &ModelPaths, loras: &[Lora], needs_image_prompt: bool) -> Result<Self, EngineError> {
        let folder = match &paths.model {
            Some(path) => ModelFolder::open(path)?,
            None => builtin::folder(),
        };
        let index: ModelIndex = folder.json("model_index.json")?;
        let mut own: OwnSettings =
            if folder.has("instantstyle.json") { folder.json("instantstyle.json")? } else { OwnSettings::default() };
        let mut notices = folder.notices().to_vec();

        let unet_config: UNet2DConditionConfig = folder.json("unet/config.json")?;
        unet_config.refuse_unsupported().map_err(|e| EngineError::Input(format!("{}: {e}", folder.name())))?;
        let mut unet = folder.weights("unet")?;
        let mut block_infos = Vec::new();
        checked(&unet, &mut notices, |vb| {
            block_infos = UNet2DConditionModel::new(&unet_config, vb)?.blocks().to_vec();
            Ok(())
        })?;

        let (vae_config, vae) = vae_part(&folder, paths)?;
        checked(&vae, &mut notices, |vb| AutoencoderKl::new(&vae_config, vb).map(drop))?;
        // Size conditioning needs a pooled text, which only SDXL's second tower gives.
        let is_sdxl = unet_config.addition_embed_type.is_some();
        if is_sdxl && !folder.has("text_encoder_2/config.json") {
            return Err(EngineError::Input(format!(
                "{} has no text_encoder_2, which its UNet needs; download the folder again",
                folder.name()
            )));
        }
        let mut text = vec![text_tower(&folder, false, &mut notices)?];
        if is_sdxl {
            text.push(text_tower(&folder, true, &mut notices)?);
        }
        check_widths(&folder, &unet_config, &vae_config, &text)?;

        let loras = Loras::open(paths, loras, &mut notices)?;
        let mut components = vec![(LoraPart::Unet, &mut unet)];
        let towers = text.iter_mut().map(|tower| &mut tower.weights);
        components.extend([LoraPart::TextEncoder, LoraPart::TextEncoder2].into_iter().zip(towers));
        loras.merge(components, &mut notices)?;

        let scheduler_text = folder.text(SCHEDULER)?.ok_or_else(|| WeightsError::MissingFile {
            file: folder.name().to_owned(),
            wanted: SCHEDULER.to_owned(),
            advice: "download the folder again".to_owned(),
        })?;
        let mut scheduler_config = SchedulerConfig::from_json(&scheduler_text)?;
        if let Some(few_step) = loras.few_step() {
            own = own.make_few_step(&few_step)?;
        } else if let Some(few_step) = few_step_folder(&folder) {
            // A folder says itself which sampler it wants.
            own.steps.get_or_insert(few_step.steps());
            own.guidance.get_or_insert(few_step.guidance());
        }
        scheduler_config.own_spacing = own.scheduler.zip(own.timestep_spacing.clone());
        let scheduler = match own.scheduler {
            Some(own) => own,
            None => {
                let (name, notice) = scheduler_config.default_name();
                notices.extend(notice);
                name
            }
        };

        let names = block_infos.iter().map(|block| block.name.clone()).collect();
        let blocks = ModelBlocks::new(names, own.style_block.clone(), own.layout_block.clone());
        let defaults = defaults(&own, scheduler, &unet_config, &vae_config);
        let own_rgb = own.latent_rgb_factors.clone().zip(own.latent_rgb_bias);
        let latent_rgb = LatentRgb::of(own_rgb, &vae_config).map(Arc::new);
        // What is named is looked at, also where no reference uses it.
        let has_own_adapter = folder.has("ip_adapter.safetensors");
        let is_named = paths.adapter.is_some() || (paths.image_encoder.is_some() && has_own_adapter);
        let image_prompt = match needs_image_prompt || is_named {
            true => Some(image_prompt_parts(&folder, paths, &unet_config, &block_infos, &mut notices)?),
            false => {
                paths.image_encoder.as_deref().map(check_image_encoder).transpose()?;
                None
            }
        };
        let files = identity(paths, &unet, &vae, image_prompt.as_ref())?;
        Ok(Self {
            unet_config,
            unet,
            vae_config,
            vae,
            text,
            scheduler_config,
            force_zeros_for_empty_prompt: index.force_zeros_for_empty_prompt.unwrap_or(is_sdxl),
            block_infos,
            blocks,
            defaults,
            latent_rgb,
            image_prompt,
            files,
            loras: loras.recipe(),
            notices,
        })
    }

    /// Whether there are an adapter and an image encoder, given or in the model's own folder.
    pub fn brings_image_prompt(paths: &ModelPaths) -> Result<bool, EngineError> {
        let folder = match &paths.model {
            Some(path) => ModelFolder::open(path)?,
            None => builtin::folder(),
        };
        Ok((paths.adapter.is_some() || folder.has("ip_adapter.safetensors"))
            && (paths.image_encoder.is_some() || folder.has("image_encoder/config.json")))
    }

    /// The text tower with a pooled output in the space of an image encoder; SD 1.5 has none.
    pub fn pooling_tower(&self) -> Option<&TextTower> {
        self.text.get(1)
    }

    /// SDXL's own VAE overflows in f16, in the model's folder or in one given in its place; there is one that does not.
    pub fn has_overflowing_vae(&self) -> bool {
        self.text.len() == 2 && self.vae_config.latent_channels == 4 && self.vae_config.force_upcast == Some(true)
    }

    /// For what does not depend on LoRAs.
    pub fn without_loras(paths: &ModelPaths, needs_image_prompt: bool) -> Result<Self, EngineError> {
        Self::open(&ModelPaths { loras: Vec::new(), ..paths.clone() }, &[], needs_image_prompt)
    }
}

/// Runs a network's constructor on the header of its weights; what is missing or misshapen is an error.
pub(super) fn checked(
    weights: &Weights,
    notices: &mut Vec<String>,
    build: impl FnOnce(VarBuilder) -> candle_core::Result<()>,
) -> Result<(), EngineError> {
    let report = check(weights, build);
    if let Some(said) = report.sentence(weights.name()) {
        return Err(EngineError::Input(said));
    }
    notices.extend(report.notice(weights.name()));
    Ok(())
}

/// The model's own VAE, or the one named in its place.
pub(super) fn vae_part(
    folder: &ModelFolder,
    paths: &ModelPaths,
) -> Result<(AutoencoderKlConfig, Arc<Weights>), EngineError> {
    const CONFIG: &str = "vae/config.json";
    let Some(path) = &paths.vae else {
        let weights = folder.weights("vae")?;
        return Ok((folder.json(CONFIG)?, weights));
    };
    let file = (!path.is_dir()).then(|| Weights::open(path).map(Arc::new)).transpose()?;
    let other = match &file {
        None => Some(ModelFolder::open_component(path)?),
        Some(file) => ModelFolder::beside_settings(path, file),
    };
    if let Some(other) = other {
        let (config, part) = if other.has("model_index.json") { (CONFIG, "vae") } else { ("config.json", "") };
        let weights = other.weights(part)?;
        let kind = identify(&weights);
        if !matches!(kind, Kind::Vae { .. } | Kind::Unknown) {
            let (file, what) = (weights.name().to_owned(), kind.to_string());
            let advice = "choose a VAE's .safetensors file or folder".to_owned();
            return Err(WeightsError::OtherKind { file, what, wanted: "a VAE", advice }.into());
        }
        return Ok((other.json(config)?, weights));
    }
    // A file does not say by how much its latents are scaled: as for the VAE that it stands in for.
    let scaling_factor = match folder.has(CONFIG) {
        true => folder.json::<AutoencoderKlConfig>(CONFIG)?.scaling_factor,
        false if folder.has("text_encoder_2/config.json") => SDXL_SCALING_FACTOR,
        false => SD15_SCALING_FACTOR,
    };
    let file = file.ok_or_else(|| WeightsError::IsFolder { file: path.display().to_string() })?;
    let (config, weights) = open_vae(&file, scaling_factor)?;
    let config = AutoencoderKlConfig::deserialize(config).map_err(|e| EngineError::Input(e.to_string()))?;
    // Nor whether it overflows: who gives a VAE of its own mostly gives the one that does not.
    Ok((AutoencoderKlConfig { force_upcast: None, ..config }, weights))
}

fn text_tower(folder: &ModelFolder, is_second: bool, notices: &mut Vec<String>) -> Result<TextTower, EngineError> {
    let (part, tokenizer) = if is_second { ("text_encoder_2", "tokenizer_2") } else { ("text_encoder", "tokenizer") };
    let config: ClipTextConfig = folder.json(&format!("{part}/config.json"))?;
    let weights = folder.weights(part)?;
    checked(&weights, notices, |vb| ClipTextModel::new(&config, is_second, vb).map(drop))?;
    let text = |name: &str| folder.text(&format!("{tokenizer}/{name}"));
    let (vocab, merges) = (text("vocab.json")?, text("merges.txt")?);
    let (own, special, whole) =
        (text("tokenizer_config.json")?, text("special_tokens_map.json")?, text("tokenizer.json")?);
    let texts = TokenizerTexts {
        vocab: vocab.as_deref(),
        merges: merges.as_deref(),
        config: own.as_deref(),
        special_tokens_map: special.as_deref(),
        tokenizer: whole.as_deref(),
    };
    let tokenizer = ClipTokenizer::from_texts(&texts)
        .map_err(|error| EngineError::Input(format!("{}/{tokenizer}: {error}", folder.name())))?;
    if tokenizer.max_length() > config.max_position_embeddings {
        return Err(EngineError::Input(format!(
            "{}: its tokenizer makes {} tokens, but {part} takes {}; they are of different models",
            folder.name(),
            tokenizer.max_length(),
            config.max_position_embeddings
        )));
    }
    Ok(TextTower { config, weights, tokenizer })
}

/// Widths that meet between the parts of one folder.
fn check_widths(
    folder: &ModelFolder,
    unet: &UNet2DConditionConfig,
    vae: &AutoencoderKlConfig,
    text: &[TextTower],
) -> Result<(), EngineError> {
    let wrong = |what: String| {
        Err(EngineError::Input(format!("{}: {what}; the parts of this folder are of different models", folder.name())))
    };
    let joined: usize = text.iter().map(|tower| tower.config.hidden_size).sum();
    if let PerLevel::One(wanted) = unet.cross_attention_dim
        && wanted != joined
    {
        return wrong(format!("the text encoders give {joined} numbers a token, the UNet takes {wanted}"));
    }
    if unet.in_channels != vae.latent_channels {
        return wrong(format!(
            "the UNet takes {} latent channels (an inpainting model takes 9, which this program cannot use), the VAE gives {}",
            unet.in_channels, vae.latent_channels
        ));
    }
    if let (Some(input), Some(time), [_, second]) =
        (unet.projection_class_embeddings_input_dim, unet.addition_time_embed_dim, text)
    {
        let given = second.config.projection_dim + 6 * time;
        if input != given {
            return wrong(format!("the UNet's add_embedding takes {input} numbers, and the rest gives {given}"));
        }
    }
    Ok(())
}

fn defaults(
    own: &OwnSettings,
    scheduler: SchedulerName,
    unet: &UNet2DConditionConfig,
    vae: &AutoencoderKlConfig,
) -> ModelDefaults {
    let side = |latents: usize| (latents.saturating_mul(vae.scale_factor()).clamp(8, 8192) / 8 * 8) as u32;
    let (height, width) = match unet.sample_size {
        Some(SampleSize::Square(latents)) => (side(latents), side(latents)),
        Some(SampleSize::HeightWidth(height, width)) => (side(height), side(width)),
        None => (1024, 1024),
    };
    // InstantStyle's own scripts: 30 steps, guidance 5, and 7.5 for SD 1.5. LCM models are distilled for few steps, and those that take the
    // guidance as an input want more of it.
    let (steps, guidance) = match scheduler {
        SchedulerName::Lcm => (4, if unet.time_cond_proj_dim.is_some() { 8.0 } else { 1.5 }),
        _ if unet.addition_embed_type.is_some() => (30, 5.0),
        _ => (30, 7.5),
    };
    ModelDefaults {
        scheduler,
        steps: own.steps.unwrap_or(steps),
        guidance: own.guidance.unwrap_or(guidance),
        width: own.width.unwrap_or(width),
        height: own.height.unwrap_or(height),
    }
}

/// What a recipe calls these files.
fn identity(
    paths: &ModelPaths,
    unet: &Weights,
    vae: &Weights,
    image_prompt: Option<&ImagePromptParts>,
) -> Result<ModelFiles, EngineError> {
    let name = |path: &Option<std::path::PathBuf>| {
        path.as_ref()
            .and_then(|p| p.file_name())
            .map_or_else(|| BUILT_IN.to_owned(), |n| n.to_string_lossy().into_owned())
    };
    let with_content = |path: &Option<std::path::PathBuf>, weights: &Weights| -> Result<String, EngineError> {
        Ok(file_id(&name(path), &weights.content_id()?))
    };
    let mut files = ModelFiles { model: with_content(&paths.model, unet)?, ..ModelFiles::default() };
    if paths.vae.is_some() {
        files.vae = with_content(&paths.vae, vae)?;
    }
    if let Some(parts) = image_prompt {
        files.adapter = with_content(&paths.adapter, &parts.adapter)?;
        files.image_encoder = with_content(&paths.image_encoder, &parts.encoder)?;
    }
    Ok(files)
}
