//! Feature maps enlarged and joined, where they lie: torch's `interpolate(mode="nearest")` and `cat(dim=1)`.

use candle_core::{Result, Tensor};

use crate::kernels::dense::{is_channels_last, is_native};
use crate::kernels::maps;
use crate::kernels::meter::{measured, shape_words};

/// `[batch, channels, height, width]` to `size` (height, width).
pub fn upsample_nearest(x: &Tensor, size: (usize, usize)) -> Result<Tensor> {
    let enlarged = || match is_native(x) && is_channels_last(x) {
        true => maps::upsample_nearest(x, size),
        false => x.upsample_nearest2d(size.0, size.1),
    };
    measured("upsample", || (shape_words(x.dims()), 0.0), enlarged)
}

/// The channels of `a`, then those of `b`.
pub fn concat_channels(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let joined = || match is_native(a) && is_native(b) && (is_channels_last(a) || is_channels_last(b)) {
        true => maps::concat_channels(a, b),
        false => Tensor::cat(&[a, b], 1),
    };
    measured("concat", || (shape_words(a.dims()), 0.0), joined)
}
