//! A finished picture as the bytes of a file for others: PNG, JPEG, WebP or TIFF, each with the settings as A1111 writes
//! them, the recipe, small copies of its references, and the mark that a model made it.
//!
//! | | settings for others | recipe and references |
//! |---|---|---|
//! | PNG | text `parameters` | texts of ours |
//! | JPEG, WebP | EXIF `UserComment` | XMP |
//! | TIFF | `ImageDescription` | XMP |
//!
//! PNG, WebP and TIFF are without loss. Same input, same bytes.

use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder as _, RgbImage};
use serde::{Deserialize, Serialize};
use tiff::encoder::colortype::RGB8;
use tiff::encoder::compression::DeflateLevel;
use tiff::encoder::{Compression, TiffEncoder, TiffValue};
use tiff::tags::{Tag, Type};

use super::error::one_line;
use super::{Picture, PixelsError, PngText, encode_png, exif, shrunk, xmp};
use crate::board::Board;
use crate::recipe::{Recipe, a1111_parameters};

const JPEG_QUALITY: u8 = 95;
/// The most that one segment of a JPEG holds.
const SEGMENT: usize = 65_533;
const XMP_HEADER: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// The most that our own part of it may have.
const JPEG_PACKET: usize = SEGMENT - XMP_HEADER.len();
/// Room for what the engine fills in: the names and contents of the weights, and numbers.
const FILLED_IN: usize = 1024;
const TIFF_XMP: u16 = 700;
const WEBP_SIDE: u32 = 16_383;
/// Longest side of a reference's small copy.
const THUMBNAIL_SIDE: u32 = 96;

/// The formats of a finished picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PictureFormat {
    #[default]
    Png,
    Jpeg,
    /// Without loss.
    WebP,
    Tiff,
}

impl PictureFormat {
    pub const ALL: [Self; 4] = [Self::Png, Self::Jpeg, Self::WebP, Self::Tiff];
    /// What a file's name may end in.
    pub const ENDINGS: &[&str] = &["png", "jpg", "jpeg", "webp", "tif", "tiff"];

    /// The format that a file's name asks for; `None` where its ending is none of [`PictureFormat::ENDINGS`].
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "png" => Self::Png,
            "jpg" | "jpeg" => Self::Jpeg,
            "webp" => Self::WebP,
            "tif" | "tiff" => Self::Tiff,
            _ => return None,
        })
    }

    /// The usual ending, without a dot.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
            Self::Tiff => "tif",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
            Self::Tiff => "TIFF",
        }
    }
}

/// A small copy of a reference that travels with the picture, so that a missing one can be recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedReference {
    /// Content hash of the whole reference's file.
    pub hash: String,
    pub name: String,
    /// A JPEG file in base64, at most 96 pixels a side.
    pub jpeg: String,
}

impl CarriedReference {
    /// Makes the small copy.
    ///
    /// # Errors
    /// A picture without pixels.
    pub fn of(picture: &Picture) -> Result<Self, PixelsError> {
        let small = shrunk(&picture.rgb, THUMBNAIL_SIDE);
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, 80).encode_image(&small).map_err(|e| failed("JPEG", &e))?;
        Ok(Self { hash: picture.hash.clone(), name: picture.name.clone(), jpeg: super::base64::encode(&jpeg) })
    }

    /// The small copy's JPEG file.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        super::base64::decode(&self.jpeg)
    }
}

/// The file of a finished picture in `format`. `references` are small copies for those of the recipe; a JPEG carries as
/// many as have room.
///
/// # Errors
/// A picture without pixels or too large for the format, or a recipe too long for a JPEG.
pub fn export(
    picture: &RgbImage,
    recipe: &Recipe,
    references: &[CarriedReference],
    format: PictureFormat,
) -> Result<Vec<u8>, PixelsError> {
    write(picture, recipe, None, references, format)
}

