//! A style as one file, `.instantstyle-style`: a zip archive with three entries of fixed names, and nothing else is
//! ever read from it.
//!
//! | entry | what |
//! |---|---|
//! | `manifest.json` | format, name, and the reference with its role, strengths, crop and subtraction |
//! | `reference` | the reference's original file, byte for byte; its hash stands in the manifest |
//! | `thumbnail.png` | at most 256 pixels a side |
//!
//! Such a file may come from a stranger. Sizes are those of what comes out, not of what the archive claims; names of
//! entries never become paths.

use std::io::{Cursor, Read, Seek, Write as _};

use serde::{Deserialize, Serialize};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::{LibraryError, thumbnail};
use crate::pixels::{Picture, PngText, encode_png};
use crate::recipe::{Recipe, Reference};

/// How the names of these files end.
pub const ENDING: &str = "instantstyle-style";
/// Counted up when an older program could no longer read the file.
const FORMAT: u32 = 1;
const LARGEST_REFERENCE: u64 = 64 << 20;
const LARGEST_THUMBNAIL: u64 = 1 << 20;
const LARGEST_MANIFEST: u64 = 256 << 10;
/// The three entries, and some room for what later versions bring.
const MOST_ENTRIES: usize = 16;
/// As large as the whole file may be.
pub const LARGEST: u64 = LARGEST_REFERENCE + (8 << 20);
const LONGEST_NAME: usize = 80;

const MANIFEST: &str = "manifest.json";
const REFERENCE: &str = "reference";
const THUMBNAIL: &str = "thumbnail.png";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    pub name: String,
    pub reference: Reference,
}

impl Manifest {
    pub fn new(name: &str, reference: Reference) -> Self {
        Self { format: FORMAT, name: name.to_owned(), reference }
    }
}

/// A name as it is kept: without spaces around it.
///
/// # Errors
/// An empty one, a long one, or one with line breaks and the like.
pub fn checked_name(name: &str) -> Result<String, LibraryError> {
    let name = name.trim();
    let length = name.chars().count();
    if length == 0 || length > LONGEST_NAME || name.chars().any(char::is_control) {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        return Err(LibraryError::StyleName { name: shown });
    }
    Ok(name.to_owned())
}

/// The file's bytes; the same style gives the same bytes.
///
/// # Errors
/// A picture that is too large, or is none.
pub fn write(manifest: &Manifest, picture: &[u8]) -> Result<Vec<u8>, LibraryError> {
    let path = manifest.reference.name.clone();
    if picture.len() as u64 > LARGEST_REFERENCE {
        return Err(LibraryError::StyleTooLarge { mib: picture.len() as u64 >> 20, path });
    }
    let failed = |why: String| LibraryError::Failed { why, path: path.clone() };
    let opened = Picture::from_bytes(picture, &path).map_err(|error| failed(error.to_string()))?;
    let small = encode_png(&thumbnail(&opened.rgb), &PngText::default()).map_err(|error| failed(error.to_string()))?;
    let json = serde_json::to_vec_pretty(manifest).map_err(|error| failed(error.to_string()))?;

    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().last_modified_time(DateTime::default());
    let entries = [
        (MANIFEST, json.as_slice(), CompressionMethod::Deflated),
        (THUMBNAIL, small.as_slice(), CompressionMethod::Stored),
        (REFERENCE, picture, CompressionMethod::Stored),
    ];
    for (name, bytes, method) in entries {
        archive.start_file(name, stored.compression_method(method)).map_err(|error| failed(error.to_string()))?;
        archive.write_all(bytes).map_err(|error| failed(error.to_string()))?;
    }
    archive.finish().map(Cursor::into_inner).map_err(|error| failed(error.to_string()))
}

/// An open file of a style, of which nothing is believed.
pub struct StyleFile<R> {
    archive: ZipArchive<R>,
    pub manifest: Manifest,
    path: String,
}

impl<R: Read + Seek> StyleFile<R> {
    /// Reads the manifest only. `path` is for messages.
    ///
    /// # Errors
    /// No archive, too many entries, a manifest that is missing, too large, of a newer format or out of its ranges.
    pub fn open(reader: R, path: &str) -> Result<Self, LibraryError> {
        let wrong = |why: String| LibraryError::NotAStyle { why, path: path.to_owned() };
        let mut archive = ZipArchive::new(reader).map_err(|error| wrong(one_line(&error.to_string())))?;
        if archive.len() > MOST_ENTRIES {
            return Err(wrong(format!("it holds {} entries", archive.len())));
        }
        let json = entry(&mut archive, MANIFEST, LARGEST_MANIFEST).map_err(wrong)?;
        // The format first: a newer manifest has fields that would read as faults.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let format = serde_json::from_slice::<Format>(&json).map_err(|error| wrong(one_line(&error.to_string())))?;
        if format.format > FORMAT {
            return Err(LibraryError::Newer { path: path.to_owned() });
        }
        let mut manifest: Manifest =
            serde_json::from_slice(&json).map_err(|error| wrong(one_line(&error.to_string())))?;
        manifest.name = checked_name(&manifest.name).map_err(|_| wrong("its name is none".to_owned()))?;
        manifest.reference.name = file_name(&manifest.reference.name);
        let whole = Recipe { references: vec![manifest.reference.clone()], ..Recipe::default() };
        whole.validate().map_err(|error| wrong(error.to_string()))?;
        Ok(Self { archive, manifest, path: path.to_owned() })
    }

    /// The reference's original file, of the hash that the manifest says.
    ///
    /// # Errors
    /// One that is missing, larger than 64 MiB, or another.
    pub fn reference(&mut self) -> Result<Vec<u8>, LibraryError> {
        let wrong = |why: String| LibraryError::NotAStyle { why, path: self.path.clone() };
        let bytes = entry(&mut self.archive, REFERENCE, LARGEST_REFERENCE).map_err(wrong)?;
        match blake3::hash(&bytes).to_hex().as_str() == self.manifest.reference.hash {
            true => Ok(bytes),
            false => Err(wrong("its picture is not the one that its manifest names".to_owned())),
        }
    }

    /// The thumbnail as PNG bytes.
    ///
    /// # Errors
    /// One that is missing or larger than 1 MiB.
    pub fn thumbnail(&mut self) -> Result<Vec<u8>, LibraryError> {
        let wrong = |why: String| LibraryError::NotAStyle { why, path: self.path.clone() };
        entry(&mut self.archive, THUMBNAIL, LARGEST_THUMBNAIL).map_err(wrong)
    }
}

/// What comes out of an entry, which is not more than `largest` bytes whatever the archive says.
fn entry<R: Read + Seek>(archive: &mut ZipArchive<R>, name: &str, largest: u64) -> Result<Vec<u8>, String> {
    let file = archive.by_name(name).map_err(|_| format!("it holds no {name}"))?;
    if !file.is_file() || file.encrypted() {
        return Err(format!("its {name} is no plain file"));
    }
    let mut bytes = Vec::new();
    file.take(largest + 1).read_to_end(&mut bytes).map_err(|error| format!("its {name} is damaged: {error}"))?;
    if bytes.len() as u64 > largest {
        return Err(format!("its {name} is larger than {} KiB", largest >> 10));
    }
    Ok(bytes)
}

/// The last part of a path of any system, on one line: a name for people.
fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}
