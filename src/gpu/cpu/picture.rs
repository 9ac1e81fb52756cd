//! Twin of `shaders/shared/picture.wgsl`: a picture laid onto the framebuffer, and how one pixel of it is taken.

use image::RgbImage;

use super::srgb;
use crate::gpu::scene::{Filter, Placement};

/// A pixel that lies on the border of two texels within rounding belongs to the right (lower) one.
const NUDGE: f32 = 1.0 / 1024.0;

/// sRGB-encoded, or `None` beside the picture. `level` is the level that the placement names; `at` is a pixel's centre
/// in the framebuffer.
#[must_use]
pub fn sample_picture(level: &RgbImage, place: &Placement, at: [f32; 2]) -> Option<[f32; 3]> {
    let centre = [0, 1].map(|axis| (at[axis] - place.origin[axis]) * place.texels_per_pixel[axis]);
    let inside = (0..2).all(|axis| centre[axis] + NUDGE >= 0.0 && centre[axis] + NUDGE < place.extent[axis]);
    if !inside {
        return None;
    }
    match place.filter {
        Filter::None => None,
        Filter::Area => Some(area(level, place, centre).map(srgb::srgb_from_linear)),
        Filter::Cubic => Some(cubic(level, place, centre, |value| value)),
        Filter::Smooth => Some(cubic(level, place, centre, srgb::linear_from_srgb).map(srgb::srgb_from_linear)),
        Filter::Nearest => Some(tap(level, place, centre.map(|n| (n + NUDGE).floor() as i32))),
    }
}

/// sRGB-encoded: the shader's texels are decoded by the card, and encoded again, which comes to the same.
fn tap(level: &RgbImage, place: &Placement, at: [i32; 2]) -> [f32; 3] {
    let held = [0, 1].map(|axis| at[axis].clamp(0, (place.extent[axis] as i32 - 1).max(0)) as u32);
    let pixel = level.get_pixel_checked(held[0], held[1]).map_or([0; 3], |pixel| pixel.0);
    pixel.map(|byte| f32::from(byte) / 255.0)
}

/// The mean light over all that lies under the pixel.
fn area(level: &RgbImage, place: &Placement, centre: [f32; 2]) -> [f32; 3] {
    let edge = |axis: usize, side: f32| {
        (centre[axis] + side * place.texels_per_pixel[axis]).clamp(0.0, place.extent[axis].max(0.0))
    };
    let (low, high) = ([edge(0, -0.5), edge(1, -0.5)], [edge(0, 0.5), edge(1, 0.5)]);
    let first = low.map(|n| (n + NUDGE).floor() as i32);
    let last = [0, 1].map(|axis| ((high[axis] - NUDGE).ceil() as i32 - 1).max(first[axis]));
    let share = |axis: usize, index: i32| (high[axis].min((index + 1) as f32) - low[axis].max(index as f32)).max(0.0);
    let (mut sum, mut weights) = ([0.0; 3], 0.0);
    for y in first[1]..=last[1] {
        for x in first[0]..=last[0] {
            let weight = share(0, x) * share(1, y);
            let texel = tap(level, place, [x, y]).map(srgb::linear_from_srgb);
            sum = [0, 1, 2].map(|colour| sum[colour] + texel[colour] * weight);
            weights += weight;
        }
    }
    sum.map(|light| light / weights.max(1e-12))
}

/// Mitchell and Netravali's cubic with B = C = 1/3.
fn cubic(level: &RgbImage, place: &Placement, centre: [f32; 2], value_of: impl Fn(f32) -> f32) -> [f32; 3] {
    let corner = centre.map(|n| (n - 0.5).floor());
    let weights = [0, 1].map(|axis| cubic_weights(centre[axis] - 0.5 - corner[axis]));
    let first = corner.map(|n| n as i32 - 1);
    let mut sum = [0.0; 3];
    for (y, down) in (first[1]..).zip(weights[1]) {
        for (x, across) in (first[0]..).zip(weights[0]) {
            let texel = tap(level, place, [x, y]).map(&value_of);
            sum = [0, 1, 2].map(|colour| sum[colour] + texel[colour] * across * down);
        }
    }
    sum.map(|value| value.clamp(0.0, 1.0))
}

/// `t` is 0 to 1 from the second of four texels to the third.
fn cubic_weights(t: f32) -> [f32; 4] {
    let near = |x: f32| ((7.0 * x - 12.0) * x * x + 16.0 / 3.0) / 6.0;
    let far = |x: f32| (((12.0 - 7.0 / 3.0 * x) * x - 20.0) * x + 32.0 / 3.0) / 6.0;
    [far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)]
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::gpu::scene::{Grain, Texels};

    fn gradient() -> RgbImage {
        RgbImage::from_fn(7, 5, |x, y| Rgb([(x * 40) as u8, (y * 60) as u8, 99]))
    }

    fn shown(image: &RgbImage, grain: Grain, zoom: f32, at: [f32; 2]) -> Option<[u8; 3]> {
        let texels = Texels { size: [image.width(), image.height()], levels: 1, grain };
        let size = [image.width() as f32 * zoom, image.height() as f32 * zoom];
        let place = Placement::new(texels, [0.5 * size[0], 0.5 * size[1]], size);
        sample_picture(image, &place, at).map(super::super::bytes)
    }

    #[test]
    fn one_to_one_is_exact_and_ends_at_the_edges() {
        let image = gradient();
        for (x, y, pixel) in image.enumerate_pixels() {
            assert_eq!(shown(&image, Grain::Picture, 1.0, [x as f32 + 0.5, y as f32 + 0.5]), Some(pixel.0));
        }
        for beside in [[-0.5, 2.5], [7.5, 2.5], [2.5, -0.5], [2.5, 5.5]] {
            assert_eq!(shown(&image, Grain::Picture, 1.0, beside), None);
        }
    }

    #[test]
    fn enlarged_pixels_are_squares() {
        let image = gradient();
        for (x, y) in [(0, 0), (8, 5), (20, 14), (11, 9)] {
            let expected = image.get_pixel(x / 3, y / 3).0;
            assert_eq!(shown(&image, Grain::Picture, 3.0, [x as f32 + 0.5, y as f32 + 0.5]), Some(expected));
        }
    }

    #[test]
    fn the_weights_of_the_cubic_sum_to_one() {
        for step in 0..=10 {
            let sum: f32 = cubic_weights(step as f32 / 10.0).iter().sum();
            assert!((sum - 1.0).abs() < 1e-6, "{step}: {sum}");
        }
        let flat = RgbImage::from_pixel(3, 3, Rgb([200, 10, 77]));
        assert_eq!(shown(&flat, Grain::Latents, 8.0, [0.5, 23.5]), Some([200, 10, 77]));
    }
}
