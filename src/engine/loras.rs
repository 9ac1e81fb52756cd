//! LoRAs between their files and the components that they change.

use std::sync::Arc;

use super::{EngineError, ModelPaths};
use crate::recipe;
use crate::weights::{FewStep, Lora, LoraPart, Weights, WeightsError};

/// The LoRAs of one job, open by their headers.
pub struct Loras(Vec<(Lora, recipe::Lora)>);

impl Loras {
    /// Opens the files of `paths.loras`, which belong to `wanted` in the same order.
    pub fn open(paths: &ModelPaths, wanted: &[recipe::Lora], notices: &mut Vec<String>) -> Result<Self, EngineError> {
        if let Some(without_file) = wanted.get(paths.loras.len()) {
            return Err(EngineError::Input(format!(
                "the recipe's LoRA '{}' was not given; name its file with --lora",
                without_file.name
            )));
        }
        if paths.loras.len() > wanted.len() {
            return Err(EngineError::Input("more LoRA files were given than the recipe has LoRAs".to_owned()));
        }
        let mut out = Vec::new();
        for (path, wanted) in paths.loras.iter().zip(wanted) {
            let lora = Lora::open(path)?;
            notices.extend(lora.notices().iter().cloned());
            let hash = lora.content_id()?;
            if !wanted.hash.is_empty() && wanted.hash != hash {
                notices.push(format!(
                    "the LoRA {} is another than the recipe's '{}', so the picture may differ",
                    lora.name(),
                    wanted.name
                ));
            }
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            out.push((lora, recipe::Lora { name, hash, ..wanted.clone() }));
        }
        Ok(Self(out))
    }

    /// What the finished picture's recipe says of them.
    pub fn recipe(&self) -> Vec<recipe::Lora> {
        self.0.iter().map(|(_, lora)| lora.clone()).collect()
    }

    /// The first that makes a few-step model of any, used whole and forwards.
    pub fn few_step(&self) -> Option<FewStep> {
        let mut whole = self.0.iter().filter(|(_, how)| how.strength > 0.0 && how.blocks.is_empty());
        whole.find_map(|(lora, _)| lora.few_step())
    }

    /// Merges them into the components of a model.
    ///
    /// # Errors
    /// A LoRA of another model, or one that has nothing in the blocks that it is kept to.
    pub fn merge(
        &self,
        mut components: Vec<(LoraPart, &mut Arc<Weights>)>,
        notices: &mut Vec<String>,
    ) -> Result<(), EngineError> {
        for (lora, how) in &self.0 {
            let (mut placed, mut homeless) = (0, Vec::new());
            for part in [LoraPart::Unet, LoraPart::TextEncoder, LoraPart::TextEncoder2] {
                let Some((_, base)) = components.iter_mut().find(|(own, _)| *own == part) else {
                    homeless.extend(lora.modules_of(part).map(str::to_owned));
                    continue;
                };
                let found = lora.place(part, base, how.strength, &how.blocks)?;
                placed += found.deltas.len();
                homeless.extend(found.homeless);
                if !found.deltas.is_empty() && how.strength != 0.0 {
                    **base = Arc::new(base.with_deltas(found.deltas));
                }
            }
            let file = lora.name().to_owned();
            if homeless.len() * 2 > lora.len() || lora.is_empty() {
                let why = format!("of its {} modules {} have no place in it", lora.len(), homeless.len());
                return Err(WeightsError::LoraForOtherModel { file, why }.into());
            }
            if placed == 0 {
                return Err(EngineError::Input(format!(
                    "the LoRA {file} has nothing in {}; name other blocks with --lora-blocks",
                    how.blocks.join(", ")
                )));
            }
            if let Some(first) = homeless.first() {
                notices.push(format!(
                    "{} of the {} modules of the LoRA {file} have no place in this model, the first is '{first}'",
                    homeless.len(),
                    lora.len()
                ));
            }
        }
        Ok(())
    }
}
