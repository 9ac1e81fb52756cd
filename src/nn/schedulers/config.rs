//! What a model's `scheduler_config.json` says, and the noise levels that follow from it.
//!
//! Source: the constructors of diffusers' schedulers (`scheduling_euler_discrete.py` and its kin, 0.42.1). A field that
//! the file leaves out stays `None`: its default belongs to the scheduler that runs, not to the class that wrote the file.

use std::borrow::Cow;

use serde::Deserialize;

use super::SchedulerError;
use crate::recipe::SchedulerName;

/// `scheduler_config.json`; every field may be absent or null, fields not named here are skipped.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SchedulerConfig {
    #[serde(rename = "_class_name")]
    pub class_name: Option<String>,
    pub num_train_timesteps: Option<u64>,
    pub beta_start: Option<f64>,
    pub beta_end: Option<f64>,
    pub beta_schedule: Option<String>,
    pub trained_betas: Option<Vec<f64>>,
    pub prediction_type: Option<String>,
    pub interpolation_type: Option<String>,
    pub timestep_spacing: Option<String>,
    pub timestep_type: Option<String>,
    pub steps_offset: Option<i64>,
    pub rescale_betas_zero_snr: Option<bool>,
    pub final_sigmas_type: Option<String>,
    pub sigma_min: Option<f64>,
    pub sigma_max: Option<f64>,
    pub use_karras_sigmas: Option<bool>,
    pub use_exponential_sigmas: Option<bool>,
    pub use_beta_sigmas: Option<bool>,
    pub use_lu_lambdas: Option<bool>,
    pub use_flow_sigmas: Option<bool>,
    pub clip_sample: Option<bool>,
    pub clip_sample_range: Option<f64>,
    pub set_alpha_to_one: Option<bool>,
    pub thresholding: Option<bool>,
    pub algorithm_type: Option<String>,
    pub solver_order: Option<u64>,
    pub lower_order_final: Option<bool>,
    pub euler_at_final: Option<bool>,
    /// `None` also stands for diffusers' `-Infinity`: nothing is clipped.
    pub lambda_min_clipped: Option<f64>,
    pub variance_type: Option<String>,
    pub original_inference_steps: Option<u64>,
    pub timestep_scaling: Option<f64>,
    /// Not of the file: the sampler that a few-step model was made for, and the spacing that it has there and no other has.
    #[serde(skip)]
    pub own_spacing: Option<(SchedulerName, String)>,
}

/// What the network's output stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prediction {
    Epsilon,
    V,
    Sample,
}

/// Table 2 of arXiv:2305.08891.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spacing {
    Linspace,
    Leading,
    Trailing,
}

/// The last noise level after rescaling to zero SNR would be infinite; diffusers' sigma schedulers put this there.
const NEARLY_ZERO_SNR: f32 = 1.0 / 16_777_216.0;
/// More training steps than any model has; keeps a broken file from asking for gigabytes.
const MOST_TRAIN_STEPS: u64 = 100_000;

impl SchedulerConfig {
    /// Reads the file's text. Python writes `-Infinity` and `NaN` into JSON; they are read as absent.
    ///
    /// # Errors
    /// [`SchedulerError::File`] where the text is no JSON object or a field has the wrong type.
    pub fn from_json(text: &str) -> Result<Self, SchedulerError> {
        serde_json::from_str(&without_python_floats(text)).map_err(|e| SchedulerError::File { why: e.to_string() })
    }

