//! Weights as the microkernel reads them: packed once into panels of columns, kept in the precision of their file.
//!
//! A panel holds the weights of a few neighbouring outputs, one row for each input. Half precision is widened block by
//! block, by the first tile of rows that needs it or on the way to the kernel: a block serves hundreds of rows, so that costs
//! little, and memory stays half.

use candle_core::cpu_backend::CpuStorage;
use candle_core::{DType, Result, Tensor, bail};
use half::{bf16, f16};
use rayon::prelude::*;

use super::Isa;
use super::buffer::Buffer;
use super::microkernel::{panel_columns, widens};
use super::widen::{widen_bf16, widen_f16};

enum Stored {
    F32(Buffer<f32>),
    F16(Buffer<f16>),
    Bf16(Buffer<bf16>),
}

/// The right side of a product: `inputs` (depth) by `outputs`.
pub(super) struct Panels {
    stored: Stored,
    pub isa: Isa,
    pub inputs: usize,
    pub outputs: usize,
    /// The second half of the outputs are gates of the first: panels of values and of gates take turns.
    pub gated: bool,
}

/// Where the weights of a panel lie: `[outputs, channels, taps]`, as torch has them. Its rows are ordered by tap, then by
/// channel, as a window of a channels-last picture is.
#[derive(Clone, Copy)]
struct Source {
    channels: usize,
    taps: usize,
    outputs: usize,
    columns: usize,
    gated: bool,
}

impl Panels {
    /// From `[outputs, channels]` or `[outputs, channels, height, width]` on the CPU; f32, f16 and bf16 stay as they are,
    /// others become f32.
    pub(super) fn pack(isa: Isa, weight: &Tensor, gated: bool) -> Result<Self> {
        let dims = weight.dims();
        let (outputs, channels, taps) = match *dims {
            [outputs, channels] => (outputs, channels, 1),
            [outputs, channels, height, width] => (outputs, channels, height * width),
            _ => bail!("weights of shape {dims:?} cannot be packed"),
        };
        if outputs == 0 || channels == 0 || taps == 0 || (gated && !outputs.is_multiple_of(2)) {
            bail!("weights of shape {dims:?} cannot be packed{}", if gated { " in gated pairs" } else { "" });
        }
        let weight = match weight.dtype() {
            DType::F32 | DType::F16 | DType::BF16 => weight.contiguous()?,
            _ => weight.to_dtype(DType::F32)?.contiguous()?,
        };
        let source = Source { channels, taps, outputs, columns: panel_columns(isa), gated };
        let (storage, layout) = weight.storage_and_layout();
        let candle_core::Storage::Cpu(storage) = &*storage else { bail!("weights are packed on the CPU") };
        let range = layout.start_offset()..layout.start_offset() + weight.elem_count();
        let stored = match storage {
            CpuStorage::F32(all) => all.get(range).map(|w| Stored::F32(source.pack(w))),
            CpuStorage::F16(all) => all.get(range).map(|w| Stored::F16(source.pack(w))),
            CpuStorage::BF16(all) => all.get(range).map(|w| Stored::Bf16(source.pack(w))),
            _ => None,
        };
        let Some(stored) = stored else { bail!("weights of shape {dims:?} do not lie as their layout says") };
        Ok(Self { stored, isa, inputs: channels * taps, outputs, gated })
    }

    pub(super) fn columns(&self) -> usize {
        panel_columns(self.isa)
    }

    pub(super) fn count(&self) -> usize {
        Source::panels(self.outputs, self.columns(), self.gated)
    }

    /// The output that a panel begins with.
    pub(super) fn first_output(&self, panel: usize) -> usize {
        Source::span(panel, self.outputs, self.columns(), self.gated).0
    }

    /// Outputs that a panel holds, its padding left out.
    pub(super) fn valid_columns(&self, panel: usize) -> usize {
        let (first, end) = Source::span(panel, self.outputs, self.columns(), self.gated);
        end - first
    }

    /// Numbers of a row of results: half the outputs where they are gated.
    pub(super) fn results(&self) -> usize {
        if self.gated { self.outputs / 2 } else { self.outputs }
    }

