//! Twin of `shaders/canvas.wgsl`: a checkerboard and one picture on it.

use image::RgbImage;

use super::{checkerboard::checkerboard, picture::sample_picture};
use crate::gpu::scene::CanvasScene;

/// sRGB-encoded. `at` is a pixel's centre on the stage.
#[must_use]
pub fn canvas(scene: &CanvasScene, level: &RgbImage, at: [f32; 2]) -> [f32; 3] {
    sample_picture(level, &scene.place, at).unwrap_or_else(|| checkerboard(&scene.board, at))
}
