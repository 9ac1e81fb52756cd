//! Latent consistency sampling (arXiv:2310.04378). Source: diffusers `scheduling_lcm.py`.

use super::config::{Prediction, SchedulerConfig};
use super::schedule::{at, blend, check_steps, original_from_alpha, train_sigmas};
use super::{Scheduler, SchedulerError, Step};

/// Spread of the data in the boundary condition.
const SIGMA_DATA: f32 = 0.5;

#[derive(Clone)]
pub(super) struct Lcm {
    timesteps: Vec<f64>,
    sigmas_out: Vec<f64>,
    /// Of the timesteps, not of the training steps.
    alphas: Vec<f32>,
    prediction: Prediction,
    scaling: f32,
    clip: Option<f32>,
}

impl Lcm {
    pub(super) fn new(name: &'static str, config: &SchedulerConfig, steps: usize) -> Result<Self, SchedulerError> {
        config.refuse(&[("thresholding", config.thresholding)])?;
        let train = config.train_steps()?;
        let asked = config.original_inference_steps.unwrap_or(50);
        let original = match usize::try_from(asked) {
            Ok(count) if (1..=train).contains(&count) => count,
            _ => {
                let need = "a number from 1 to num_train_timesteps";
                return Err(SchedulerError::value("original_inference_steps", asked, need));
            }
        };
        check_steps(name, steps, original)?;
        let prediction = config.prediction()?;
        let ratio = train / original;
        // The steps taken are spread over the steps that the model was distilled on, beginning with the noisiest.
        let spread = original as f64 / steps as f64;
        let pick = |i: usize| {
            let skipped = (i as f64 * spread).floor() as usize;
            (original.saturating_sub(skipped) * ratio) as f64 - 1.0
        };
        let timesteps: Vec<f64> = (0..steps).map(pick).collect();
        let table = config.alphas_cumprod((0.00085, 0.012, "scaled_linear"), false)?;
        let alphas: Vec<f32> = timesteps.iter().map(|t| at(&table, *t as usize)).collect();
        if prediction == Prediction::Epsilon && alphas.contains(&0.0) {
            return Err(SchedulerError::NoSignal { name });
        }
        let range = config.clip_sample_range.unwrap_or(1.0) as f32;
        if !(range.is_finite() && range > 0.0) {
            return Err(SchedulerError::value("clip_sample_range", range, "a number above 0"));
        }
        let clip = (config.clip_sample == Some(true)).then_some(range);
        let mut sigmas_out: Vec<f64> = train_sigmas(&alphas).into_iter().map(f64::from).collect();
        sigmas_out.push(0.0);
        let scaling = config.timestep_scaling.unwrap_or(10.0) as f32;
        Ok(Self { timesteps, sigmas_out, alphas, prediction, scaling, clip })
    }
}

impl Scheduler for Lcm {
    fn boxed(&self) -> Box<dyn Scheduler + Send> {
        Box::new(self.clone())
    }

    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn sigmas(&self) -> &[f64] {
        &self.sigmas_out
    }

    fn init_noise_sigma(&self) -> f64 {
        1.0
    }

    fn scale_model_input(&self, sample: &[f32], _index: usize) -> Vec<f32> {
        sample.to_vec()
    }

    fn add_noise(&self, original: &[f32], noise: &[f32], index: usize) -> Vec<f32> {
        let alpha = at(&self.alphas, index);
        blend(alpha.sqrt(), original, (1.0 - alpha).sqrt(), noise)
    }

    /// `pred_original_sample` is the denoised latent of the consistency function.
    fn step(
        &mut self,
        model_output: &[f32],
        index: usize,
        sample: &[f32],
        noise: &mut dyn FnMut(usize) -> Vec<f32>,
    ) -> Step {
        let timestep = self.timesteps.get(index).or(self.timesteps.last()).copied().unwrap_or(0.0) as f32;
        let mut clean = original_from_alpha(self.prediction, model_output, sample, at(&self.alphas, index));
        if let Some(range) = self.clip {
            clean.iter_mut().for_each(|c| *c = c.clamp(-range, range));
        }
        let scaled = timestep * self.scaling;
        let square = scaled * scaled + SIGMA_DATA * SIGMA_DATA;
        let denoised = blend(scaled / square.sqrt(), &clean, SIGMA_DATA * SIGMA_DATA / square, sample);
        let prev_sample = match self.alphas.get(index + 1) {
            Some(next) => blend(next.sqrt(), &denoised, (1.0 - next).sqrt(), &noise(sample.len())),
            None => denoised.clone(),
        };
        Step { prev_sample, pred_original_sample: denoised }
    }
}
