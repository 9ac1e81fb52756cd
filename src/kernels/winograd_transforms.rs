//! The three transforms of Winograd's F(4x4, 3x3): a 6x6 window of pixels, a 3x3 kernel and 36 products to 4x4 pixels
//! (A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.3).
//!
//! Their points are 0, ±√½, ±√2 and infinity in place of the paper's 0, ±1, ±2 and infinity: the products of the points
//! then stay near one, and rounding errors are a third to a quarter of the paper's, two to three times those of a
//! direct sum (B. Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural
//! Networks", ACM TOMS 46, 2020, on why the points matter).

// A row, a column or a vector counts through several arrays at once.
#![allow(clippy::needless_range_loop)]

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use super::simd::{Simd, simd_dispatch};

/// Pixels of a window's side.
pub(super) const SIDE: usize = 6;
/// Pixels of a result's side, and so the distance of two windows.
pub(super) const STEP: usize = 4;
pub(super) const PLACES: usize = SIDE * SIDE;
pub(super) const PIXELS: usize = STEP * STEP;
/// In place of a pixel that is not there.
pub(super) const NOWHERE: usize = usize::MAX;

/// Bᵀ d of one line of a window.
#[inline(always)]
unsafe fn window_line<S: Simd>(d: [S::V; SIDE]) -> [S::V; SIDE] {
    // SAFETY: the caller's promise that the machine has the set.
    unsafe {
        let half = S::splat(-0.5);
        let two = S::splat(-2.0);
        let both = S::splat(-2.5);
        let even = S::fma(d[2], two, d[4]);
        let odd = S::mul(S::fma(d[1], two, d[3]), S::splat(FRAC_1_SQRT_2));
        let even_outer = S::fma(d[2], half, d[4]);
        let odd_outer = S::mul(S::fma(d[1], half, d[3]), S::splat(SQRT_2));
        [
            S::fma(d[2], both, S::add(d[0], d[4])),
            S::add(even, odd),
            S::sub(even, odd),
            S::add(even_outer, odd_outer),
            S::sub(even_outer, odd_outer),
            S::fma(d[3], both, S::add(d[1], d[5])),
        ]
    }
}

/// G g of one line of a kernel.
#[inline(always)]
unsafe fn weights_line<S: Simd>(g: [S::V; 3]) -> [S::V; SIDE] {
    // SAFETY: the caller's promise that the machine has the set.
    unsafe {
        let even = S::mul(S::fma(g[2], S::splat(0.5), g[0]), S::splat(-2.0 / 3.0));
        let odd = S::mul(g[1], S::splat(-2.0 / 3.0 * FRAC_1_SQRT_2));
        let even_outer = S::mul(S::fma(g[2], S::splat(2.0), g[0]), S::splat(1.0 / 6.0));
        let odd_outer = S::mul(g[1], S::splat(SQRT_2 / 6.0));
        [g[0], S::add(even, odd), S::sub(even, odd), S::add(even_outer, odd_outer), S::sub(even_outer, odd_outer), g[2]]
    }
}

/// Aᵀ m of one line of products.
#[inline(always)]
unsafe fn pixels_line<S: Simd>(m: [S::V; SIDE]) -> [S::V; STEP] {
    // SAFETY: the caller's promise that the machine has the set.
    unsafe {
        let (sum, difference) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (sum_outer, difference_outer) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        let odd = S::mul(difference, S::splat(FRAC_1_SQRT_2));
        let odd_outer = S::mul(difference_outer, S::splat(SQRT_2));
        [
            S::add(m[0], S::add(sum, sum_outer)),
            S::add(odd, odd_outer),
            S::fma(sum, S::splat(0.5), S::add(sum_outer, sum_outer)),
            S::fma(odd, S::splat(0.5), S::add(S::add(odd_outer, odd_outer), m[5])),
        ]
    }
}

simd_dispatch! {
    /// Bᵀ d B for `n` channels: place `p` of the result goes to `out + p * stride`.
    ///
    /// # Safety
    /// The machine has `isa`; each of the 36 pixels, row by row, reaches `n` numbers far, as does each place of `out`.
    pub(super) unsafe fn window = window_of(pixels: &[*const f32; PLACES], out: *mut f32, stride: usize, n: usize)
}

