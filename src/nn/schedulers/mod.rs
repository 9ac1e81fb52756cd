//! The samplers: how one step leads from a noisy latent to a less noisy one.
//!
//! Source: diffusers 0.42.1, one file a scheduler. Latents are small, so steps run on the host in f32 and no scheduler
//! knows a device or a tensor type. An `index` always counts from the start of the full schedule; image-to-image begins
//! at a later one (see [`img2img_start`]) with an empty memory, as diffusers' `set_begin_index` does.

mod config;
mod ddim;
mod dpmsolver_multistep;
mod euler_ancestral_discrete;
mod euler_discrete;
mod lcm;
mod schedule;

pub use config::SchedulerConfig;

use crate::recipe::SchedulerName;

/// Why a schedule cannot be made: one sentence with the value and the way out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SchedulerError {
    #[error("scheduler_config.json cannot be read: {why}; take the file from the model's page again")]
    File { why: String },
    #[error("scheduler_config.json has {field} = {value}, but this sampler needs {need}")]
    Value { field: &'static str, value: String, need: &'static str },
    #[error("scheduler_config.json gives betas that make no noise schedule; they must lie between 0 and 1")]
    Betas,
    #[error("{steps} steps are outside what the sampler {name} can do with this model; choose from 1 to {most}")]
    Steps { name: &'static str, steps: usize, most: usize },
    #[error(
        "{steps} steps cannot be spread evenly by {name} with timestep_spacing trailing; choose another number, such as {instead}"
    )]
    Uneven { name: &'static str, steps: usize, instead: usize },
    #[error(
        "the model's schedule ends in pure noise (rescale_betas_zero_snr), from which {name} cannot start with prediction_type epsilon; choose euler-trailing"
    )]
    NoSignal { name: &'static str },
    #[error(
        "denoise {strength} of {steps} steps leaves no step to run; raise denoise to at least 1/{steps} or add steps"
    )]
    NothingToDo { steps: usize, strength: f64 },
}

impl SchedulerError {
    fn value(field: &'static str, value: impl std::fmt::Display, need: &'static str) -> Self {
        Self::Value { field, value: value.to_string(), need }
    }
}

/// What one step gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The latent for the next step (the final latent after the last one).
    pub prev_sample: Vec<f32>,
    /// The sampler's present guess of the clean latent; good for previews.
    pub pred_original_sample: Vec<f32>,
}

/// A sampler with its timesteps set. All slices of one call have the same length; any length will do.
///
/// An index beyond the schedule acts as the last step.
pub trait Scheduler {
    /// A copy that goes on from where this one is.
    fn boxed(&self) -> Box<dyn Scheduler + Send>;
    /// Timesteps for the network, first to last; at least one. Not always whole numbers.
    fn timesteps(&self) -> &[f64];
    /// Noise levels sigma of the steps, with the one after the last step as closing entry. The first may be infinite: ddim
    /// and lcm can begin at pure noise where the model was trained so (zero SNR).
    fn sigmas(&self) -> &[f64];
    /// What unit noise is multiplied by to start at index 0.
    fn init_noise_sigma(&self) -> f64;
    /// What the network is shown for `sample` at step `index`.
    fn scale_model_input(&self, sample: &[f32], index: usize) -> Vec<f32>;
    /// `original` (a clean latent) with unit `noise` mixed in to the level at which step `index` begins.
    fn add_noise(&self, original: &[f32], noise: &[f32], index: usize) -> Vec<f32>;
    /// One step. `noise(n)` must give n fresh normal numbers; samplers without randomness never call it.
    fn step(
        &mut self,
        model_output: &[f32],
        index: usize,
        sample: &[f32],
        noise: &mut dyn FnMut(usize) -> Vec<f32>,
    ) -> Step;
}

/// The sampler `name` with the model's own settings, ready for `steps` steps.
///
/// What the name says (trailing, karras) wins over the file; what the file leaves out takes the default of the diffusers
/// class, but ddim neither clips nor sets the last alpha to one unless the file says so.
///
/// # Errors
/// A setting of the file that is not built in, or a number of steps that the schedule cannot hold.
pub fn new(
    name: SchedulerName,
    config: &SchedulerConfig,
    steps: usize,
) -> Result<Box<dyn Scheduler + Send>, SchedulerError> {
    use config::Spacing;
    let config = config.of(name);
    let config = config.as_ref();
    Ok(match name {
        SchedulerName::Euler => {
            let spacing = config.spacing(Spacing::Linspace)?;
            Box::new(euler_discrete::EulerDiscrete::new(name.name(), config, spacing, steps)?)
        }
        SchedulerName::EulerTrailing => {
            Box::new(euler_discrete::EulerDiscrete::new(name.name(), config, Spacing::Trailing, steps)?)
        }
        SchedulerName::EulerAncestral => {
            Box::new(euler_ancestral_discrete::EulerAncestralDiscrete::new(name.name(), config, steps)?)
        }
        SchedulerName::Ddim => Box::new(ddim::Ddim::new(name.name(), config, steps)?),
        SchedulerName::Dpmpp2m => {
            let karras = config.use_karras_sigmas == Some(true);
            Box::new(dpmsolver_multistep::DpmSolverMultistep::new(name.name(), config, karras, steps)?)
        }
        SchedulerName::Dpmpp2mKarras => {
            Box::new(dpmsolver_multistep::DpmSolverMultistep::new(name.name(), config, true, steps)?)
        }
        SchedulerName::Lcm => Box::new(lcm::Lcm::new(name.name(), config, steps)?),
    })
}

