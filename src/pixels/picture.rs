//! A picture as the rest of the program sees it: upright, opaque, sRGB, 8 bits a channel.

use std::io::Read;
use std::path::Path;

use image::RgbImage;

use super::decode;
use super::error::{PixelsError, one_line, shown};

/// A file of more than this is no photograph.
pub const MOST_FILE_BYTES: u64 = 512 << 20;
/// Below this side there is little that an encoder of 224 pixels could see.
const SMALL_SIDE: u32 = 16;

/// An opened picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Upright (EXIF orientation applied), converted to sRGB, transparency on white; every pixel of the file, because crops
    /// count in them and what CLIP and the VAE see is made from them.
    pub rgb: RgbImage,
    /// blake3 of the file's bytes, in hex.
    pub hash: String,
    /// The file's name, without folders.
    pub name: String,
    /// What was left out or changed on the way, a sentence each, the picture's name last.
    pub notices: Vec<String>,
}

impl Picture {
    /// Reads a PNG, JPEG, WebP, GIF, BMP or TIFF file; what it is, its bytes say and not its name.
    ///
    /// # Errors
    /// A file that is missing, empty, no picture, damaged, or larger than 512 MiB, 16384 pixels a side,
    /// 100 megapixels or the memory that is free.
    pub fn open(path: &Path) -> Result<Self, PixelsError> {
        let bytes = read_file(path)?;
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        Self::from_named_bytes(bytes, name, &shown(&path.to_string_lossy()))
    }

    /// As [`Picture::open`], for a file that is in memory: pasted, dropped, or part of the program.
    ///
    /// # Errors
    /// As [`Picture::open`]; the messages end in `name`.
    pub fn from_bytes(bytes: &[u8], name: impl Into<String>) -> Result<Self, PixelsError> {
        let name = name.into();
        let path = shown(&name);
        if bytes.len() as u64 > MOST_FILE_BYTES {
            return Err(PixelsError::FileTooLarge { mib: bytes.len() as u64 >> 20, path });
        }
        Self::from_named_bytes(bytes.to_vec(), name, &path)
    }

    fn from_named_bytes(bytes: Vec<u8>, name: String, path: &str) -> Result<Self, PixelsError> {
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let (rgb, mut notices) = decode::decode(bytes, path)?;
        let (width, height) = rgb.dimensions();
        if width.min(height) < SMALL_SIDE {
            notices.push(format!("the picture is only {width} x {height} pixels, so little of it can be seen"));
        }
        for notice in &mut notices {
            notice.push_str(": ");
            notice.push_str(&shown(&name));
        }
        Ok(Self { rgb, hash, name, notices })
    }
}

/// The bytes of a file of at most 512 MiB.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, PixelsError> {
    let shown = || shown(&path.to_string_lossy());
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => PixelsError::Missing { path: shown() },
        _ => PixelsError::Unreadable { why: one_line(&e.to_string()), path: shown() },
    };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(PixelsError::Folder { path: shown() });
    }
    // Opening a pipe waits for a writer, and a device may never end.
    if !metadata.is_file() {
        return Err(PixelsError::NotAFile { path: shown() });
    }
    let too_large = |length: u64| PixelsError::FileTooLarge { mib: length >> 20, path: shown() };
    if metadata.len() > MOST_FILE_BYTES {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    // The file may grow between the two looks at it.
    std::fs::File::open(path).map_err(failed)?.take(MOST_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_FILE_BYTES {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}
