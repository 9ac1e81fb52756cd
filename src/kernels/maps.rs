//! Feature maps that lie channels-last, joined along their channels.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::dense::{filled, with_slices};
use super::tensors::{channels_first, channels_last};

/// Numbers that one task takes, about.
const TASK: usize = 1 << 16;

/// The channels of `a`, then those of `b`: maps of one size, f32 on the CPU. The result lies channels-last.
pub fn concat_channels(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (batch, left, height, width) = a.dims4()?;
    let right = b.dim(1)?;
    if b.dims4()? != (batch, right, height, width) || left == 0 || right == 0 {
        bail!("maps of {:?} and {:?} cannot be joined along their channels", a.dims(), b.dims());
    }
    let (first, second) = (channels_last(a)?, channels_last(b)?);
    let out = with_slices(&[&first, &second], |slices| {
        let &[first, second] = slices else { bail!("two tensors went in") };
        let rows = (TASK / (width * (left + right))).clamp(1, height);
        let task = |channels: usize| rows * width * channels;
        // SAFETY: every pixel is filled with what comes from both sides.
        Ok(unsafe {
            filled(first.len() + second.len(), |out| {
                let parts = first.par_chunks(task(left)).zip(second.par_chunks(task(right)));
                out.par_chunks_mut(task(left + right)).zip(parts).for_each(|(out, (first, second))| {
                    let pixels = first.chunks_exact(left).zip(second.chunks_exact(right));
                    for (out, (first, second)) in out.chunks_exact_mut(left + right).zip(pixels) {
                        out[..left].write_copy_of_slice(first);
                        out[left..].write_copy_of_slice(second);
                    }
                });
            })
        })
    })?;
    channels_first(&Tensor::from_vec(out, (batch, height, width, left + right), a.device())?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::Device;

    use super::super::dense::is_channels_last;
    use super::*;

    fn map(batch: usize, channels: usize, height: usize, width: usize) -> Tensor {
        Tensor::randn(0f32, 1.0, (batch, height, width, channels), &Device::Cpu).unwrap().permute((0, 3, 1, 2)).unwrap()
    }

    fn numbers(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn joined_along_channels() {
        for (left, right, height, width) in [(1, 1, 1, 1), (3, 5, 4, 2), (16, 7, 3, 9)] {
            let (a, b) = (map(2, left, height, width), map(2, right, height, width));
            let wanted = Tensor::cat(&[&a, &b], 1).unwrap();
            for (a, b) in [(&a, &b), (&a.contiguous().unwrap(), &b)] {
                let out = concat_channels(a, b).unwrap();
                assert!(is_channels_last(&out) || out.is_contiguous());
                assert_eq!(numbers(&out), numbers(&wanted));
            }
        }
        assert!(concat_channels(&map(1, 2, 3, 4), &map(1, 2, 4, 3)).is_err());
    }
}