/// Where image-to-image begins: the index of the first step that runs. `strength` 1 runs all steps.
///
/// # Errors
/// [`SchedulerError::NothingToDo`] where no step is left.
pub fn img2img_start(steps: usize, strength: f64) -> Result<usize, SchedulerError> {
    // As StableDiffusionXLImg2ImgPipeline.get_timesteps, for lcm too (that pipeline does not hand the strength to it):
    // int() cuts off; a NaN becomes 0 steps.
    let run = ((steps as f64 * strength) as usize).min(steps);
    if run == 0 { Err(SchedulerError::NothingToDo { steps, strength }) } else { Ok(steps - run) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn image_to_image_begins_where_diffusers_begins() {
        assert_eq!(img2img_start(30, 1.0), Ok(0));
        assert_eq!(img2img_start(30, 0.3), Ok(21));
        assert_eq!(img2img_start(10, 0.29), Ok(8));
        assert!(img2img_start(4, 0.2).unwrap_err().to_string().contains("0.2"));
        assert!(img2img_start(4, f64::NAN).is_err());
    }

    #[test]
    fn settings_that_would_change_the_picture_are_refused_by_name() {
        for (name, json, word) in [
            (SchedulerName::Ddim, r#"{"thresholding": true}"#, "thresholding"),
            (SchedulerName::Dpmpp2m, r#"{"thresholding": true}"#, "thresholding"),
            (SchedulerName::Lcm, r#"{"thresholding": true}"#, "thresholding"),
            (SchedulerName::Euler, r#"{"use_exponential_sigmas": true}"#, "use_exponential_sigmas"),
            (SchedulerName::Euler, r#"{"prediction_type": "flow"}"#, "prediction_type"),
            (SchedulerName::Euler, r#"{"interpolation_type": "cubic"}"#, "interpolation_type"),
            (SchedulerName::EulerTrailing, r#"{"final_sigmas_type": "x"}"#, "final_sigmas_type"),
            (SchedulerName::EulerAncestral, r#"{"prediction_type": "sample"}"#, "prediction_type"),
            (SchedulerName::Dpmpp2m, r#"{"use_flow_sigmas": true}"#, "use_flow_sigmas"),
            (SchedulerName::Dpmpp2m, r#"{"variance_type": "learned"}"#, "variance_type"),
            (SchedulerName::Lcm, r#"{"original_inference_steps": 0}"#, "original_inference_steps"),
            (SchedulerName::Lcm, r#"{"rescale_betas_zero_snr": true}"#, "rescale_betas_zero_snr"),
            (SchedulerName::Ddim, r#"{"timestep_spacing": "odd"}"#, "timestep_spacing"),
            (SchedulerName::Ddim, r#"{"steps_offset": -1}"#, "steps_offset"),
            (SchedulerName::Euler, r#"{"use_karras_sigmas": true, "sigma_min": -1.0}"#, "sigma_min"),
        ] {
            let config = SchedulerConfig::from_json(json).unwrap();
            let said = new(name, &config, 4).err().expect(json).to_string();
            assert!(said.contains(word) && !said.contains('\n'), "{said}");
        }
    }

    #[test]
    fn step_counts_outside_the_schedule_are_refused() {
        let sdxl = SchedulerConfig::from_json(r#"{"timestep_spacing": "leading", "steps_offset": 1}"#).unwrap();
        for name in SchedulerName::ALL {
            assert!(new(name, &sdxl, 0).is_err(), "{name:?}");
            assert!(new(name, &sdxl, 1001).is_err(), "{name:?}");
        }
        let said = new(SchedulerName::Lcm, &sdxl, 51).err().unwrap().to_string();
        assert!(said.contains("51") && said.contains("50"), "{said}");
        assert!(new(SchedulerName::Lcm, &sdxl, 50).is_ok());
        assert!(new(SchedulerName::Dpmpp2m, &sdxl, 1000).is_err());
    }

    /// Every number of steps gives that many steps (but for [`schedule::trailing`]'s one more) and finite pictures, whatever
    /// the model says and wherever it starts.
    #[test]
    fn every_step_count_stays_finite() {
        for json in ["{}", r#"{"timestep_spacing": "leading", "steps_offset": 1, "beta_schedule": "scaled_linear"}"#] {
            let config = SchedulerConfig::from_json(json).unwrap();
            for name in SchedulerName::ALL {
                for steps in [1, 2, 3, 14, 15, 50, 61, 103, 250, 499, 999, 1000] {
                    let Ok(mut scheduler) = new(name, &config, steps) else {
                        assert!(name == SchedulerName::Lcm && steps > 50 || steps > 900, "{name:?} {steps}");
                        continue;
                    };
                    let timesteps = scheduler.timesteps();
                    let is_uneven = name == SchedulerName::EulerTrailing && [61, 103, 499].contains(&steps);
                    assert_eq!(timesteps.len(), steps + usize::from(is_uneven), "{name:?} {steps}");
                    assert!(timesteps.iter().take(steps).all(|t| *t >= 0.0), "{name:?} {steps}");
                    let steps = timesteps.len();
                    let mut sample = vec![scheduler.init_noise_sigma() as f32, -0.5];
                    for index in 0..steps + 1 {
                        let input = scheduler.scale_model_input(&sample, index);
                        let output: Vec<f32> = input.iter().map(|x| x.sin()).collect();
                        sample = scheduler.step(&output, index, &sample, &mut |n| vec![0.5; n]).prev_sample;
                        if index < steps {
                            assert!(sample.iter().all(|x| x.is_finite()), "{name:?} {steps} {index} {sample:?}");
                        }
                    }
                }
            }
        }
    }
}
