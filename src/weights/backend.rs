//! The bridge to candle: a `VarBuilder` over [`Weights`] that reads one tensor at a time.

use std::sync::Arc;

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use safetensors::Dtype;

use super::error::shown;
use super::header::Entry;
use super::{Weights, WeightsError};
use crate::kernels::is_as_stored;

pub(super) fn var_builder(weights: Arc<Weights>, dtype: DType, device: &Device) -> VarBuilder<'static> {
    VarBuilder::from_backend(Box::new(FromFiles(weights)), dtype, device.clone())
}

struct FromFiles(Arc<Weights>);

impl FromFiles {
    /// Keeps the typed error for whoever drives the build; candle carries text only.
    fn fail(&self, error: WeightsError) -> candle_core::Error {
        // Only the first failure matters: what follows is usually its consequence.
        let _ = self.0.failure.set(error.clone());
        // Not `Error::msg`: it would append a backtrace where RUST_BACKTRACE is set, and the text is one line.
        candle_core::Error::Msg(error.to_string())
    }
}

impl SimpleBackend for FromFiles {
    fn get(&self, s: Shape, name: &str, hint: Init, dtype: DType, dev: &Device) -> candle_core::Result<Tensor> {
        if let Some(found) = self.0.shape(name).filter(|found| *found != s.dims()) {
            let (wanted, found) = (s.dims().to_vec(), found.to_vec());
            let file = self.0.name().to_owned();
            return Err(self.fail(WeightsError::WrongShape { file, tensor: shown(name), wanted, found }));
        }
        // A merged tensor has more digits than the file's dtype holds.
        let stored = self.0.dtype(name).filter(|_| self.0.deltas_of(name).is_none()).and_then(candle_dtype);
        let kept = stored.filter(|_| is_as_stored(hint)).and_then(|stored| match stored {
            DType::F32 | DType::F16 | DType::BF16 => Some(stored),
            // f16 holds every number of this dtype, in half the memory of f32.
            DType::F8E4M3 => Some(DType::F16),
            _ => None,
        });
        self.get_unchecked(name, kept.unwrap_or(dtype), dev)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, dev: &Device) -> candle_core::Result<Tensor> {
        let tensor = self.0.read(name).map_err(|e| self.fail(e))?;
        // Converted before it moves, so that a device need not know the file's dtype.
        tensor.to_dtype(dtype)?.to_device(dev)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

/// The candle dtype of a tensor that a network can take.
pub(super) fn candle_dtype(dtype: Dtype) -> Option<DType> {
    Some(match dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::F8_E4M3 => DType::F8E4M3,
        _ => return None,
    })
}

impl Weights {
    /// Reads one tensor, on the CPU: as the file has it, or in f32 where a LoRA is merged into it.
    pub fn read(&self, name: &str) -> Result<Tensor, WeightsError> {
        let base = self.read_base(name)?;
        let Some(deltas) = self.deltas_of(name) else { return Ok(base) };
        let failed = |e: candle_core::Error| WeightsError::BadHeader {
            file: self.name().to_owned(),
            why: shown(&e.to_string()),
        };
        let mut merged = base.to_dtype(DType::F32).map_err(failed)?;
        for delta in deltas {
            merged = (merged + delta.read(base.dims())?).map_err(failed)?;
        }
        Ok(merged)
    }

    /// Reads one tensor as the file has it.
    fn read_base(&self, name: &str) -> Result<Tensor, WeightsError> {
        let Some((stored, piece, entry)) = self.find(name) else {
            return Err(WeightsError::MissingTensor { file: self.name().to_owned(), tensor: shown(name) });
        };
        let file = || piece.name.clone();
        let Entry { dtype, shape, start, bytes } = entry;
        let dtype = candle_dtype(*dtype).ok_or_else(|| WeightsError::Dtype {
            file: file(),
            tensor: shown(name),
            dtype: dtype.to_string(),
        })?;
        let is_transposed = self.transposed.contains(stored);
        let made = |data: &[u8]| {
            let tensor = match (is_transposed, shape.as_slice()) {
                (true, &[rows, columns]) => Tensor::from_raw_buffer(data, dtype, &[columns, rows], &Device::Cpu)
                    .and_then(|stored| stored.t()?.contiguous()),
                _ => Tensor::from_raw_buffer(data, dtype, shape, &Device::Cpu),
            };
            tensor.map_err(|e| WeightsError::BadHeader { file: file(), why: shown(&e.to_string()) })
        };
        if matches!(*piece.source, super::source::Source::Nothing) {
            return Err(WeightsError::HeaderOnly { file: file(), tensor: shown(name) });
        }
        if let Some(data) = piece.source.slice(*start, *bytes) {
            return made(data);
        }
        let mut data = Vec::new();
        if data.try_reserve_exact(*bytes).is_err() {
            return Err(WeightsError::OutOfMemory { file: file(), tensor: shown(name), bytes: *bytes });
        }
        data.resize(*bytes, 0);
        piece.source.read_at(*start, &mut data).map_err(|e| WeightsError::io(&piece.name, &e))?;
        // Asked after the read: what was read before a change is whole.
        if !piece.source.is_unchanged() {
            return Err(WeightsError::Changed { file: file() });
        }
        made(&data)
    }
}
