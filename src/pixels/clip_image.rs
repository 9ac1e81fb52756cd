//! What CLIP sees of a picture: transformers' `CLIPImageProcessor` on PIL, and the crops that it does not have.
//!
//! Source: `transformers/models/clip/image_processing_pil_clip.py` and `image_transforms.py`: short side to `size`
//! (bicubic), the centre `crop_size` cut out, times `rescale_factor`, minus the mean, over the deviation.

use image::RgbImage;
use serde::Deserialize;

use super::error::{PixelsError, one_line};
use super::{Filter, Region, Window, resize_region};
use crate::recipe::Crop;

/// OpenAI CLIP's mean and deviation of each channel.
const CLIP_MEAN: [f32; 3] = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: [f32; 3] = [0.26862954, 0.261_302_6, 0.275_777_1];
/// The largest square that an image encoder could be asked for; more is a mistake in the file.
const LARGEST: u32 = 4096;

/// How large a picture is made before its centre is cut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// The shorter side becomes this long, and the other follows.
    ShortestEdge(u32),
    /// Both sides as given, whatever the picture's shape.
    Exact { height: u32, width: u32 },
}

/// Turns pictures into an image encoder's input.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipImageProcessor {
    pub size: Resize,
    /// The side of the square that the encoder takes.
    pub crop_size: u32,
    pub resample: Filter,
    /// 1/255 in every published file.
    pub rescale_factor: f64,
    pub image_mean: [f32; 3],
    pub image_std: [f32; 3],
}

impl ClipImageProcessor {
    /// CLIP's own settings, for an encoder of `image_size` pixels a side (224 for the published ones).
    pub fn new(image_size: u32) -> Self {
        Self {
            size: Resize::ShortestEdge(image_size),
            crop_size: image_size,
            resample: Filter::Bicubic,
            rescale_factor: 1.0 / 255.0,
            image_mean: CLIP_MEAN,
            image_std: CLIP_STD,
        }
    }

    /// Reads a `preprocessor_config.json`; what it leaves open is CLIP's own.
    ///
    /// # Errors
    /// Not JSON, sizes that cannot be, a square that is not one, or a filter other than bicubic and lanczos.
    pub fn from_json(json: &str) -> Result<Self, PixelsError> {
        let file: File =
            serde_json::from_str(json).map_err(|e| PixelsError::Preprocessor { why: one_line(&e.to_string()) })?;
        file.processor().map_err(|why| PixelsError::Preprocessor { why })
    }

    /// The square that CLIP sees, `crop_size` pixels a side.
    ///
    /// # Errors
    /// A [`Crop::Rect`] that is empty or reaches outside of the picture, a picture without pixels, or not enough memory.
    pub fn square(&self, picture: &RgbImage, crop: Crop) -> Result<RgbImage, PixelsError> {
        let (width, height) = picture.dimensions();
        if width == 0 || height == 0 {
            return Err(PixelsError::NoPixels);
        }
        let side = self.crop_size;
        match crop {
            Crop::Fill => self.fill(picture, Region::whole(picture)),
            Crop::Stretch => {
                let window = Window { x: 0, y: 0, width: side, height: side };
                resize_region(picture, Region::whole(picture), (side, side), self.resample, window)
            }
            Crop::Fit => {
                // Padded first, so that what CLIP sees is what CLIPImageProcessor makes of the padded picture.
                let longer = width.max(height);
                let (left, top) = (i64::from((longer - width) / 2), i64::from((longer - height) / 2));
                self.fill(picture, Region { x: -left, y: -top, width: longer, height: longer })
            }
            Crop::Rect { x, y, width: w, height: h } => {
                let inside = |from: u32, length: u32, whole: u32| {
                    length > 0 && from.checked_add(length).is_some_and(|end| end <= whole)
                };
                if !inside(x, w, width) || !inside(y, h, height) {
                    return Err(PixelsError::CropOutside {
                        x,
                        y,
                        width: w,
                        height: h,
                        picture_width: width,
                        picture_height: height,
                    });
                }
                self.fill(picture, Region { x: i64::from(x), y: i64::from(y), width: w, height: h })
            }
        }
    }

    /// The encoder's input, `[3, crop_size, crop_size]` in row-major order, f32.
    ///
    /// # Errors
    /// As [`ClipImageProcessor::square`].
    pub fn pixel_values(&self, picture: &RgbImage, crop: Crop) -> Result<Vec<f32>, PixelsError> {
        let square = self.square(picture, crop)?;
        let mut out = Vec::with_capacity(square.as_raw().len());
        for (channel, (mean, std)) in self.image_mean.into_iter().zip(self.image_std).enumerate() {
            // The reference rescales in f64, rounds to f32 and normalises in f32.
            let value = |byte: &u8| ((f64::from(*byte) * self.rescale_factor) as f32 - mean) / std;
            out.extend(square.as_raw().iter().skip(channel).step_by(3).map(value));
        }
        Ok(out)
    }

