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
pub mod dense;
pub mod group_norm;
mod isa;
pub mod layer_norm;
pub mod maps;
mod math;
pub mod meter;
mod simd;
#[cfg(target_arch = "x86_64")]
mod simd_x86;

pub use isa::Isa;
