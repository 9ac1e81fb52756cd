//! Names of the recipe's parts in plain words.

pub use crate::app::words::{CROPS, MODES, axis, block, crop, label, mode, sentence};
pub use crate::app::{words_for_sampler as sampler, words_for_sampling as sampling};
