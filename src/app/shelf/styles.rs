//! The artist's styles in the window: listed, kept, taken up, and exchanged as files.

use std::path::PathBuf;
use std::sync::Arc;

use super::ShelfDone;
use crate::app::background::Done;
use crate::app::notes::Place;
use crate::app::references::{self, Opened};
use crate::app::state::AppState;
use crate::library::{self, LibraryError, Style, Styles};

impl AppState {
    /// Writes a style where the artist wants it.
    pub(in crate::app) fn export_style(&mut self, name: String, path: PathBuf) {
        self.with_styles(move |styles| {
            let done = styles.export(&name, &path).map(|()| format!("Saved as {}", path.display()));
            ShelfDone::StyleDone(done.map_err(|error| error.to_string()))
        });
    }

    pub(super) fn with_styles(&mut self, work: impl FnOnce(&Styles) -> ShelfDone + Send + 'static) {
        let Some(home) = self.home.clone() else {
            self.notes.error(Place::Styles, LibraryError::NoHome.to_string());
            return;
        };
        let failed = |why| ShelfDone::StyleDone(Err(why));
        let work = move || Ok(work(&Styles::of(&home)));
        if !self.shelf.work.submit(work, move |done| Done::Shelf(done.unwrap_or_else(failed))) {
            self.notes.error(Place::Styles, "too much is waiting; try again in a moment");
        }
    }

    pub(super) fn list_styles(&mut self) {
        if self.home.is_none() {
            return;
        }
        self.with_styles(|styles| {
            let (found, mut wrong) = styles.list();
            let mut list = Vec::new();
            for style in found {
                match styles.thumbnail(&style) {
                    Ok(thumbnail) => list.push((style, Arc::new(thumbnail))),
                    Err(error) => wrong.push(error.to_string()),
                }
            }
            ShelfDone::Styles(list, wrong)
        });
    }

    /// Keeps the selected reference as a style.
    pub(super) fn save_style(&mut self, name: String) {
        let Some(reference) = self.selected_reference().and_then(|index| self.recipe.references.get(index)) else {
            self.notes.error(Place::Styles, "there is no reference to be kept as a style; add one first");
            return;
        };
        let (reference, folder) = (reference.clone(), self.folder("references"));
        self.with_styles(move |styles| {
            let kept = folder.and_then(|folder| library::find_reference_in(&folder, &reference.hash));
            let saved = match kept {
                Some(path) => library::read_unchanged(&path, &reference.hash)
                    .and_then(|bytes| styles.save(&name, &reference, &bytes))
                    .map(|style| format!("The style '{}' is kept", style.name))
                    .map_err(|error| error.to_string()),
                None => Err(format!("the file of '{}' is not kept on this machine; drop it again", reference.name)),
            };
            ShelfDone::StyleDone(saved)
        });
    }

    pub(super) fn open_style(&mut self, name: &str, replaces: bool) {
        let Some((style, _)) = self.shelf.styles.iter().find(|(style, _)| style.name == name) else { return };
        let (style, folder) = (Box::new(style.clone()), self.folder("references"));
        self.with_styles(move |styles| {
            let Style { reference, .. } = style.as_ref();
            let result = styles
                .keep_reference(&style)
                .map_err(|error| error.to_string())
                .and_then(|_| references::find(&reference.hash, &reference.name, folder.as_deref()));
            ShelfDone::StyleOpened { style, replaces, result }
        });
    }

    pub(super) fn take_style(&mut self, style: Style, replaces: bool, opened: Opened) {
        self.notes.clear(Place::References);
        self.take_picture(opened);
        let selected = self.selected_reference();
        let references = &mut self.recipe.references;
        let same = references.iter().position(|reference| reference.hash == style.reference.hash);
        // The same picture twice would be one reference with two settings.
        let place = same.or(selected.filter(|_| replaces));
        match place.and_then(|place| references.get_mut(place)) {
            Some(reference) => *reference = style.reference,
            None => references.push(style.reference),
        }
        self.settings.selected_reference = place.unwrap_or(references.len().saturating_sub(1));
        self.undo.mark(&self.recipe);
        self.notes.info(Place::Styles, format!("'{}' is applied", style.name));
    }
}
