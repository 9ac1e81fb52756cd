//! What a file is, from its first bytes; its name is never asked.

use image::ImageFormat;

use super::PixelsError;

/// The format of a picture that can be decoded, or an error that says what the file looks like instead.
pub(super) fn format_of(bytes: &[u8], path: &str) -> Result<ImageFormat, PixelsError> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    if bytes.is_empty() {
        return Err(PixelsError::Empty { path: path.to_owned() });
    }
    match image::guess_format(bytes) {
        Ok(format @ (Png | Jpeg | WebP | Gif | Bmp | Tiff)) => Ok(format),
        _ => Err(match other_picture(bytes) {
            Some(format) => PixelsError::Unsupported { format, path: path.to_owned() },
            None => PixelsError::NotAPicture { looks_like: looks_like(bytes), path: path.to_owned() },
        }),
    }
}

/// Picture formats that are known by sight but not decoded.
fn other_picture(bytes: &[u8]) -> Option<&'static str> {
    let brand = bytes.get(4..12).unwrap_or_default();
    if brand.starts_with(b"ftyp") {
        return match brand.get(4..8).unwrap_or_default() {
            b"avif" | b"avis" => Some("AVIF"),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1" => Some("HEIC"),
            b"crx " => Some("camera raw (CR3)"),
            _ => None,
        };
    }
    let magics: [(&[u8], &str); 11] = [
        (b"8BPS", "Photoshop"),
        (b"\xff\x0a", "JPEG XL"),
        (b"\0\0\0\x0cJXL ", "JPEG XL"),
        (b"\0\0\0\x0cjP  ", "JPEG 2000"),
        (b"\x76\x2f\x31\x01", "OpenEXR"),
        (b"#?RADIANCE", "Radiance HDR"),
        (b"DDS ", "DDS"),
        (b"qoif", "QOI"),
        (b"gimp xcf", "GIMP"),
        (b"farbfeld", "farbfeld"),
        (b"\0\0\x01\0", "icon (ICO)"),
    ];
    if let Some((_, name)) = magics.into_iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(name);
    }
    if let [b'P', b'1'..=b'6', space, ..] = bytes
        && space.is_ascii_whitespace()
    {
        return Some("portable anymap (PNM)");
    }
    has_tag(bytes, b"<svg").then_some("SVG")
}

fn looks_like(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(b"version https://git-lfs") {
        return "a git-LFS pointer (fetch the true file with `git lfs pull`)";
    }
    if has_tag(bytes, b"<!doctype html") || has_tag(bytes, b"<html") {
        return "a web page (the download went wrong)";
    }
    if is_safetensors(bytes) {
        return "a safetensors file of model weights";
    }
    let magics: [(&[u8], &str); 6] = [
        (b"%PDF", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"\x1a\x45\xdf\xa3", "a video"),
        (b"GGUF", "a GGUF file of model weights"),
        (b"\x80\x02", "a Python pickle"),
    ];
    if let Some((_, name)) = magics.into_iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return name;
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return "a video";
    }
    let head = bytes.get(..512).unwrap_or(bytes);
    if head.iter().all(|b| *b == 0) {
        return "a file of zeros (the copy or download went wrong)";
    }
    // A multi-byte character may be cut by the end of the head: that is still text.
    let text = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(e) => e.error_len().is_none(),
    };
    if text && !head.contains(&0) { "a text file" } else { "a file of unknown kind" }
}

/// Whether the text at the start, in either case and after a byte order mark, an XML head or comments, holds `tag`.
fn has_tag(bytes: &[u8], tag: &[u8]) -> bool {
    let head = bytes.get(..512).unwrap_or(bytes);
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    head.first() == Some(&b'<') && head.windows(tag.len()).any(|w| w.eq_ignore_ascii_case(tag))
}

/// Eight bytes of header length that fit the file, then a JSON object.
fn is_safetensors(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else { return false };
    let length = u64::from_le_bytes(*length);
    rest.first() == Some(&b'{') && (2..=100_000_000).contains(&length)
}