    /// The reference's own way: resize, then the centre. Only what the centre shows is computed.
    fn fill(&self, picture: &RgbImage, region: Region) -> Result<RgbImage, PixelsError> {
        let Region { width, height, .. } = region;
        let (new_width, new_height) = match self.size {
            Resize::Exact { height, width } => (width, height),
            Resize::ShortestEdge(edge) => {
                // Python: int(edge * long / short), with true division.
                let longer = |long: u32, short: u32| ((f64::from(edge) * f64::from(long)) / f64::from(short)) as u32;
                if width <= height { (edge, longer(height, width)) } else { (longer(width, height), edge) }
            }
        };
        let side = self.crop_size;
        let (x, y) = (new_width.saturating_sub(side) / 2, new_height.saturating_sub(side) / 2);
        let window = Window { x, y, width: side, height: side };
        resize_region(picture, region, (new_width, new_height), self.resample, window)
    }
}

/// The parts of `preprocessor_config.json` that matter here.
#[derive(Deserialize)]
struct File {
    size: Option<Size>,
    crop_size: Option<Size>,
    do_center_crop: Option<bool>,
    resample: Option<u32>,
    rescale_factor: Option<f64>,
    image_mean: Option<[f32; 3]>,
    image_std: Option<[f32; 3]>,
}

/// Older files write a number, newer ones an object.
#[derive(Deserialize, Clone, Copy)]
#[serde(untagged)]
enum Size {
    Number(u32),
    ShortestEdge { shortest_edge: u32 },
    Sides { height: u32, width: u32 },
}

impl File {
    fn processor(self) -> Result<ClipImageProcessor, String> {
        let mut out = ClipImageProcessor::new(224);
        if let Some(size) = self.size {
            out.size = match size {
                Size::Number(edge) | Size::ShortestEdge { shortest_edge: edge } => Resize::ShortestEdge(edge),
                Size::Sides { height, width } => Resize::Exact { height, width },
            };
        }
        let (new_width, new_height) = match out.size {
            Resize::ShortestEdge(edge) => (edge, edge),
            Resize::Exact { height, width } => (width, height),
        };
        let crop = if self.do_center_crop == Some(false) { None } else { self.crop_size };
        out.crop_size = match crop {
            Some(Size::Number(side) | Size::ShortestEdge { shortest_edge: side }) => side,
            Some(Size::Sides { height, width }) if height == width => height,
            Some(Size::Sides { height, width }) => return Err(format!("crop_size is {width} x {height}, no square")),
            None if new_width == new_height => new_width,
            None => return Err(format!("size is {new_width} x {new_height}, no square")),
        };
        if out.crop_size == 0 || out.crop_size > LARGEST || new_width.max(new_height) > LARGEST {
            return Err(format!("size and crop_size must be from 1 to {LARGEST}"));
        }
        if out.crop_size > new_width.min(new_height) {
            return Err(format!("crop_size {} is more than size {}", out.crop_size, new_width.min(new_height)));
        }
        out.resample = match self.resample {
            None | Some(3) => Filter::Bicubic,
            Some(1) => Filter::Lanczos,
            Some(other) => return Err(format!("resample is {other}, but only 3 (bicubic) and 1 (lanczos) are known")),
        };
        out.rescale_factor = self.rescale_factor.unwrap_or(out.rescale_factor);
        out.image_mean = self.image_mean.unwrap_or(out.image_mean);
        out.image_std = self.image_std.unwrap_or(out.image_std);
        let finite = out.image_mean.iter().chain(&out.image_std).all(|v| v.is_finite());
        if !finite || out.image_std.contains(&0.0) || !out.rescale_factor.is_finite() {
            return Err("image_mean, image_std and rescale_factor must be finite, image_std not 0".to_owned());
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_three_ways_to_write_a_size() {
        let read = |json: &str| ClipImageProcessor::from_json(json).unwrap();
        assert_eq!(read("{}"), ClipImageProcessor::new(224));
        assert_eq!(read(r#"{"size": 336, "crop_size": 336}"#), ClipImageProcessor::new(336));
        assert_eq!(
            read(r#"{"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}, "resample": 3}"#),
            ClipImageProcessor::new(64)
        );
        let exact = read(r#"{"size": {"height": 40, "width": 48}, "crop_size": 32, "do_normalize": true}"#);
        assert_eq!((exact.size, exact.crop_size), (Resize::Exact { height: 40, width: 48 }, 32));
    }

    #[test]
    fn a_senseless_file_is_refused() {
        for json in [
            "",
            "[]",
            r#"{"size": 0, "crop_size": 0}"#,
            r#"{"size": 100, "crop_size": 200}"#,
            r#"{"crop_size": {"height": 224, "width": 200}}"#,
            r#"{"resample": 0}"#,
            r#"{"image_std": [1, 0, 1]}"#,
            r#"{"image_mean": [1, 0]}"#,
            r#"{"size": 4294967295, "crop_size": 4294967295}"#,
        ] {
            let said = ClipImageProcessor::from_json(json).unwrap_err().to_string();
            assert!(said.starts_with("preprocessor_config.json") && !said.contains('\n'), "{json}: {said}");
        }
    }
}
