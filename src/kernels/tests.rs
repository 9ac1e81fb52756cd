//! Products and convolutions against plain loops in f64: odd shapes, every instruction set here, every precision.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Tensor};

use super::{ConvExtras, Isa, PackedConv2d, PackedLinear, Window, channels_last};

/// Numbers in -1..1 that follow from `seed`.
fn numbers(seed: u64, shape: impl Into<candle_core::Shape>, dtype: DType) -> Tensor {
    let shape = shape.into();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let made: Vec<f32> = (0..shape.elem_count())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_vec(made, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
}

fn f64s(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn assert_close(found: &Tensor, wanted: &[f64], depth: usize, what: &str) {
    let found = f64s(found);
    assert_eq!(found.len(), wanted.len(), "{what}");
    // Each term is below 1; half a unit in the last place for each sum of up to about two.
    let allowed = 1.2e-7 * depth as f64 + 1e-6;
    for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let allowed = allowed * wanted.abs().max(1.0);
        assert!((found - wanted).abs() <= allowed, "{what}: number {i} is {found}, not {wanted}");
    }
}

const PRECISIONS: [DType; 3] = [DType::F32, DType::F16, DType::BF16];

/// `[rows, outputs]` by plain loops.
fn plain_linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Vec<f64> {
    let (outputs, inputs) = weight.dims2().unwrap();
    let (x, weight, bias) = (f64s(x), f64s(weight), bias.map(f64s));
    x.chunks_exact(inputs)
        .flat_map(|row| {
            (0..outputs).map(|o| {
                let sum: f64 = row.iter().zip(&weight[o * inputs..]).map(|(x, w)| x * w).sum();
                sum + bias.as_ref().map_or(0.0, |b| b[o])
            })
        })
        .collect()
}

fn check_linear(isa: Isa, rows: usize, inputs: usize, outputs: usize, dtype: DType) {
    let what = format!("{isa:?}, {rows} rows, {inputs} to {outputs}, {dtype:?}");
    let weight = numbers(1, (outputs, inputs), dtype);
    let bias = numbers(2, outputs, dtype);
    let x = numbers(3, (rows, inputs), DType::F32);
    let residual = numbers(4, (rows, outputs), DType::F32);
    let wanted = plain_linear(&x, &weight, Some(&bias));
    let with_residual: Vec<f64> = wanted.iter().zip(f64s(&residual)).map(|(a, b)| a + b).collect();

    let plain = PackedLinear::new(isa, &weight, None).unwrap();
    assert_close(&plain.forward(&x, None).unwrap(), &plain_linear(&x, &weight, None), inputs, &what);
    let layer = PackedLinear::new(isa, &weight, Some(&bias)).unwrap();
    assert_close(&layer.forward(&x, None).unwrap(), &wanted, inputs, &what);
    assert_close(&layer.forward(&x, Some(&residual)).unwrap(), &with_residual, inputs, &what);
    assert_eq!(layer.dtype(), dtype);

    if outputs.is_multiple_of(2) {
        let gated = PackedLinear::gated(isa, &weight, Some(&bias)).unwrap().forward(&x, None).unwrap();
        assert_eq!(gated.dims(), [rows, outputs / 2], "{what}");
        let halves: Vec<f64> = wanted
            .chunks_exact(outputs)
            .flat_map(|row| {
                let gate = |g: f64| f64s(&Tensor::new(g, &Device::Cpu).unwrap().gelu_erf().unwrap())[0];
                (0..outputs / 2).map(move |o| row[o] * gate(row[outputs / 2 + o]))
            })
            .collect();
        assert_close(&gated, &halves, inputs, &what);
    }
}

#[test]
fn linear_at_odd_shapes() {
    for isa in Isa::available() {
        for rows in 1..=40 {
            check_linear(isa, rows, 7, 34, DType::F32);
        }
        // Around the widths of panels and the depth of a block, and beyond both.
        for (inputs, outputs) in [(1, 1), (3, 2), (33, 31), (319, 33), (320, 64), (321, 66), (963, 98), (65, 1302)] {
            for dtype in PRECISIONS {
                check_linear(isa, 15, inputs, outputs, dtype);
            }
        }
        check_linear(isa, 1111, 17, 70, DType::F16);
    }
}

#[test]
fn linear_keeps_leading_axes_and_refuses_what_does_not_fit() {
    let weight = numbers(1, (6, 5), DType::F32);
    let layer = PackedLinear::new(Isa::best(), &weight, None).unwrap();
    let x = numbers(2, (2, 3, 5), DType::F32);
    let out = layer.forward(&x, None).unwrap();
    assert_eq!(out.dims(), [2, 3, 6]);
    // A view that does not lie in order.
    let turned = numbers(2, (5, 4), DType::F32).t().unwrap();
    let wanted = plain_linear(&turned.contiguous().unwrap(), &weight, None);
    assert_close(&layer.forward(&turned, None).unwrap(), &wanted, 5, "transposed");
    assert_eq!(layer.forward(&numbers(2, (0, 5), DType::F32), None).unwrap().dims(), [0, 6]);
    assert!(layer.forward(&numbers(2, (2, 4), DType::F32), None).is_err());
    assert!(layer.forward(&x, Some(&numbers(2, (2, 3, 5), DType::F32))).is_err());
    assert!(layer.forward(&x.to_dtype(DType::F16).unwrap(), None).is_err());
    assert!(PackedLinear::gated(Isa::best(), &numbers(1, (5, 5), DType::F32), None).is_err());
    assert!(PackedLinear::new(Isa::best(), &weight, Some(&numbers(1, 5, DType::F32))).is_err());
}

struct Case {
    channels: usize,
    outputs: usize,
    size: (usize, usize),
    kernel: (usize, usize),
    window: Window,
    enlarged: Option<(usize, usize)>,
}

/// `[batch, outputs, height', width']` by plain loops.
fn plain_conv(x: &Tensor, weight: &Tensor, bias: &Tensor, case: &Case) -> (Vec<f64>, (usize, usize)) {
    let (batch, channels, height, width) = x.dims4().unwrap();
    let (seen_height, seen_width) = case.enlarged.unwrap_or((height, width));
    let (x, weight, bias) = (f64s(x), f64s(weight), f64s(bias));
    let Window { stride, before, after } = case.window;
    let out_height = (seen_height + before + after - case.kernel.0) / stride + 1;
    let out_width = (seen_width + before + after - case.kernel.1) / stride + 1;
    let mut out = Vec::new();
    for b in 0..batch {
        for (o, bias) in bias.iter().enumerate() {
            for (oy, ox) in (0..out_height).flat_map(|oy| (0..out_width).map(move |ox| (oy, ox))) {
                let mut sum = *bias;
                for c in 0..channels {
                    for (ky, kx) in (0..case.kernel.0).flat_map(|ky| (0..case.kernel.1).map(move |kx| (ky, kx))) {
                        let (y, x_at) =
                            ((oy * stride + ky).wrapping_sub(before), (ox * stride + kx).wrapping_sub(before));
                        if y < seen_height && x_at < seen_width {
                            let (y, x_at) = (y * height / seen_height, x_at * width / seen_width);
                            let w = weight[((o * channels + c) * case.kernel.0 + ky) * case.kernel.1 + kx];
                            sum += w * x[((b * channels + c) * height + y) * width + x_at];
                        }
                    }
                }
                out.push(sum);
            }
        }
    }
    (out, (out_height, out_width))
}

fn check_conv(isa: Isa, case: &Case, dtype: DType) {
    let Case { channels, outputs, size, kernel, window, enlarged } = *case;
    let what =
        format!("{isa:?}, {channels} to {outputs}, {size:?}, kernel {kernel:?}, {window:?}, {enlarged:?}, {dtype:?}");
    let weight = numbers(1, (outputs, channels, kernel.0, kernel.1), dtype);
    let bias = numbers(2, outputs, dtype);
    let x = numbers(3, (2, channels, size.0, size.1), DType::F32);
    let (wanted, (height, width)) = plain_conv(&x, &weight, &bias, case);
    let shift = numbers(4, (2, outputs), DType::F32);
    let residual = numbers(5, (2, outputs, height, width), DType::F32);
    let depth = channels * kernel.0 * kernel.1;

    let layer = PackedConv2d::new(isa, &weight, Some(&bias), window).unwrap();
    let plain = ConvExtras { enlarged, ..ConvExtras::default() };
    let out = layer.forward(&x, plain).unwrap();
    assert_eq!(out.dims(), [2, outputs, height, width], "{what}");
    assert!(out.permute((0, 2, 3, 1)).unwrap().is_contiguous(), "{what}");
    assert_close(&out, &wanted, depth, &what);

    // The same from a picture that lies channels-last, with all that can be added.
    let x = channels_last(&x).unwrap().permute((0, 3, 1, 2)).unwrap();
    let extras = ConvExtras { shift: Some(&shift), residual: Some(&residual), enlarged, norm: None };
    let (shift, residual) = (f64s(&shift), f64s(&residual));
    let pixels = height * width;
    let wanted: Vec<f64> = wanted.iter().enumerate().map(|(i, sum)| sum + shift[i / pixels] + residual[i]).collect();
    assert_close(&layer.forward(&x, extras).unwrap(), &wanted, depth, &what);
}

#[test]
fn convolution_at_odd_shapes() {
    let both = Window::padded(1);
    let strided = Window { stride: 2, before: 1, after: 1 };
    // The VAE's: below and to the right only.
    let lopsided = Window { stride: 2, before: 0, after: 1 };
    let case =
        |channels, outputs, size, kernel, window| Case { channels, outputs, size, kernel, window, enlarged: None };
    let mut cases = vec![
        case(1, 1, (1, 1), (3, 3), both),
        case(1, 5, (4, 3), (3, 3), both),
        case(4, 33, (7, 9), (3, 3), both),
        case(37, 64, (5, 6), (3, 3), both),
        case(3, 35, (9, 8), (3, 3), strided),
        case(5, 7, (8, 9), (3, 3), lopsided),
        case(129, 31, (6, 5), (1, 1), Window::padded(0)),
        case(3, 18, (12, 12), (4, 4), Window { stride: 4, before: 0, after: 0 }),
        case(2, 3, (6, 7), (1, 5), Window::padded(2)),
    ];
    for enlarged in [(10, 14), (9, 13)] {
        cases.push(Case { enlarged: Some(enlarged), ..case(6, 34, (5, 7), (3, 3), both) });
    }
    for isa in Isa::available() {
        for dtype in PRECISIONS {
            for case in &cases {
                check_conv(isa, case, dtype);
            }
        }
        // Deeper than two blocks, and more pixels than one task takes; with stride 1, Winograd's way.
        check_conv(isa, &case(80, 40, (37, 61), (3, 3), strided), DType::F16);
        for dtype in PRECISIONS {
            check_conv(isa, &case(128, 40, (16, 15), (3, 3), both), dtype);
        }
        check_conv(isa, &case(257, 3, (50, 53), (3, 3), Window::padded(0)), DType::F16);
        check_conv(isa, &case(647, 33, (11, 12), (3, 3), both), DType::F16);
        check_conv(isa, &Case { enlarged: Some((11, 16)), ..case(131, 31, (6, 8), (3, 3), both) }, DType::F32);
    }
}

/// Winograd's way costs digits, but few if its points are well chosen: with 1 and 2 it would be 5.5e-6 and 1.2e-5.
#[test]
fn a_deep_convolution_keeps_its_digits() {
    let case = |channels| Case {
        channels,
        outputs: 32,
        size: (8, 16),
        kernel: (3, 3),
        window: Window::padded(1),
        enlarged: None,
    };
    for (channels, allowed) in [(128, 3e-6), (1280, 5e-6)] {
        let case = case(channels);
        let weight = numbers(1, (32, channels, 3, 3), DType::F16);
        let bias = numbers(2, 32, DType::F32);
        let x = numbers(3, (2, channels, 8, 16), DType::F32);
        let (wanted, _) = plain_conv(&x, &weight, &bias, &case);
        let largest = wanted.iter().copied().map(f64::abs).fold(0.0, f64::max);
        for isa in Isa::available() {
            let layer = PackedConv2d::new(isa, &weight, Some(&bias), case.window).unwrap();
            let found = f64s(&layer.forward(&x, ConvExtras::default()).unwrap());
            let off = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / largest;
            println!("{isa:?}, {channels} channels: {off:e} of the largest result");
            assert!(off < allowed, "{isa:?}, {channels} channels: {off:e}");
        }
    }
}

#[test]
fn a_picture_comes_out_the_same_alone_and_beside_others() {
    let weight = numbers(1, (33, 128, 3, 3), DType::F16);
    for isa in Isa::available() {
        let layer = PackedConv2d::new(isa, &weight, None, Window::padded(1)).unwrap();
        for side in [4, 5, 6, 8, 12] {
            let x = numbers(2, (5, 128, side, side), DType::F32);
            let together = layer.forward(&x, ConvExtras::default()).unwrap();
            for i in 0..5 {
                let alone = layer.forward(&x.narrow(0, i, 1).unwrap(), ConvExtras::default()).unwrap();
                assert_eq!(f64s(&alone), f64s(&together.narrow(0, i, 1).unwrap()), "{isa:?}, {side} x {side}");
            }
        }
    }
}

#[test]
fn a_convolution_refuses_what_does_not_fit() {
    let layer = PackedConv2d::new(Isa::best(), &numbers(1, (4, 3, 3, 3), DType::F32), None, Window::padded(0)).unwrap();
    let picture = |channels, side| numbers(2, (1, channels, side, side), DType::F32);
    assert!(layer.forward(&picture(3, 2), ConvExtras::default()).is_err(), "smaller than the window");
    assert!(layer.forward(&picture(4, 5), ConvExtras::default()).is_err(), "another number of channels");
    let wrong = picture(4, 5);
    let extras = ConvExtras { residual: Some(&wrong), ..ConvExtras::default() };
    assert!(layer.forward(&picture(3, 5), extras).is_err(), "a residual of another size");
    let wrong = numbers(2, (2, 4), DType::F32);
    let extras = ConvExtras { shift: Some(&wrong), ..ConvExtras::default() };
    assert!(layer.forward(&picture(3, 5), extras).is_err(), "a shift for another batch");
}
