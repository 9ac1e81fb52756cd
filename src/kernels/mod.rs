//! The operations that the networks spend their time in, for the CPU, in f32.
//!
//! Each kernel comes in the widest instruction set of the machine, chosen at run time ([`Isa`]), beside a portable one,
//! and is tested against a plain reference over odd shapes and every set that the testing machine has. This is the one
//! room with `unsafe`; each block says why it is sound.
//!
//! Pictures and feature maps keep their logical shape `[batch, channels, height, width]` as in diffusers, but lie
//! channels-last in memory (torch's `channels_last`): a kernel makes `[batch, height, width, channels]` and returns it
//! permuted, so that a 3x3 convolution, a group norm and a transformer's tokens read the same memory without copies.
#![allow(unsafe_code)]

pub mod activation;
pub mod attention;
mod attention_tile;
mod band;
mod buffer;
mod conv2d;
pub mod dense;
pub mod group_norm;
mod group_norm_loops;
mod isa;
pub mod layer_norm;
mod linear;
pub mod maps;
mod math;
pub mod meter;
mod microkernel;
mod panels;
pub mod peak;
mod plan;
pub mod priority;
mod product;
pub mod recycler;
mod residual;
mod simd;
#[cfg(target_arch = "x86_64")]
mod simd_x86;
mod stored;
mod tensors;
#[cfg(test)]
mod tests;
mod widen;
mod winograd;
mod winograd_transforms;

pub use conv2d::{ConvExtras, PackedConv2d, Window};
pub use isa::Isa;
pub use linear::PackedLinear;
pub use residual::ResidualBlock;
pub use stored::{get_as_stored, is_as_stored};
pub use tensors::{channels_first, channels_last};
