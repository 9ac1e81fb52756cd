//! Pictures of references: opened, kept in the library and shown small, all off the window's thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;

use crate::library::{self, LibraryError};
use crate::pixels::{CarriedReference, Picture};

/// A reference's picture, ready to be used and shown.
#[derive(Debug, Clone)]
pub struct Opened {
    pub picture: Arc<Picture>,
    pub thumbnail: Arc<RgbImage>,
    /// The small copy that travels with pictures made with it.
    pub small: Option<CarriedReference>,
    /// Why the file could not be kept in the library.
    pub not_kept: Option<String>,
}

/// A file that was dropped, pasted or named.
#[derive(Clone)]
pub enum Dropped {
    File(PathBuf),
    /// A name, and what gives the bytes; called on the files' thread.
    Bytes {
        name: String,
        read: Arc<dyn Fn() -> Result<Vec<u8>, String> + Send + Sync>,
    },
}

impl std::fmt::Debug for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Bytes { name, .. } => write!(f, "Bytes({name})"),
        }
    }
}

/// Opens a new reference and keeps its file in `folder`.
pub fn open(dropped: &Dropped, folder: Option<&Path>) -> Result<Box<Opened>, String> {
    match dropped {
        Dropped::File(path) => {
            let picture = Picture::open(path).map_err(|error| error.to_string())?;
            let kept = keep(folder, &picture.hash, || library::read_unchanged(path, &picture.hash));
            Ok(opened(picture, kept))
        }
        Dropped::Bytes { name, read } => {
            let bytes = read().map_err(|why| format!("the dropped file cannot be read ({why}): {name}"))?;
            let picture = Picture::from_bytes(&bytes, name).map_err(|error| error.to_string())?;
            let kept = keep(folder, &picture.hash, || Ok(bytes));
            Ok(opened(picture, kept))
        }
    }
}

/// Opens a picture that the library keeps in `folder`.
pub fn find(hash: &str, name: &str, folder: Option<&Path>) -> Result<Box<Opened>, String> {
    let missing =
        || format!("the reference '{name}' is no longer kept on this machine; drop its file again or remove it");
    let path = folder.and_then(|folder| library::find_reference_in(folder, hash)).ok_or_else(missing)?;
    let mut picture = Picture::open(&path).map_err(|error| error.to_string())?;
    // A kept file that was damaged is another picture.
    if picture.hash != hash {
        return Err(missing());
    }
    name.clone_into(&mut picture.name);
    Ok(opened(picture, Ok(())))
}

fn opened(picture: Picture, kept: Result<(), LibraryError>) -> Box<Opened> {
    let thumbnail = Arc::new(library::thumbnail(&picture.rgb));
    let not_kept = kept.err().map(|error| format!("'{}' will be asked for again next time ({error})", picture.name));
    let small = CarriedReference::of(&picture).ok();
    Box::new(Opened { picture: Arc::new(picture), thumbnail, small, not_kept })
}

fn keep(
    folder: Option<&Path>,
    hash: &str,
    bytes: impl FnOnce() -> Result<Vec<u8>, LibraryError>,
) -> Result<(), LibraryError> {
    let Some(folder) = folder else { return Ok(()) };
    match library::find_reference_in(folder, hash) {
        Some(_) => Ok(()),
        None => library::keep_reference_in(folder, &bytes()?, hash),
    }
}
