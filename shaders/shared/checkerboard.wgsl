// The ground that shows where there is no picture. Twin: src/gpu/cpu/checkerboard.rs

struct Checkerboard {
    // sRGB-encoded; the fourth number is unused.
    dark: vec4<f32>,
    light: vec4<f32>,
    // Where a cell begins, in framebuffer pixels.
    origin: vec2<f32>,
    // The side of a cell in framebuffer pixels, at least 1.
    cell: f32,
    pad: f32,
}

// `at` is a pixel's centre in the framebuffer.
fn checkerboard(board: Checkerboard, at: vec2<f32>) -> vec3<f32> {
    let cell = vec2<i32>(floor((at - board.origin) / board.cell));
    let odd = ((cell.x + cell.y) & 1) != 0;
    return select(board.dark.rgb, board.light.rgb, odd);
}
