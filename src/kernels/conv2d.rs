//! Two-dimensional convolution as one product: a row is the window of an output pixel, gathered tap by tap from the
//! channels-last picture (implicit GEMM; the window matrix never exists as a whole). Where it pays, Winograd's way.

use candle_core::{DType, Result, Tensor, bail};

use super::Isa;
use super::group_norm::{GroupNormSpec, Scales, group_norm_with};
use super::linear::f32_row;
use super::meter::measured;
use super::microkernel::DEPTH;
use super::panels::Panels;
use super::product::{Product, Rows};
use super::tensors::{channels_first, channels_last, with_optional_slices};
use super::winograd::{Joined, Winograd, pays};

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

/// What is done to the picture before a convolution, and what joins its sums before they are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConvExtras<'a> {
    /// `[batch, outputs]`, added to every pixel.
    pub shift: Option<&'a Tensor>,
    /// Of the shape of the result.
    pub residual: Option<&'a Tensor>,
    /// Height and width to which the picture is enlarged first, by repeating its pixels.
    pub enlarged: Option<(usize, usize)>,
    /// What normalises the picture first; only where it is not enlarged.
    pub norm: Option<GroupNormSpec<'a>>,
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
        let (out, shape) = self.convolve(x, extras)?;
        channels_first(&Tensor::from_vec(out, &shape, x.device())?)
    }

    /// The same as numbers of shape `[batch, height', width', outputs]`.
    pub(super) fn convolve(&self, x: &Tensor, extras: ConvExtras) -> Result<(Vec<f32>, [usize; 4])> {
        let (batch, channels, height, width) = x.dims4()?;
        if channels != self.channels() {
            bail!("a convolution of {} channels got {channels}", self.channels());
        }
        if extras.norm.is_some() && extras.enlarged.is_some() {
            bail!("a picture is not normalised and enlarged at once");
        }
        let seen = extras.enlarged.unwrap_or((height, width));
        let Some(geometry) = self.geometry((height, width), seen) else {
            bail!("a picture of {} x {} is smaller than a window of {:?}", seen.1, seen.0, self.kernel);
        };
        let (size, outputs) = ((geometry.out_height, geometry.out_width), self.panels.outputs);
        let shape = [batch, size.0, size.1, outputs];
        if let Some(shift) = extras.shift
            && shift.dims() != [batch, outputs]
        {
            bail!("a shift of shape {:?} does not fit {batch} pictures of {outputs} channels", shift.dims());
        }
        if let Some(residual) = extras.residual
            && residual.dims() != [batch, outputs, size.0, size.1]
        {
            bail!("a residual of shape {:?} cannot be added to {shape:?}", residual.dims());
        }
        let is_winograd = self.is_winograd(size);
        // Only Winograd's way normalises as it goes: another would do it once for each tap.
        let apart = extras.norm.filter(|_| !is_winograd);
        let normalised = apart.map(|norm| group_norm_with(self.panels.isa, x, &norm)).transpose()?;
        let x = channels_last(normalised.as_ref().unwrap_or(x))?;
        let shift = extras.shift.map(Tensor::contiguous).transpose()?;
        let residual = extras.residual.map(channels_last).transpose()?;
        let tensors = [Some(&x), self.bias.as_ref(), shift.as_ref(), residual.as_ref()];
        let out = with_optional_slices(tensors, |[x, bias, shift, residual]| {
            let (numbers, panels) = (x.unwrap_or_default(), &self.panels);
            let norm = extras.norm.filter(|_| is_winograd);
            let scales = norm.map(|norm| self.scales(numbers, batch, &norm)).transpose()?;
            Ok(measured("convolution", self.about(batch, size), || match is_winograd {
                true => {
                    let joined = residual.map_or(Joined::Nothing, Joined::Map);
                    Winograd { panels, geometry, batch, size, bias, shift, norm: scales.as_ref(), joined }.run(numbers)
                }
                false => {
                    let (left, rows) = (Windows { numbers, geometry }, size.0 * size.1);
                    Product { panels, left, groups: batch, rows, bias, shift, residual }.run()
                }
            }))
        })?;
        Ok((out, shape))
    }

    /// The convolution of `map` `[batch, height, width, outputs]`, normalised first, in the place of `map`, plus the picture
    /// `x` or, where `shortcut` is given, its product with that. False if that cannot be done, and then nothing is.
    pub(super) fn convolve_in_place(
        &self,
        map: &mut [f32],
        [batch, height, width, channels]: [usize; 4],
        norm: &GroupNormSpec,
        x: &Tensor,
        shortcut: Option<&PackedConv2d>,
    ) -> Result<bool> {
        let size = (height, width);
        let keeps_shape = self.channels() == channels && self.panels.outputs == channels;
        let geometry = self.geometry(size, size).filter(|_| keeps_shape && self.window == Window::padded(1));
        let is_product = |conv: &PackedConv2d| {
            conv.kernel == (1, 1) && conv.window == Window::padded(0) && conv.panels.outputs == channels
        };
        let inputs = shortcut.map_or(channels, PackedConv2d::channels);
        let Some(geometry) = geometry.filter(|_| self.is_winograd(size) && shortcut.is_none_or(is_product)) else {
            return Ok(false);
        };
        if x.dims() != [batch, inputs, height, width] {
            bail!("a picture of shape {:?} does not go with a map of {:?}", x.dims(), (batch, channels, height, width));
        }
        let x = channels_last(x)?;
        let scales = self.scales(map, batch, norm)?;
        let tensors = [Some(&x), self.bias.as_ref(), shortcut.and_then(|conv| conv.bias.as_ref())];
        with_optional_slices(tensors, |[x, bias, shortcut_bias]| {
            let picture = x.unwrap_or_default();
            let joined = match shortcut {
                Some(PackedConv2d { panels, .. }) => Joined::Product { panels, bias: shortcut_bias, picture },
                None => Joined::Map(picture),
            };
            let (panels, norm) = (&self.panels, Some(&scales));
            let conv = Winograd { panels, geometry, batch, size, bias, shift: None, norm, joined };
            measured("convolution", self.about(batch, size), || conv.run_in_place(map));
            Ok(true)
        })
    }

    fn is_winograd(&self, (out_height, out_width): (usize, usize)) -> bool {
        let is_kind = self.kernel == (3, 3) && self.window.stride == 1;
        is_kind && pays(self.channels(), out_height, out_width)
    }

    fn scales(&self, numbers: &[f32], batch: usize, norm: &GroupNormSpec) -> Result<Scales> {
        let about = || (format!("{batch} x {}, to be applied later", self.channels()), 0.0);
        measured(norm.op(), about, || Scales::of(self.panels.isa, numbers, batch, self.channels(), norm))
    }

    /// None where a picture is smaller than a window.
    fn geometry(&self, size: (usize, usize), seen: (usize, usize)) -> Option<Geometry> {
        let Window { stride, before, after } = self.window;
        let side = |seen: usize, kernel: usize| Some((seen + before + after).checked_sub(kernel)? / stride + 1);
        let (out_height, out_width) = (side(seen.0, self.kernel.0)?, side(seen.1, self.kernel.1)?);
        let (channels, kernel, window) = (self.channels(), self.kernel, self.window);
        Some(Geometry { channels, size, seen, out_height, out_width, kernel, window })
    }

    /// What is told while someone measures.
    fn about(&self, batch: usize, (height, width): (usize, usize)) -> impl FnOnce() -> (String, f64) {
        let (inputs, outputs) = (self.panels.inputs, self.panels.outputs);
        let (channels, kernel) = (self.channels(), self.kernel);
        move || {
            let words = format!("{batch} x {channels} to {outputs}, {height} x {width}, kernel {kernel:?}");
            (words, 2.0 * (batch * height * width * inputs * outputs) as f64)
        }
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

/// Which pixels of a picture a window sees.
#[derive(Clone, Copy)]
pub(super) struct Geometry {
    pub channels: usize,
    /// Height and width as the picture lies.
    pub size: (usize, usize),
    /// Height and width as the windows see it.
    seen: (usize, usize),
    out_height: usize,
    out_width: usize,
    kernel: (usize, usize),
    pub window: Window,
}

impl Geometry {
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

/// The windows of a channels-last picture, one for each output pixel.
struct Windows<'a> {
    numbers: &'a [f32],
    geometry: Geometry,
}

impl Rows for Windows<'_> {
    fn gather(&self, group: usize, first: usize, count: usize, input: usize, depth: usize, out: &mut [f32]) {
        let Geometry { channels, out_width, window, kernel, .. } = self.geometry;
        let (mut y, mut x) = (first / out_width * window.stride, first % out_width * window.stride);
        let first_tap = (input / channels / kernel.1, input / channels % kernel.1);
        for out in out.chunks_exact_mut(DEPTH).take(count) {
            let (mut tap_y, mut tap_x) = first_tap;
            let mut channel = input % channels;
            let mut rest = &mut out[..depth];
            while !rest.is_empty() {
                let (part, later) = rest.split_at_mut((channels - channel).min(rest.len()));
                match self.geometry.pixel(group, y + tap_y, x + tap_x) {
                    Some(start) => part.copy_from_slice(&self.numbers[start + channel..][..part.len()]),
                    None => part.fill(0.0),
                }
                rest = later;
                channel = 0;
                tap_x += 1;
                if tap_x == kernel.1 {
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
