//! Euler's method with fresh noise after each step. Source: diffusers `scheduling_euler_ancestral_discrete.py`.

use super::config::{Prediction, SchedulerConfig, Spacing};
use super::schedule::{
    at, check_steps, euler_init, euler_input, euler_timesteps, interpolate, original_from_sigma, train_sigmas,
};
use super::{Scheduler, SchedulerError, Step};

#[derive(Clone)]
pub(super) struct EulerAncestralDiscrete {
    timesteps: Vec<f64>,
    sigmas: Vec<f32>,
    sigmas_out: Vec<f64>,
    prediction: Prediction,
    spacing: Spacing,
}

impl EulerAncestralDiscrete {
    pub(super) fn new(name: &'static str, config: &SchedulerConfig, steps: usize) -> Result<Self, SchedulerError> {
        check_steps(name, steps, config.train_steps()?)?;
        let prediction = config.prediction()?;
        if prediction == Prediction::Sample {
            return Err(SchedulerError::value("prediction_type", "sample", "epsilon or v_prediction"));
        }
        let spacing = config.spacing(Spacing::Linspace)?;
        let timesteps = euler_timesteps(config, spacing, steps)?;
        let table = train_sigmas(&config.alphas_cumprod((0.0001, 0.02, "linear"), true)?);
        let levels = timesteps.iter().map(|t| interpolate(&table, *t) as f32);
        let sigmas: Vec<f32> = levels.chain([0.0]).collect();
        let sigmas_out = sigmas.iter().map(|s| f64::from(*s)).collect();
        Ok(Self { timesteps, sigmas, sigmas_out, prediction, spacing })
    }

    fn sigma(&self, index: usize) -> f32 {
        at(&self.sigmas, index.min(self.timesteps.len().saturating_sub(1)))
    }
}

impl Scheduler for EulerAncestralDiscrete {
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
        euler_init(&self.sigmas, self.spacing)
    }

    fn scale_model_input(&self, sample: &[f32], index: usize) -> Vec<f32> {
        euler_input(sample, self.sigma(index))
    }

    fn add_noise(&self, original: &[f32], noise: &[f32], index: usize) -> Vec<f32> {
        let sigma = self.sigma(index);
        original.iter().zip(noise).map(|(x, n)| x + n * sigma).collect()
    }

    fn step(
        &mut self,
        model_output: &[f32],
        index: usize,
        sample: &[f32],
        noise: &mut dyn FnMut(usize) -> Vec<f32>,
    ) -> Step {
        let index = index.min(self.timesteps.len().saturating_sub(1));
        let (from, to) = (self.sigma(index), at(&self.sigmas, index + 1));
        let up = (to * to * (from * from - to * to) / (from * from)).sqrt();
        // Rounding may bring the difference below zero where one step spans a vast range (cosine schedule).
        let down = (to * to - up * up).max(0.0).sqrt();
        let pred_original_sample = original_from_sigma(self.prediction, model_output, sample, from);
        // diffusers draws after the last step too, where `up` is 0; so do we, to keep the generator in step.
        let fresh = noise(sample.len());
        let moved = |((x, clean), n): ((&f32, &f32), &f32)| x + (x - clean) / from * (down - from) + n * up;
        let prev_sample = sample.iter().zip(&pred_original_sample).zip(&fresh).map(moved).collect();
        Step { prev_sample, pred_original_sample }
    }
}