    /// Rows `first..first + depth` of a panel in f32, widened into `scratch` where they are stored narrower.
    pub(super) fn block<'a>(&'a self, panel: usize, first: usize, depth: usize, scratch: &'a mut [f32]) -> &'a [f32] {
        let columns = self.columns();
        let start = (panel * self.inputs + first) * columns;
        let range = start..start + depth * columns;
        let scratch = &mut scratch[..depth * columns];
        match &self.stored {
            Stored::F32(all) => return &all[range],
            Stored::F16(all) => widen_f16(self.isa, &all[range], scratch),
            Stored::Bf16(all) => widen_bf16(self.isa, &all[range], scratch),
        }
        scratch
    }

    /// The same rows as they are stored, where the microkernel can widen them itself.
    pub(super) fn half(&self, panel: usize, first: usize, depth: usize) -> Option<&[f16]> {
        let columns = self.columns();
        let start = (panel * self.inputs + first) * columns;
        match &self.stored {
            Stored::F16(all) if widens(self.isa) => Some(&all[start..start + depth * columns]),
            _ => None,
        }
    }

    /// Where the weights behind row `row` of a panel begin, in whatever precision, and the bytes of `depth` rows of them:
    /// to be fetched ahead, not to be read, since they may lie beyond the end.
    pub(super) fn bytes_after(&self, panel: usize, row: usize, depth: usize) -> (*const u8, usize) {
        let (at, columns) = ((panel * self.inputs + row) * self.columns(), self.columns());
        match &self.stored {
            Stored::F32(all) => (all.as_ptr().wrapping_add(at).cast(), 4 * depth * columns),
            Stored::F16(all) => (all.as_ptr().wrapping_add(at).cast(), 2 * depth * columns),
            Stored::Bf16(all) => (all.as_ptr().wrapping_add(at).cast(), 2 * depth * columns),
        }
    }

    /// Bytes that the weights take.
    pub(super) fn bytes(&self) -> usize {
        let element = if matches!(self.stored, Stored::F32(_)) { 4 } else { 2 };
        self.count() * self.columns() * self.inputs * element
    }

    pub(super) fn dtype(&self) -> DType {
        match self.stored {
            Stored::F32(_) => DType::F32,
            Stored::F16(_) => DType::F16,
            Stored::Bf16(_) => DType::BF16,
        }
    }
}

impl Source {
    fn panels(outputs: usize, columns: usize, gated: bool) -> usize {
        if gated { 2 * (outputs / 2).div_ceil(columns) } else { outputs.div_ceil(columns) }
    }

    /// First output of a panel and the end of its outputs.
    fn span(panel: usize, outputs: usize, columns: usize, gated: bool) -> (usize, usize) {
        let (first, end) = match gated {
            true => {
                let half = outputs / 2;
                let base = (panel % 2) * half;
                (base + panel / 2 * columns, base + half)
            }
            false => (panel * columns, outputs),
        };
        (first, end.min(first + columns))
    }

    fn pack<T: Copy + Default + Send + Sync>(self, weights: &[T]) -> Buffer<T> {
        /// Inputs packed in one go, so that the part of the panel being written stays in the first cache.
        const CHUNK: usize = 32;
        let Self { channels, taps, outputs, columns, gated } = self;
        let panel_len = channels * taps * columns;
        let panels = Self::panels(outputs, columns, gated);
        // SAFETY: the chunks cover the buffer; in each, every tap, channel and column is written, valid or not.
        unsafe {
            Buffer::filled(panels * panel_len, |all| {
                all.par_chunks_mut(panel_len).enumerate().for_each(|(panel, out)| {
                    let (first, end) = Self::span(panel, outputs, columns, gated);
                    for from in (0..channels).step_by(CHUNK) {
                        let to = channels.min(from + CHUNK);
                        for column in 0..columns {
                            let output = first + column;
                            if output < end {
                                let row = &weights[(output * channels + from) * taps..(output * channels + to) * taps];
                                for (channel, window) in (from..to).zip(row.chunks_exact(taps)) {
                                    for (tap, weight) in window.iter().enumerate() {
                                        out[(tap * channels + channel) * columns + column].write(*weight);
                                    }
                                }
                            } else {
                                for tap in 0..taps {
                                    for channel in from..to {
                                        out[(tap * channels + channel) * columns + column].write(T::default());
                                    }
                                }
                            }
                        }
                    }
                });
            })
        }
    }
}
