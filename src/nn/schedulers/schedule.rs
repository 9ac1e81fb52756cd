//! Timesteps and noise levels that several samplers share.
//!
//! Source: `set_timesteps`, `_sigma_to_t` and `_convert_to_karras` of diffusers 0.42.1 and the numpy functions they
//! call. Like there, this is f64 where numpy has f64 and f32 where torch has f32.

use super::SchedulerError;
use super::config::{Prediction, SchedulerConfig, Spacing};

/// Refuses step counts that leave no room between two timesteps.
pub(super) fn check_steps(name: &'static str, steps: usize, most: usize) -> Result<(), SchedulerError> {
    if (1..=most).contains(&steps) { Ok(()) } else { Err(SchedulerError::Steps { name, steps, most }) }
}

/// `numpy.linspace` with its end point.
pub(super) fn linspace(start: f64, end: f64, count: usize) -> Vec<f64> {
    let gaps = count.saturating_sub(1).max(1) as f64;
    let step = (end - start) / gaps;
    (0..count).map(|i| if i > 0 && i + 1 == count { end } else { i as f64 * step + start }).collect()
}

/// `count * ratio` downwards to 0, plus the model's offset.
pub(super) fn leading(count: usize, ratio: usize, offset: i64) -> Vec<f64> {
    (0..count).rev().map(|i| (i * ratio) as f64 + offset as f64).collect()
}

/// Downwards from `last` in steps of `train / count`, one less each, as numpy's `arange` counts them: for some counts (61
/// of 1000) its rounding makes one timestep more, -1, at the lowest noise level of all.
pub(super) fn trailing(last: usize, train: usize, count: usize) -> Vec<f64> {
    let (last, gap) = (last as f64, train as f64 / count as f64);
    let (length, step) = ((last / gap).ceil() as usize, (last - gap) - last);
    (0..length).map(|i| (last + i as f64 * step).round_ties_even() - 1.0).collect()
}

/// Timesteps of the two Euler samplers, which keep fractions of them.
pub(super) fn euler_timesteps(
    config: &SchedulerConfig,
    spacing: Spacing,
    steps: usize,
) -> Result<Vec<f64>, SchedulerError> {
    let train = config.train_steps()?;
    Ok(match spacing {
        Spacing::Linspace => {
            let up = linspace(0.0, (train - 1) as f64, steps);
            up.into_iter().rev().map(|t| f64::from(t as f32)).collect()
        }
        Spacing::Leading => leading(steps, train / steps.max(1), config.offset()?),
        Spacing::Trailing => trailing(train, train, steps),
    })
}

/// sqrt((1 - a) / a) for every training step, rising, in f32.
pub(super) fn train_sigmas(alphas_cumprod: &[f32]) -> Vec<f32> {
    alphas_cumprod.iter().map(|a| ((1.0 - a) / a).sqrt()).collect()
}

/// The value of `table` at a fractional position; its ends hold beyond them.
pub(super) fn interpolate(table: &[f32], at: f64) -> f64 {
    let last = table.len().saturating_sub(1);
    let low = (at.max(0.0) as usize).min(last);
    let value = |i: usize| table.get(i).map_or(0.0, |v| f64::from(*v));
    if at <= 0.0 || low >= last { value(low) } else { (value(low + 1) - value(low)) * (at - low as f64) + value(low) }
}

/// The noise levels of arXiv:2206.00364 with rho 7, from `sigma_max` down to `sigma_min`.
pub(super) fn karras(sigma_max: f64, sigma_min: f64, steps: usize) -> Vec<f64> {
    const RHO: f64 = 7.0;
    let (high, low) = (sigma_max.powf(1.0 / RHO), sigma_min.powf(1.0 / RHO));
    linspace(0.0, 1.0, steps).into_iter().map(|ramp| (high + ramp * (low - high)).powf(RHO)).collect()
}

/// The karras bounds that the file sets, else the ones given; refuses what makes no levels.
pub(super) fn karras_bounds(config: &SchedulerConfig, max: f64, min: f64) -> Result<(f64, f64), SchedulerError> {
    let (max, min) = (config.sigma_max.unwrap_or(max), config.sigma_min.unwrap_or(min));
    if !(min.is_finite() && min > 0.0) {
        return Err(SchedulerError::value("sigma_min", min, "a number above 0"));
    }
    if !(max.is_finite() && max >= min) {
        return Err(SchedulerError::value("sigma_max", max, "a number above sigma_min"));
    }
    Ok((max, min))
}

/// The fractional training step whose noise level is `sigma`. `log_sigmas` rises.
pub(super) fn sigma_to_t(sigma: f64, log_sigmas: &[f32]) -> f64 {
    let log_sigma = sigma.max(1e-10).ln();
    let below = log_sigmas.iter().rposition(|l| log_sigma >= f64::from(*l)).unwrap_or(0);
    let low_index = below.min(log_sigmas.len().saturating_sub(2));
    let (Some(&low), Some(&high)) = (log_sigmas.get(low_index), log_sigmas.get(low_index + 1)) else { return 0.0 };
    let weight = ((f64::from(low) - log_sigma) / f64::from(low - high)).clamp(0.0, 1.0);
    (1.0 - weight) * low_index as f64 + weight * (low_index + 1) as f64
}

/// The entry at `index`, the last one beyond the end.
pub(super) fn at(table: &[f32], index: usize) -> f32 {
    table.get(index).or(table.last()).copied().unwrap_or(0.0)
}

/// The clean latent, from what the network said at noise level `sigma` (Karras' scaling: latent = clean + sigma noise).
pub(super) fn original_from_sigma(prediction: Prediction, model: &[f32], sample: &[f32], sigma: f32) -> Vec<f32> {
    let pairs = model.iter().zip(sample);
    let square = sigma * sigma + 1.0;
    match prediction {
        Prediction::Epsilon => pairs.map(|(m, x)| x - sigma * m).collect(),
        Prediction::Sample => model.to_vec(),
        Prediction::V => {
            let out = -sigma / square.sqrt();
            pairs.map(|(m, x)| m * out + x / square).collect()
        }
    }
}

/// The clean latent, from what the network said where latent = sqrt(alpha) clean + sqrt(1 - alpha) noise.
pub(super) fn original_from_alpha(prediction: Prediction, model: &[f32], sample: &[f32], alpha: f32) -> Vec<f32> {
    let pairs = model.iter().zip(sample);
    let (signal, noise) = (alpha.sqrt(), (1.0 - alpha).sqrt());
    match prediction {
        Prediction::Epsilon => pairs.map(|(m, x)| (x - noise * m) / signal).collect(),
        Prediction::Sample => model.to_vec(),
        Prediction::V => pairs.map(|(m, x)| signal * x - noise * m).collect(),
    }
}

/// `a * left + b * right`, element by element.
pub(super) fn blend(a: f32, left: &[f32], b: f32, right: &[f32]) -> Vec<f32> {
    left.iter().zip(right).map(|(l, r)| a * l + b * r).collect()
}

/// `sample` divided as the two Euler samplers show it to the network.
pub(super) fn euler_input(sample: &[f32], sigma: f32) -> Vec<f32> {
    let scale = (sigma * sigma + 1.0).sqrt();
    sample.iter().map(|x| x / scale).collect()
}

/// How strong the first noise of the two Euler samplers is.
pub(super) fn euler_init(sigmas: &[f32], spacing: Spacing) -> f64 {
    let most = sigmas.iter().copied().fold(0.0f32, f32::max);
    f64::from(if spacing == Spacing::Leading { (most * most + 1.0).sqrt() } else { most })
}
