//! What a model is, from its headers alone: its blocks and what it brings for settings that are left open.

use std::path::Path;

use super::encoding::ensure_subtractable;
use super::memory::MemoryNeed;
use super::model::Model;
use super::{EngineError, ModelPaths, PromptCounter};
use crate::models::name_of;
use crate::pixels::ClipImageProcessor;
use crate::recipe::{Lora, ModelBlocks, ModelDefaults, ModelFiles};
use crate::weights;

/// What a window needs to know about a model before a picture is made with it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// For people: what the file or folder is called, or "Built-in model".
    pub name: String,
    pub blocks: ModelBlocks,
    pub defaults: ModelDefaults,
    /// Width and height must be multiples of this.
    pub size_step: u32,
    /// How a reference's picture is prepared for the image encoder; None where no adapter was given.
    pub image_processor: Option<ClipImageProcessor>,
    pub prompt_counter: PromptCounter,
    /// What a recipe calls its weights.
    pub files: ModelFiles,
    pub memory: MemoryNeed,
}

/// Opens `paths` by headers and configs. Reads no weights, but hashes small parts of files: not for a thread that paints.
///
/// # Errors
/// A model that is missing, damaged, or whose parts do not fit together.
pub fn describe(paths: &ModelPaths) -> Result<ModelInfo, EngineError> {
    // The built-in model always brings its adapter; another model may be opened before one was chosen.
    let model = Model::without_loras(paths, paths.model.is_none())?;
    let name = paths.model.as_deref().map_or_else(|| "Built-in model".to_owned(), name_of);
    let size_step = u32::try_from(model.vae_config.scale_factor()).unwrap_or(8).max(8);
    let prompt_counter = PromptCounter::new(&model);
    let memory = MemoryNeed::of(&model);
    let image_processor = model.image_prompt.map(|parts| parts.processor);
    Ok(ModelInfo {
        name,
        blocks: model.blocks,
        defaults: model.defaults,
        size_step,
        image_processor,
        prompt_counter,
        files: model.files,
        memory,
    })
}

/// A LoRA on a model.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraInfo {
    /// What a recipe says of it.
    pub lora: Lora,
    /// The settings that model and LoRA bring together where it makes a model for few steps: used whole and forwards.
    pub few_step: Option<ModelDefaults>,
}

/// Opens the LoRA at `path` and sees whether it goes with the model of `paths`, kept to blocks as `how` says.
///
/// # Errors
/// As [`describe`]; a file that is no LoRA, or one of another model.
pub fn describe_lora(paths: &ModelPaths, path: &Path, how: &Lora) -> Result<LoraInfo, EngineError> {
    let paths = ModelPaths {
        model: paths.model.clone(),
        vae: paths.vae.clone(),
        loras: vec![path.to_owned()],
        ..ModelPaths::default()
    };
    let open = |how: &Lora| Model::open(&paths, std::slice::from_ref(how), false);
    let model = open(how)?;
    let few_step = match weights::Lora::open(path)?.few_step() {
        Some(_) => Some(open(&Lora { strength: 1.0, blocks: Vec::new(), ..how.clone() })?.defaults),
        None => None,
    };
    let lora = model.loras.into_iter().next();
    let lora = lora.ok_or_else(|| EngineError::Input("the LoRA was not opened; try again".to_owned()))?;
    Ok(LoraInfo { lora, few_step })
}

/// Whether words can be subtracted from references on `paths`: see [`ensure_subtractable`].
///
/// # Errors
/// As [`describe`], and a model that takes no references because it has no adapter or image encoder.
pub fn can_subtract(paths: &ModelPaths) -> Result<bool, EngineError> {
    let model = Model::without_loras(paths, true)?;
    Ok(model.image_prompt.as_ref().is_some_and(|parts| ensure_subtractable(parts, &model).is_ok()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_built_in_model_names_its_style_block() {
        let info = describe(&ModelPaths::default()).unwrap();
        assert_eq!(info.blocks.style.len(), 1);
        assert!(info.blocks.style.iter().all(|style| info.blocks.names.contains(style)), "{:?}", info.blocks);
        assert_eq!(info.image_processor, Some(ClipImageProcessor::new(64)));
        assert!(info.defaults.steps > 0 && info.defaults.width.is_multiple_of(info.size_step));
    }
}
