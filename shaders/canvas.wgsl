// The canvas: a checkerboard and one picture on it. Twin: src/gpu/cpu/canvas.rs
// Built from shared/{srgb,surface,checkerboard,picture}.wgsl and this file.

override picture_filter: u32;

struct Canvas {
    board: Checkerboard,
    place: Placement,
}

@group(0) @binding(0) var<uniform> canvas: Canvas;
@group(0) @binding(1) var image: texture_2d<f32>;

@fragment
fn fs_main(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let picture = sample_picture(image, canvas.place, picture_filter, position.xy);
    let ground = checkerboard(canvas.board, position.xy);
    return vec4<f32>(select(ground, picture.rgb, picture.a > 0.0), 1.0);
}
