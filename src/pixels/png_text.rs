//! The text inside a PNG, for restoring a picture's recipe. Nothing of it is trusted: sizes are capped, and what it
//! says is only data.

use std::io::Cursor;

use super::PixelsError;
use super::error::{one_line, shown};

/// The keyword under which a picture holds its recipe.
pub const RECIPE_KEYWORD: &str = "instantstyle";
/// The keyword under which a contact sheet holds its board.
pub const BOARD_KEYWORD: &str = "instantstyle-board";
/// The keyword under which a picture holds small copies of its references.
pub const REFERENCES_KEYWORD: &str = "instantstyle-references";
/// The most that one text may be when inflated.
const LONGEST_TEXT: usize = 2 << 20;
/// The most that all texts (and colour profiles) may take while they are read.
const MOST_MEMORY: usize = 64 << 20;

/// Every text of a PNG, keyword and content, in the file's order within each kind of chunk.
///
/// Reads up to the pixels, where this program and most others put it, and beyond where the pixels are sound.
/// `path` is for messages.
///
/// # Errors
/// Not a PNG, damaged before the pixels, or a text of more than 2 MiB.
pub fn read_png_text(bytes: &[u8], path: &str) -> Result<Vec<(String, String)>, PixelsError> {
    let path = shown(path);
    if image::guess_format(bytes).ok() != Some(image::ImageFormat::Png) {
        return Err(PixelsError::NotAPng { path });
    }
    let failed = |e: png::DecodingError| PixelsError::Text { why: one_line(&e.to_string()), path: path.clone() };
    let limits = png::Limits { bytes: MOST_MEMORY };
    let mut reader = png::Decoder::new_with_limits(Cursor::new(bytes), limits).read_info().map_err(failed)?;
    // Damage behind the text is no reason to hold the text back.
    let _ = reader.finish();
    let info = reader.info();
    let mut texts = Vec::new();
    for chunk in &info.uncompressed_latin1_text {
        texts.push((chunk.keyword.clone(), chunk.text.clone()));
    }
    for chunk in &info.compressed_latin1_text {
        let mut chunk = chunk.clone();
        chunk.decompress_text_with_limit(LONGEST_TEXT).map_err(failed)?;
        texts.push((chunk.keyword.clone(), chunk.get_text().map_err(failed)?));
    }
    for chunk in &info.utf8_text {
        let mut chunk = chunk.clone();
        chunk.decompress_text_with_limit(LONGEST_TEXT).map_err(failed)?;
        texts.push((chunk.keyword.clone(), chunk.get_text().map_err(failed)?));
    }
    match texts.iter().find(|(_, text)| text.len() > LONGEST_TEXT) {
        Some((keyword, _)) => {
            let why = one_line(&format!("'{keyword}' is longer than 2 MiB"));
            Err(PixelsError::Text { why, path })
        }
        None => Ok(texts),
    }
}
