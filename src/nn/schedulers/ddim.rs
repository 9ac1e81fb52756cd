//! Denoising diffusion implicit models (arXiv:2010.02502) at eta 0. Source: diffusers `scheduling_ddim.py`.

use super::config::{Prediction, SchedulerConfig, Spacing};
use super::schedule::{at, blend, check_steps, leading, linspace, original_from_alpha, trailing, train_sigmas};
use super::{Scheduler, SchedulerError, Step};

#[derive(Clone)]
pub(super) struct Ddim {
    timesteps: Vec<f64>,
    sigmas_out: Vec<f64>,
    alphas_cumprod: Vec<f32>,
    final_alpha: f32,
    /// Training steps between two timesteps.
    gap: f64,
    prediction: Prediction,
    clip: Option<f32>,
}

impl Ddim {
    pub(super) fn new(name: &'static str, config: &SchedulerConfig, steps: usize) -> Result<Self, SchedulerError> {
        config.refuse(&[("thresholding", config.thresholding)])?;
        let train = config.train_steps()?;
        check_steps(name, steps, train)?;
        let prediction = config.prediction()?;
        let gap = train / steps.max(1);
        let timesteps = match config.spacing(Spacing::Leading)? {
            Spacing::Linspace => {
                linspace(0.0, (train - 1) as f64, steps).into_iter().rev().map(f64::round_ties_even).collect()
            }
            Spacing::Leading => leading(steps, gap, config.offset()?),
            Spacing::Trailing => trailing(train, train, steps),
        };
        // diffusers takes the noisiest level for the timestep -1, which makes noise of the picture.
        if timesteps.iter().any(|t| *t < 0.0) {
            let is_even = |count: &usize| trailing(train, train, *count).iter().all(|t| *t >= 0.0);
            let instead = (1..steps).rev().find(is_even).unwrap_or(1);
            return Err(SchedulerError::Uneven { name, steps, instead });
        }
        let alphas_cumprod = config.alphas_cumprod((0.0001, 0.02, "linear"), false)?;
        let alpha = |t: &f64| at(&alphas_cumprod, t.max(0.0) as usize);
        if prediction == Prediction::Epsilon && timesteps.iter().any(|t| alpha(t) == 0.0) {
            return Err(SchedulerError::NoSignal { name });
        }
        let final_alpha = if config.set_alpha_to_one == Some(true) { 1.0 } else { at(&alphas_cumprod, 0) };
        let range = config.clip_sample_range.unwrap_or(1.0) as f32;
        if !(range.is_finite() && range > 0.0) {
            return Err(SchedulerError::value("clip_sample_range", range, "a number above 0"));
        }
        let clip = (config.clip_sample == Some(true)).then_some(range);
        let used: Vec<f32> = timesteps.iter().map(alpha).chain([final_alpha]).collect();
        let sigmas_out = train_sigmas(&used).into_iter().map(f64::from).collect();
        Ok(Self { timesteps, sigmas_out, alphas_cumprod, final_alpha, gap: gap as f64, prediction, clip })
    }

    fn timestep(&self, index: usize) -> f64 {
        self.timesteps.get(index).or(self.timesteps.last()).copied().unwrap_or(0.0)
    }

    /// An offset may lead past the last training step; the last one stands in.
    fn alpha(&self, timestep: f64) -> f32 {
        if timestep < 0.0 { self.final_alpha } else { at(&self.alphas_cumprod, timestep as usize) }
    }
}

impl Scheduler for Ddim {
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
        let alpha = self.alpha(self.timestep(index).max(0.0));
        blend(alpha.sqrt(), original, (1.0 - alpha).sqrt(), noise)
    }

    fn step(
        &mut self,
        model_output: &[f32],
        index: usize,
        sample: &[f32],
        _noise: &mut dyn FnMut(usize) -> Vec<f32>,
    ) -> Step {
        let timestep = self.timestep(index).max(0.0);
        let alpha = self.alpha(timestep);
        let before = self.alpha(timestep - self.gap);
        let (signal, spread) = (alpha.sqrt(), (1.0 - alpha).sqrt());
        let mut clean = original_from_alpha(self.prediction, model_output, sample, alpha);
        // The direction comes from the prediction before clipping, as in diffusers.
        let epsilon: Vec<f32> = match self.prediction {
            Prediction::Epsilon => model_output.to_vec(),
            Prediction::Sample => sample.iter().zip(&clean).map(|(x, c)| (x - signal * c) / spread).collect(),
            Prediction::V => blend(signal, model_output, spread, sample),
        };
        if let Some(range) = self.clip {
            clean.iter_mut().for_each(|c| *c = c.clamp(-range, range));
        }
        let prev_sample = blend(before.sqrt(), &clean, (1.0 - before).sqrt(), &epsilon);
        Step { prev_sample, pred_original_sample: clean }
    }
}
