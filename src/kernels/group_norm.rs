//! GroupNorm over feature maps that lie channels-first or channels-last, with a SiLU behind it if one follows.
//!
//! Two passes over the map: sums and squares of what is left after subtracting a number from the map itself, so that
//! nothing cancels; then the mean is taken off, and one multiplication and addition follows a channel. Sums of a few dozen numbers are made in f32 and
//! added up in f64.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::Isa;
use super::dense::{filled, is_channels_last, with_slices};
use super::math::sigmoid_weighted;
use super::simd::{Simd, simd_dispatch};

/// Numbers whose sum is made in f32.
const BLOCK: usize = 1024;
/// Pixels whose sums are made in f32, channel by channel.
const PIXELS: usize = 64;
/// Numbers that one task takes, about.
const TASK: usize = 1 << 16;

/// What normalises a map: `weight` and `bias` are `[channels]`.
#[derive(Debug, Clone, Copy)]
pub struct GroupNormSpec<'a> {
    pub groups: usize,
    pub weight: &'a Tensor,
    pub bias: &'a Tensor,
    pub eps: f64,
    /// SiLU of the result.
    pub silu: bool,
}

/// `[batch, channels, …]`, f32 on the CPU; the result lies as `x` does, channels-first or channels-last.
pub fn group_norm(x: &Tensor, spec: &GroupNormSpec) -> Result<Tensor> {
    group_norm_with(Isa::best(), x, spec)
}

fn group_norm_with(isa: Isa, x: &Tensor, spec: &GroupNormSpec) -> Result<Tensor> {
    let (batch, channels) = match x.dims() {
        [batch, channels, _, ..] => (*batch, *channels),
        dims => bail!("a group norm takes [batch, channels, …], and got {dims:?}"),
    };
    let fits = spec.groups > 0 && channels > 0 && channels.is_multiple_of(spec.groups);
    if !fits || spec.weight.dims() != [channels] || spec.bias.dims() != [channels] || x.elem_count() == 0 {
        bail!("a norm of {} groups and {:?} channels got {:?}", spec.groups, spec.weight.dims(), x.dims());
    }
    let (weight, bias) = (spec.weight.contiguous()?, spec.bias.contiguous()?);
    let is_last = is_channels_last(x);
    let plain = if is_last { x.permute((0, 2, 3, 1))? } else { x.contiguous()? };
    let pixels = x.elem_count() / batch / channels;
    let map = Map { isa, channels, pixels, groups: spec.groups, eps: spec.eps, silu: spec.silu };
    let out = with_slices(&[&plain, &weight, &bias], |slices| {
        let &[x, weight, bias] = slices else { bail!("three tensors went in") };
        Ok(if is_last { map.channels_last(x, weight, bias) } else { map.channels_first(x, weight, bias) })
    })?;
    let out = Tensor::from_vec(out, plain.shape(), x.device())?;
    if is_last { out.permute((0, 3, 1, 2)) } else { Ok(out) }
}

/// Sizes of one norm.
#[derive(Clone, Copy)]
struct Map {
    isa: Isa,
    channels: usize,
    pixels: usize,
    groups: usize,
    eps: f64,
    silu: bool,
}

impl Map {
    /// 1 / √(variance + eps)
    fn scale(&self, squares: f64, count: usize) -> f64 {
        1.0 / (squares.max(0.0) / count as f64 + self.eps).sqrt()
    }

    /// A group is one piece of memory; a task takes one.
    fn channels_first(self, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
        let group = self.channels / self.groups;
        let len = group * self.pixels;
        // SAFETY: both sides are cut alike into channels, and `scale_all` writes all of one; the machine has `isa`.
        unsafe {
            filled(x.len(), |out| {
                out.par_chunks_mut(len).zip(x.par_chunks(len)).enumerate().for_each(|(i, (out, x))| {
                    let first = i % self.groups * group;
                    let origin = x.first().copied().unwrap_or_default();
                    let (mut sum, mut squares) = (0f64, 0f64);
                    for block in x.chunks(BLOCK) {
                        let [s, q] = sums(self.isa, block, origin);
                        sum += f64::from(s);
                        squares += f64::from(q);
                    }
                    let mean = sum / len as f64;
                    let scale = self.scale(squares - mean * sum, len);
                    let mean = f64::from(origin) + mean;
                    let channels = out.chunks_mut(self.pixels).zip(x.chunks(self.pixels));
                    let factors = weight.iter().zip(bias).skip(first);
                    for ((out, x), (weight, bias)) in channels.zip(factors) {
                        let factor = (f64::from(*weight) * scale) as f32;
                        scale_all(self.isa, x, [mean as f32, factor, *bias], self.silu, out.as_mut_ptr().cast());
                    }
                });
            })
        }
    }

    /// A pixel is one piece of memory; a task takes some.
    fn channels_last(self, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
        let picture = self.pixels * self.channels;
        let task = (TASK / self.channels).clamp(1, self.pixels) * self.channels;
        let factors: Vec<(Vec<f32>, Vec<f32>)> = x.chunks(picture).map(|x| self.factors(x, task, weight)).collect();
        // SAFETY: both sides are cut alike into whole pixels, and `scale_pixels` writes all of them; the machine has
        // `isa`.
        unsafe {
            filled(x.len(), |out| {
                for ((out, x), (mean, factor)) in out.chunks_mut(picture).zip(x.chunks(picture)).zip(&factors) {
                    out.par_chunks_mut(task).zip(x.par_chunks(task)).for_each(|(out, x)| {
                        scale_pixels(self.isa, x, [mean, factor, bias], self.silu, out.as_mut_ptr().cast());
                    });
                }
            })
        }
    }