/// The file of a board's contact sheet in `format`, with its axes, the recipe that its cells share, and small copies of
/// all cells' references. A JPEG leaves out first the small copies, then the axes, where they have no room.
///
/// # Errors
/// As [`export`].
pub fn export_sheet(
    sheet: &RgbImage,
    board: &Board,
    references: &[CarriedReference],
    format: PictureFormat,
) -> Result<Vec<u8>, PixelsError> {
    write(sheet, &board.base, Some(board), references, format)
}

fn write(
    picture: &RgbImage,
    recipe: &Recipe,
    board: Option<&Board>,
    references: &[CarriedReference],
    format: PictureFormat,
) -> Result<Vec<u8>, PixelsError> {
    if picture.width() == 0 || picture.height() == 0 {
        return Err(PixelsError::NoPixels);
    }
    let json = |value: serde_json::Result<String>| value.map_err(|e| failed(format.name(), &e));
    let recipe_json = json(serde_json::to_string(recipe))?;
    let board_json = board.map(|board| json(serde_json::to_string(board))).transpose()?;
    let parameters = a1111_parameters(recipe);
    let carried = |count: usize| match references.get(..count) {
        None | Some([]) => Ok(None),
        Some(some) => json(serde_json::to_string(some)).map(Some),
    };
    let packet = |board: Option<&str>, references: Option<&str>| packet(&recipe_json, board, references);
    let whole = |format: fn(&RgbImage, &str, &str) -> Result<Vec<u8>, PixelsError>| {
        format(picture, &packet(board_json.as_deref(), carried(references.len())?.as_deref()), &parameters)
    };
    match format {
        PictureFormat::Png => {
            let text = PngText {
                recipe_json: Some(recipe_json),
                board_json,
                references_json: carried(references.len())?,
                parameters: Some(parameters),
                made_by_model: true,
            };
            encode_png(picture, &text)
        }
        PictureFormat::Jpeg => {
            let with_board = (0..=references.len()).rev().map(|count| (board_json.as_deref(), count));
            for (board, count) in with_board.chain([(None, 0)]) {
                let packet = packet(board, carried(count)?.as_deref());
                if packet.len() <= JPEG_PACKET {
                    return jpeg(picture, &packet, &parameters);
                }
            }
            Err(no_room())
        }
        PictureFormat::WebP => whole(webp),
        PictureFormat::Tiff => whole(tiff),
    }
}

/// Refuses a recipe, or with it the axes of a board, that a file of `format` has no room for: to be asked before the work,
/// when the engine has not filled in everything yet.
///
/// # Errors
/// The sentence that [`export`] has.
pub fn ensure_room(recipe: &Recipe, board: Option<&Board>, format: PictureFormat) -> Result<(), PixelsError> {
    if format != PictureFormat::Jpeg {
        return Ok(());
    }
    let json = |value: serde_json::Result<String>| value.map_err(|e| failed(format.name(), &e));
    let recipe_json = json(serde_json::to_string(recipe))?;
    let board_json = board.map(|board| json(serde_json::to_string(board))).transpose()?;
    let filled_in = FILLED_IN * (1 + usize::from(board.is_some()));
    match packet(&recipe_json, board_json.as_deref(), None).len() + filled_in <= JPEG_PACKET {
        true => Ok(()),
        false => Err(no_room()),
    }
}

fn packet(recipe: &str, board: Option<&str>, references: Option<&str>) -> String {
    let own = [("Recipe", Some(recipe)), ("Board", board), ("References", references)];
    xmp::packet(&own.into_iter().filter_map(|(name, json)| Some((name, json?))).collect::<Vec<_>>())
}

fn no_room() -> PixelsError {
    failed("JPEG", &"the recipe has more than the 64 KiB that a JPEG holds; save it as PNG or WebP")
}

fn failed(format: &str, error: &dyn std::fmt::Display) -> PixelsError {
    PixelsError::Encode { why: format!("{format}: {}", one_line(&error.to_string())) }
}

