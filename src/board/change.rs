//! One field of the recipe set to one value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::BoardError;
use crate::recipe::{Crop, Init, ModelBlocks, Recipe, Reference, Role, SchedulerName, Subtraction};

/// Which references (or LoRAs) a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    #[default]
    All,
    /// One of them, counted from 1: `strength@2`.
    Only(usize),
}

/// A picture of an axis: the word that names it until its file has been read, then its hash and its name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PictureName {
    /// Content hash (blake3, hex); empty until the picture has been read.
    pub hash: String,
    pub name: String,
}

/// A field of the recipe and its value. The names are those of the command line's flags.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// `mode` and `blocks`.
    Mode(Role),
    Strength(f64),
    LayoutStrength(f64),
    Crop(Crop),
    /// Words to subtract; empty: none.
    Subtract(String),
    SubtractStrength(f64),
    /// One block's scale; the others stay as the mode sets them.
    Block {
        name: String,
        scale: f64,
    },
    Reference(PictureName),
    LoraStrength(f64),
    /// Empty: everything in it.
    LoraBlocks(Vec<String>),
    Prompt(String),
    Negative(String),
    Start(f64),
    End(f64),
    Init(PictureName),
    Denoise(f64),
    Steps(u32),
    Guidance(f64),
    Scheduler(SchedulerName),
    Seed(u64),
    Width(u32),
    Height(u32),
    Size {
        width: u32,
        height: u32,
    },
}

impl Change {
    /// Sets the field in `recipe`. `axis` is for messages.
    ///
    /// # Errors
    /// A change of something that the recipe does not have, such as a reference's strength without a reference.
    pub fn apply(
        &self,
        target: Target,
        recipe: &mut Recipe,
        blocks: &ModelBlocks,
        axis: &str,
    ) -> Result<(), BoardError> {
        match self {
            Self::Prompt(text) => recipe.prompt.clone_from(text),
            Self::Negative(text) => recipe.negative_prompt.clone_from(text),
            Self::Start(value) => recipe.start = *value,
            Self::End(value) => recipe.end = *value,
            Self::Steps(value) => recipe.steps = Some(*value),
            Self::Guidance(value) => recipe.guidance = Some(*value),
            Self::Scheduler(name) => recipe.scheduler = Some(*name),
            Self::Seed(value) => recipe.seed = Some(*value),
            Self::Width(value) => recipe.width = Some(*value),
            Self::Height(value) => recipe.height = Some(*value),
            Self::Size { width, height } => (recipe.width, recipe.height) = (Some(*width), Some(*height)),
            Self::Init(picture) => {
                let init = recipe.init.get_or_insert_with(Init::default);
                init.hash.clone_from(&picture.hash);
                init.name.clone_from(&picture.name);
            }
            Self::Denoise(value) => match &mut recipe.init {
                Some(init) => init.denoise = *value,
                None => return Err(BoardError::NoInit { axis: axis.to_owned() }),
            },
            Self::LoraStrength(value) => {
                for lora in chosen(&mut recipe.loras, target, "LoRA", axis)? {
                    lora.strength = *value;
                }
            }
            Self::LoraBlocks(blocks) => {
                for lora in chosen(&mut recipe.loras, target, "LoRA", axis)? {
                    lora.blocks.clone_from(blocks);
                }
            }
            Self::Reference(picture) => {
                // A board of pictures may be what brings the first reference.
                if recipe.references.is_empty() && matches!(target, Target::All | Target::Only(1)) {
                    recipe.references.push(Reference::default());
                }
                let only = if target == Target::All { Target::Only(1) } else { target };
                for reference in chosen(&mut recipe.references, only, "reference", axis)? {
                    reference.hash.clone_from(&picture.hash);
                    reference.name.clone_from(&picture.name);
                }
            }
            _ => {
                for reference in chosen(&mut recipe.references, target, "reference", axis)? {
                    self.apply_to_reference(reference, blocks, axis)?;
                }
            }
        }
        Ok(())
    }

    fn apply_to_reference(
        &self,
        reference: &mut Reference,
        blocks: &ModelBlocks,
        axis: &str,
    ) -> Result<(), BoardError> {
        match self {
            Self::Mode(role) => reference.role = role.clone(),
            Self::Strength(value) => reference.strength = *value,
            Self::LayoutStrength(value) => reference.layout_strength = *value,
            Self::Crop(crop) => reference.crop = *crop,
            Self::Subtract(words) => {
                let strength = reference.subtract.take().unwrap_or_default().strength;
                reference.subtract = (!words.trim().is_empty()).then(|| Subtraction { words: words.clone(), strength });
            }
            Self::SubtractStrength(value) => {
                if let Some(subtract) = &mut reference.subtract {
                    subtract.strength = *value;
                }
            }
            Self::Block { name, scale } => {
                let mut scales = block_scales(reference, blocks, axis)?;
                scales.insert(name.clone(), *scale);
                reference.role = Role::Custom(scales);
            }
            _ => {}
        }
        Ok(())
    }

    /// Later changes build on earlier ones: a block's scale changes what the mode gives.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Reference(_) | Self::Init(_) => 0,
            Self::Block { .. } => 3,
            Self::SubtractStrength(_) | Self::Denoise(_) => 2,
            _ => 1,
        }
    }
}

/// The scales that a reference's mode gives each block, those of 0 left out.
fn block_scales(reference: &Reference, blocks: &ModelBlocks, axis: &str) -> Result<BTreeMap<String, f64>, BoardError> {
    if reference.role == Role::Precise {
        return Err(BoardError::PreciseBlock { axis: axis.to_owned() });
    }
    if let Role::Custom(scales) = &reference.role {
        return Ok(scales.clone());
    }
    let injections = blocks.injections(reference)?;
    let named = blocks.names.iter().zip(injections).filter(|(_, injection)| injection.scale != 0.0);
    Ok(named.map(|(name, injection)| (name.clone(), injection.scale)).collect())
}

/// Those of `list` that `target` means; `what` is one of them in words.
fn chosen<'a, T>(list: &'a mut [T], target: Target, what: &'static str, axis: &str) -> Result<&'a mut [T], BoardError> {
    let count = list.len();
    match target {
        _ if count == 0 => Err(BoardError::NothingToChange { axis: axis.to_owned(), what }),
        Target::All => Ok(list),
        Target::Only(number) => number
            .checked_sub(1)
            .and_then(|index| list.get_mut(index..=index))
            .ok_or_else(|| BoardError::NoSuchNumber { axis: axis.to_owned(), what, number, count }),
    }
}
