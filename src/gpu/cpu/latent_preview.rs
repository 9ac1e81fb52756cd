//! Twin of `shaders/latent_preview.wgsl`: latents turned into a small picture by the model's linear factors.

use image::{Rgb, RgbImage};

use crate::gpu::scene::{LatentScene, MAX_CHANNELS};

/// Beyond this nothing but black or white can come out; it keeps every sum finite.
const FAR: f32 = 1e6;

/// The picture's sRGB-encoded colour at column `x` and row `y`. Values: [channels, height, width], row-major. A value
/// that is not finite makes a neutral grey.
#[must_use]
pub fn latent_preview(scene: &LatentScene, values: &[f32], x: u32, y: u32) -> [f32; 3] {
    let mut rgb = scene.bias;
    for (channel, factor) in scene.factors.iter().take(MAX_CHANNELS).enumerate() {
        let row = channel * scene.height as usize + y as usize;
        let value = values.get(row * scene.width as usize + x as usize).copied().unwrap_or(f32::NAN);
        if !value.is_finite() {
            return [0.5; 3];
        }
        let value = value.clamp(-FAR, FAR);
        rgb = [0, 1, 2].map(|colour| rgb[colour] + value * factor[colour]);
    }
    rgb.map(|value| ((value + 1.0) * 0.5).clamp(0.0, 1.0))
}

/// The whole picture, of the latents' size.
#[must_use]
pub fn picture(scene: &LatentScene, values: &[f32]) -> RgbImage {
    RgbImage::from_fn(scene.width, scene.height, |x, y| Rgb(super::bytes(latent_preview(scene, values, x, y))))
}
