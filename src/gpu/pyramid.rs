//! Pictures halved in linear light: the levels of a texture, and what a picture too large for the card is reduced to.

use std::sync::LazyLock;

use image::RgbImage;
use rayon::prelude::*;

use super::cpu::srgb;

/// Linear light of each sRGB byte.
static LIGHT: LazyLock<Vec<f32>> =
    LazyLock::new(|| (0..256).map(|byte| srgb::linear_from_srgb(byte as f32 / 255.0)).collect());

/// The nearest sRGB byte of linear light in 65535ths; the curve's steepest part moves a twentieth of a byte a step.
static BYTE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..=u16::MAX).map(|light| (srgb::srgb_from_linear(f32::from(light) / 65535.0) * 255.0).round() as u8).collect()
});

/// The input pixels under one output pixel along one axis: the first, and the share of each.
struct Taps {
    first: usize,
    shares: Vec<f32>,
}

fn taps(input: u32, output: u32) -> Vec<Taps> {
    let scale = f64::from(input) / f64::from(output);
    (0..output)
        .map(|index| {
            let (low, high) = (f64::from(index) * scale, f64::from(index + 1) * scale);
            let first = low.floor();
            let last = (high.ceil() - 1.0).clamp(first, f64::from(input.saturating_sub(1)));
            let count = (last - first) as usize + 1;
            let shares = (0..count)
                .map(|tap| {
                    let left = first + tap as f64;
                    ((high.min(left + 1.0) - low.max(left)).max(0.0) / scale) as f32
                })
                .collect();
            Taps { first: first as usize, shares }
        })
        .collect()
}

fn light_of(byte: u8) -> f32 {
    LIGHT.get(usize::from(byte)).copied().unwrap_or(0.0)
}

fn byte_of(light: f32) -> u8 {
    // The cast holds itself within the table.
    BYTE.get(usize::from((light * 65535.0 + 0.5) as u16)).copied().unwrap_or(0)
}

/// A row of a picture with even sides, the usual case: each pixel is the mean of two by two.
fn quarter(out_row: &mut [u8], upper: &[u8], lower: &[u8]) {
    for ((pixel, up), low) in out_row.chunks_exact_mut(3).zip(upper.chunks_exact(6)).zip(lower.chunks_exact(6)) {
        let (&[r0, g0, b0, r1, g1, b1], &[r2, g2, b2, r3, g3, b3]) = (up, low) else { continue };
        let mean = |a, b, c, d| byte_of((light_of(a) + light_of(b) + light_of(c) + light_of(d)) * 0.25);
        pixel.copy_from_slice(&[mean(r0, r1, r2, r3), mean(g0, g1, g2, g3), mean(b0, b1, b2, b3)]);
    }
}

/// Half the size (rounded down, at least 1), each pixel the mean light of all that it covers.
#[must_use]
pub fn halve(image: &RgbImage) -> RgbImage {
    let (width, height) = (image.width().max(1), image.height().max(1));
    let (out_width, out_height) = ((width / 2).max(1), (height / 2).max(1));
    let (across, down) = (taps(width, out_width), taps(height, out_height));
    let stride = width as usize * 3;
    let source = image.as_raw().as_slice();
    let mut out = vec![0_u8; out_width as usize * out_height as usize * 3];
    out.par_chunks_exact_mut(out_width as usize * 3).zip(&down).for_each(|(out_row, row)| {
        if width % 2 == 0 && height % 2 == 0 {
            let from = row.first * stride;
            let upper = source.get(from..from + stride).unwrap_or_default();
            let lower = source.get(from + stride..from + 2 * stride).unwrap_or_default();
            return quarter(out_row, upper, lower);
        }
        for (pixel, column) in out_row.chunks_exact_mut(3).zip(&across) {
            let mut light = [0.0_f32; 3];
            for (y, share_y) in (row.first..).zip(&row.shares) {
                let from = y * stride + column.first * 3;
                let under = source.get(from..from + column.shares.len() * 3).unwrap_or_default();
                for (rgb, share_x) in under.chunks_exact(3).zip(&column.shares) {
                    for (sum, &byte) in light.iter_mut().zip(rgb) {
                        *sum += light_of(byte) * share_x * share_y;
                    }
                }
            }
            for (byte, light) in pixel.iter_mut().zip(light) {
                *byte = byte_of(light);
            }
        }
    });
    RgbImage::from_raw(out_width, out_height, out).unwrap_or_default()
}