    /// What is taken off each channel of one picture, and what it is multiplied by then.
    fn factors(&self, x: &[f32], task: usize, weight: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let channels = self.channels;
        let origin = &x[..channels];
        let add = |mut a: Vec<f64>, b: Vec<f64>| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        };
        // Sums of all channels, then squares of all channels.
        let totals = x
            .par_chunks(task)
            .map(|x| {
                let mut total = vec![0f64; 2 * channels];
                let mut part = vec![0f32; 2 * channels];
                for block in x.chunks(PIXELS * channels) {
                    part.fill(0.0);
                    // SAFETY: `part` holds two numbers a channel, `block` whole pixels; the machine has `isa`.
                    unsafe { channel_sums(self.isa, block, origin, part.as_mut_ptr()) };
                    total.iter_mut().zip(&part).for_each(|(total, part)| *total += f64::from(*part));
                }
                total
            })
            .reduce(|| vec![0f64; 2 * channels], add);
        let (sums, squares) = totals.split_at(channels);
        let group = channels / self.groups;
        let count = self.pixels as f64;
        let (mut means, mut factors) = (vec![0f32; channels], vec![0f32; channels]);
        for first in (0..channels).step_by(group) {
            let mean_of = |c: usize| f64::from(origin[c]) + sums[c] / count;
            let mean = (first..first + group).map(mean_of).sum::<f64>() / group as f64;
            let off = |c: usize| squares[c] - sums[c] * sums[c] / count + count * (mean_of(c) - mean).powi(2);
            let scale = self.scale((first..first + group).map(off).sum(), group * self.pixels);
            for c in first..first + group {
                means[c] = mean as f32;
                factors[c] = (f64::from(weight[c]) * scale) as f32;
            }
        }
        (means, factors)
    }
}

simd_dispatch! {
    /// The sum of `x - origin`, and of its squares.
    ///
    /// # Safety
    /// The machine has `isa`.
    unsafe fn sums = sums_of(x: &[f32], origin: f32) -> [f32; 2]
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
    unsafe fn channel_sums = channel_sums_of(x: &[f32], origin: &[f32], out: *mut f32)
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
    unsafe fn scale_all = scaled_all(x: &[f32], mean_factor_bias: [f32; 3], silu: bool, out: *mut f32)
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
    unsafe fn scale_pixels = scaled_pixels(x: &[f32], mean_factor_bias: [&[f32]; 3], silu: bool, out: *mut f32)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::Device;

    use super::*;

    /// In f64, from numbers that lie channels-first.
    fn plain(
        x: &[f32],
        channels: usize,
        spec: &GroupNormSpec,
        weight: &[f32],
        bias: &[f32],
        pixels: usize,
    ) -> Vec<f64> {
        let group = channels / spec.groups;
        let mut out = Vec::new();
        for (i, x) in x.chunks(group * pixels).enumerate() {
            let n = x.len() as f64;
            let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
            let variance = x.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n;
            for (j, x) in x.iter().enumerate() {
                let c = i % spec.groups * group + j / pixels;
                let y = (f64::from(*x) - mean) / (variance + spec.eps).sqrt();
                let y = y * f64::from(weight[c]) + f64::from(bias[c]);
                out.push(if spec.silu { y / (1.0 + (-y).exp()) } else { y });
            }
        }
        out
    }

    #[test]
    fn odd_maps_in_both_orders() {
        for (batch, channels, groups, height, width) in [
            (1, 1, 1, 1, 1),
            (2, 6, 3, 5, 7),
            (1, 32, 32, 3, 3),
            (2, 40, 8, 9, 11),
            (1, 112, 8, 40, 23),
            (2, 320, 32, 8, 8),
        ] {
            let randn = |dims: &[usize], mean, spread| Tensor::randn(mean, spread, dims, &Device::Cpu).unwrap();
            // Channels around means of their own, far from zero.
            let x = randn(&[batch, channels, height, width], 0f32, 1.0);
            let x = x.broadcast_add(&randn(&[1, channels, 1, 1], 20.0, 3.0)).unwrap();
            let (weight, bias) = (randn(&[channels], 1.0, 0.3), randn(&[channels], 0.0, 0.3));
            let numbers = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let last = x.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap().permute((0, 3, 1, 2)).unwrap();
            for silu in [false, true] {
                let spec = GroupNormSpec { groups, weight: &weight, bias: &bias, eps: 1e-5, silu };
                let wanted = plain(&numbers(&x), channels, &spec, &numbers(&weight), &numbers(&bias), height * width);
                for isa in Isa::available() {
                    for x in [&x, &last] {
                        let out = group_norm_with(isa, x, &spec).unwrap();
                        assert_eq!(out.dims(), x.dims());
                        assert_eq!(is_channels_last(&out), is_channels_last(x));
                        let off = numbers(&out).into_iter().zip(&wanted).map(|(a, b)| (f64::from(a) - b).abs());
                        let off = off.fold(0.0, f64::max);
                        assert!(off < 2e-5, "{isa:?} {:?} is {off:e} off", x.dims());
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let x = Tensor::zeros((1, 6, 2, 2), candle_core::DType::F32, &Device::Cpu).unwrap();
        let row = |n: usize| Tensor::zeros(n, candle_core::DType::F32, &Device::Cpu).unwrap();
        let (six, five) = (row(6), row(5));
        for (groups, weight) in [(4, &six), (0, &six), (3, &five)] {
            let spec = GroupNormSpec { groups, weight, bias: &six, eps: 1e-5, silu: false };
            assert!(group_norm(&x, &spec).is_err());
        }
    }
}
