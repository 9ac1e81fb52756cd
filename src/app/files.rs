//! What happens to finished pictures on the disk. Everything here runs on the files' thread.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use image::RgbImage;

use crate::library;
use crate::pixels::{self, CarriedReference, Picture, PictureFormat};
use crate::recipe::Recipe;

/// Keeps a finished picture in `folder`. `small` are small copies of its references.
pub fn keep_picture(
    folder: Option<&Path>,
    image: &RgbImage,
    recipe: &Recipe,
    small: &[CarriedReference],
) -> Result<PathBuf, String> {
    let folder =
        folder.ok_or("this machine names no folder for pictures; set INSTANTSTYLE_HOME, or save it by hand")?;
    let bytes = pixels::export(image, recipe, small, PictureFormat::Png).map_err(|error| error.to_string())?;
    library::keep_picture_in(folder, &bytes, &recipe.prompt, recipe.seed.unwrap_or_default())
        .map_err(|error| error.to_string())
}

/// Keeps a board's cell in `folder` under a name that says which it is; returns its content hash too.
pub fn keep_cell(
    folder: &Path,
    name: &str,
    image: &RgbImage,
    recipe: &Recipe,
    small: &[CarriedReference],
) -> Result<(PathBuf, String), String> {
    let bytes = pixels::export(image, recipe, small, PictureFormat::Png).map_err(|error| error.to_string())?;
    let kept = library::keep_picture_in(folder, &bytes, name, recipe.seed.unwrap_or_default());
    Ok((kept.map_err(|error| error.to_string())?, blake3::hash(&bytes).to_hex().to_string()))
}

/// Writes a finished picture where the artist wants it, in the format that its name asks for.
pub fn export(
    path: &Path,
    image: &RgbImage,
    recipe: &Recipe,
    small: Vec<CarriedReference>,
    kept: Option<&Path>,
) -> Result<PathBuf, String> {
    let format = PictureFormat::of(path).unwrap_or_default();
    let bytes = exported(image, recipe, small, kept, format)?;
    library::write_atomically(path, &bytes).map_err(|error| error.to_string())?;
    Ok(path.to_owned())
}

/// A finished picture as a file of this format. Small copies of references that are not open any more are those of the
/// file in which it is kept.
pub fn exported(
    image: &RgbImage,
    recipe: &Recipe,
    mut small: Vec<CarriedReference>,
    kept: Option<&Path>,
    format: PictureFormat,
) -> Result<Vec<u8>, String> {
    let is_missing = |small: &[CarriedReference], hash: &str| small.iter().all(|known| known.hash != hash);
    if recipe.references.iter().any(|reference| is_missing(&small, &reference.hash))
        && let Some(carried) = kept.and_then(|kept| pixels::carried_by(kept).ok())
    {
        let others = carried.references.into_iter().filter(|other| is_missing(&small, &other.hash));
        small = others.chain(small.iter().cloned()).collect();
    }
    pixels::export(image, recipe, &small, format).map_err(|error| error.to_string())
}

/// A picture's pixels: those in memory, else those of the file in which it is kept.
pub fn pixels_of(image: Option<&Arc<RgbImage>>, kept: Option<&Path>) -> Result<Arc<RgbImage>, String> {
    match (image, kept) {
        (Some(image), _) => Ok(Arc::clone(image)),
        (None, Some(file)) => load(file),
        (None, None) => Err("the picture is gone".to_owned()),
    }
}

/// Reads a picture of the history again.
pub fn load(path: &Path) -> Result<Arc<RgbImage>, String> {
    Picture::open(path).map(|picture| Arc::new(picture.rgb)).map_err(|error| error.to_string())
}

/// Opens a folder in the desktop's file manager.
pub fn open_folder(folder: Option<&Path>) -> Result<(), String> {
    let folder = folder.ok_or("this machine names no folder for pictures; set INSTANTSTYLE_HOME")?;
    std::fs::create_dir_all(folder)
        .map_err(|error| format!("the folder cannot be made ({error}): {}", folder.display()))?;
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else if cfg!(windows) {
        "explorer"
    } else {
        "xdg-open"
    };
    let null = Stdio::null;
    match Command::new(opener).arg(folder).stdin(null()).stdout(null()).stderr(null()).spawn() {
        Ok(mut child) => {
            // Waited for, so that nothing of it is left behind; file managers hand over and return.
            let failed = child.wait().is_ok_and(|status| !status.success()) && !cfg!(windows);
            if failed { Err(no_file_manager(folder)) } else { Ok(()) }
        }
        Err(_) => Err(no_file_manager(folder)),
    }
}

fn no_file_manager(folder: &Path) -> String {
    format!("no file manager answers; the pictures lie in {}", folder.display())
}
