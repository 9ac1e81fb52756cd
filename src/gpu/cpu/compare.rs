//! Twin of `shaders/compare.wgsl`: two pictures against each other.

use image::RgbImage;

use super::{checkerboard::checkerboard, picture::sample_picture};
use crate::gpu::scene::{CompareKind, CompareScene};

/// sRGB-encoded. `at` is a pixel's centre on the stage.
#[must_use]
pub fn compare(scene: &CompareScene, left: &RgbImage, right: &RgbImage, at: [f32; 2]) -> [f32; 3] {
    let left = || sample_picture(left, &scene.left, at);
    let right = || sample_picture(right, &scene.right, at);
    let shown = match scene.kind {
        CompareKind::Difference => left().zip(right()).map(|(left, right)| {
            [0, 1, 2].map(|colour| ((left[colour] - right[colour]).abs() * scene.gain).clamp(0.0, 1.0))
        }),
        _ if (at[0] - scene.split).abs() < scene.half_line => Some(scene.line),
        _ if at[0] < scene.split => left(),
        _ => right(),
    };
    shown.unwrap_or_else(|| checkerboard(&scene.board, at))
}
