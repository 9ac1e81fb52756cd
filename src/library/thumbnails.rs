//! Small copies of pictures, kept as JPEG under the content hash of what they show. Only a cache: what is missing or
//! damaged is made again.

use std::fs;
use std::path::Path;

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

use super::references::is_hash;
use super::write_atomically;
use crate::pixels::{Picture, PixelsError, shrunk};

/// Longest side of a thumbnail: what the window shows at twice the usual density.
const SIDE: u32 = 256;
const QUALITY: u8 = 88;

/// A small copy; a picture that is small already is only copied.
pub fn thumbnail(picture: &RgbImage) -> RgbImage {
    shrunk(picture, SIDE)
}

/// As [`cached_thumbnail`], where the content hash is not known: to read a file is far quicker than to decode it.
///
/// # Errors
/// As [`cached_thumbnail`].
pub fn thumbnail_of(home: &Path, file: &Path) -> Result<RgbImage, PixelsError> {
    let bytes =
        fs::metadata(file).and_then(|metadata| if metadata.is_file() { fs::read(file) } else { Ok(Vec::new()) });
    // What is wrong with it is said by opening it.
    let hash = bytes.map(|bytes| blake3::hash(&bytes).to_hex().to_string()).unwrap_or_default();
    cached_thumbnail(home, file, &hash)
}

/// The thumbnail of the picture at `file` with this content hash, from the cache of `home` where it is there.
///
/// # Errors
/// A picture that is gone, or is none.
pub fn cached_thumbnail(home: &Path, file: &Path, hash: &str) -> Result<RgbImage, PixelsError> {
    let folder = home.join("cache").join("thumbnails");
    let kept = is_hash(hash).then(|| folder.join(format!("{hash}.jpg")));
    if let Some(kept) = &kept
        && kept.is_file()
        && let Ok(picture) = Picture::open(kept)
    {
        return Ok(picture.rgb);
    }
    let picture = Picture::open(file)?;
    let small = thumbnail(&picture.rgb);
    if let Some(kept) = kept.filter(|_| picture.hash == hash) {
        let mut bytes = Vec::new();
        let encoded = JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&small);
        if encoded.is_ok() && fs::create_dir_all(&folder).is_ok() {
            // Where it cannot be kept, it is made again next time.
            let _ = write_atomically(&kept, &bytes);
        }
    }
    Ok(small)
}
