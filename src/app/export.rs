//! Pictures taken away: one or many, in a format and under names of the artist's choice. Written off the window's thread,
//! and never over anything that is there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::background::Done;
use super::files;
use super::notes::Place;
use super::state::AppState;
use crate::library::{self, LibraryError, NameParts, NameTemplate};
use crate::pixels::{CarriedReference, PictureFormat};
use crate::recipe::Recipe;

/// How pictures are written; the window remembers it. The folder is that of boards, too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PictureExport {
    pub format: PictureFormat,
    /// The template of their names.
    pub names: String,
}

impl Default for PictureExport {
    fn default() -> Self {
        Self { format: PictureFormat::default(), names: NameTemplate::DEFAULT.to_owned() }
    }
}

impl PictureExport {
    /// What the file of a picture would be called, with its ending; the sentence says what is wrong with the template.
    ///
    /// # Errors
    /// A template with a field that is none.
    pub fn name_of(&self, recipe: &Recipe, number: usize) -> Result<String, String> {
        Ok(format!("{}.{}", filled(&self.names, recipe, "", number)?, self.format.ending()))
    }
}

/// A template filled in; `cell` is what a cell of a board is called.
pub(super) fn filled(template: &str, recipe: &Recipe, cell: &str, number: usize) -> Result<String, String> {
    let template = NameTemplate::parse(template).map_err(|error| error.to_string())?;
    Ok(template.fill(&NameParts { recipe, cell, number, now: jiff::Zoned::now().datetime() }))
}

/// Which pictures are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportOf {
    /// The one on the canvas.
    Shown,
    /// All of the history, oldest first.
    History,
    /// Those that the library shows, in its order; of many it shows a part until more are asked for.
    Found,
}

/// A picture as it is written. Its pixels are in memory, or in the file in which it is kept.
struct Taken {
    recipe: Recipe,
    image: Option<Arc<RgbImage>>,
    kept: Option<PathBuf>,
    small: Vec<CarriedReference>,
}

impl AppState {
    /// The recipes of the pictures that are meant, in the order of their numbers.
    pub fn pictures_to_export(&self, of: ExportOf) -> Vec<&Recipe> {
        match of {
            ExportOf::Shown => self.shown_entry().map(|entry| &entry.recipe).into_iter().collect(),
            ExportOf::History => self.history.entries().iter().map(|entry| &entry.recipe).collect(),
            ExportOf::Found => self.shelf.page.pictures.iter().map(|picture| &picture.recipe).collect(),
        }
    }

    pub fn has_pictures_to_export(&self) -> bool {
        !self.history.entries().is_empty() || !self.shelf.page.pictures.is_empty()
    }

    /// Writes pictures as the settings say. A window that closes waits until they are all there.
    pub(super) fn export_pictures(&mut self, of: ExportOf) {
        let wish = self.settings.picture_export.clone();
        let Some(folder) = self.export_folder() else {
            self.notes.error(Place::Picture, LibraryError::NoHome.to_string());
            return;
        };
        let taken = |recipe: &Recipe, image: Option<Arc<RgbImage>>, kept: Option<PathBuf>| Taken {
            small: self.small_copies(recipe),
            recipe: recipe.clone(),
            image,
            kept,
        };
        let entry = |entry: &super::HistoryEntry| taken(&entry.recipe, entry.image.clone(), entry.file.clone());
        let pictures: Vec<Taken> = match of {
            ExportOf::Shown => self.shown_entry().map(entry).into_iter().collect(),
            ExportOf::History => self.history.entries().iter().map(entry).collect(),
            ExportOf::Found => {
                let found = self.shelf.page.pictures.iter();
                found.map(|picture| taken(&picture.recipe, None, Some(picture.file.clone()))).collect()
            }
        };
        let count = pictures.len();
        if !self.exports.submit(move || write(&pictures, &wish, &folder), Done::Exported) {
            self.notes.error(Place::Picture, "too many exports are waiting; try again in a moment");
        } else if count > 1 {
            self.notes.info(Place::Picture, format!("{count} pictures are being written"));
        }
    }
}

/// Returns the sentence that tells what was written. A picture that cannot be read keeps no other from being written.
fn write(pictures: &[Taken], wish: &PictureExport, folder: &Path) -> Result<String, String> {
    std::fs::create_dir_all(folder)
        .map_err(|error| format!("the folder cannot be made ({error}); choose another: {}", folder.display()))?;
    let (mut saved, mut faults) = (Vec::new(), Vec::new());
    for (index, picture) in pictures.iter().enumerate() {
        let name = filled(&wish.names, &picture.recipe, "", index + 1)?;
        let written = files::pixels_of(picture.image.as_ref(), picture.kept.as_deref()).and_then(|image| {
            let small = picture.small.clone();
            let bytes = files::exported(&image, &picture.recipe, small, picture.kept.as_deref(), wish.format)?;
            let path = library::write_free(folder, &name, wish.format.ending(), &bytes);
            path.map_err(|error| error.to_string())
        });
        match written {
            Ok(path) => saved.push(path),
            Err(why) => faults.push(why),
        }
    }
    match (saved.as_slice(), faults.first()) {
        ([], None) => Err("there is no picture to be written yet; generate one".to_owned()),
        ([path], None) => Ok(format!("Saved as {}", path.display())),
        (all, None) => Ok(format!("{} pictures saved in {}", all.len(), folder.display())),
        (_, Some(why)) if pictures.len() == 1 => Err(why.clone()),
        (all, Some(why)) => Err(format!("{} of {} pictures saved; {why}", all.len(), pictures.len())),
    }
}
