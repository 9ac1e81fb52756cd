//! Does a file hold what a network wants? Asked of the network's own constructor, answered from the header.
//!
//! The constructor runs on tensors that are one zero spread over the wanted shape, so that SDXL's 2.6 billion weights
//! cost nothing, and every name that it asks for is written down.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use safetensors::Dtype;

use super::Weights;
use super::backend::candle_dtype;
use super::error::{count, count_named, shown};

/// Last parts of names that published files carry and no network needs: buffers of position numbers, counters of
/// batch norms, CLIP's temperature.
const HARMLESS: &[&str] = &["position_ids", "num_batches_tracked", "logit_scale", "logit_bias"];

/// So many missing tensors are enough to know; SDXL's UNet has 1680 in all.
const MOST_MISSING: usize = 4096;

/// What a network wanted and a file did not give.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Number of tensors that the network asked for.
    pub wanted: usize,
    /// Name and wanted shape, in the order of asking.
    pub missing: Vec<(String, Vec<usize>)>,
    /// Name, wanted shape, found shape.
    pub wrong_shape: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Name and dtype of tensors that cannot be converted.
    pub wrong_dtype: Vec<(String, Dtype)>,
    /// Names in the file that nobody asked for, known harmless ones aside.
    pub left_over: Vec<String>,
    /// The constructor gave up for a reason of its own.
    pub stopped: Option<String>,
}

impl Report {
    /// What makes the file unusable, in one line about `file`; `None` if it can be loaded.
    pub fn sentence(&self, file: &str) -> Option<String> {
        if let Some((name, wanted)) = self.missing.first() {
            if self.missing.len() * 2 > self.wanted {
                return Some(format!(
                    "{file} belongs to another model: it lacks {} of {} tensors, the first is '{}'; choose the file that belongs here",
                    self.missing.len(),
                    self.wanted,
                    shown(name)
                ));
            }
            return Some(format!(
                "{file} lacks {}, of shape {wanted:?}; download the file again",
                count_named(self.missing.len(), "tensor", name)
            ));
        }
        if let Some((name, wanted, found)) = self.wrong_shape.first() {
            let others = match self.wrong_shape.len() - 1 {
                0 => String::new(),
                n => format!(" and {} more differ", count(n, "tensor")),
            };
            return Some(format!(
                "{file} belongs to another model: '{}' has shape {found:?} where {wanted:?} is wanted{others}; download it again, or choose the file that belongs here",
                shown(name)
            ));
        }
        if let Some((name, dtype)) = self.wrong_dtype.first() {
            return Some(format!(
                "{file} holds {} in {dtype}, which cannot be used; get an F32, F16 or BF16 file",
                count_named(self.wrong_dtype.len(), "tensor", name)
            ));
        }
        let why = self.stopped.as_ref()?;
        Some(format!("{file} does not fit its config.json ({}); download both again", shown(why)))
    }

    /// What is odd but harmless, in one line about `file`: tensors that nobody asked for.
    pub fn notice(&self, file: &str) -> Option<String> {
        let first = self.left_over.first()?;
        Some(format!("{file} holds more than this model uses: {}", count_named(self.left_over.len(), "tensor", first)))
    }
}

/// Runs a network's constructor on the header of `weights`; no data is read.
///
/// `build` gets an F32 CPU builder whose tensors are zeros without memory (shared by stride); it must not copy them.
pub fn check(weights: &Weights, build: impl FnOnce(VarBuilder) -> candle_core::Result<()>) -> Report {
    let asked = Arc::new(Mutex::new(Asked::default()));
    let built =
        build(VarBuilder::from_backend(Box::new(Recorder { weights, asked: asked.clone() }), DType::F32, Device::Cpu));
    let mut asked = lock(&asked);
    let used = std::mem::take(&mut asked.used);
    let mut report = std::mem::take(&mut asked.report);
    // The first line: a backtrace may follow.
    report.stopped = built.err().map(|e| e.to_string().lines().next().unwrap_or_default().to_owned());
    report.left_over = weights
        .names()
        .filter(|name| !used.contains(*name) && !HARMLESS.iter().any(|end| name.rsplit('.').next() == Some(end)))
        .map(str::to_owned)
        .collect();
    report
}

#[derive(Default)]
struct Asked {
    report: Report,
    /// Every name asked for, so that a tensor used twice (shared weights) is counted once.
    seen: BTreeSet<String>,
    /// Names as the file spells them.
    used: BTreeSet<String>,
}

fn lock(asked: &Mutex<Asked>) -> MutexGuard<'_, Asked> {
    // A constructor that panicked half-way leaves a list that is still true.
    asked.lock().unwrap_or_else(|e| e.into_inner())
}

struct Recorder<'a> {
    weights: &'a Weights,
    asked: Arc<Mutex<Asked>>,
}

impl Recorder<'_> {
    fn note(&self, name: &str, wanted: Option<&[usize]>) -> candle_core::Result<()> {
        let mut asked = lock(&self.asked);
        if !asked.seen.insert(name.to_owned()) {
            return Ok(());
        }
        if asked.report.missing.len() >= MOST_MISSING {
            candle_core::bail!("too much is missing");
        }
        asked.report.wanted += 1;
        match self.weights.find(name) {
            None => asked.report.missing.push((name.to_owned(), wanted.unwrap_or_default().to_vec())),
            Some((stored, _, entry)) => {
                asked.used.insert(stored.to_owned());
                if let Some(wanted) = wanted.filter(|wanted| *wanted != entry.shape) {
                    asked.report.wrong_shape.push((name.to_owned(), wanted.to_vec(), entry.shape.clone()));
                } else if candle_dtype(entry.dtype).is_none() {
                    asked.report.wrong_dtype.push((name.to_owned(), entry.dtype));
                }
            }
        }
        Ok(())
    }
}

impl SimpleBackend for Recorder<'_> {
    fn get(&self, s: Shape, name: &str, _: Init, dtype: DType, dev: &Device) -> candle_core::Result<Tensor> {
        self.note(name, Some(s.dims()))?;
        Tensor::zeros((), dtype, dev)?.broadcast_as(s)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, dev: &Device) -> candle_core::Result<Tensor> {
        self.note(name, None)?;
        match self.weights.shape(name) {
            Some(shape) => Tensor::zeros((), dtype, dev)?.broadcast_as(shape),
            None => candle_core::bail!("the tensor '{}' is missing, and only the file knows its shape", shown(name)),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.weights.contains(name)
    }
}
