//! How the products reach the numbers of candle's tensors.

use candle_core::{Result, Tensor};

use super::dense::with_slices;

/// Runs `body` on the numbers of contiguous f32 tensors on the CPU, of those that there are.
pub(super) fn with_optional_slices<const N: usize, T>(
    tensors: [Option<&Tensor>; N],
    body: impl FnOnce([Option<&[f32]>; N]) -> Result<T>,
) -> Result<T> {
    let present: Vec<&Tensor> = tensors.iter().flatten().copied().collect();
    with_slices(&present, |slices| {
        let mut slices = slices.iter().copied();
        body(tensors.map(|tensor| tensor.and_then(|_| slices.next())))
    })
}

/// `[batch, channels, height, width]` as `[batch, height, width, channels]` without gaps: a view where it lies
/// channels-last already, else a copy.
pub fn channels_last(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 2, 3, 1))?.contiguous()
}

/// The way back from [`channels_last`]; always a view.
pub fn channels_first(x: &Tensor) -> Result<Tensor> {
    x.permute((0, 3, 1, 2))
}
