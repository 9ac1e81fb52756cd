//! The random numbers of `torch.Generator("cpu")`, so that a seed means the same picture here and in diffusers.
//!
//! Source: MT19937 (Matsumoto and Nishimura 1998) and the way PyTorch draws normal numbers from it
//! (`aten/src/ATen/native/cpu/DistributionTemplates.h`, `aten/src/ATen/core/DistributionsHelper.h`).

use std::f64::consts::TAU;

const LENGTH: usize = 624;
const SHIFT: usize = 397;
/// From this many numbers on, torch draws all uniforms first and turns them into normals in groups of this size.
const GROUP: usize = 16;

/// A seeded stream of random numbers. Successive calls continue the stream.
#[derive(Debug, Clone)]
pub struct TorchGenerator {
    state: [u32; LENGTH],
    next: usize,
    /// The second normal of a pair, which the small path keeps for later. The large path leaves it alone.
    spare: Option<f64>,
}

impl TorchGenerator {
    /// As `torch.Generator("cpu").manual_seed(seed)`: like there, only the low 32 bits of the seed count.
    pub fn manual_seed(seed: u64) -> Self {
        let mut value = (seed & 0xffff_ffff) as u32;
        let mut state = [0; LENGTH];
        for (i, slot) in state.iter_mut().enumerate() {
            if i > 0 {
                value = 1_812_433_253u32.wrapping_mul(value ^ (value >> 30)).wrapping_add(i as u32);
            }
            *slot = value;
        }
        Self { state, next: LENGTH, spare: None }
    }

    /// As `torch.randn(n, generator=…)` in f32, equal to a few units in the last place.
    pub fn randn(&mut self, n: usize) -> Vec<f32> {
        if n < GROUP {
            return (0..n).map(|_| self.normal() as f32).collect();
        }
        let mut out: Vec<f32> = (0..n).map(|_| self.uniform()).collect();
        let (groups, rest) = out.as_chunks_mut::<GROUP>();
        groups.iter_mut().for_each(box_muller);
        if !rest.is_empty() {
            // torch draws the last sixteen anew, overlapping the last whole group.
            let mut last = [0.0; GROUP];
            last.iter_mut().for_each(|u| *u = self.uniform());
            box_muller(&mut last);
            for (slot, value) in out.iter_mut().rev().zip(last.into_iter().rev()) {
                *slot = value;
            }
        }
        out
    }

    /// One normal number in f64; numbers come in pairs.
    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let angle = TAU * self.uniform_f64();
        let radius = (-2.0 * (-self.uniform_f64()).ln_1p()).sqrt();
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }

    /// In [0, 1), 24 random bits.
    fn uniform(&mut self) -> f32 {
        (self.random() & 0x00ff_ffff) as f32 / 16_777_216.0
    }

    /// In [0, 1), 53 random bits.
    fn uniform_f64(&mut self) -> f64 {
        let high = u64::from(self.random());
        let bits = (high << 32) | u64::from(self.random());
        (bits & ((1 << 53) - 1)) as f64 / 9_007_199_254_740_992.0
    }

    fn random(&mut self) -> u32 {
        if self.next >= LENGTH {
            self.refill();
        }
        let mut word = self.word(self.next);
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn refill(&mut self) {
        for i in 0..LENGTH {
            let mixed = (self.word(i) & 0x8000_0000) | (self.word(i + 1) & 0x7fff_ffff);
            let twist = if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
            let value = self.word(i + SHIFT) ^ (mixed >> 1) ^ twist;
            if let Some(slot) = self.state.get_mut(i) {
                *slot = value;
            }
        }
        self.next = 0;
    }

    /// The state as a ring.
    fn word(&self, index: usize) -> u32 {
        self.state.get(index % LENGTH).copied().unwrap_or(0)
    }
}

/// Turns sixteen uniforms into normals: the first eight give the radii, the other eight the angles.
fn box_muller(group: &mut [f32; GROUP]) {
    let (radii, angles) = group.split_at_mut(GROUP / 2);
    for (a, b) in radii.iter_mut().zip(angles) {
        let radius = (-2.0 * f64::from(1.0 - *a).ln()).sqrt();
        // The angle is rounded to f32 as torch rounds it; its sine near zero depends on that.
        let angle = f64::from(std::f32::consts::TAU * *b);
        *a = (radius * angle.cos()) as f32;
        *b = (radius * angle.sin()) as f32;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_engine_is_mt19937() {
        // The reference implementation's ten-thousandth word for its default seed.
        let mut generator = TorchGenerator::manual_seed(5489);
        let last = (0..10_000).map(|_| generator.random()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn no_numbers_leave_the_stream_alone() {
        let (mut a, mut b) = (TorchGenerator::manual_seed(1), TorchGenerator::manual_seed(1));
        assert!(a.randn(0).is_empty());
        assert_eq!(a.randn(33), b.randn(33));
    }
}
