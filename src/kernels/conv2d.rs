//! Two-dimensional convolution as one product: a row is the window of an output pixel, gathered tap by tap from the
//! channels-last picture (implicit GEMM; the window matrix never exists as a whole). Where it pays, Winograd's way.

use candle_core::{DType, Result, Tensor, bail};

use super::Isa;
use super::linear::f32_row;
use super::meter::measured;
use super::microkernel::DEPTH;
use super::panels::Panels;
use super::product::{Product, Rows};
use super::tensors::{channels_first, channels_last, with_optional_slices};
use super::winograd::{Winograd, pays};

/// How a window moves over a picture. Padding is zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub stride: usize,
    /// Above and to the left.
    pub before: usize,
    /// Below and to the right.
    pub after: usize,
}

impl Window {
    /// Steps of one pixel, `padding` on all sides.
    pub fn padded(padding: usize) -> Self {
        Self { stride: 1, before: padding, after: padding }
    }
}

/// What joins the sums of a convolution before they are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConvExtras<'a> {
    /// `[batch, outputs]`, added to every pixel.
    pub shift: Option<&'a Tensor>,
    /// Of the shape of the result.
    pub residual: Option<&'a Tensor>,
    /// Height and width to which the picture is enlarged first, by repeating its pixels.
    pub enlarged: Option<(usize, usize)>,
}

pub struct PackedConv2d {
    panels: Panels,
    /// f32 `[outputs]`
    bias: Option<Tensor>,
    kernel: (usize, usize),
    window: Window,
}

impl std::fmt::Debug for PackedConv2d {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Panels { outputs, .. }, kernel) = (&self.panels, self.kernel);
        write!(f, "PackedConv2d({} to {outputs}, {kernel:?}, {:?})", self.channels(), self.panels.dtype())
    }
}

impl PackedConv2d {
    /// Packs `weight` `[outputs, channels, height, width]`, kept as f32, f16 or bf16 as it comes; `bias` `[outputs]`
    /// becomes f32.
    pub fn new(isa: Isa, weight: &Tensor, bias: Option<&Tensor>, window: Window) -> Result<Self> {
        let (outputs, _, height, width) = weight.dims4()?;
        if window.stride == 0 {
            bail!("a convolution cannot move by 0 pixels");
        }
        let panels = Panels::pack(isa, weight, false)?;
        let bias = bias.map(|bias| f32_row(bias, outputs)).transpose()?;
        Ok(Self { panels, bias, kernel: (height, width), window })
    }

    fn channels(&self) -> usize {
        self.panels.inputs / (self.kernel.0 * self.kernel.1)
    }