#[inline(always)]
unsafe fn window_of<S: Simd>(pixels: &[*const f32; PLACES], out: *mut f32, stride: usize, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut at = 0;
        while at < n {
            let count = S::LANES.min(n - at);
            let mut half = [[S::splat(0.0); SIDE]; SIDE];
            for x in 0..SIDE {
                let mut column = [S::splat(0.0); SIDE];
                for y in 0..SIDE {
                    column[y] = load::<S>(pixels[SIDE * y + x].add(at), count);
                }
                let column = window_line::<S>(column);
                for y in 0..SIDE {
                    half[y][x] = column[y];
                }
            }
            for y in 0..SIDE {
                let row = window_line::<S>(half[y]);
                for x in 0..SIDE {
                    store::<S>(out.add((SIDE * y + x) * stride + at), row[x], count);
                }
            }
            at += S::LANES;
        }
    }
}

simd_dispatch! {
    /// G g Gᵀ for `n` weights of each of the nine taps: place `p` of the result goes to `out + p * stride`.
    ///
    /// # Safety
    /// The machine has `isa`; each tap reaches `n` numbers far, as does each place of `out`.
    pub(super) unsafe fn weights = weights_of(taps: &[*const f32; 9], out: *mut f32, stride: usize, n: usize)
}

#[inline(always)]
unsafe fn weights_of<S: Simd>(taps: &[*const f32; 9], out: *mut f32, stride: usize, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut at = 0;
        while at < n {
            let count = S::LANES.min(n - at);
            let mut half = [[S::splat(0.0); 3]; SIDE];
            for x in 0..3 {
                let tap = |y: usize| load::<S>(taps[3 * y + x].add(at), count);
                let column = weights_line::<S>([tap(0), tap(1), tap(2)]);
                for y in 0..SIDE {
                    half[y][x] = column[y];
                }
            }
            for y in 0..SIDE {
                let row = weights_line::<S>(half[y]);
                for x in 0..SIDE {
                    store::<S>(out.add((SIDE * y + x) * stride + at), row[x], count);
                }
            }
            at += S::LANES;
        }
    }
}

/// Where the pixels of a window go.
#[derive(Clone, Copy)]
pub(super) struct Pixels {
    /// Where each begins in `out`, row by row, or [`NOWHERE`].
    pub places: [usize; PIXELS],
    pub out: *mut f32,
    /// Added to every pixel: as many numbers as it has.
    pub added: *const f32,
    /// Added, from `residual_from` of `out` on; null for nothing.
    pub residual: *const f32,
    pub residual_from: usize,
}

simd_dispatch! {
    /// Aᵀ m A for `n` numbers of each place, which lie `stride` apart, and what is added to them.
    ///
    /// # Safety
    /// The machine has `isa`; each of the 36 places reaches `n` numbers far, as does every pointer of `to` at each place.
    pub(super) unsafe fn pixels = pixels_of(sums: *const f32, stride: usize, n: usize, to: &Pixels)
}

#[inline(always)]
unsafe fn pixels_of<S: Simd>(sums: *const f32, stride: usize, n: usize, to: &Pixels) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut at = 0;
        while at < n {
            let count = S::LANES.min(n - at);
            let added = load::<S>(to.added.add(at), count);
            let mut half = [[S::splat(0.0); SIDE]; STEP];
            for x in 0..SIDE {
                let mut column = [S::splat(0.0); SIDE];
                for y in 0..SIDE {
                    column[y] = load::<S>(sums.add((SIDE * y + x) * stride + at), count);
                }
                let column = pixels_line::<S>(column);
                for y in 0..STEP {
                    half[y][x] = column[y];
                }
            }
            for y in 0..STEP {
                let row = pixels_line::<S>(half[y]);
                for x in 0..STEP {
                    let place = to.places[STEP * y + x];
                    if place == NOWHERE {
                        continue;
                    }
                    let mut sum = S::add(row[x], added);
                    if !to.residual.is_null() {
                        sum = S::add(sum, load::<S>(to.residual.add(place - to.residual_from + at), count));
                    }
                    store::<S>(to.out.add(place + at), sum, count);
                }
            }
            at += S::LANES;
        }
    }
}

#[inline(always)]
unsafe fn load<S: Simd>(from: *const f32, count: usize) -> S::V {
    // SAFETY: the caller's promise of `count` numbers.
    unsafe { if count == S::LANES { S::load(from) } else { S::load_part(from, count) } }
}

#[inline(always)]
unsafe fn store<S: Simd>(to: *mut f32, v: S::V, count: usize) {
    // SAFETY: the caller's promise of `count` numbers.
    unsafe { if count == S::LANES { S::store(to, v) } else { S::store_part(to, v, count) } }
}
