//! Weights that are nobody's: random, of a scale at which activations stay of order one, made when they are asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use half::f16;
use rayon::prelude::*;

use crate::kernels::is_as_stored;

/// Numbers that one thread makes at a time.
const CHUNK: usize = 1 << 16;

/// A builder over random weights, each tensor made for itself so that nothing is held twice. `half` rounds them to f16.
pub fn random(seed: u64, half: bool, dtype: DType, device: &Device) -> VarBuilder<'static> {
    VarBuilder::from_backend(Box::new(Random { seed: AtomicU64::new(seed), half }), dtype, device.clone())
}

/// A builder over zeros that take no memory, and the number of weights asked of it.
pub fn counting() -> (VarBuilder<'static>, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    (VarBuilder::from_backend(Box::new(Counting(count.clone())), DType::F32, Device::Cpu), count)
}

struct Random {
    /// Of the next tensor.
    seed: AtomicU64,
    half: bool,
}

impl SimpleBackend for Random {
    fn get(&self, s: Shape, name: &str, hint: Init, dtype: DType, dev: &Device) -> Result<Tensor> {
        let dims = s.dims();
        let tensor = if dims.len() > 1 {
            // Uniform with a variance of 1 / inputs: a product then has the scale of its input.
            let inputs: usize = dims.iter().skip(1).product();
            let reach = (3.0 / inputs as f32).sqrt();
            let seed = self.seed.fetch_add(1, Ordering::Relaxed) << 32;
            let number = |i: u64| uniform(seed + i) * reach;
            if self.half {
                Tensor::from_vec(made(s.elem_count(), |i| f16::from_f32(number(i))), s, &Device::Cpu)?
            } else {
                Tensor::from_vec(made(s.elem_count(), number), s, &Device::Cpu)?
            }
        } else {
            let is_scale = name.contains("norm") && name.ends_with("weight");
            Tensor::full(if is_scale { 1f32 } else { 0.0 }, s, &Device::Cpu)?
        };
        if is_as_stored(hint) {
            return tensor.to_device(dev);
        }
        tensor.to_dtype(dtype)?.to_device(dev)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        candle_core::bail!("random weights need a shape, and '{name}' was asked for without one")
    }

    /// Every name but those of another spelling that constructors look for first.
    fn contains_tensor(&self, name: &str) -> bool {
        name.ends_with("weight") || name.ends_with("bias")
    }
}

struct Counting(Arc<AtomicU64>);

impl SimpleBackend for Counting {
    fn get(&self, s: Shape, _: &str, _: Init, dtype: DType, dev: &Device) -> Result<Tensor> {
        self.0.fetch_add(s.elem_count() as u64, Ordering::Relaxed);
        Tensor::zeros((), dtype, dev)?.broadcast_as(s)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        candle_core::bail!("counting needs a shape, and '{name}' was asked for without one")
    }

    fn contains_tensor(&self, name: &str) -> bool {
        name.ends_with("weight") || name.ends_with("bias")
    }
}

fn made<T: Copy + Default + Send>(count: usize, number: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let mut out = vec![T::default(); count];
    out.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, numbers)| {
        for (i, slot) in numbers.iter_mut().enumerate() {
            *slot = number((chunk * CHUNK + i) as u64);
        }
    });
    out
}

/// From -1 to 1, by SplitMix64's mixing of a counter (Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014), so that any part can be made by itself.
fn uniform(counter: u64) -> f32 {
    let mut z = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    // The upper 24 bits, as many as an f32 holds.
    ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 23) as f32 - 1.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn weights_are_seeded_spread_and_scaled() {
        let weight = |seed, half| {
            let vb = random(seed, half, DType::F32, &Device::Cpu);
            vb.get((300, 400), "to_q.weight").unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let (a, b) = (weight(1, false), weight(1, true));
        assert_eq!(a, weight(1, false));
        assert_ne!(a, weight(2, false));
        let mean = a.iter().sum::<f32>() / a.len() as f32;
        let variance = a.iter().map(|x| x * x).sum::<f32>() / a.len() as f32;
        assert!(mean.abs() < 1e-3 && (variance * 400.0 - 1.0).abs() < 0.02, "{mean} {variance}");
        for (a, b) in a.iter().zip(&b) {
            assert_eq!(f16::from_f32(*a).to_f32(), *b);
        }
        let vb = random(1, false, DType::F32, &Device::Cpu);
        assert_eq!(vb.get(2, "norm1.weight").unwrap().to_vec1::<f32>().unwrap(), [1.0, 1.0]);
        assert_eq!(vb.get(2, "proj.bias").unwrap().to_vec1::<f32>().unwrap(), [0.0, 0.0]);
    }
}
