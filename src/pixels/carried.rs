//! What a picture carries about how it was made, whatever its format: its recipe, small copies of its references, and
//! the settings that other programs wrote. Nothing of it is trusted: it is only data, and of bounded size.

use std::path::Path;

use super::decode::metadata;
use super::error::shown;
use super::picture::read_file;
use super::png_text::{BOARD_KEYWORD, RECIPE_KEYWORD, REFERENCES_KEYWORD, read_png_text};
use super::{CarriedReference, PixelsError, exif, xmp};

/// What is found in a picture's file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// Our recipe as JSON, unparsed.
    pub recipe_json: Option<String>,
    /// A contact sheet's board with its axes as JSON, unparsed.
    pub board_json: Option<String>,
    /// Small copies of the recipe's references.
    pub references: Vec<CarriedReference>,
    /// The settings as A1111 writes them, by this program or another.
    pub parameters: Option<String>,
}

/// Reads what a PNG, JPEG, WebP or TIFF carries; other pictures carry nothing. `path` is for messages.
///
/// # Errors
/// No picture, or one damaged before its pixels.
pub fn carried(bytes: &[u8], path: &str) -> Result<Carried, PixelsError> {
    if image::guess_format(bytes).ok() == Some(image::ImageFormat::Png) {
        let texts = read_png_text(bytes, path)?;
        let text = |keyword: &str| texts.iter().find(|(known, _)| known == keyword).map(|(_, text)| text.clone());
        return Ok(Carried {
            recipe_json: text(RECIPE_KEYWORD),
            board_json: text(BOARD_KEYWORD),
            references: read_references(text(REFERENCES_KEYWORD)),
            parameters: text("parameters"),
        });
    }
    let metadata = metadata(bytes, &shown(path))?;
    let packet = metadata.xmp.map(|packet| String::from_utf8_lossy(&packet).into_owned()).unwrap_or_default();
    Ok(Carried {
        recipe_json: xmp::property(&packet, "Recipe"),
        board_json: xmp::property(&packet, "Board"),
        references: read_references(xmp::property(&packet, "References")),
        parameters: metadata.exif.and_then(|block| exif::user_comment(&block)),
    })
}

/// As [`carried`], of a file.
///
/// # Errors
/// As opening a picture.
pub fn carried_by(path: &Path) -> Result<Carried, PixelsError> {
    let bytes = read_file(path)?;
    let path = path.to_string_lossy();
    if bytes.is_empty() {
        return Err(PixelsError::Empty { path: shown(&path) });
    }
    carried(&bytes, &path)
}

/// The recipe's JSON inside a picture that this program made, unparsed.
///
/// # Errors
/// As opening a picture; a picture without a recipe.
pub fn recipe_json(path: &Path) -> Result<String, PixelsError> {
    carried_by(path)?.recipe_json.ok_or_else(|| PixelsError::NoRecipe { path: shown(&path.to_string_lossy()) })
}

/// Small copies are an extra: where they cannot be read, there are none.
fn read_references(json: Option<String>) -> Vec<CarriedReference> {
    json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}
