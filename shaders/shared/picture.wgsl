// A picture laid onto the framebuffer, and how one pixel of it is taken. Twin: src/gpu/cpu/picture.rs
//
// A picture's texture is sRGB, so that a load gives linear light and every mean is one of light. Latents are joined as
// they are, before any light comes of them. All taps are loads: hardware filters round their weights to 8 bits,
// differently everywhere.

const FILTER_NONE: u32 = 0u;
const FILTER_NEAREST: u32 = 1u;
const FILTER_AREA: u32 = 2u;
const FILTER_CUBIC: u32 = 3u;
const FILTER_SMOOTH: u32 = 4u;

// A pixel that lies on the border of two texels within rounding belongs to the right (lower) one, everywhere alike.
const NUDGE: f32 = 0.0009765625;

struct Placement {
    // The picture's upper left corner in framebuffer pixels.
    origin: vec2<f32>,
    // How many texels of `level` lie under one framebuffer pixel.
    texels_per_pixel: vec2<f32>,
    // The level's size in texels.
    extent: vec2<f32>,
    level: u32,
    pad: u32,
}

// sRGB-encoded, and 1 where the picture is, 0 beside it. `at` is a pixel's centre in the framebuffer. `filter_mode` is
// known when the pipeline is made: a software renderer runs every branch that it cannot rule out.
fn sample_picture(image: texture_2d<f32>, place: Placement, filter_mode: u32, at: vec2<f32>) -> vec4<f32> {
    let centre = (at - place.origin) * place.texels_per_pixel;
    let inside = all(centre + NUDGE >= vec2<f32>(0.0)) && all(centre + NUDGE < place.extent);
    if filter_mode == FILTER_NONE || !inside {
        return vec4<f32>(0.0);
    }
    if filter_mode == FILTER_CUBIC {
        return vec4<f32>(cubic(image, place, centre), 1.0);
    }
    if filter_mode == FILTER_SMOOTH {
        return vec4<f32>(srgb_from_linear(cubic(image, place, centre)), 1.0);
    }
    if filter_mode == FILTER_AREA {
        return vec4<f32>(srgb_from_linear(area(image, place, centre)), 1.0);
    }
    return vec4<f32>(srgb_from_linear(tap(image, place, vec2<i32>(floor(centre + NUDGE)))), 1.0);
}

fn tap(image: texture_2d<f32>, place: Placement, at: vec2<i32>) -> vec3<f32> {
    let held = clamp(at, vec2<i32>(0), vec2<i32>(place.extent) - 1);
    return textureLoad(image, held, i32(place.level)).rgb;
}

// The mean over all that lies under the pixel.
fn area(image: texture_2d<f32>, place: Placement, centre: vec2<f32>) -> vec3<f32> {
    let low = clamp(centre - 0.5 * place.texels_per_pixel, vec2<f32>(0.0), place.extent);
    let high = clamp(centre + 0.5 * place.texels_per_pixel, vec2<f32>(0.0), place.extent);
    let first = vec2<i32>(floor(low + NUDGE));
    let last = max(first, vec2<i32>(ceil(high - NUDGE)) - 1);
    var sum = vec3<f32>(0.0);
    var weights = 0.0;
    for (var y = first.y; y <= last.y; y += 1) {
        let high_y = min(high.y, f32(y + 1));
        let height = max(high_y - max(low.y, f32(y)), 0.0);
        for (var x = first.x; x <= last.x; x += 1) {
            let width = max(min(high.x, f32(x + 1)) - max(low.x, f32(x)), 0.0);
            sum += tap(image, place, vec2<i32>(x, y)) * (width * height);
            weights += width * height;
        }
    }
    return sum / max(weights, 1e-12);
}

// Mitchell and Netravali's cubic with B = C = 1/3: neither grid nor much blur. It can go a little beyond what it joins.
fn cubic(image: texture_2d<f32>, place: Placement, centre: vec2<f32>) -> vec3<f32> {
    let corner = floor(centre - 0.5);
    let across = cubic_weights(centre.x - 0.5 - corner.x);
    let down = cubic_weights(centre.y - 0.5 - corner.y);
    let first = vec2<i32>(corner) - 1;
    var sum = vec3<f32>(0.0);
    for (var y = 0; y < 4; y += 1) {
        var row = vec3<f32>(0.0);
        for (var x = 0; x < 4; x += 1) {
            row += tap(image, place, first + vec2<i32>(x, y)) * across[x];
        }
        sum += row * down[y];
    }
    return clamp(sum, vec3<f32>(0.0), vec3<f32>(1.0));
}

// `t` is 0 to 1 from the second of four texels to the third.
fn cubic_weights(t: f32) -> vec4<f32> {
    let s = 1.0 - t;
    return vec4<f32>(far_weight(1.0 + t), near_weight(t), near_weight(s), far_weight(1.0 + s));
}

// Up to one texel away.
fn near_weight(x: f32) -> f32 {
    return ((7.0 * x - 12.0) * x * x + 16.0 / 3.0) / 6.0;
}

// One to two texels away.
fn far_weight(x: f32) -> f32 {
    return (((12.0 - 7.0 / 3.0 * x) * x - 20.0) * x + 32.0 / 3.0) / 6.0;
}
