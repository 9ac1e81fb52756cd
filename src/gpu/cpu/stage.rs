//! Twin of `shaders/stage.wgsl`: what was painted, put into the window pixel by pixel.

use image::RgbImage;

use super::srgb;
use crate::gpu::scene::StageScene;

/// What the framebuffer is given at a pixel's centre: sRGB-encoded, or linear where the scene says so.
#[must_use]
pub fn stage(scene: &StageScene, painted: &RgbImage, at: [f32; 2]) -> [f32; 3] {
    let held = |axis: usize, side: u32| {
        ((at[axis] - scene.origin[axis]).floor() as i64).clamp(0, i64::from(side.saturating_sub(1))) as u32
    };
    let (x, y) = (held(0, painted.width()), held(1, painted.height()));
    let pixel = painted.get_pixel_checked(x, y).map_or([0; 3], |pixel| pixel.0);
    let encoded = pixel.map(|byte| f32::from(byte) / 255.0);
    if scene.linear_out { encoded.map(srgb::linear_from_srgb) } else { encoded }
}
