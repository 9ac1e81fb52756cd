//! Activation functions.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::Isa;
use super::dense::{elementwise, filled};
use super::math::{gelu, sigmoid_weighted};
use super::simd::{Simd, simd_dispatch};

/// Numbers that one task takes: small enough to share out, large enough to be worth it.
const CHUNK: usize = 1 << 15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Silu,
    /// Exact, through erf.
    Gelu,
    /// x * sigmoid(1.702 x)
    QuickGelu,
}

/// Elementwise, f32 on the CPU; the result lies as `x` does.
pub fn activate(function: Function, x: &Tensor) -> Result<Tensor> {
    activate_with(Isa::best(), function, x)
}

fn activate_with(isa: Isa, function: Function, x: &Tensor) -> Result<Tensor> {
    elementwise(x, |x| {
        // SAFETY: the chunks of both sides are of one length, `run` writes all of it, and the machine has `isa`.
        unsafe {
            filled(x.len(), |out| {
                out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(out, x)| {
                    run(isa, function, x.as_ptr(), out.as_mut_ptr().cast(), x.len());
                });
            })
        }
    })
}

/// The exact GELU in place, on the calling thread.
pub(super) fn gelu_in_place(isa: Isa, x: &mut [f32]) {
    let at = x.as_mut_ptr();
    // SAFETY: the machine has `isa`; each vector is read before it is written.
    unsafe { run(isa, Function::Gelu, at, at, x.len()) };
}

simd_dispatch! {
    /// # Safety
    /// The machine has `isa`; both pointers reach `n` numbers far.
    unsafe fn run = all(function: Function, from: *const f32, to: *mut f32, n: usize)
}

#[inline(always)]
unsafe fn all<S: Simd>(function: Function, from: *const f32, to: *mut f32, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match function {
            Function::Silu => each::<S, SILU>(from, to, n),
            Function::Gelu => each::<S, GELU>(from, to, n),
            Function::QuickGelu => each::<S, QUICK_GELU>(from, to, n),
        }
    }
}

const SILU: u8 = 0;
const GELU: u8 = 1;
const QUICK_GELU: u8 = 2;

#[inline(always)]
unsafe fn each<S: Simd, const FUNCTION: u8>(from: *const f32, to: *mut f32, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut i = 0;
        while i + S::LANES <= n {
            S::store(to.add(i), one::<S, FUNCTION>(S::load(from.add(i))));
            i += S::LANES;
        }
        if i < n {
            S::store_part(to.add(i), one::<S, FUNCTION>(S::load_part(from.add(i), n - i)), n - i);
        }
    }
}

#[inline(always)]
unsafe fn one<S: Simd, const FUNCTION: u8>(x: S::V) -> S::V {
    // SAFETY: the caller's promise.
    unsafe {
        match FUNCTION {
            SILU => sigmoid_weighted::<S>(x, 1.0),
            GELU => gelu::<S>(x),
            _ => sigmoid_weighted::<S>(x, 1.702),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::Device;

    use super::*;

    /// In f64. erf as 1 minus the integral of its derivative from x on, by Simpson's rule.
    fn plain(function: Function, x: f64) -> f64 {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        match function {
            Function::Silu => x * sigmoid(x),
            Function::QuickGelu => x * sigmoid(1.702 * x),
            Function::Gelu => {
                let normal = |t: f64| (-t * t / 2.0).exp() / std::f64::consts::TAU.sqrt();
                let (steps, size) = (400, x.abs().min(12.0));
                let h = size / f64::from(steps);
                let inner = (1..steps).map(|i| normal(f64::from(i) * h) * if i % 2 == 1 { 4.0 } else { 2.0 });
                let half = h / 3.0 * (normal(0.0) + inner.sum::<f64>() + normal(size));
                x * (0.5 + half.copysign(x))
            }
        }
    }

    #[test]
    fn within_a_few_roundings_of_the_exact_value() {
        let mut numbers: Vec<f32> = (-4000..=4000).map(|i| i as f32 / 250.0).collect();
        numbers.extend([0.0, -0.0, 1e-20, -1e-20, 60.0, -60.0, 150.0, 1e30]);
        let x = Tensor::new(numbers.as_slice(), &Device::Cpu).unwrap();
        for isa in Isa::available() {
            for function in [Function::Silu, Function::Gelu, Function::QuickGelu] {
                let out = activate_with(isa, function, &x).unwrap().to_vec1::<f32>().unwrap();
                for (x, out) in numbers.iter().zip(out) {
                    let wanted = plain(function, f64::from(*x));
                    // A rounding of x stands for what 1 + erf(x) cancels, as in torch.
                    let allowed = 4e-7 * wanted.abs() + 1.5e-7 * f64::from(x.abs().min(8.0));
                    let off = (f64::from(out) - wanted).abs();
                    assert!(off <= allowed, "{isa:?} {function:?}({x}) is {out}, not {wanted}");
                }
            }
        }
    }

    #[test]
    fn no_number_stays_none_and_every_length_is_written() {
        for isa in Isa::available() {
            for function in [Function::Silu, Function::Gelu, Function::QuickGelu] {
                for n in [1, 7, 8, 15, 16, 17, 33, 100_001] {
                    let x = Tensor::full(f32::NAN, n, &Device::Cpu).unwrap();
                    let out = activate_with(isa, function, &x).unwrap().to_vec1::<f32>().unwrap();
                    assert!(out.len() == n && out.iter().all(|x| x.is_nan()), "{isa:?} {function:?} {n}");
                }
            }
        }
    }
}
