//! How a network asks for weights in the precision of their file.

use candle_nn::{Init, VarBuilder};

/// In place of an initial value: what holds the weights may return F32, F16 or BF16 as it has them, whatever dtype is
/// asked for. One that does not know this returns the dtype asked for, which serves as well.
const AS_STORED: Init = Init::Const(f64::NAN);

/// The tensor `name` of `vb` in its stored precision.
pub fn get_as_stored(vb: &VarBuilder, shape: &[usize], name: &str) -> candle_core::Result<candle_core::Tensor> {
    vb.get_with_hints(shape, name, AS_STORED)
}

/// Whether a request is one of [`get_as_stored`].
pub fn is_as_stored(hint: Init) -> bool {
    matches!(hint, Init::Const(value) if value.is_nan())
}
