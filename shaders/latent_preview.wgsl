// Latents turned into a small picture by the model's linear factors. Twin: src/gpu/cpu/latent_preview.rs
// Built from shared/surface.wgsl and this file. The result is a texture of the latents' size, which the canvas enlarges.

const MAX_CHANNELS: u32 = 16u;
// Beyond this nothing but black or white can come out; it keeps every sum finite.
const FAR: f32 = 1e6;

struct LatentPreview {
    // Per channel: red, green, blue, unused.
    factors: array<vec4<f32>, 16>,
    // Red, green, blue, unused.
    bias: vec4<f32>,
    // Width and height of the latents, and how many channels to read.
    width: u32,
    height: u32,
    channels: u32,
    pad: u32,
}

@group(0) @binding(0) var<uniform> preview: LatentPreview;
// The bits of the f32 values; channel c begins in row c * height. Bits, because a shader may take for granted that no
// float is NaN.
@group(0) @binding(1) var latents: texture_2d<u32>;

@fragment
fn fs_main(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let at = vec2<u32>(position.xy);
    var rgb = preview.bias.rgb;
    var finite = true;
    for (var channel = 0u; channel < min(preview.channels, MAX_CHANNELS); channel += 1u) {
        let row = channel * preview.height + at.y;
        let bits = textureLoad(latents, vec2<u32>(at.x, row), 0).x;
        if (bits & 0x7f800000u) == 0x7f800000u {
            finite = false;
        } else {
            rgb += clamp(bitcast<f32>(bits), -FAR, FAR) * preview.factors[channel].rgb;
        }
    }
    var encoded = clamp((rgb + 1.0) * 0.5, vec3<f32>(0.0), vec3<f32>(1.0));
    if !finite {
        encoded = vec3<f32>(0.5);
    }
    return vec4<f32>(encoded, 1.0);
}
