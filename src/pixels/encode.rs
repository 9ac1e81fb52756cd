//! A finished picture as the bytes of a PNG file, with its recipe inside and marked as made by a machine.
//!
//! Same input, same bytes: nothing of the clock or the machine goes in.

use image::RgbImage;

use super::png_text::{BOARD_KEYWORD, RECIPE_KEYWORD, REFERENCES_KEYWORD};
use super::{PixelsError, error::one_line, xmp};

/// The text that goes into a PNG.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PngText {
    /// Our recipe as JSON: what [`super::recipe_json`] gives back.
    pub recipe_json: Option<String>,
    /// A contact sheet's axes as JSON.
    pub board_json: Option<String>,
    /// Small copies of the recipe's references as JSON ([`super::CarriedReference`]).
    pub references_json: Option<String>,
    /// The settings as other programs read them ([`crate::recipe::a1111_parameters`]).
    pub parameters: Option<String>,
    /// Mark the picture as made by a trained model.
    pub made_by_model: bool,
}

/// PNG bytes of `picture`, tagged sRGB.
///
/// # Errors
/// A picture without pixels.
pub fn encode_png(picture: &RgbImage, text: &PngText) -> Result<Vec<u8>, PixelsError> {
    let (width, height) = picture.dimensions();
    if width == 0 || height == 0 {
        return Err(PixelsError::NoPixels);
    }
    let mut bytes = Vec::new();
    write(&mut bytes, picture, text).map_err(|e| PixelsError::Encode { why: one_line(&e.to_string()) })?;
    Ok(bytes)
}

fn write(bytes: &mut Vec<u8>, picture: &RgbImage, text: &PngText) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(bytes, picture.width(), picture.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    if let Some(parameters) = &text.parameters {
        let parameters = without_nul(parameters);
        // Other programs read tEXt best, but it holds Latin-1 only.
        if parameters.chars().all(|c| u32::from(c) <= 0xff) {
            encoder.add_text_chunk("parameters".to_owned(), parameters)?;
        } else {
            encoder.add_itxt_chunk("parameters".to_owned(), parameters)?;
        }
    }
    if let Some(json) = &text.recipe_json {
        encoder.add_itxt_chunk(RECIPE_KEYWORD.to_owned(), without_nul(json))?;
    }
    if let Some(json) = &text.board_json {
        encoder.add_itxt_chunk(BOARD_KEYWORD.to_owned(), without_nul(json))?;
    }
    if let Some(json) = &text.references_json {
        encoder.add_itxt_chunk(REFERENCES_KEYWORD.to_owned(), without_nul(json))?;
    }
    if text.made_by_model {
        encoder.add_itxt_chunk("XML:com.adobe.xmp".to_owned(), xmp::packet(&[]))?;
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(picture.as_raw())?;
    writer.finish()
}

/// NUL ends a text chunk. JSON escapes it, so only other text can lose one.
fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}
