//! A residual block: two convolutions, each behind a norm, and the picture or a product of it added. Where Winograd's way pays it
//! takes the memory of one map beside the picture: norms are applied as the convolutions read, and the second writes where the
//! first did.

use candle_core::{Result, Tensor};

use super::conv2d::{ConvExtras, PackedConv2d};
use super::group_norm::GroupNormSpec;
use super::tensors::channels_first;

/// `shortcut(x) + conv2(norm2(conv1(norm1(x)) + shift))`
#[derive(Debug, Clone, Copy)]
pub struct ResidualBlock<'a> {
    pub norms: [GroupNormSpec<'a>; 2],
    pub convs: [&'a PackedConv2d; 2],
    /// `[batch, outputs]`
    pub shift: Option<&'a Tensor>,
    /// None where `x` itself is added.
    pub shortcut: Option<&'a PackedConv2d>,
}

impl ResidualBlock<'_> {
    /// f32 `[batch, channels, height, width]` on the CPU to `[batch, outputs, height, width]`, which lies channels-last.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let ([norm1, norm2], [conv1, conv2]) = (self.norms, self.convs);
        let extras = ConvExtras { norm: Some(norm1), shift: self.shift, ..ConvExtras::default() };
        let (mut map, shape) = conv1.convolve(x, extras)?;
        let is_done = conv2.convolve_in_place(&mut map, shape, &norm2, x, self.shortcut)?;
        let map = channels_first(&Tensor::from_vec(map, &shape, x.device())?)?;
        if is_done {
            return Ok(map);
        }
        let shortcut = self.shortcut.map(|conv| conv.forward(x, ConvExtras::default())).transpose()?;
        let residual = Some(shortcut.as_ref().unwrap_or(x));
        conv2.forward(&map, ConvExtras { norm: Some(norm2), residual, ..ConvExtras::default() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::{DType, Device};

    use super::super::conv2d::Window;
    use super::super::group_norm::group_norm_with;
    use super::super::{Isa, channels_last};
    use super::*;

    fn randn(shape: &[usize], mean: f32) -> Tensor {
        Tensor::randn(mean, 1f32, shape, &Device::Cpu).unwrap()
    }

    fn conv(isa: Isa, channels: usize, outputs: usize, kernel: usize) -> PackedConv2d {
        let weight = (randn(&[outputs, channels, kernel, kernel], 0.0) * 0.05).unwrap().to_dtype(DType::F16).unwrap();
        PackedConv2d::new(isa, &weight, Some(&randn(&[outputs], 0.0)), Window::padded(kernel / 2)).unwrap()
    }

    fn numbers(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// The same operation by operation, each picture by itself.
    fn plainly(isa: Isa, block: &ResidualBlock, x: &Tensor) -> Vec<f32> {
        let mut out = Vec::new();
        for i in 0..x.dim(0).unwrap() {
            let x = x.narrow(0, i, 1).unwrap();
            let shift = block.shift.map(|shift| shift.narrow(0, i, 1).unwrap());
            let extras = ConvExtras { shift: shift.as_ref(), ..ConvExtras::default() };
            let h = block.convs[0].forward(&group_norm_with(isa, &x, &block.norms[0]).unwrap(), extras).unwrap();
            let shortcut = block.shortcut.map(|conv| conv.forward(&x, ConvExtras::default()).unwrap());
            let residual = Some(shortcut.as_ref().unwrap_or(&x));
            let extras = ConvExtras { residual, ..ConvExtras::default() };
            let sum = block.convs[1].forward(&group_norm_with(isa, &h, &block.norms[1]).unwrap(), extras).unwrap();
            out.extend(numbers(&sum));
        }
        out
    }

    #[track_caller]
    fn check(isa: Isa, [batch, channels, outputs, height, width]: [usize; 5], has_shortcut: bool) {
        let [norm1, norm2] = [channels, outputs].map(|n| (randn(&[n], 1.0), randn(&[n], 0.0)));
        let norm = |(weight, bias), silu| GroupNormSpec { groups: 8, weight, bias, eps: 1e-6, silu };
        let convs = [conv(isa, channels, outputs, 3), conv(isa, outputs, outputs, 3)];
        let shortcut = conv(isa, channels, outputs, 1);
        let shift = randn(&[batch, outputs], 0.0);
        let block = ResidualBlock {
            norms: [norm((&norm1.0, &norm1.1), true), norm((&norm2.0, &norm2.1), false)],
            convs: [&convs[0], &convs[1]],
            shift: Some(&shift),
            shortcut: has_shortcut.then_some(&shortcut),
        };
        let x = randn(&[batch, channels, height, width], 3.0);
        let x = channels_first(&channels_last(&x).unwrap()).unwrap();
        let (found, wanted) = (numbers(&block.forward(&x).unwrap()), plainly(isa, &block, &x));
        // The same operations on the same numbers in the same order, the sums of the norms too: equal to the last bit on
        // x86. The tolerance, a few roundings, is for sets of instructions on which that was not tried.
        let off = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let what = format!("{isa:?}, {batch} x {channels} to {outputs}, {height} x {width}, shortcut: {has_shortcut}");
        assert!(found.len() == wanted.len() && off < 5e-6, "{what}: {off:e} off");
    }

    #[test]
    fn as_its_operations_one_by_one() {
        for isa in Isa::available() {
            // Winograd's way, by both shortcuts; with odd sides; and maps for which it does not pay.
            check(isa, [2, 96, 104, 12, 8], true);
            check(isa, [1, 128, 128, 9, 14], false);
            check(isa, [2, 16, 24, 7, 5], true);
            check(isa, [1, 24, 24, 3, 3], false);
            check(isa, [1, 64, 96, 8, 8], true);
        }
    }

    #[test]
    fn chunks_that_end_inside_a_picture() {
        for has_shortcut in [false, true] {
            check(Isa::best(), [3, 96, 96, 71, 90], has_shortcut);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (one, other) = (conv(Isa::best(), 96, 96, 3), conv(Isa::best(), 96, 104, 1));
        let row = |n: usize| randn(&[n], 0.0);
        let (wide, narrow) = (row(96), row(95));
        let norm = |weight| GroupNormSpec { groups: 8, weight, bias: &wide, eps: 1e-6, silu: true };
        let block = |norms, shortcut| ResidualBlock { norms, convs: [&one, &one], shift: None, shortcut };
        let x = randn(&[1, 96, 12, 12], 0.0);
        assert!(block([norm(&wide), norm(&wide)], None).forward(&x).is_ok());
        assert!(block([norm(&wide), norm(&narrow)], None).forward(&x).is_err());
        assert!(block([norm(&wide), norm(&wide)], Some(&other)).forward(&x).is_err());
        assert!(block([norm(&wide), norm(&wide)], None).forward(&randn(&[1, 95, 12, 12], 0.0)).is_err());
    }
}
