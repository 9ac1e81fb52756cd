//! What this machine could multiply and add at most: the bar that the products are measured against.

use std::time::Instant;

use super::Isa;
use super::simd::{Simd, lanes, simd_dispatch};

/// Independent sums: two multipliers with a latency of four or five steps are kept busy, and they fit into 16 registers.
const CHAINS: usize = 10;
/// Fused multiplications of each sum in one round: about a millisecond.
const STEPS: usize = 200_000;
const ROUNDS: usize = 8;

/// Multiplications and additions a second of all threads together, each counted as one, by fused multiply-adds that stay in
/// registers; the best of some rounds of about a millisecond. A machine whose clock varies gives another number each time.
pub fn peak_flops() -> f64 {
    let isa = Isa::best();
    let threads = rayon::current_num_threads();
    let flops = (2 * CHAINS * STEPS * lanes(isa) * threads) as f64;
    let round = || {
        let begun = Instant::now();
        // SAFETY: the machine has `isa`.
        rayon::broadcast(|_| std::hint::black_box(unsafe { run(isa, STEPS, std::hint::black_box(0.5)) }));
        begun.elapsed().as_secs_f64()
    };
    flops / (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

simd_dispatch! {
    /// # Safety
    /// The machine has `isa`.
    unsafe fn run = chains(steps: usize, factor: f32) -> f32
}

#[inline(always)]
unsafe fn chains<S: Simd>(steps: usize, factor: f32) -> f32 {
    // SAFETY: the caller's promise.
    unsafe {
        let factor = S::splat(factor);
        let mut sums = [factor; CHAINS];
        for _ in 0..steps {
            for sum in &mut sums {
                *sum = S::fma(*sum, factor, factor);
            }
        }
        sums.iter().map(|sum| S::sum(*sum)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_adds_up_to_its_limit() {
        for isa in Isa::available() {
            // x = x / 2 + 1/2 ends at 1 in every lane.
            // SAFETY: the machine has `isa`.
            let sum = unsafe { run(isa, 100, 0.5) };
            assert_eq!(sum, (CHAINS * lanes(isa)) as f32, "{isa:?}");
        }
    }
}
