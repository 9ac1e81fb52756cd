//! GroupNorm over feature maps that lie channels-first or channels-last, with a SiLU behind it if one follows.
//!
//! Two passes over the map: sums and squares of what is left after subtracting a number from the map itself, so that
//! nothing cancels; then the mean is taken off, and one multiplication and addition follows a channel. Sums of a few dozen numbers are made in f32 and
//! added up in f64.

use std::mem::MaybeUninit;

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use super::Isa;
use super::dense::{filled, is_channels_last, with_slices};
use super::group_norm_loops::{channel_sums, scale_all, scale_pixels, sums};
use super::meter::{measured, shape_words};

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

impl GroupNormSpec<'_> {
    /// Its name for the meter.
    pub(super) fn op(&self) -> &'static str {
        if self.silu { "group norm, SiLU" } else { "group norm" }
    }

    fn check(&self, channels: usize) -> Result<()> {
        let fits = self.groups > 0 && channels > 0 && channels.is_multiple_of(self.groups);
        if !fits || self.weight.dims() != [channels] || self.bias.dims() != [channels] {
            bail!("a norm of {} groups and {:?} channels got {channels}", self.groups, self.weight.dims());
        }
        Ok(())
    }
}

/// `[batch, channels, …]`, f32 on the CPU; the result lies as `x` does, channels-first or channels-last.
pub fn group_norm(x: &Tensor, spec: &GroupNormSpec) -> Result<Tensor> {
    group_norm_with(Isa::best(), x, spec)
}

pub(super) fn group_norm_with(isa: Isa, x: &Tensor, spec: &GroupNormSpec) -> Result<Tensor> {
    measured(spec.op(), || (shape_words(x.dims()), 0.0), || normalised(isa, x, spec))
}

fn normalised(isa: Isa, x: &Tensor, spec: &GroupNormSpec) -> Result<Tensor> {
    let (batch, channels) = match x.dims() {
        [batch, channels, _, ..] => (*batch, *channels),
        dims => bail!("a group norm takes [batch, channels, …], and got {dims:?}"),
    };
    spec.check(channels)?;
    if x.elem_count() == 0 {
        bail!("a norm got a map without numbers, {:?}", x.dims());
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
        let task = self.task();
        let scales = Scales::new(self, x, weight, bias);
        // SAFETY: both sides are cut alike into whole pixels, and `apply` writes all of them.
        unsafe {
            filled(x.len(), |out| {
                for (i, (out, x)) in out.chunks_mut(picture).zip(x.chunks(picture)).enumerate() {
                    let tasks = out.par_chunks_mut(task).zip(x.par_chunks(task));
                    tasks.for_each(|(out, x)| scales.apply(i, x, out));
                }
            })
        }
    }

    /// Numbers of whole pixels.
    fn task(&self) -> usize {
        (TASK / self.channels).clamp(1, self.pixels) * self.channels
    }

    /// What is taken off each channel of one picture, and what it is multiplied by then.
    fn factors(&self, x: &[f32], weight: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (channels, task) = (self.channels, self.task());
        let origin = &x[..channels];
        // Sums of all channels, then squares of all channels.
        let parts: Vec<Vec<f64>> = x
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
            .collect();
        // In their order, so that the same numbers come out every time.
        let mut totals = vec![0f64; 2 * channels];
        for part in parts {
            totals.iter_mut().zip(part).for_each(|(total, part)| *total += part);
        }
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

/// What a norm does to each number of some pictures that lie channels-last, known once their statistics are: whoever reads
/// the pictures next can do it on the way, and the normalised ones need never exist.
pub(super) struct Scales {
    isa: Isa,
    silu: bool,
    bias: Vec<f32>,
    /// Mean and factor of each channel, picture by picture.
    pictures: Vec<(Vec<f32>, Vec<f32>)>,
}

impl Scales {
    /// Of `batch` pictures of `channels` channels, one after the other.
    pub(super) fn of(isa: Isa, x: &[f32], batch: usize, channels: usize, spec: &GroupNormSpec) -> Result<Self> {
        spec.check(channels)?;
        let pixels = x.len() / (batch * channels).max(1);
        if pixels == 0 || pixels * batch * channels != x.len() {
            bail!("{} numbers are no {batch} pictures of {channels} channels", x.len());
        }
        let map = Map { isa, channels, pixels, groups: spec.groups, eps: spec.eps, silu: spec.silu };
        with_slices(&[&spec.weight.contiguous()?, &spec.bias.contiguous()?], |slices| {
            let &[weight, bias] = slices else { bail!("two tensors went in") };
            Ok(Self::new(map, x, weight, bias))
        })
    }

    fn new(map: Map, x: &[f32], weight: &[f32], bias: &[f32]) -> Self {
        let pictures = x.chunks(map.pixels * map.channels).map(|x| map.factors(x, weight)).collect();
        Self { isa: map.isa, silu: map.silu, bias: bias.to_vec(), pictures }
    }

    /// Writes all of `out` from some pixels of a picture, as many numbers.
    pub(super) fn apply(&self, picture: usize, x: &[f32], out: &mut [MaybeUninit<f32>]) {
        let (mean, factor) = &self.pictures[picture];
        assert!(x.len() == out.len() && x.len().is_multiple_of(self.bias.len()), "lengths");
        // SAFETY: mean, factor and bias hold a number a channel, `x` whole pixels and `out` as many; the machine has `isa`.
        unsafe { scale_pixels(self.isa, x, [mean, factor, &self.bias], self.silu, out.as_mut_ptr().cast()) };
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
