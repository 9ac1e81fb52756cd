//! Twin of `shaders/shared/checkerboard.wgsl`: the ground that shows where there is no picture.

use crate::gpu::scene::Checkerboard;

/// sRGB-encoded. `at` is a pixel's centre in the framebuffer.
#[must_use]
pub fn checkerboard(board: &Checkerboard, at: [f32; 2]) -> [f32; 3] {
    let cell = [0, 1].map(|axis| ((at[axis] - board.origin[axis]) / board.cell.max(1.0)).floor() as i32);
    if cell[0].wrapping_add(cell[1]) & 1 != 0 { board.light } else { board.dark }
}
