//! The twins: each shader of `shaders/` once more in plain Rust, a function from a pixel's place to its colour.
//!
//! They say what a shader has to compute, and `tests/shaders.rs` checks that it does. Colours are three numbers, sRGB-
//! encoded or linear as their names say; pictures are the level that the shader reads.

pub mod canvas;
pub mod checkerboard;
pub mod compare;
pub mod fill;
pub mod latent_preview;
pub mod picture;
pub mod srgb;
pub mod stage;

/// A colour of 0 to 1 as bytes, as a framebuffer of 8 bits rounds it.
#[must_use]
pub fn bytes(colour: [f32; 3]) -> [u8; 3] {
    colour.map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8)
}
