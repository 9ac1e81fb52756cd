//! The loops of GroupNorm, on vectors: sums over a map, and what is done to each of its numbers.

use super::math::sigmoid_weighted;
use super::simd::{Simd, simd_dispatch};

simd_dispatch! {
    /// The sum of `x - origin`, and of its squares.
    ///
    /// # Safety
    /// The machine has `isa`.
    pub(super) unsafe fn sums = sums_of(x: &[f32], origin: f32) -> [f32; 2]
}

#[inline(always)]
unsafe fn sums_of<S: Simd>(x: &[f32], origin: f32) -> [f32; 2] {
    let (n, x) = (x.len(), x.as_ptr());
    // SAFETY: no load passes the end of the slice; the caller promises the set.
    unsafe {
        let origins = S::splat(origin);
        let mut sum = [S::splat(0.0); 2];
        let mut squares = sum;
        let mut i = 0;
        while i + 2 * S::LANES <= n {
            for v in 0..2 {
                let off = S::sub(S::load(x.add(i + v * S::LANES)), origins);
                sum[v] = S::add(sum[v], off);
                squares[v] = S::fma(off, off, squares[v]);
            }
            i += 2 * S::LANES;
        }
        let mut out = [S::sum(S::add(sum[0], sum[1])), S::sum(S::add(squares[0], squares[1]))];
        while i < n {
            let off = *x.add(i) - origin;
            out[0] += off;
            out[1] += off * off;
            i += 1;
        }
        out
    }
}

simd_dispatch! {
    /// Adds `x - origin` of each channel to the first half of `out`, and its squares to the second.
    ///
    /// # Safety
    /// The machine has `isa`; `x` holds whole pixels of `origin.len()` channels, `out` twice as many numbers.
    pub(super) unsafe fn channel_sums = channel_sums_of(x: &[f32], origin: &[f32], out: *mut f32)
}

#[inline(always)]
unsafe fn channel_sums_of<S: Simd>(x: &[f32], origin: &[f32], out: *mut f32) {
    let channels = origin.len();
    let origin = origin.as_ptr();
    // SAFETY: the caller's promise.
    unsafe {
        let quarter = x.len() / channels / 4;
        let (four, rest) = x.split_at(quarter * 4 * channels);
        for pixels in four.chunks_exact(4 * channels) {
            add_pixels::<S, 4>(pixels.as_ptr(), channels, origin, out);
        }
        for pixel in rest.chunks_exact(channels) {
            add_pixels::<S, 1>(pixel.as_ptr(), channels, origin, out);
        }
    }
}

/// `N` pixels at once, so that the sums are read and written once for all of them.
#[inline(always)]
unsafe fn add_pixels<S: Simd, const N: usize>(x: *const f32, channels: usize, origin: *const f32, out: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        let squares = out.add(channels);
        let mut i = 0;
        while i + S::LANES <= channels {
            let from = S::load(origin.add(i));
            let (mut sum, mut square) = (S::load(out.add(i)), S::load(squares.add(i)));
            for pixel in 0..N {
                let off = S::sub(S::load(x.add(pixel * channels + i)), from);
                sum = S::add(sum, off);
                square = S::fma(off, off, square);
            }
            S::store(out.add(i), sum);
            S::store(squares.add(i), square);
            i += S::LANES;
        }
        while i < channels {
            for pixel in 0..N {
                let off = *x.add(pixel * channels + i) - *origin.add(i);
                *out.add(i) += off;
                *squares.add(i) += off * off;
            }
            i += 1;
        }
    }
}

simd_dispatch! {
    /// `(x - mean) * factor + bias`, and its SiLU if `silu`.
    ///
    /// # Safety
    /// The machine has `isa`; `out` reaches as far as `x`.
    pub(super) unsafe fn scale_all = scaled_all(x: &[f32], mean_factor_bias: [f32; 3], silu: bool, out: *mut f32)
}

#[inline(always)]
unsafe fn scaled_all<S: Simd>(x: &[f32], mean_factor_bias: [f32; 3], silu: bool, out: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        let [mean, factor, bias] = mean_factor_bias;
        let with = [S::splat(mean), S::splat(factor), S::splat(bias)];
        let (n, x) = (x.len(), x.as_ptr());
        let mut i = 0;
        while i + S::LANES <= n {
            S::store(out.add(i), scaled::<S>(S::load(x.add(i)), with, silu));
            i += S::LANES;
        }
        if i < n {
            S::store_part(out.add(i), scaled::<S>(S::load_part(x.add(i), n - i), with, silu), n - i);
        }
    }
}

simd_dispatch! {
    /// The same with a mean, a factor and a bias for each channel.
    ///
    /// # Safety
    /// The machine has `isa`; the three are of one length, `x` holds whole pixels of it, and `out` reaches as far as `x`.
    pub(super) unsafe fn scale_pixels = scaled_pixels(x: &[f32], mean_factor_bias: [&[f32]; 3], silu: bool, out: *mut f32)
}

#[inline(always)]
unsafe fn scaled_pixels<S: Simd>(x: &[f32], mean_factor_bias: [&[f32]; 3], silu: bool, out: *mut f32) {
    let channels = mean_factor_bias[0].len();
    let [mean, factor, bias] = mean_factor_bias.map(<[f32]>::as_ptr);
    // SAFETY: the caller's promise.
    unsafe {
        for (pixel, x) in x.chunks_exact(channels).enumerate() {
            let (x, out) = (x.as_ptr(), out.add(pixel * channels));
            let mut i = 0;
            while i + S::LANES <= channels {
                let with = [S::load(mean.add(i)), S::load(factor.add(i)), S::load(bias.add(i))];
                S::store(out.add(i), scaled::<S>(S::load(x.add(i)), with, silu));
                i += S::LANES;
            }
            if i < channels {
                let n = channels - i;
                let with = [S::load_part(mean.add(i), n), S::load_part(factor.add(i), n), S::load_part(bias.add(i), n)];
                S::store_part(out.add(i), scaled::<S>(S::load_part(x.add(i), n), with, silu), n);
            }
        }
    }
}

#[inline(always)]
unsafe fn scaled<S: Simd>(x: S::V, [mean, factor, bias]: [S::V; 3], silu: bool) -> S::V {
    // SAFETY: the caller's promise.
    unsafe {
        let y = S::fma(S::sub(x, mean), factor, bias);
        if silu { sigmoid_weighted::<S>(y, 1.0) } else { y }
    }
}
