//! Finished cells as pictures like any other: each is kept by itself in `pictures/boards` and entered into the library.
//! A favourite has five stars there; only what is promoted comes into the history.

use std::path::PathBuf;
use std::sync::Arc;

use super::ShelfCommand;
use super::background::Done;
use super::board::OpenBoard;
use super::files;
use super::history::HistoryEntry;
use super::notes::Place;
use super::state::{AppState, Shown};
use crate::recipe::Recipe;

/// Where a cell's picture is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Kept {
    #[default]
    No,
    /// Being written.
    Asked,
    At {
        file: PathBuf,
        /// Content hash, by which the library knows its stars.
        hash: String,
    },
}

/// A cell's picture that is being written. It outlives the board: what waits for it gets its file all the same.
pub(super) struct BeingKept {
    /// The recipe that the engine was given for it.
    asked: Arc<Recipe>,
    /// Pictures of the history that it has become.
    entries: Vec<u64>,
    is_favourite: bool,
}

/// Stars of a favourite in the library.
const FAVOURITE: u8 = 5;

impl AppState {
    /// Keeps a finished cell's picture, once. Cells that ask for the same picture share its file.
    pub(super) fn keep_cell(&mut self, open: &mut OpenBoard, index: usize) {
        let (Some(finished), Some(asked)) = (open.finished(index).cloned(), open.given(index).cloned()) else { return };
        let Some(folder) = self.folder("pictures").map(|folder| folder.join("boards")) else { return };
        let twins = open.run.cells().iter().zip(&open.marks).filter(|(twin, _)| twin.spec.recipe == asked);
        let known = twins.map(|(_, mark)| &mark.kept).find(|kept| **kept != Kept::No).cloned();
        let name = format!("{} {}", open.title(index), asked.prompt);
        let Some(mark) = open.marks.get_mut(index) else { return };
        if let Some(known) = known {
            mark.kept = known;
            return;
        }
        let small = self.small_copies(&finished.recipe);
        let (about, recipe) = (asked.clone(), Box::new(finished.recipe.clone()));
        let keep = move || files::keep_cell(&folder, &name, &finished.image, &finished.recipe, &small);
        // With too much else to be written, it is asked for again with the next change of the cell.
        if self.background.submit(keep, move |result| Done::CellKept { asked: about, recipe, result }) {
            mark.kept = Kept::Asked;
            let is_favourite = mark.is_favourite;
            self.cells_being_kept.push(BeingKept { asked, entries: Vec::new(), is_favourite });
        }
    }

    /// A cell of this board, or of one before, lies on the disk.
    pub(super) fn take_cell_kept(&mut self, asked: &Recipe, recipe: Recipe, result: Result<(PathBuf, String), String>) {
        let being = self.cells_being_kept.iter().position(|being| *being.asked == *asked);
        let (promoted, mut is_favourite) = being
            .map(|place| self.cells_being_kept.remove(place))
            .map_or((Vec::new(), false), |being| (being.entries, being.is_favourite));
        let kept = match result {
            Ok((file, hash)) => {
                promoted.into_iter().for_each(|entry| self.history.kept(entry, file.clone()));
                self.enter_into_library(file.clone(), recipe);
                Kept::At { file, hash }
            }
            Err(why) => {
                self.notes.error(Place::Board, format!("the cells are not kept by themselves, so export them: {why}"));
                // A picture of the history is kept as such.
                for entry in promoted {
                    if let Some(image) = self.history.get(entry).and_then(|entry| entry.image.clone()) {
                        self.keep_picture(entry, image, recipe.clone());
                    }
                }
                Kept::No
            }
        };
        if let Some(open) = &mut self.board {
            let marks = open.run.cells().iter().zip(&mut open.marks);
            for (_, mark) in marks.filter(|(cell, _)| *cell.spec.recipe == *asked) {
                mark.kept = kept.clone();
                is_favourite |= mark.is_favourite;
            }
        }
        if let Kept::At { hash, .. } = kept
            && is_favourite
        {
            self.execute_shelf(ShelfCommand::Rate(hash, FAVOURITE));
        }
    }

    /// A cell becomes a picture of the history, on the canvas, and its settings the present ones.
    pub(super) fn promote_cell(&mut self, index: usize) {
        let id = self.new_id();
        let Some(open) = &mut self.board else { return };
        let (Some(finished), Some(cell)) = (open.finished(index).cloned(), open.cells.get(index).cloned()) else {
            return;
        };
        let image = Arc::new(finished.image.clone());
        let recipe = finished.recipe.clone();
        let file = match open.marks.get(index).map(|mark| &mark.kept) {
            Some(Kept::At { file, .. }) => Some(file.clone()),
            _ => None,
        };
        let being = self.cells_being_kept.iter_mut().find(|being| Some(&being.asked) == open.given(index));
        let being = being.filter(|_| file.is_none());
        let is_kept = file.is_some() || being.is_some();
        if let Some(being) = being {
            being.entries.push(id);
        }
        self.history.add(HistoryEntry {
            id,
            recipe: recipe.clone(),
            file,
            image: Some(image.clone()),
            thumbnail: None,
            trouble: None,
            seconds: finished.timings.total(),
            device: finished.device.clone(),
            is_draft: false,
        });
        let small = image.clone();
        let thumbnail = move || Ok(Arc::new(crate::library::thumbnail(&small)));
        self.submit(thumbnail, move |result| Done::Thumbnail { entry: id, result });
        if !is_kept {
            self.keep_picture(id, image, recipe);
        }
        let before = std::mem::replace(&mut self.recipe, cell.recipe).model;
        self.follow_model(&before);
        self.undo.mark(&self.recipe);
        self.shown = Shown::Entry(id);
        self.compared = None;
        self.settings.is_board_shown = false;
    }

    pub(super) fn star_cell(&mut self, index: usize) {
        let Some(open) = &mut self.board else { return };
        let asked = open.given(index).cloned();
        let Some(mark) = open.marks.get_mut(index) else { return };
        mark.is_favourite = !mark.is_favourite;
        if let Some(being) = self.cells_being_kept.iter_mut().find(|being| Some(&being.asked) == asked.as_ref()) {
            being.is_favourite = mark.is_favourite;
        }
        if let Kept::At { hash, .. } = &mark.kept {
            let stars = if mark.is_favourite { FAVOURITE } else { 0 };
            let hash = hash.clone();
            self.execute_shelf(ShelfCommand::Rate(hash, stars));
        }
    }
}
