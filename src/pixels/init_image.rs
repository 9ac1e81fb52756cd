//! The picture that image to image begins from: diffusers' `VaeImageProcessor.preprocess`, and the size to paint.

use image::RgbImage;

use super::error::PixelsError;
use super::{Filter, Region, Window, resize_region};

/// The autoencoder halves three times.
const STEP: u32 = 8;
/// The largest side that a recipe can hold.
const LONGEST: u32 = 8192;

/// The autoencoder's input, `[3, height, width]` in row-major order, f32 from -1 to 1.
///
/// A picture of another size is resized with Lanczos. Where it has another shape, its edges are cut off evenly first,
/// so that nothing is squeezed; but for the few pixels that rounding down to multiples of 8 leaves over, which
/// diffusers squeezes.
///
/// # Errors
/// Not enough memory.
pub fn init_pixels(picture: &RgbImage, width: u32, height: u32) -> Result<Vec<f32>, PixelsError> {
    let (own_width, own_height) = picture.dimensions();
    let resized;
    let fitted = if (own_width, own_height) == (width, height) {
        picture
    } else {
        let cut = cut_to_shape(own_width, own_height, width, height);
        let is_rounded = own_width - own_width % STEP == width && own_height - own_height % STEP == height;
        let region = match is_rounded {
            true => Region::whole(picture),
            false => {
                let (left, top) = ((own_width - cut.0) / 2, (own_height - cut.1) / 2);
                Region { x: i64::from(left), y: i64::from(top), width: cut.0, height: cut.1 }
            }
        };
        let window = Window { x: 0, y: 0, width, height };
        resized = resize_region(picture, region, (width, height), Filter::Lanczos, window)?;
        &resized
    };
    let bytes = fitted.as_raw();
    let mut out = Vec::new();
    out.try_reserve_exact(bytes.len()).map_err(|_| PixelsError::no_memory_to_resize(picture))?;
    for channel in 0..3 {
        // As the reference: both steps in f32.
        out.extend(bytes.iter().skip(channel).step_by(3).map(|byte| 2.0 * (f32::from(*byte) / 255.0) - 1.0));
    }
    Ok(out)
}

/// The largest centre of `own` that has the shape of the target, to the nearest pixel.
fn cut_to_shape(own_width: u32, own_height: u32, width: u32, height: u32) -> (u32, u32) {
    let [ow, oh, w, h] = [own_width, own_height, width, height].map(u64::from);
    if w == 0 || h == 0 {
        return (own_width, own_height);
    }
    let nearest =
        |a: u64, b: u64, c: u64, most: u32| u32::try_from((a * b + c / 2) / c).unwrap_or(most).clamp(most.min(1), most);
    if ow * h > w * oh {
        (nearest(oh, w, h, own_width), own_height)
    } else {
        (own_width, nearest(ow, h, w, own_height))
    }
}

/// The width and height that image to image paints when none is asked for: the picture's, rounded down to multiples
/// of 8. A picture with a side above four times the model's is fitted to the area that the model was made for.
pub fn init_size(picture: &RgbImage, model_side: u32) -> (u32, u32) {
    let (width, height) = picture.dimensions();
    let longest = model_side.saturating_mul(4).clamp(STEP, LONGEST);
    let even = |side: f64| {
        (((side / f64::from(STEP)).floor() as u32).saturating_mul(STEP)).clamp(STEP, longest - longest % STEP)
    };
    if width.max(height) <= longest {
        return (even(f64::from(width)), even(f64::from(height)));
    }
    let scale = f64::from(model_side) / (f64::from(width) * f64::from(height)).sqrt();
    (even(f64::from(width) * scale), even(f64::from(height) * scale))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn sizes_follow_the_picture() {
        let size = |w, h, side| init_size(&RgbImage::new(w, h), side);
        assert_eq!(size(640, 479, 1024), (640, 472));
        assert_eq!(size(7, 9, 64), (8, 8));
        assert_eq!(size(4096, 100, 1024), (4096, 96));
        assert_eq!(size(4096, 4096, 512), (512, 512));
        assert_eq!(size(4000, 1000, 64), (128, 32));
        // So long a strip would be beyond any model; both sides stay in range.
        assert_eq!(size(10_000, 1, 1024), (4096, 8));
    }

    #[test]
    fn a_shape_is_cut_from_the_centre() {
        assert_eq!(cut_to_shape(100, 50, 64, 64), (50, 50));
        assert_eq!(cut_to_shape(50, 100, 64, 32), (50, 25));
        assert_eq!(cut_to_shape(1, 1000, 8, 8), (1, 1));
        let mut picture = RgbImage::from_pixel(32, 16, image::Rgb([255, 0, 0]));
        for (x, _, pixel) in picture.enumerate_pixels_mut() {
            if (8..24).contains(&x) {
                pixel.0 = [0, 255, 0];
            }
        }
        let pixels = init_pixels(&picture, 8, 8).unwrap();
        assert!(pixels[..64].iter().all(|v| *v == -1.0) && pixels[64..128].iter().all(|v| *v == 1.0));
    }
}