/// The picture, halved until no side is longer than `limit`; `None` where it fits as it is.
#[must_use]
pub fn reduce_to(image: &RgbImage, limit: u32) -> Option<RgbImage> {
    let fits = |image: &RgbImage| image.width().max(image.height()) <= limit.max(1);
    if fits(image) {
        return None;
    }
    let mut reduced = halve(image);
    while !fits(&reduced) {
        reduced = halve(&reduced);
    }
    Some(reduced)
}

/// How many levels a texture of this size has, down to one pixel.
#[must_use]
pub fn level_count(width: u32, height: u32) -> u32 {
    u32::BITS - width.max(height).max(1).leading_zeros()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use image::Rgb;

    use super::*;

    #[test]
    fn a_flat_picture_stays_flat_at_any_size() {
        for (width, height) in [(2, 2), (3, 5), (17, 4), (1, 9), (1, 1), (31, 1)] {
            for byte in [0, 1, 7, 128, 200, 254, 255] {
                let half = halve(&RgbImage::from_pixel(width, height, Rgb([byte; 3])));
                assert_eq!(half.dimensions(), ((width / 2).max(1), (height / 2).max(1)));
                assert!(
                    half.pixels().all(|p| p.0 == [byte; 3]),
                    "{width}x{height} of {byte}: {:?}",
                    half.get_pixel(0, 0)
                );
            }
        }
    }

    #[test]
    fn the_mean_is_one_of_light() {
        // Black and white in equal parts are half the light: 188 in sRGB, not 128.
        let board = RgbImage::from_fn(4, 4, |x, y| Rgb([if (x + y) % 2 == 0 { 0 } else { 255 }; 3]));
        assert!(halve(&board).pixels().all(|p| p.0 == [188; 3]));
    }

    #[test]
    fn odd_sides_weigh_every_pixel_alike() {
        // Three columns into one: a third of the light each.
        let stripe = RgbImage::from_fn(3, 1, |x, _| Rgb([if x == 1 { 255 } else { 0 }; 3]));
        let third = (srgb::srgb_from_linear(1.0 / 3.0) * 255.0).round() as u8;
        assert_eq!(halve(&stripe).get_pixel(0, 0).0, [third; 3]);
    }

    #[test]
    fn even_sides_take_every_pixel_once() {
        let image = RgbImage::from_fn(6, 4, |x, y| Rgb([(x * 40) as u8, (y * 60) as u8, (x * y * 10) as u8]));
        let half = halve(&image);
        for (x, y, pixel) in half.enumerate_pixels() {
            let under = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| image.get_pixel(2 * x + dx, 2 * y + dy).0);
            let mean = [0, 1, 2].map(|i| {
                let light: f32 = under.iter().map(|rgb| srgb::linear_from_srgb(f32::from(rgb[i]) / 255.0)).sum();
                (srgb::srgb_from_linear(light / 4.0) * 255.0).round() as u8
            });
            assert_eq!(pixel.0, mean);
        }
    }

    #[test]
    fn too_large_pictures_are_halved_until_they_fit() {
        assert_eq!(reduce_to(&RgbImage::new(64, 10), 64), None);
        assert_eq!(reduce_to(&RgbImage::new(130, 10), 64).unwrap().dimensions(), (32, 2));
        assert_eq!(reduce_to(&RgbImage::new(1, 300), 1).unwrap().dimensions(), (1, 1));
    }

    #[test]
    fn levels_go_down_to_one_pixel() {
        for ((width, height), count) in [((1, 1), 1), ((2, 1), 2), ((3, 3), 2), ((1024, 7), 11), ((0, 0), 1)] {
            assert_eq!(level_count(width, height), count);
        }
    }
}
