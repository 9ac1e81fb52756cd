//! Colour profiles to sRGB (through `moxcms`), and transparency onto white.

use image::{DynamicImage, RgbImage};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};
use rayon::prelude::*;

const IGNORED: &str = "the colour profile is damaged, so sRGB is assumed";
const MISFIT: &str = "the colour profile is for another kind of picture, so sRGB is assumed";

/// Converts `image` from the colours of its ICC profile to sRGB, at 8 bits a channel.
///
/// # Errors
/// A notice; the picture then keeps its numbers.
pub(super) fn to_srgb(image: &mut DynamicImage, icc: &[u8]) -> Result<(), &'static str> {
    let profile = ColorProfile::new_from_slice(icc).map_err(|_| IGNORED)?;
    let alpha = image.color().has_alpha();
    let grey = !image.color().has_color();
    // A grey picture with an RGB profile is one with three equal channels; the other way round is no sense.
    let layouts = match (profile.color_space, grey, alpha) {
        (DataColorSpace::Rgb, _, false) => (Layout::Rgb, Layout::Rgb),
        (DataColorSpace::Rgb, _, true) => (Layout::Rgba, Layout::Rgba),
        (DataColorSpace::Gray, true, false) => (Layout::Gray, Layout::Rgb),
        (DataColorSpace::Gray, true, true) => (Layout::GrayAlpha, Layout::Rgba),
        _ => return Err(MISFIT),
    };
    let srgb = ColorProfile::new_srgb();
    let transform =
        profile.create_transform_8bit(layouts.0, &srgb, layouts.1, TransformOptions::default()).map_err(|_| IGNORED)?;
    let (width, height) = (image.width(), image.height());
    let source = match layouts.0 {
        Layout::Rgba => image.to_rgba8().into_raw(),
        Layout::Gray => image.to_luma8().into_raw(),
        Layout::GrayAlpha => image.to_luma_alpha8().into_raw(),
        _ => image.to_rgb8().into_raw(),
    };
    let (from, to) = (width as usize * layouts.0.channels(), width as usize * layouts.1.channels());
    let mut target = vec![0u8; to * height as usize];
    target
        .par_chunks_exact_mut(to)
        .zip(source.par_chunks_exact(from))
        .try_for_each(|(target, source)| transform.transform(source, target))
        .map_err(|_| IGNORED)?;
    let converted = match layouts.1 {
        Layout::Rgba => image::RgbaImage::from_raw(width, height, target).map(DynamicImage::ImageRgba8),
        _ => RgbImage::from_raw(width, height, target).map(DynamicImage::ImageRgb8),
    };
    *image = converted.ok_or(IGNORED)?;
    Ok(())
}

/// The picture as 8-bit RGB, with what is transparent on white.
pub(super) fn on_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let image = image.into_rgba8();
    let mut out = RgbImage::new(image.width(), image.height());
    for (out, pixel) in out.pixels_mut().zip(image.pixels()) {
        let [r, g, b, alpha] = pixel.0;
        let alpha = u32::from(alpha);
        let over = |colour: u8| ((u32::from(colour) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        out.0 = [over(r), over(g), over(b)];
    }
    out
}