    /// f32 `[batch, channels, height, width]` on the CPU to `[batch, outputs, height', width']`, which lies channels-last.
    pub fn forward(&self, x: &Tensor, extras: ConvExtras) -> Result<Tensor> {
        let (batch, channels, height, width) = x.dims4()?;
        if channels != self.channels() {
            bail!("a convolution of {} channels got {channels}", self.channels());
        }
        let (seen_height, seen_width) = extras.enlarged.unwrap_or((height, width));
        let Window { stride, before, after } = self.window;
        let side = |seen: usize, kernel: usize| Some((seen + before + after).checked_sub(kernel)? / stride + 1);
        let (Some(out_height), Some(out_width)) = (side(seen_height, self.kernel.0), side(seen_width, self.kernel.1))
        else {
            bail!("a picture of {seen_width} x {seen_height} is smaller than a window of {:?}", self.kernel);
        };
        let outputs = self.panels.outputs;
        if let Some(shift) = extras.shift
            && shift.dims() != [batch, outputs]
        {
            bail!("a shift of shape {:?} does not fit {batch} pictures of {outputs} channels", shift.dims());
        }
        if let Some(residual) = extras.residual
            && residual.dims() != [batch, outputs, out_height, out_width]
        {
            let shape = (batch, outputs, out_height, out_width);
            bail!("a residual of shape {:?} cannot be added to {shape:?}", residual.dims());
        }
        let x = channels_last(x)?;
        let shift = extras.shift.map(Tensor::contiguous).transpose()?;
        let residual = extras.residual.map(channels_last).transpose()?;
        let about = || {
            let (inputs, pixels) = (self.panels.inputs, batch * out_height * out_width);
            let words =
                format!("{batch} x {channels} to {outputs}, {out_height} x {out_width}, kernel {:?}", self.kernel);
            (words, 2.0 * (pixels * inputs * outputs) as f64)
        };
        let tensors = [Some(&x), self.bias.as_ref(), shift.as_ref(), residual.as_ref()];
        let out = measured("convolution", about, || {
            with_optional_slices(tensors, |[x, bias, shift, residual]| {
                let windows = Windows {
                    numbers: x.unwrap_or_default(),
                    channels,
                    size: (height, width),
                    seen: (seen_height, seen_width),
                    out_width,
                    kernel: self.kernel,
                    window: self.window,
                };
                let (rows, panels) = (out_height * out_width, &self.panels);
                if self.kernel == (3, 3) && stride == 1 && pays(channels, out_height, out_width) {
                    let size = (out_height, out_width);
                    return Ok(Winograd { panels, windows, batch, size, bias, shift, residual }.run());
                }
                Ok(Product { panels, left: windows, groups: batch, rows, bias, shift, residual }.run())
            })
        })?;
        channels_first(&Tensor::from_vec(out, (batch, out_height, out_width, outputs), x.device())?)
    }

    /// Bytes that the packed weights take.
    pub fn bytes(&self) -> usize {
        self.panels.bytes()
    }

    /// The precision that the weights are kept in.
    pub fn dtype(&self) -> DType {
        self.panels.dtype()
    }
}

/// The windows of a channels-last picture, one for each output pixel.
pub(super) struct Windows<'a> {
    pub(super) numbers: &'a [f32],
    channels: usize,
    /// Height and width as it lies.
    size: (usize, usize),
    /// Height and width as the windows see it.
    seen: (usize, usize),
    out_width: usize,
    kernel: (usize, usize),
    window: Window,
}

impl Windows<'_> {
    /// Where the pixel at the given place of the padded picture begins; None in the padding.
    pub(super) fn pixel(&self, group: usize, y: usize, x: usize) -> Option<usize> {
        let (y, x) = (y.checked_sub(self.window.before)?, x.checked_sub(self.window.before)?);
        if y >= self.seen.0 || x >= self.seen.1 {
            return None;
        }
        let (height, width) = self.size;
        let (y, x) = if self.seen == self.size { (y, x) } else { (y * height / self.seen.0, x * width / self.seen.1) };
        Some(((group * height + y) * width + x) * self.channels)
    }
}

impl Rows for Windows<'_> {
    fn gather(&self, group: usize, first: usize, count: usize, input: usize, depth: usize, out: &mut [f32]) {
        let Self { channels, out_width, window, .. } = *self;
        let (mut y, mut x) = (first / out_width * window.stride, first % out_width * window.stride);
        let first_tap = (input / channels / self.kernel.1, input / channels % self.kernel.1);
        for out in out.chunks_exact_mut(DEPTH).take(count) {
            let (mut tap_y, mut tap_x) = first_tap;
            let mut channel = input % channels;
            let mut rest = &mut out[..depth];
            while !rest.is_empty() {
                let (part, later) = rest.split_at_mut((channels - channel).min(rest.len()));
                match self.pixel(group, y + tap_y, x + tap_x) {
                    Some(start) => part.copy_from_slice(&self.numbers[start + channel..][..part.len()]),
                    None => part.fill(0.0),
                }
                rest = later;
                channel = 0;
                tap_x += 1;
                if tap_x == self.kernel.1 {
                    (tap_y, tap_x) = (tap_y + 1, 0);
                }
            }
            x += window.stride;
            if x == out_width * window.stride {
                (y, x) = (y + window.stride, 0);
            }
        }
    }
}
