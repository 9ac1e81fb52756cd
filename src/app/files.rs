//! What happens to finished pictures on the disk. Everything here runs on the files' thread.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use image::RgbImage;

use crate::library;
use crate::pixels::{self, Picture, PictureFormat, finished_png};
use crate::recipe::Recipe;

/// Keeps a finished picture in `folder`.
pub fn keep_picture(folder: Option<&Path>, image: &RgbImage, recipe: &Recipe) -> Result<PathBuf, String> {
    let folder =
        folder.ok_or("this machine names no folder for pictures; set INSTANTSTYLE_HOME, or save it by hand")?;
    let bytes = finished_png(image, recipe).map_err(|error| error.to_string())?;
    library::keep_picture_in(folder, &bytes, &recipe.prompt, recipe.seed.unwrap_or_default())
        .map_err(|error| error.to_string())
}

/// Writes a finished picture where the artist wants it, in the format that its name asks for.
pub fn export(path: &Path, image: &RgbImage, recipe: &Recipe) -> Result<PathBuf, String> {
    let format = PictureFormat::of(path).unwrap_or_default();
    let bytes = pixels::export(image, recipe, &[], format).map_err(|error| error.to_string())?;
    library::write_atomically(path, &bytes).map_err(|error| error.to_string())?;
    Ok(path.to_owned())
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
