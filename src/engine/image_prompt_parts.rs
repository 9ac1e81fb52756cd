//! The adapter and its image encoder, opened by their headers, and whether they fit each other and the UNet.

use std::path::Path;
use std::sync::Arc;

use super::model::checked;
use super::{EngineError, ModelPaths};
use crate::nn::clip_vision::{ClipVisionConfig, ClipVisionModelWithProjection};
use crate::nn::ip_adapter::{ImageProjection, ProjectionShape, all_key_values};
use crate::nn::resampler::ResamplerShape;
use crate::nn::unet_2d_blocks::BlockInfo;
use crate::nn::unet_config::{PerLevel, UNet2DConditionConfig};
use crate::pixels::ClipImageProcessor;
use crate::weights::{AdapterInfo, AdapterKind, Kind, ModelFolder, Weights, WeightsError, identify, pair};

/// The adapter and the image encoder that it takes its features from.
pub struct ImagePromptParts {
    pub info: AdapterInfo,
    pub projection: ProjectionShape,
    pub adapter: Arc<Weights>,
    pub encoder_config: ClipVisionConfig,
    pub encoder: Arc<Weights>,
    pub processor: ClipImageProcessor,
}

pub(super) fn image_prompt_parts(
    folder: &ModelFolder,
    paths: &ModelPaths,
    unet: &UNet2DConditionConfig,
    block_infos: &[BlockInfo],
    notices: &mut Vec<String>,
) -> Result<ImagePromptParts, EngineError> {
    let adapter = match &paths.adapter {
        Some(path) => Arc::new(Weights::open(path)?),
        None if folder.has("ip_adapter.safetensors") => folder.file("ip_adapter.safetensors")?,
        None => {
            return Err(EngineError::Input(format!(
                "a reference needs an IP-Adapter, and {} brings none; name one with --adapter and its encoder with --image-encoder",
                folder.name()
            )));
        }
    };
    let (encoder_folder, part) = match &paths.image_encoder {
        Some(path) => named_encoder(path)?,
        None if folder.has("image_encoder/config.json") => (folder.clone(), "image_encoder"),
        None => {
            return Err(EngineError::Input(format!(
                "the adapter {} needs an image encoder; name its folder with --image-encoder",
                adapter.name()
            )));
        }
    };
    let (encoder_config, encoder, processor) = encoder_parts(&encoder_folder, part, notices)?;
    let info = AdapterInfo::read(&adapter)?;
    let cross_attentions = block_infos.iter().map(|block| block.cross_attentions.len()).sum();
    let unet_width = match &unet.cross_attention_dim {
        PerLevel::One(width) => *width,
        PerLevel::Each(_) => info.cross_attention_dim,
    };
    pair(&info, unet_width, cross_attentions, encoder_config.projection_dim, encoder_config.hidden_size)?;
    let projection = projection_shape(&info, &adapter)?;
    checked(&adapter, notices, |vb| {
        ImageProjection::new(&projection, vb.clone())?;
        all_key_values(block_infos, projection.cross_attention_dim(), &vb).map(drop)
    })?;
    Ok(ImagePromptParts { info, projection, adapter, encoder_config, encoder, processor })
}

/// Looks at an image encoder that nothing uses yet, so that a wrong one is told at once.
pub(super) fn check_image_encoder(path: &Path) -> Result<(), EngineError> {
    let (folder, part) = named_encoder(path)?;
    encoder_parts(&folder, part, &mut Vec::new()).map(drop)
}

/// The image encoder at a path: a folder of its own, or a model's that holds one; and the part of it.
fn named_encoder(path: &Path) -> Result<(ModelFolder, &'static str), EngineError> {
    let folder = ModelFolder::open_component(path)?;
    match (folder.has("image_encoder/config.json"), folder.has("model_index.json")) {
        (true, _) => Ok((folder, "image_encoder")),
        (false, false) => Ok((folder, "")),
        (false, true) => Err(no_encoder(folder.name(), "a whole model".to_owned())),
    }
}

/// The image encoder in `part` of a folder: its settings, its weights, and how a picture is prepared for it.
pub(super) fn encoder_parts(
    folder: &ModelFolder,
    part: &str,
    notices: &mut Vec<String>,
) -> Result<(ClipVisionConfig, Arc<Weights>, ClipImageProcessor), EngineError> {
    let within = |name: &str| if part.is_empty() { name.to_owned() } else { format!("{part}/{name}") };
    let config: ClipVisionConfig = folder.json(&within("config.json"))?;
    let encoder = folder.weights(part)?;
    let kind = identify(&encoder);
    if !matches!(kind, Kind::ImageEncoder { .. } | Kind::Unknown) {
        return Err(no_encoder(encoder.name(), kind.to_string()));
    }
    checked(&encoder, notices, |vb| ClipVisionModelWithProjection::new(&config, vb).map(drop))?;
    let processor = match folder.text(&within("preprocessor_config.json"))? {
        Some(text) => ClipImageProcessor::from_json(&text)?,
        None => ClipImageProcessor::new(u32::try_from(config.image_size).unwrap_or(u32::MAX)),
    };
    if processor.crop_size as usize != config.image_size {
        return Err(EngineError::Input(format!(
            "{}: its preprocessor_config.json cuts pictures of {} pixels, but the encoder takes {}",
            folder.name(),
            processor.crop_size,
            config.image_size
        )));
    }
    Ok((config, encoder, processor))
}

fn no_encoder(file: &str, what: String) -> EngineError {
    let advice = "choose the folder of a CLIP image encoder".to_owned();
    WeightsError::OtherKind { file: file.to_owned(), what, wanted: "an image encoder", advice }.into()
}

/// The sizes of an adapter's image projection, read from its header.
pub fn projection_shape(info: &AdapterInfo, adapter: &Weights) -> Result<ProjectionShape, EngineError> {
    if info.kind == AdapterKind::Full {
        let inner_dim = adapter.shape("image_proj.proj.0.weight").and_then(|shape| shape.first()).copied();
        return Ok(ProjectionShape::Full {
            embedding_dim: info.embedding_width,
            inner_dim: inner_dim.unwrap_or(0),
            cross_attention_dim: info.cross_attention_dim,
        });
    }
    if info.kind != AdapterKind::Plus {
        return Ok(ProjectionShape::Base {
            embedding_dim: info.embedding_width,
            tokens: info.tokens,
            cross_attention_dim: info.cross_attention_dim,
        });
    }
    let size = |name: &str, axis: usize| {
        adapter.shape(&format!("image_proj.{name}")).and_then(|shape| shape.get(axis)).copied().unwrap_or(0)
    };
    let depth = (0..).take_while(|i| adapter.contains(&format!("image_proj.layers.{i}.0.to_q.weight"))).count();
    if depth == 0 {
        let why = "its resampler has no layers".to_owned();
        return Err(WeightsError::BrokenAdapter { file: info.file.clone(), why }.into());
    }
    Ok(ProjectionShape::Plus(ResamplerShape {
        embedding_dim: info.embedding_width,
        dim: size("latents", 2),
        num_queries: info.tokens,
        inner_dim: size("layers.0.0.to_q.weight", 0),
        ff_inner_dim: size("layers.0.1.1.weight", 0),
        output_dim: info.cross_attention_dim,
        depth,
    }))
}
