// What canvas.wgsl or compare.wgsl painted, put into the window pixel by pixel. Twin: src/gpu/cpu/stage.rs
// Built from shared/{srgb,surface}.wgsl and this file.
//
// They paint into a texture of their own, and only when something has changed; a frame in which only a slider moved
// costs no more than this.

// Where the framebuffer encodes sRGB by itself. A software renderer runs every branch that it cannot rule out.
override linear_out: bool;

struct Stage {
    // The stage's upper left corner in framebuffer pixels.
    origin: vec2<f32>,
    pad: vec2<f32>,
}

@group(0) @binding(0) var<uniform> stage: Stage;
@group(0) @binding(1) var image: texture_2d<f32>;

@fragment
fn fs_main(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let last = vec2<i32>(textureDimensions(image)) - 1;
    let at = clamp(vec2<i32>(floor(position.xy - stage.origin)), vec2<i32>(0), last);
    var encoded = textureLoad(image, at, 0).rgb;
    if linear_out {
        encoded = linear_from_srgb(encoded);
    }
    return vec4<f32>(encoded, 1.0);
}
