//! LayerNorm over the last axis.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::Isa;
use super::dense::{filled, with_slices};
use super::simd::{Simd, simd_dispatch};

/// Numbers that one task takes, about.
const TASK: usize = 1 << 15;

/// `(x - mean) / √(variance + eps) * weight + bias` over the last axis, f32 on the CPU; `weight` and `bias` `[width]`.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    layer_norm_with(Isa::best(), x, weight, bias, eps)
}

fn layer_norm_with(isa: Isa, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let x = x.contiguous()?;
    let width = x.dims().last().copied().unwrap_or_default();
    if width == 0 || weight.dims() != [width] || bias.dims() != [width] {
        bail!("a layer norm of {:?} got rows of {width}", weight.dims());
    }
    let (weight, bias) = (weight.contiguous()?, bias.contiguous()?);
    let out = with_slices(&[&x, &weight, &bias], |slices| {
        let &[x, weight, bias] = slices else { bail!("three tensors went in") };
        let task = (TASK / width).max(1) * width;
        // SAFETY: the chunks of both sides are of one length, whole rows, and `run` writes all of it; the machine has
        // `isa`.
        Ok(unsafe {
            filled(x.len(), |out| {
                out.par_chunks_mut(task).zip(x.par_chunks(task)).for_each(|(out, x)| {
                    for (out, x) in out.chunks_mut(width).zip(x.chunks(width)) {
                        run(isa, x, weight, bias, eps as f32, out.as_mut_ptr().cast());
                    }
                });
            })
        })
    })?;
    Tensor::from_vec(out, x.shape(), x.device())
}

simd_dispatch! {
    /// One row.
    ///
    /// # Safety
    /// The machine has `isa`; all slices are of one length, of at least 1, and `out` reaches as far.
    unsafe fn run = row(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: *mut f32)
}

#[inline(always)]
unsafe fn row<S: Simd>(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: *mut f32) {
    let n = x.len();
    let whole = n / S::LANES * S::LANES;
    let (x, weight, bias) = (x.as_ptr(), weight.as_ptr(), bias.as_ptr());
    // SAFETY: the caller's promise.
    unsafe {
        // Counted from the first number, so that a mean far from zero takes no digits from the sum.
        let origin = *x;
        let origins = S::splat(origin);
        let mut sum = S::splat(0.0);
        let mut i = 0;
        while i < whole {
            sum = S::add(sum, S::sub(S::load(x.add(i)), origins));
            i += S::LANES;
        }
        let mut total = S::sum(sum);
        while i < n {
            total += *x.add(i) - origin;
            i += 1;
        }
        let mean = origin + total / n as f32;
        let means = S::splat(mean);
        let mut squares = S::splat(0.0);
        i = 0;
        while i < whole {
            let off = S::sub(S::load(x.add(i)), means);
            squares = S::fma(off, off, squares);
            i += S::LANES;
        }
        let mut variance = S::sum(squares);
        while i < n {
            variance += (*x.add(i) - mean) * (*x.add(i) - mean);
            i += 1;
        }
        let scale = S::splat(1.0 / (variance / n as f32 + eps).sqrt());
        i = 0;
        while i < whole {
            let off = S::mul(S::sub(S::load(x.add(i)), means), scale);
            S::store(out.add(i), S::fma(off, S::load(weight.add(i)), S::load(bias.add(i))));
            i += S::LANES;
        }
        if i < n {
            let rest = n - i;
            let off = S::mul(S::sub(S::load_part(x.add(i), rest), means), scale);
            let y = S::fma(off, S::load_part(weight.add(i), rest), S::load_part(bias.add(i), rest));
            S::store_part(out.add(i), y, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::Device;

    use super::*;

    #[test]
    fn rows_of_odd_widths() {
        // The same numbers each time: near the bound, others might lie beyond it.
        let mut noise = crate::nn::torch_rng::TorchGenerator::manual_seed(1);
        let mut randn = |dims: &[usize], mean: f32| {
            let numbers: Vec<f32> = noise.randn(dims.iter().product()).into_iter().map(|x| x + mean).collect();
            Tensor::from_vec(numbers, dims, &Device::Cpu).unwrap()
        };
        for (rows, width) in [(1, 1), (3, 5), (7, 16), (2, 37), (40, 640), (3, 1280), (1000, 33)] {
            // Means far from zero, where a careless variance loses its digits.
            let (x, weight, bias) = (randn(&[1, rows, width], 30.0), randn(&[width], 1.0), randn(&[width], 0.0));
            let numbers = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let (all, w, b) = (numbers(&x), numbers(&weight), numbers(&bias));
            for isa in Isa::available() {
                let out = numbers(&layer_norm_with(isa, &x, &weight, &bias, 1e-5).unwrap());
                for (x, out) in all.chunks(width).zip(out.chunks(width)) {
                    let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / width as f64;
                    let variance = x.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / width as f64;
                    for i in 0..width {
                        let wanted =
                            (f64::from(x[i]) - mean) / (variance + 1e-5).sqrt() * f64::from(w[i]) + f64::from(b[i]);
                        let off = (f64::from(out[i]) - wanted).abs();
                        assert!(off < 2e-5, "{isa:?} {rows} x {width}: {} is not {wanted}", out[i]);
                    }
                }
            }
            assert!(layer_norm(&x, &weight, &randn(&[width + 1], 0.0), 1e-5).is_err());
        }
    }
}
