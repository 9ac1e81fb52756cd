//! Could what lies on the disk be used as it is? The checks of opening it, for a look at files without a recipe.

use std::path::Path;

use super::image_prompt_parts::{encoder_parts, projection_shape};
use super::model::{Model, checked, vae_part};
use super::{EngineError, ModelPaths, builtin};
use crate::nn::autoencoder_kl::AutoencoderKl;
use crate::nn::ip_adapter::ImageProjection;
use crate::nn::schedulers;
use crate::recipe::Recipe;
use crate::weights::{AdapterInfo, Kind, ModelFolder, Weights};

/// Opens `path` by headers and settings, as painting with it would; `kind` is what its weights are, `None` for the folder
/// of a whole model. What takes no part in painting is not looked at.
///
/// # Errors
/// What `render` would say of it.
pub fn check_files(path: &Path, kind: Option<&Kind>) -> Result<(), EngineError> {
    let notices = &mut Vec::new();
    match kind {
        None | Some(Kind::Checkpoint { .. }) => check_model(path),
        Some(Kind::Vae { .. }) => {
            let paths = ModelPaths { vae: Some(path.to_owned()), ..ModelPaths::default() };
            let (config, vae) = vae_part(&builtin::folder(), &paths)?;
            checked(&vae, notices, |vb| AutoencoderKl::new(&config, vb).map(drop))
        }
        Some(Kind::ImageEncoder { .. }) => encoder_parts(&ModelFolder::open_component(path)?, "", notices).map(drop),
        Some(Kind::Adapter { .. }) => {
            let weights = Weights::open(path)?;
            let projection = projection_shape(&AdapterInfo::read(&weights)?, &weights)?;
            checked(&weights, notices, |vb| ImageProjection::new(&projection, vb).map(drop))
        }
        Some(_) => Ok(()),
    }
}

fn check_model(path: &Path) -> Result<(), EngineError> {
    let paths = ModelPaths { model: Some(path.to_owned()), ..ModelPaths::default() };
    let model = Model::without_loras(&paths, Model::brings_image_prompt(&paths)?)?;
    let defaults = &model.defaults;
    let recipe = Recipe {
        steps: Some(defaults.steps),
        guidance: Some(defaults.guidance),
        width: Some(defaults.width),
        height: Some(defaults.height),
        ..Recipe::default()
    };
    recipe.validate()?;
    let steps = usize::try_from(defaults.steps).unwrap_or(usize::MAX);
    schedulers::new(defaults.scheduler, &model.scheduler_config, steps)?;
    Ok(())
}
