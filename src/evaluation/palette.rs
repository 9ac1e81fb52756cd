//! How far apart the colours of two pictures are, wherever they stand.
//!
//! Sliced Wasserstein distance (Rabin, Peyre, Delon, Bernot 2011, "Wasserstein barycenter and its application to texture
//! mixing") between the pixels of both in Oklab (Bjorn Ottosson 2020, "A perceptual color space for image processing"):
//! along a direction both pictures' pixels are sorted and compared in pairs. The mean over many directions is doubled,
//! because the mean of |cos| over the sphere is a half: for two pictures of one colour each it is the distance of those
//! colours, 1 for black and white.

use image::RgbImage;

use crate::pixels::{Filter, resize};

/// Pictures are compared at this side: palettes are about areas, not about single pixels.
const SIDE: u32 = 32;
const DIRECTIONS: usize = 64;

/// From 0 (the same colours in the same amounts) to 1.
pub fn palette_distance(a: &RgbImage, b: &RgbImage) -> f64 {
    let (a, b) = (colours(a), colours(b));
    let mut sum = 0.0;
    for index in 0..DIRECTIONS {
        let direction = direction(index);
        let (a, b) = (sorted(&a, direction), sorted(&b, direction));
        sum += a.iter().zip(&b).map(|(x, y)| (x - y).abs()).sum::<f64>() / a.len().max(1) as f64;
    }
    (2.0 * sum / DIRECTIONS as f64).min(1.0)
}

/// Directions spread evenly over the half sphere: a Fibonacci lattice.
fn direction(index: usize) -> [f64; 3] {
    let z = 1.0 - (index as f64 + 0.5) / DIRECTIONS as f64;
    let turn = std::f64::consts::PI * (3.0 - 5.0_f64.sqrt()) * index as f64;
    let radius = (1.0 - z * z).sqrt();
    [radius * turn.cos(), radius * turn.sin(), z]
}

fn sorted(colours: &[[f64; 3]], direction: [f64; 3]) -> Vec<f64> {
    let along = |colour: &[f64; 3]| colour.iter().zip(direction).map(|(x, d)| x * d).sum::<f64>();
    let mut out: Vec<f64> = colours.iter().map(along).collect();
    out.sort_unstable_by(f64::total_cmp);
    out
}

fn colours(picture: &RgbImage) -> Vec<[f64; 3]> {
    resize(picture, SIDE, SIDE, Filter::Bicubic).pixels().map(|pixel| oklab(pixel.0)).collect()
}

fn oklab(rgb: [u8; 3]) -> [f64; 3] {
    let [r, g, b] = rgb.map(|byte| {
        let x = f64::from(byte) / 255.0;
        if x <= 0.04045 { x / 12.92 } else { ((x + 0.055) / 1.055).powf(2.4) }
    });
    let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
    let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
    let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
    [
        0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
        1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
        0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
    ]
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn plain(colour: [u8; 3]) -> RgbImage {
        RgbImage::from_pixel(20, 10, Rgb(colour))
    }

    #[test]
    fn of_plain_pictures_it_is_the_distance_of_their_colours() {
        assert!((palette_distance(&plain([0; 3]), &plain([255; 3])) - 1.0).abs() < 0.02);
        let (red, blue) = (oklab([255, 0, 0]), oklab([0, 0, 255]));
        let apart = red.iter().zip(blue).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let found = palette_distance(&plain([255, 0, 0]), &plain([0, 0, 255]));
        assert!((found - apart).abs() < 0.03 * apart, "{found} {apart}");
    }

    #[test]
    fn it_sees_colours_and_not_places() {
        let halves =
            |left: [u8; 3], right: [u8; 3]| RgbImage::from_fn(64, 64, |x, _| Rgb(if x < 32 { left } else { right }));
        let (green, white) = ([20, 160, 60], [250, 250, 245]);
        assert!(palette_distance(&halves(green, white), &halves(white, green)) < 1e-9);
        assert!(palette_distance(&halves(green, white), &plain(white)) > 0.1);
    }
}
