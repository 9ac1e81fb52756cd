//! DPM-Solver++ (arXiv:2211.01095), data prediction, second order, midpoint, ending at sigma 0.
//! Source: diffusers `scheduling_dpmsolver_multistep.py`.

use super::config::{Prediction, SchedulerConfig, Spacing};
use super::schedule::{
    at, blend, check_steps, interpolate, karras, karras_bounds, leading, linspace, sigma_to_t, trailing, train_sigmas,
};
use super::{Scheduler, SchedulerError, Step};

#[derive(Clone)]
pub(super) struct DpmSolverMultistep {
    timesteps: Vec<f64>,
    sigmas: Vec<f32>,
    sigmas_out: Vec<f64>,
    prediction: Prediction,
    /// The clean latent that the step before predicted, and that step's index; none before the first step.
    last: Option<(usize, Vec<f32>)>,
}

impl DpmSolverMultistep {
    pub(super) fn new(
        name: &'static str,
        config: &SchedulerConfig,
        use_karras: bool,
        steps: usize,
    ) -> Result<Self, SchedulerError> {
        config.refuse(&[
            ("thresholding", config.thresholding),
            ("use_exponential_sigmas", config.use_exponential_sigmas),
            ("use_beta_sigmas", config.use_beta_sigmas),
            ("use_lu_lambdas", config.use_lu_lambdas),
            ("use_flow_sigmas", config.use_flow_sigmas),
        ])?;
        if let Some(kind) = &config.variance_type {
            return Err(SchedulerError::value("variance_type", kind, "none: learned variances are not built in"));
        }
        let train = config.train_steps()?;
        check_steps(name, steps, train)?;
        let prediction = config.prediction()?;
        let alphas_cumprod = config.alphas_cumprod((0.0001, 0.02, "linear"), true)?;
        let table = train_sigmas(&alphas_cumprod);
        let (timesteps, levels) = if use_karras {
            let (max, min) = karras_bounds(config, f64::from(*table.last().unwrap_or(&0.0)), f64::from(at(&table, 0)))?;
            let levels = karras(max, min, steps);
            let logs: Vec<f32> = table.iter().map(|s| s.ln()).collect();
            let whole = config.beta_schedule.as_deref() != Some("squaredcos_cap_v2");
            let time = |sigma: &f64| {
                let t = sigma_to_t(*sigma, &logs);
                // diffusers keeps whole numbers here: rounded, but cut off for the cosine schedule.
                if whole { t.round_ties_even() } else { t.trunc() }
            };
            (levels.iter().map(time).collect(), levels)
        } else {
            let last = train - clipped_steps(config, &alphas_cumprod).min(train - 1);
            check_steps(name, steps, last)?;
            let timesteps: Vec<f64> = match config.spacing(Spacing::Linspace)? {
                Spacing::Linspace => {
                    let up = linspace(0.0, (last - 1) as f64, steps + 1);
                    up.into_iter().skip(1).rev().map(f64::round_ties_even).collect()
                }
                Spacing::Leading => {
                    check_steps(name, steps, last.saturating_sub(1))?;
                    let offset = config.offset()?;
                    let mut down = leading(steps + 1, last / (steps + 1), offset);
                    down.truncate(steps);
                    down
                }
                Spacing::Trailing => trailing(last, train, steps),
            };
            let levels = timesteps.iter().map(|t| interpolate(&table, *t)).collect();
            (timesteps, levels)
        };
        let sigmas: Vec<f32> = levels.iter().map(|s: &f64| *s as f32).chain([0.0]).collect();
        // Two equal levels would make the second-order step divide by zero.
        if timesteps.is_empty() || sigmas.windows(2).any(|pair| matches!(pair, [a, b] if a <= b)) {
            return Err(SchedulerError::Steps { name, steps, most: steps.saturating_sub(1).max(1) });
        }
        let sigmas_out = sigmas.iter().map(|s| f64::from(*s)).collect();
        Ok(Self { timesteps, sigmas, sigmas_out, prediction, last: None })
    }

    fn last_index(&self) -> usize {
        self.timesteps.len().saturating_sub(1)
    }
}

/// How many of the noisiest training steps fall below `lambda_min_clipped` and are left out.
fn clipped_steps(config: &SchedulerConfig, alphas_cumprod: &[f32]) -> usize {
    let Some(least) = config.lambda_min_clipped else { return 0 };
    let lambda = |a: &f32| a.sqrt().ln() - (1.0 - a).sqrt().ln();
    alphas_cumprod.iter().rev().take_while(|a| lambda(a) < least as f32).count()
}

/// Signal and noise share of a noise level, and half the logarithm of their ratio squared.
fn shares(sigma: f32) -> (f32, f32, f32) {
    let alpha = 1.0 / (sigma * sigma + 1.0).sqrt();
    let spread = sigma * alpha;
    (alpha, spread, alpha.ln() - spread.ln())
}

impl Scheduler for DpmSolverMultistep {
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
        let (alpha, spread, _) = shares(at(&self.sigmas, index.min(self.last_index())));
        blend(alpha, original, spread, noise)
    }

    fn step(
        &mut self,
        model_output: &[f32],
        index: usize,
        sample: &[f32],
        _noise: &mut dyn FnMut(usize) -> Vec<f32>,
    ) -> Step {
        let index = index.min(self.last_index());
        let (alpha, spread, lambda) = shares(at(&self.sigmas, index));
        let (alpha_next, spread_next, lambda_next) = shares(at(&self.sigmas, index + 1));
        let clean: Vec<f32> = match self.prediction {
            Prediction::Epsilon => model_output.iter().zip(sample).map(|(m, x)| (x - spread * m) / alpha).collect(),
            Prediction::V => model_output.iter().zip(sample).map(|(m, x)| alpha * x - spread * m).collect(),
            Prediction::Sample => model_output.to_vec(),
        };
        let gap = lambda_next - lambda;
        let (keep, pull) = (spread_next / spread, alpha_next * ((-gap).exp() - 1.0));
        let first_order = blend(keep, sample, -pull, &clean);
        let before = self.last.take().filter(|(at, _)| *at + 1 == index);
        // The step to sigma 0 is first order: its gap is infinite.
        let prev_sample = match before {
            Some((_, before)) if index < self.last_index() => {
                let (_, _, lambda_before) = shares(at(&self.sigmas, index - 1));
                let bend = 1.0 / ((lambda - lambda_before) / gap);
                let slope = clean.iter().zip(&before).map(|(now, then)| bend * (now - then));
                first_order.iter().zip(slope).map(|(x, d)| x - 0.5 * pull * d).collect()
            }
            _ => first_order,
        };
        self.last = Some((index, clean.clone()));
        Step { prev_sample, pred_original_sample: clean }
    }
}
