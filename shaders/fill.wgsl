// One colour over an area: the ground of a panel, or the veil under a sheet. Twin: src/gpu/cpu/fill.rs
// Built from shared/surface.wgsl and this file.
//
// egui's own shader samples a texture for every pixel, in two ways of which one is thrown away. On a graphics card that
// is nothing; a software renderer spends most of a frame on it.

struct Fill {
    // Premultiplied, in the framebuffer's own encoding.
    colour: vec4<f32>,
}

@group(0) @binding(0) var<uniform> fill: Fill;

@fragment
fn fs_main() -> @location(0) vec4<f32> {
    return fill.colour;
}
