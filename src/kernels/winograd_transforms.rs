//! The three transforms of Winograd's F(2x2, 3x3): a 4x4 window of pixels, a 3x3 kernel and 16 products to 2x2 pixels
//! (A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.1).
//!
//! Only sums and halves occur in them, so that results stay as close as those of a direct convolution.

use super::simd::{Simd, simd_dispatch};

/// Places of a 4x4 window.
pub(super) const PLACES: usize = 16;

simd_dispatch! {
    /// Bᵀ d B for `n` channels: place `p` of the result goes to `out + p * stride`.
    ///
    /// # Safety
    /// The machine has `isa`; each of the 16 pixels, row by row, reaches `n` numbers far, as does each place of `out`.
    pub(super) unsafe fn window = window_of(pixels: &[*const f32; PLACES], out: *mut f32, stride: usize, n: usize)
}

#[inline(always)]
unsafe fn window_of<S: Simd>(pixels: &[*const f32; PLACES], out: *mut f32, stride: usize, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut at = 0;
        while at < n {
            let count = S::LANES.min(n - at);
            let mut half = [S::splat(0.0); PLACES];
            for x in 0..4 {
                let d0 = load::<S>(pixels[x].add(at), count);
                let d1 = load::<S>(pixels[4 + x].add(at), count);
                let d2 = load::<S>(pixels[8 + x].add(at), count);
                let d3 = load::<S>(pixels[12 + x].add(at), count);
                half[x] = S::sub(d0, d2);
                half[4 + x] = S::add(d1, d2);
                half[8 + x] = S::sub(d2, d1);
                half[12 + x] = S::sub(d1, d3);
            }
            for y in 0..4 {
                let [d0, d1, d2, d3] = [half[4 * y], half[4 * y + 1], half[4 * y + 2], half[4 * y + 3]];
                let to = out.add(4 * y * stride + at);
                store::<S>(to, S::sub(d0, d2), count);
                store::<S>(to.add(stride), S::add(d1, d2), count);
                store::<S>(to.add(2 * stride), S::sub(d2, d1), count);
                store::<S>(to.add(3 * stride), S::sub(d1, d3), count);
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
        let one_half = S::splat(0.5);
        let mut at = 0;
        while at < n {
            let count = S::LANES.min(n - at);
            let mut half = [S::splat(0.0); 12];
            for x in 0..3 {
                let g0 = load::<S>(taps[x].add(at), count);
                let g1 = load::<S>(taps[3 + x].add(at), count);
                let g2 = load::<S>(taps[6 + x].add(at), count);
                let outer = S::mul(S::add(g0, g2), one_half);
                half[x] = g0;
                half[3 + x] = S::fma(g1, one_half, outer);
                half[6 + x] = S::fma(g1, S::splat(-0.5), outer);
                half[9 + x] = g2;
            }
            for y in 0..4 {
                let [g0, g1, g2] = [half[3 * y], half[3 * y + 1], half[3 * y + 2]];
                let outer = S::mul(S::add(g0, g2), one_half);
                let to = out.add(4 * y * stride + at);
                store::<S>(to, g0, count);
                store::<S>(to.add(stride), S::fma(g1, one_half, outer), count);
                store::<S>(to.add(2 * stride), S::fma(g1, S::splat(-0.5), outer), count);
                store::<S>(to.add(3 * stride), g2, count);
            }
            at += S::LANES;
        }
    }
}

simd_dispatch! {
    /// Aᵀ m A for `n` numbers of each place: the four pixels, row by row, go to `out`, `n` apart.
    ///
    /// # Safety
    /// The machine has `isa`; each of the 16 places, `stride` apart, reaches `n` numbers far, and `out` four times as far.
    pub(super) unsafe fn pixels = pixels_of(places: *const f32, stride: usize, out: *mut f32, n: usize)
}

#[inline(always)]
unsafe fn pixels_of<S: Simd>(places: *const f32, stride: usize, out: *mut f32, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut at = 0;
        while at < n {
            let count = S::LANES.min(n - at);
            let mut half = [S::splat(0.0); 8];
            for x in 0..4 {
                let m0 = load::<S>(places.add(x * stride + at), count);
                let m1 = load::<S>(places.add((4 + x) * stride + at), count);
                let m2 = load::<S>(places.add((8 + x) * stride + at), count);
                let m3 = load::<S>(places.add((12 + x) * stride + at), count);
                half[x] = S::add(S::add(m0, m1), m2);
                half[4 + x] = S::sub(S::sub(m1, m2), m3);
            }
            for y in 0..2 {
                let [m0, m1, m2, m3] = [half[4 * y], half[4 * y + 1], half[4 * y + 2], half[4 * y + 3]];
                store::<S>(out.add(2 * y * n + at), S::add(S::add(m0, m1), m2), count);
                store::<S>(out.add((2 * y + 1) * n + at), S::sub(S::sub(m1, m2), m3), count);
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
