//! The library's pictures in the window: entered, looked for, rated and shown.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Shelf, ShelfDone};
use crate::app::background::Done;
use crate::app::history::HistoryEntry;
use crate::app::state::AppState;
use crate::library::{self, Catalogue, LibraryError};
use crate::recipe::Recipe;

impl AppState {
    /// Enters a picture of the history that has just been kept.
    pub(in crate::app) fn enter_into_library(&mut self, file: PathBuf, recipe: Recipe) {
        let Some(home) = self.home.clone() else { return };
        let enter = move |catalogue: &mut Catalogue| {
            let bytes = std::fs::read(&file)
                .map_err(|error| LibraryError::Failed { why: error.to_string(), path: file.display().to_string() })?;
            catalogue.record(&file, &bytes, &recipe)?;
            Ok(ShelfDone::Changed(Ok(())))
        };
        self.shelf.ask(home, enter, |why| ShelfDone::Changed(Err(why)));
    }

    /// Asks for the thumbnail of a picture that is on the screen.
    pub fn want_thumbnail(&mut self, hash: &str, file: &Path) {
        let Shelf { thumbnails, asked_for, failed, .. } = &self.shelf;
        if thumbnails.contains_key(hash) || asked_for.contains(hash) || failed.contains(hash) {
            return;
        }
        let Some(home) = self.home.clone() else { return };
        let (wanted, asked, file) = (hash.to_owned(), hash.to_owned(), file.to_owned());
        let thumbnail = move || {
            let thumbnail = library::cached_thumbnail(&home, &file, &wanted);
            thumbnail.map(Arc::new).map_err(|error| error.to_string())
        };
        let answer = move |result| Done::Shelf(ShelfDone::Thumbnail { hash: asked, result });
        // Where too many wait already, it is asked for in a later frame.
        if self.shelf.work.submit(thumbnail, answer) {
            self.shelf.asked_for.insert(hash.to_owned());
        }
    }

    /// The library is on the screen: asks where nothing was asked yet, or something has changed.
    pub fn watch_library(&mut self) {
        if self.shelf.is_open && std::mem::take(&mut self.shelf.is_stale) {
            self.search_library();
        }
    }

    pub(super) fn look_again(&mut self) {
        self.shelf.is_stale = true;
    }

    pub(super) fn search_library(&mut self) {
        let Some(home) = self.home.clone() else { return };
        self.shelf.question += 1;
        self.shelf.is_searching = true;
        let (question, query) = (self.shelf.question, self.shelf.query.clone());
        let search = move |catalogue: &mut Catalogue| {
            let found = (catalogue.search(&query)?, catalogue.models()?);
            Ok(ShelfDone::Found { question, result: Ok(found) })
        };
        self.shelf.ask(home, search, move |why| ShelfDone::Found { question, result: Err(why) });
    }

    pub(super) fn rate(&mut self, hash: String, stars: u8) {
        let Some(home) = self.home.clone() else { return };
        // Shown at once.
        for picture in self.shelf.page.pictures.iter_mut().filter(|picture| picture.hash == hash) {
            picture.stars = stars;
        }
        let rate = move |catalogue: &mut Catalogue| {
            catalogue.set_stars(&hash, stars)?;
            Ok(ShelfDone::Changed(Ok(())))
        };
        self.shelf.ask(home, rate, |why| ShelfDone::Changed(Err(why)));
    }

    /// Puts a picture of the library onto the canvas, and into the history where it is not there.
    pub(super) fn show_of_library(&mut self, id: i64) {
        let Some(picture) = self.shelf.picture(id) else { return };
        let (file, recipe) = (picture.file.clone(), picture.recipe.clone());
        let thumbnail = self.shelf.thumbnails.get(&picture.hash).cloned();
        let known =
            self.history.entries().iter().find(|entry| entry.file.as_ref().is_some_and(|known| same(known, &file)));
        let entry = match known.map(|entry| entry.id) {
            Some(entry) => entry,
            None => {
                let entry = self.new_id();
                self.history.add(HistoryEntry {
                    id: entry,
                    recipe,
                    file: Some(file),
                    image: None,
                    thumbnail,
                    trouble: None,
                    seconds: 0.0,
                    device: String::new(),
                    is_draft: false,
                });
                entry
            }
        };
        self.show(entry);
    }
}

/// The library names files as the system does, the history as they were written.
fn same(a: &Path, b: &Path) -> bool {
    a == b || (a.file_name() == b.file_name() && a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::library::Page;

    #[test]
    fn a_thumbnail_that_could_not_be_read_is_asked_for_again_by_the_next_page() {
        let home = tempfile::tempdir().unwrap();
        let mut state = AppState::for_tests(home.path());
        let is_asked_for = |state: &mut AppState| {
            state.want_thumbnail("7", Path::new("away.png"));
            state.shelf.asked_for.contains("7")
        };
        assert!(is_asked_for(&mut state));
        state.take_shelf(ShelfDone::Thumbnail { hash: "7".to_owned(), result: Err("it is away".to_owned()) });
        assert!(!is_asked_for(&mut state), "not in every frame");
        let (question, result) = (state.shelf.question, Ok((Page::default(), Vec::new())));
        state.take_shelf(ShelfDone::Found { question, result });
        assert!(is_asked_for(&mut state));
    }
}
