//! Euler's method on the noise levels of Karras et al. Source: diffusers `scheduling_euler_discrete.py`.

use super::config::{Prediction, SchedulerConfig, Spacing};
use super::schedule::{
    at, check_steps, euler_init, euler_input, euler_timesteps, interpolate, karras, karras_bounds, linspace,
    original_from_sigma, sigma_to_t, train_sigmas,
};
use super::{Scheduler, SchedulerError, Step};

#[derive(Clone)]
pub(super) struct EulerDiscrete {
    timesteps: Vec<f64>,
    sigmas: Vec<f32>,
    sigmas_out: Vec<f64>,
    prediction: Prediction,
    spacing: Spacing,
}

impl EulerDiscrete {
    pub(super) fn new(
        name: &'static str,
        config: &SchedulerConfig,
        spacing: Spacing,
        steps: usize,
    ) -> Result<Self, SchedulerError> {
        config.refuse(&[
            ("use_exponential_sigmas", config.use_exponential_sigmas),
            ("use_beta_sigmas", config.use_beta_sigmas),
        ])?;
        check_steps(name, steps, config.train_steps()?)?;
        // Older files call the sample "original_sample" here, and only here.
        let prediction = match config.prediction_type.as_deref() {
            Some("original_sample") => Prediction::Sample,
            _ => config.prediction()?,
        };
        let table = train_sigmas(&config.alphas_cumprod((0.0001, 0.02, "linear"), true)?);
        let mut timesteps = euler_timesteps(config, spacing, steps)?;
        let mut levels: Vec<f64> = match config.interpolation_type.as_deref().unwrap_or("linear") {
            "linear" => timesteps.iter().map(|t| interpolate(&table, *t)).collect(),
            // One level more than steps, as in diffusers; only the first ones are stepped through.
            "log_linear" => log_linear(&table, steps),
            other => return Err(SchedulerError::value("interpolation_type", other, "linear or log_linear")),
        };
        if config.use_karras_sigmas == Some(true) {
            let ends = (levels.first().copied().unwrap_or(0.0), levels.last().copied().unwrap_or(0.0));
            let (max, min) = karras_bounds(config, ends.0, ends.1)?;
            levels = karras(max, min, steps);
            let logs: Vec<f32> = table.iter().map(|s| s.ln()).collect();
            timesteps = levels.iter().map(|s| f64::from(sigma_to_t(*s, &logs) as f32)).collect();
        }
        levels.push(match config.final_sigmas_type.as_deref().unwrap_or("zero") {
            "zero" => 0.0,
            "sigma_min" => f64::from(at(&table, 0)),
            other => return Err(SchedulerError::value("final_sigmas_type", other, "zero or sigma_min")),
        });
        let sigmas: Vec<f32> = levels.iter().map(|s| *s as f32).collect();
        match config.timestep_type.as_deref().unwrap_or("discrete") {
            "discrete" => {}
            "continuous" if prediction == Prediction::V => {
                timesteps = sigmas.iter().take(timesteps.len()).map(|s| f64::from(0.25 * s.ln())).collect();
            }
            "continuous" => {}
            other => return Err(SchedulerError::value("timestep_type", other, "discrete or continuous")),
        }
        let sigmas_out = sigmas.iter().map(|s| f64::from(*s)).collect();
        Ok(Self { timesteps, sigmas, sigmas_out, prediction, spacing })
    }

    fn sigma(&self, index: usize) -> f32 {
        at(&self.sigmas, index.min(self.timesteps.len().saturating_sub(1)))
    }
}

/// Levels evenly spaced in their logarithm, from the noisiest down.
fn log_linear(table: &[f32], steps: usize) -> Vec<f64> {
    let ends = table.last().zip(table.first());
    let (high, low) = ends.map_or((0.0, 0.0), |(h, l)| (f64::from(h.ln()), f64::from(l.ln())));
    linspace(high, low, steps + 1).into_iter().map(|l| f64::from((l as f32).exp())).collect()
}

impl Scheduler for EulerDiscrete {
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
        _noise: &mut dyn FnMut(usize) -> Vec<f32>,
    ) -> Step {
        let index = index.min(self.timesteps.len().saturating_sub(1));
        let sigma = self.sigma(index);
        let gap = at(&self.sigmas, index + 1) - sigma;
        let pred_original_sample = original_from_sigma(self.prediction, model_output, sample, sigma);
        let moved = |(x, clean): (&f32, &f32)| x + (x - clean) / sigma * gap;
        let prev_sample = sample.iter().zip(&pred_original_sample).map(moved).collect();
        Step { prev_sample, pred_original_sample }
    }
}
