// Two pictures against each other: a wipe, side by side, or their difference. Twin: src/gpu/cpu/compare.rs
// Built from shared/{srgb,surface,checkerboard,picture}.wgsl and this file.

const MODE_WIPE: u32 = 0u;
const MODE_SIDE_BY_SIDE: u32 = 1u;
const MODE_DIFFERENCE: u32 = 2u;

override mode: u32;
override left_filter: u32;
override right_filter: u32;

struct Compare {
    board: Checkerboard,
    left: Placement,
    right: Placement,
    // The column from which on the right picture shows, in framebuffer pixels.
    split: f32,
    // Half the width of the line drawn there, in framebuffer pixels; 0 draws none.
    half_line: f32,
    // What a difference is multiplied by.
    gain: f32,
    pad: f32,
    // sRGB-encoded colour of the line; the fourth number is unused.
    line: vec4<f32>,
}

@group(0) @binding(0) var<uniform> compare: Compare;
@group(0) @binding(1) var left_image: texture_2d<f32>;
@group(0) @binding(2) var right_image: texture_2d<f32>;

@fragment
fn fs_main(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let at = position.xy;
    var encoded = checkerboard(compare.board, at);
    if mode == MODE_DIFFERENCE {
        let left = sample_picture(left_image, compare.left, left_filter, at);
        let right = sample_picture(right_image, compare.right, right_filter, at);
        if left.a > 0.0 && right.a > 0.0 {
            let apart = abs(left.rgb - right.rgb);
            encoded = clamp(apart * compare.gain, vec3<f32>(0.0), vec3<f32>(1.0));
        }
    } else if abs(at.x - compare.split) < compare.half_line {
        encoded = compare.line.rgb;
    } else if at.x < compare.split {
        let left = sample_picture(left_image, compare.left, left_filter, at);
        if left.a > 0.0 {
            encoded = left.rgb;
        }
    } else {
        let right = sample_picture(right_image, compare.right, right_filter, at);
        if right.a > 0.0 {
            encoded = right.rgb;
        }
    }
    return vec4<f32>(encoded, 1.0);
}
