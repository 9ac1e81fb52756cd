//! How fast this machine is: a network at its true shapes with random weights, timed.
//!
//! The numbers mean the same as those of PyTorch's counterpart, `tests/bench/reference.py`: the median of the repeats
//! after one warm-up; a UNet's batch of 2 is one guided step.

mod networks;
mod random_weights;

use std::time::Instant;

use candle_core::{DType, Tensor};

use super::device::{self, Place};
use super::threads::{awake, in_own_pool};
use super::{Compute, EngineError, free_memory};
use crate::kernels::meter::{self, Part};
use crate::kernels::peak::peak_flops;
use networks::Bench;

/// Which sizes the network has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BenchModel {
    /// SDXL base.
    Sdxl,
    /// The built-in model.
    Mini,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BenchNetwork {
    Unet,
    /// Its decoding.
    Vae,
}

/// What is to be timed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BenchSpec {
    pub model: BenchModel,
    pub network: BenchNetwork,
    /// Width and height of the picture in pixels, a multiple of 8 from 8 on.
    pub size: u32,
    /// At least 1.
    pub batch: usize,
    /// At least 1.
    pub repeat: usize,
    pub compute: Compute,
    /// The random weights are rounded to f16, as in a published file, rather than f32.
    pub half_weights: bool,
    /// One more pass, in which each operation is timed.
    pub parts: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct BenchReport {
    /// Of each repeat.
    pub seconds: Vec<f64>,
    pub device: String,
    pub dtype: &'static str,
    pub threads: usize,
    /// Number of weights.
    pub parameters: u64,
    /// The operations of one pass; where it was asked for.
    pub parts: Option<BenchParts>,
}

/// One pass, operation by operation.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchParts {
    /// The most expensive first.
    pub parts: Vec<Part>,
    /// Of the pass.
    pub seconds: f64,
    /// Multiplications and additions a second that the CPU's threads could do at most, the better of before and after the
    /// pass.
    pub peak: f64,
}

impl BenchReport {
    /// The median of the repeats; of an even number, the mean of the middle two.
    pub fn median(&self) -> f64 {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
        (middle(sorted.len() / 2) + middle(sorted.len().saturating_sub(1) / 2)) / 2.0
    }
}

/// Builds the network and times it; `progress` hears what is being done.
///
/// # Errors
/// A device that is not there, or a network that does not fit into memory (both bad input); a failure of candle.
pub fn bench(spec: BenchSpec, mut progress: impl FnMut(&str) + Send) -> Result<BenchReport, EngineError> {
    // As the engine does.
    in_own_pool(|| run(spec, &mut progress))
}

fn run(spec: BenchSpec, progress: &mut impl FnMut(&str)) -> Result<BenchReport, EngineError> {
    let place = device::open(spec.compute)?;
    ensure_fits(spec, &place)?;
    progress("making random weights");
    let bench = Bench::new(spec, &place)?;
    let mut seconds = Vec::with_capacity(spec.repeat);
    for pass in 0..=spec.repeat {
        match pass {
            0 => progress("warming up"),
            _ => progress(&format!("pass {pass} of {}", spec.repeat)),
        }
        let (took, out) = timed(&bench)?;
        if pass > 0 {
            seconds.push(took);
        } else {
            ensure_finite(&out)?;
        }
    }
    let parts = match spec.parts {
        true => {
            progress("timing each operation");
            let before = peak_flops();
            meter::start();
            let took = timed(&bench);
            let parts = meter::finish();
            Some(BenchParts { parts, seconds: took?.0, peak: before.max(peak_flops()) })
        }
        false => None,
    };
    Ok(BenchReport {
        seconds,
        device: place.words.split(',').next().unwrap_or_default().to_owned(),
        dtype: place.dtype.as_str(),
        threads: rayon::current_num_threads(),
        parameters: networks::parameters(spec)?,
        parts,
    })
}

fn timed(bench: &Bench) -> Result<(f64, Tensor), EngineError> {
    let begun = Instant::now();
    let out = awake(|| bench.forward())?;
    // A GPU works on after the call returns.
    out.device().synchronize()?;
    Ok((begun.elapsed().as_secs_f64(), out))
}

/// Timing nonsense is worth nothing: zeros and infinities may be faster or slower.
fn ensure_finite(out: &Tensor) -> Result<(), EngineError> {
    let sum = out.to_dtype(DType::F32)?.abs()?.sum_all()?.to_scalar::<f32>()?;
    if sum.is_finite() && sum > 0.0 {
        return Ok(());
    }
    Err(EngineError::NotFinite("the network's output is not finite; time it with --dtype f32".to_owned()))
}

/// Refuses what this machine cannot hold.
fn ensure_fits(spec: BenchSpec, place: &Place) -> Result<(), EngineError> {
    let Some(available) = free_memory::available_bytes().filter(|_| place.device.is_cpu()) else { return Ok(()) };
    let weight = if spec.half_weights { 2 } else { place.dtype.size_in_bytes() as u64 };
    let weights = networks::parameters(spec)? * weight;
    let fits = |size: u32| weights + networks::work_bytes(spec, size, place) <= available;
    if fits(spec.size) {
        return Ok(());
    }
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let smaller = (1..=10).map(|k| (spec.size >> k) & !7).find(|size| *size >= 8 && fits(*size));
    let advice = match smaller {
        Some(size) => format!("try --size {size}"),
        None => "close other programs, or try --model-config mini".to_owned(),
    };
    Err(EngineError::OutOfMemory(format!(
        "size {} needs about {:.1} GiB of memory and {:.1} GiB are free; {advice}",
        spec.size,
        gib(weights + networks::work_bytes(spec, spec.size, place)),
        gib(available)
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn report(seconds: &[f64]) -> BenchReport {
        let seconds = seconds.to_vec();
        BenchReport { seconds, device: String::new(), dtype: "f32", threads: 1, parameters: 0, parts: None }
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(report(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(report(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert_eq!(report(&[7.0]).median(), 7.0);
    }

    #[test]
    fn sdxl_has_its_known_number_of_weights() {
        let spec = |network| BenchSpec {
            model: BenchModel::Sdxl,
            network,
            size: 512,
            batch: 1,
            repeat: 1,
            compute: Compute::default(),
            half_weights: true,
            parts: false,
        };
        // Of the published files.
        assert_eq!(networks::parameters(spec(BenchNetwork::Unet)).unwrap(), 2_567_463_684);
        assert_eq!(networks::parameters(spec(BenchNetwork::Vae)).unwrap(), 83_653_863);
    }
}
