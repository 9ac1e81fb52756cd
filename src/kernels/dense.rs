//! Tensors that fill a piece of memory without gaps, whatever the order of their axes: operations on each number by
//! itself need not care, and give a result that lies as their input does.

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, DType, Device, Result, Storage, Tensor, bail};

/// Whether a kernel can read `x`: f32 on the CPU.
pub fn is_native(x: &Tensor) -> bool {
    x.dtype() == DType::F32 && matches!(x.device(), Device::Cpu)
}

/// Whether a feature map `[batch, channels, height, width]` lies channels-last (and not channels-first as well).
pub fn is_channels_last(x: &Tensor) -> bool {
    x.rank() == 4 && !x.is_contiguous() && x.permute((0, 2, 3, 1)).is_ok_and(|x| x.is_contiguous())
}

/// The order of the axes in memory, outermost first; None where there are gaps or repeats.
fn memory_order(x: &Tensor) -> Option<Vec<usize>> {
    let (dims, strides) = (x.dims(), x.layout().stride());
    let mut order: Vec<usize> = (0..dims.len()).collect();
    // Axes of length 1 keep their place; their strides say nothing.
    order.sort_by_key(|&axis| std::cmp::Reverse((strides[axis], dims[axis])));
    let mut expected = 1;
    for &axis in order.iter().rev() {
        if dims[axis] != 1 && strides[axis] != expected {
            return None;
        }
        expected *= dims[axis];
    }
    Some(order)
}

/// Runs `body` on all numbers of `x` in the order of memory; those that it returns, as many, become a tensor that lies as
/// `x` does. One with gaps is copied first.
pub(super) fn elementwise(x: &Tensor, body: impl FnOnce(&[f32]) -> Vec<f32>) -> Result<Tensor> {
    let order = memory_order(x).unwrap_or_else(|| (0..x.rank()).collect());
    let mut inverse = vec![0; order.len()];
    for (place, &axis) in order.iter().enumerate() {
        inverse[axis] = place;
    }
    let sorted = x.permute(order)?.contiguous()?;
    let out = with_slices(&[&sorted], |slices| Ok(body(slices.first().copied().unwrap_or_default())))?;
    Tensor::from_vec(out, sorted.shape(), x.device())?.permute(inverse)
}

/// Runs `body` on the numbers of contiguous f32 tensors on the CPU.
pub(super) fn with_slices<T>(tensors: &[&Tensor], body: impl FnOnce(&[&[f32]]) -> Result<T>) -> Result<T> {
    let locked: Vec<_> = tensors.iter().map(|x| x.storage_and_layout()).collect();
    let mut slices = Vec::with_capacity(locked.len());
    for (storage, layout) in &locked {
        let (Storage::Cpu(CpuStorage::F32(all)), Some((start, end))) = (&**storage, layout.contiguous_offsets()) else {
            bail!("a CPU kernel takes f32 tensors on the CPU that lie without gaps, and got {:?}", layout.shape());
        };
        let Some(slice) = all.get(start..end) else {
            bail!("a tensor of shape {:?} does not lie as its layout says", layout.shape())
        };
        slices.push(slice);
    }
    body(&slices)
}

/// Numbers as a place to be written to.
///
/// # Safety
/// Nothing but numbers is written there: they are read as numbers again.
pub(super) unsafe fn unwritten(numbers: &mut [f32]) -> &mut [MaybeUninit<f32>] {
    let (start, len) = (numbers.as_mut_ptr().cast(), numbers.len());
    // SAFETY: the same numbers in the same place, borrowed for as long.
    unsafe { std::slice::from_raw_parts_mut(start, len) }
}

/// A vector of `len` numbers that `fill` writes, without writing zeros first.
///
/// # Safety
/// `fill` writes every one.
pub(super) unsafe fn filled(len: usize, fill: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut out = Vec::with_capacity(len);
    fill(&mut out.spare_capacity_mut()[..len]);
    // SAFETY: they are written, by the caller's promise.
    unsafe { out.set_len(len) };
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn memory_orders() {
        let x = Tensor::zeros((2, 3, 4, 5), DType::F32, &Device::Cpu).unwrap();
        assert_eq!(memory_order(&x), Some(vec![0, 1, 2, 3]));
        let last = x.permute((0, 3, 1, 2)).unwrap();
        assert_eq!(memory_order(&last), Some(vec![0, 2, 3, 1]));
        assert!(is_channels_last(&last) && !is_channels_last(&x));
        assert_eq!(memory_order(&x.narrow(3, 0, 2).unwrap()), None);
        assert_eq!(memory_order(&x.narrow(0, 1, 1).unwrap()).unwrap().len(), 4);
        let repeated = Tensor::zeros((1, 5), DType::F32, &Device::Cpu).unwrap().broadcast_as((4, 5)).unwrap();
        assert_eq!(memory_order(&repeated), None);
    }

    #[test]
    fn results_lie_as_their_inputs() {
        let x = Tensor::arange(0f32, 120.0, &Device::Cpu).unwrap().reshape((2, 3, 4, 5)).unwrap();
        let double = |x: &[f32]| x.iter().map(|x| 2.0 * x).collect();
        for x in [x.clone(), x.permute((0, 3, 1, 2)).unwrap(), x.narrow(2, 1, 2).unwrap()] {
            let out = elementwise(&x, double).unwrap();
            assert_eq!(out.dims(), x.dims());
            let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(values(&out), values(&(&x * 2.0).unwrap()));
            assert_eq!(is_channels_last(&out), is_channels_last(&x));
        }
    }
}