fn jpeg(picture: &RgbImage, packet: &str, parameters: &str) -> Result<Vec<u8>, PixelsError> {
    let mut out = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut out, JPEG_QUALITY);
    let comment = exif::with_user_comment(parameters);
    // For others only: a text that is too long for them is left out.
    if comment.len() + 6 <= SEGMENT && encoder.set_exif_metadata(comment).is_err() {
        return Err(failed("JPEG", &"its settings cannot be written"));
    }
    encoder.encode_image(picture).map_err(|e| failed("JPEG", &e))?;
    // Behind the start marker and the segments APP0 and APP1 that stand there: readers want JFIF and EXIF first.
    let at = after_app_segments(&out).ok_or_else(|| failed("JPEG", &"the encoder gave no JPEG"))?;
    let length = u16::try_from(2 + XMP_HEADER.len() + packet.len()).map_err(|e| failed("JPEG", &e))?;
    let segment = [&[0xff, 0xe1], &length.to_be_bytes()[..], XMP_HEADER, packet.as_bytes()].concat();
    out.splice(at..at, segment);
    Ok(out)
}

fn after_app_segments(jpeg: &[u8]) -> Option<usize> {
    let mut at = 2_usize;
    while let [0xff, 0xe0 | 0xe1, high, low] = jpeg.get(at..at.checked_add(4)?)? {
        at += 2 + usize::from(u16::from_be_bytes([*high, *low]));
    }
    Some(at)
}

/// With EXIF the encoder writes the extended format, to whose end the packet is added.
fn webp(picture: &RgbImage, packet: &str, parameters: &str) -> Result<Vec<u8>, PixelsError> {
    let (width, height) = picture.dimensions();
    if width.max(height) > WEBP_SIDE {
        return Err(failed(
            "WebP",
            &format!("{width} x {height} pixels are more than {WEBP_SIDE} a side; save it as PNG"),
        ));
    }
    let mut out = Vec::new();
    let mut encoder = WebPEncoder::new_lossless(&mut out);
    encoder.set_exif_metadata(exif::with_user_comment(parameters)).map_err(|e| failed("WebP", &e))?;
    encoder.write_image(picture, width, height, ExtendedColorType::Rgb8).map_err(|e| failed("WebP", &e))?;
    let length = u32::try_from(packet.len()).map_err(|e| failed("WebP", &e))?;
    out.extend_from_slice(b"XMP ");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(packet.as_bytes());
    if packet.len() % 2 == 1 {
        out.push(0);
    }
    let total = u32::try_from(out.len().saturating_sub(8)).map_err(|e| failed("WebP", &e))?;
    // RIFF's length, and in VP8X the flag that there is XMP.
    let (Some(size), true) = (out.get_mut(4..8), true) else { return Err(failed("WebP", &"the encoder gave no WebP")) };
    size.copy_from_slice(&total.to_le_bytes());
    match out.get_mut(12..21) {
        Some([b'V', b'P', b'8', b'X', _, _, _, _, flags]) => *flags |= 1 << 2,
        _ => return Err(failed("WebP", &"the encoder gave no extended WebP")),
    }
    Ok(out)
}

/// A text that ends in NUL. Its type is ASCII by name; programs write and read UTF-8.
struct Text(Vec<u8>);

impl TiffValue for Text {
    const BYTE_LEN: u8 = 1;
    const FIELD_TYPE: Type = Type::ASCII;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
}

fn tiff(picture: &RgbImage, packet: &str, parameters: &str) -> Result<Vec<u8>, PixelsError> {
    let failed = |e: tiff::TiffError| failed("TIFF", &e);
    let mut out = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut out)
        .map_err(failed)?
        .with_compression(Compression::Deflate(DeflateLevel::Balanced))
        .with_predictor(tiff::tags::Predictor::Horizontal);
    let mut image = encoder.new_image::<RGB8>(picture.width(), picture.height()).map_err(failed)?;
    let description = Text(format!("{}\0", parameters.replace('\0', "")).into_bytes());
    image.encoder().write_tag(Tag::ImageDescription, description).map_err(failed)?;
    image.encoder().write_tag(Tag::Unknown(TIFF_XMP), packet.as_bytes()).map_err(failed)?;
    image.write_data(picture.as_raw()).map_err(failed)?;
    Ok(out.into_inner())
}