    /// The settings of one sampler.
    pub(super) fn of(&self, name: SchedulerName) -> Cow<'_, Self> {
        match &self.own_spacing {
            Some((own, spacing)) if *own == name => {
                Cow::Owned(Self { timestep_spacing: Some(spacing.clone()), ..self.clone() })
            }
            _ => Cow::Borrowed(self),
        }
    }

    /// The sampler that the model's author chose, and a sentence for the artist where ours is not quite that one.
    pub fn default_name(&self) -> (SchedulerName, Option<String>) {
        let Some(class) = self.class_name.as_deref() else { return (SchedulerName::Euler, None) };
        let instead = |name: SchedulerName| {
            let said = format!(
                "the model asks for the sampler {class}, which is not built in; {} is used (choose from {})",
                name.name(),
                SchedulerName::NAMES.join(", ")
            );
            (name, Some(said))
        };
        match class {
            "EulerDiscreteScheduler" if self.timestep_spacing.as_deref() == Some("trailing") => {
                (SchedulerName::EulerTrailing, None)
            }
            "EulerDiscreteScheduler" => (SchedulerName::Euler, None),
            "EulerAncestralDiscreteScheduler" => (SchedulerName::EulerAncestral, None),
            "DDIMScheduler" => (SchedulerName::Ddim, None),
            "LCMScheduler" => (SchedulerName::Lcm, None),
            "DPMSolverMultistepScheduler" => {
                let karras = self.use_karras_sigmas == Some(true);
                let name = if karras { SchedulerName::Dpmpp2mKarras } else { SchedulerName::Dpmpp2m };
                let ours = matches!(self.algorithm_type.as_deref(), None | Some("dpmsolver++"))
                    && matches!(self.solver_order, None | Some(2));
                if ours { (name, None) } else { instead(name) }
            }
            _ => instead(SchedulerName::Euler),
        }
    }

    pub(super) fn train_steps(&self) -> Result<usize, SchedulerError> {
        let count = self.num_train_timesteps.unwrap_or(1000);
        match usize::try_from(count) {
            Ok(steps) if (1..=MOST_TRAIN_STEPS).contains(&count) => Ok(steps),
            _ => Err(SchedulerError::value("num_train_timesteps", count, "a number from 1 to 100000")),
        }
    }

    /// What the leading spacing adds to every timestep.
    pub(super) fn offset(&self) -> Result<i64, SchedulerError> {
        let offset = self.steps_offset.unwrap_or(0);
        let train = i64::try_from(self.train_steps()?).unwrap_or(i64::MAX);
        if (0..train).contains(&offset) {
            Ok(offset)
        } else {
            Err(SchedulerError::value("steps_offset", offset, "a number from 0 up to below num_train_timesteps"))
        }
    }

    pub(super) fn prediction(&self) -> Result<Prediction, SchedulerError> {
        match self.prediction_type.as_deref().unwrap_or("epsilon") {
            "epsilon" => Ok(Prediction::Epsilon),
            "v_prediction" => Ok(Prediction::V),
            "sample" => Ok(Prediction::Sample),
            other => Err(SchedulerError::value("prediction_type", other, "epsilon, v_prediction or sample")),
        }
    }

    pub(super) fn spacing(&self, default: Spacing) -> Result<Spacing, SchedulerError> {
        match self.timestep_spacing.as_deref() {
            None => Ok(default),
            Some("linspace") => Ok(Spacing::Linspace),
            Some("leading") => Ok(Spacing::Leading),
            Some("trailing") => Ok(Spacing::Trailing),
            Some(other) => Err(SchedulerError::value("timestep_spacing", other, "linspace, leading or trailing")),
        }
    }

    /// Cumulative products of 1 - beta, in f32, one a training step. `defaults`: beta_start, beta_end, beta_schedule of
    /// the scheduler's class. `patch_last`: the sigma schedulers lift the last value above zero after rescaling.
    pub(super) fn alphas_cumprod(
        &self,
        defaults: (f64, f64, &str),
        patch_last: bool,
    ) -> Result<Vec<f32>, SchedulerError> {
        let steps = self.train_steps()?;
        let start = self.beta_start.unwrap_or(defaults.0);
        let end = self.beta_end.unwrap_or(defaults.1);
        let mut betas = match (&self.trained_betas, self.beta_schedule.as_deref().unwrap_or(defaults.2)) {
            (Some(betas), _) => betas.iter().map(|b| *b as f32).collect(),
            (None, "linear") => linspace_f32(start, end, steps),
            (None, "scaled_linear") => {
                linspace_f32(start.sqrt(), end.sqrt(), steps).into_iter().map(|b| b * b).collect()
            }
            (None, "squaredcos_cap_v2") => cosine_betas(steps),
            (None, other) => {
                return Err(SchedulerError::value(
                    "beta_schedule",
                    other,
                    "linear, scaled_linear or squaredcos_cap_v2",
                ));
            }
        };
        let rescaled = self.rescale_betas_zero_snr == Some(true);
        if rescaled {
            betas = zero_terminal_snr(&betas);
        }
        let mut out = cumprod(&betas);
        if let (true, true, Some(last)) = (rescaled, patch_last, out.last_mut()) {
            *last = NEARLY_ZERO_SNR;
        }
        let zero_at_end = usize::from(rescaled && !patch_last);
        let sound = !out.is_empty()
            && out.iter().rev().take(zero_at_end).all(|a| (0.0..1.0).contains(a))
            && out.iter().rev().skip(zero_at_end).all(|a| *a > 0.0 && *a < 1.0);
        if sound { Ok(out) } else { Err(SchedulerError::Betas) }
    }

    /// Refuses the switches named, where the file turns them on.
    pub(super) fn refuse(&self, switches: &[(&'static str, Option<bool>)]) -> Result<(), SchedulerError> {
        match switches.iter().find(|(_, on)| *on == Some(true)) {
            Some((field, _)) => Err(SchedulerError::value(field, true, "false: this setting is not built in")),
            None => Ok(()),
        }
    }
}

/// `torch.linspace` in f32 as its CPU kernel counts: from both ends, with one rounding a value.
fn linspace_f32(start: f64, end: f64, steps: usize) -> Vec<f32> {
    let (start, end) = (start as f32, end as f32);
    if steps <= 1 {
        return vec![start; steps];
    }
    let step = (end - start) / (steps - 1) as f32;
    let value = |i: usize| {
        if i < steps / 2 { step.mul_add(i as f32, start) } else { (-step).mul_add((steps - 1 - i) as f32, end) }
    };
    (0..steps).map(value).collect()
}

/// The cosine schedule of arXiv:2102.09672, capped at 0.999.
fn cosine_betas(steps: usize) -> Vec<f32> {
    let alpha_bar = |i: usize| {
        let t = i as f64 / steps as f64;
        ((t + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2)
    };
    (0..steps).map(|i| (1.0 - alpha_bar(i + 1) / alpha_bar(i)).min(0.999) as f32).collect()
}

/// Running product of 1 - beta; torch keeps it in f64 on the CPU and rounds each value.
fn cumprod(betas: &[f32]) -> Vec<f32> {
    let mut product = 1.0f64;
    betas
        .iter()
        .map(|b| {
            product *= f64::from(1.0 - b);
            product as f32
        })
        .collect()
}

/// Algorithm 1 of arXiv:2305.08891: shifts and scales the square roots so that the last step holds noise alone.
fn zero_terminal_snr(betas: &[f32]) -> Vec<f32> {
    let roots: Vec<f32> = cumprod(betas).into_iter().map(f32::sqrt).collect();
    let (Some(&first), Some(&last)) = (roots.first(), roots.last()) else { return Vec::new() };
    let scale = first / (first - last);
    let bars: Vec<f32> = roots.iter().map(|r| ((r - last) * scale).powi(2)).collect();
    let before = std::iter::once(1.0).chain(bars.iter().copied());
    bars.iter().zip(before).map(|(bar, before)| 1.0 - bar / before).collect()
}

/// Replaces the bare words `Infinity`, `-Infinity` and `NaN`, which JSON does not have, by `null`.
fn without_python_floats(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut quoted = false;
    while let Some(c) = rest.chars().next() {
        let word = ["-Infinity", "Infinity", "NaN"].into_iter().find(|w| !quoted && rest.starts_with(w));
        let taken = match word {
            Some(word) => {
                out.push_str("null");
                word.len()
            }
            None => {
                quoted ^= c == '"';
                // An escaped character inside a string never ends it.
                let escaped = if quoted && c == '\\' { rest.chars().nth(1).map_or(0, char::len_utf8) } else { 0 };
                let taken = c.len_utf8() + escaped;
                out.push_str(rest.get(..taken).unwrap_or(rest));
                taken
            }
        };
        rest = rest.get(taken..).unwrap_or("");
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn chosen(json: &str) -> (SchedulerName, Option<String>) {
        SchedulerConfig::from_json(json).unwrap().default_name()
    }

    #[test]
    fn python_floats_are_absent_and_text_stays() {
        let text =
            r#"{"lambda_min_clipped": -Infinity, "sigma_max": NaN, "beta_schedule": "a \" NaN", "x": [Infinity]}"#;
        let config = SchedulerConfig::from_json(text).unwrap();
        assert_eq!((config.lambda_min_clipped, config.sigma_max), (None, None));
        assert_eq!(config.beta_schedule.as_deref(), Some("a \" NaN"));
        assert!(SchedulerConfig::from_json("{\"beta_start\": \"x\"}").is_err());
        assert!(SchedulerConfig::from_json("{\"a\\").is_err());
    }

    #[test]
    fn the_files_class_becomes_one_of_our_names() {
        assert_eq!(chosen("{}"), (SchedulerName::Euler, None));
        let trailing = r#"{"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}"#;
        assert_eq!(chosen(trailing), (SchedulerName::EulerTrailing, None));
        let karras = r#"{"_class_name": "DPMSolverMultistepScheduler", "use_karras_sigmas": true}"#;
        assert_eq!(chosen(karras), (SchedulerName::Dpmpp2mKarras, None));
        let (name, said) = chosen(r#"{"_class_name": "PNDMScheduler"}"#);
        assert_eq!(name, SchedulerName::Euler);
        assert!(said.unwrap().contains("PNDMScheduler"));
    }

    #[test]
    fn unsound_betas_are_refused() {
        for json in [
            r#"{"beta_start": -1.0, "beta_schedule": "scaled_linear"}"#,
            r#"{"trained_betas": []}"#,
            r#"{"trained_betas": [0.0, 0.1]}"#,
            r#"{"beta_end": 3.0}"#,
            r#"{"num_train_timesteps": 0}"#,
            r#"{"num_train_timesteps": 99999999999}"#,
            r#"{"beta_schedule": "sigmoid"}"#,
        ] {
            let config = SchedulerConfig::from_json(json).unwrap();
            assert!(config.alphas_cumprod((0.0001, 0.02, "linear"), true).is_err(), "{json}");
        }
    }
}
