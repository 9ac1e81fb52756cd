//! Twin of `shaders/fill.wgsl`: one colour over an area.

use crate::gpu::scene::FillScene;

/// What the framebuffer holds after the fill, in its own encoding, where it held `below`.
#[must_use]
pub fn fill(scene: &FillScene, below: [f32; 3]) -> [f32; 3] {
    let [red, green, blue, alpha] = scene.encoded();
    let over = [red, green, blue];
    [0, 1, 2].map(|i| over[i] + below[i] * (1.0 - alpha))
}
