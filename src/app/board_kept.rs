//! Finished cells as pictures like any other: each is kept by itself in `pictures/boards` and entered into the library.
//! A favourite has five stars there; only what is promoted comes into the history.

use std::path::PathBuf;
use std::sync::Arc;

use super::background::Done;
use super::board::OpenBoard;
use super::files;
use super::history::HistoryEntry;
use super::notes::Place;
use super::state::{AppState, Shown};
use super::{ShelfCommand, seconds};
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

/// Stars of a favourite in the library.
const FAVOURITE: u8 = 5;

impl AppState {
    /// Keeps a finished cell's picture, once. Cells that ask for the same picture share its file.
    pub(super) fn keep_cell(&mut self, open: &mut OpenBoard, index: usize) {
        let (Some(finished), Some(cell)) = (open.finished(index).cloned(), open.cells.get(index)) else { return };
        let Some(folder) = self.folder("pictures").map(|folder| folder.join("boards")) else { return };
        let twins = open.cells.iter().zip(&open.marks).filter(|(twin, _)| twin.recipe == cell.recipe);
        let known = twins.map(|(_, mark)| &mark.kept).find(|kept| **kept != Kept::No).cloned();
        let (asked, name) = (cell.recipe.clone(), format!("{} {}", open.title(index), cell.recipe.prompt));
        let Some(mark) = open.marks.get_mut(index) else { return };
        if let Some(known) = known {
            mark.kept = known;
            return;
        }
        let small = self.small_copies(&finished.recipe);
        let task = move || Done::CellKept {
            result: files::keep_cell(&folder, &name, &finished.image, &finished.recipe, &small),
            recipe: Box::new(finished.recipe.clone()),
            asked: Box::new(asked),
        };
        // With too much else to be written, it is asked for again with the next change of the cell.
        if self.background.submit(task) {
            mark.kept = Kept::Asked;
        }
    }

    /// A cell of this board, or of one before, lies on the disk.
    pub(super) fn take_cell_kept(&mut self, asked: &Recipe, recipe: Recipe, result: Result<(PathBuf, String), String>) {
        let kept = match result {
            Ok((file, hash)) => {
                self.enter_into_library(file.clone(), recipe);
                Kept::At { file, hash }
            }
            Err(why) => {
                self.notes.error(Place::Board, format!("the cells are not kept by themselves, so export them: {why}"));
                Kept::No
            }
        };
        let Some(open) = &mut self.board else { return };
        let (mut promoted, mut is_favourite) = (Vec::new(), false);
        for (_, mark) in open.cells.iter().zip(&mut open.marks).filter(|(cell, _)| cell.recipe == *asked) {
            mark.kept = kept.clone();
            promoted.extend(mark.entry.take());
            is_favourite |= mark.is_favourite;
        }
        if let Kept::At { file, hash } = kept {
            promoted.into_iter().for_each(|entry| self.history.kept(entry, file.clone()));
            if is_favourite {
                self.execute_shelf(ShelfCommand::Rate(hash, FAVOURITE));
            }
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
        let Some(mark) = open.marks.get_mut(index) else { return };
        let file = match &mark.kept {
            Kept::At { file, .. } => Some(file.clone()),
            _ => None,
        };
        let is_asked = mark.kept == Kept::Asked;
        if is_asked {
            mark.entry = Some(id);
        }
        let is_kept = file.is_some() || is_asked;
        self.history.add(HistoryEntry {
            id,
            recipe: recipe.clone(),
            file,
            image: Some(image.clone()),
            thumbnail: None,
            seconds: seconds(&finished),
            device: finished.device.clone(),
            is_draft: false,
        });
        let small = image.clone();
        let thumbnail = move || Done::Thumbnail { entry: id, thumbnail: Arc::new(crate::library::thumbnail(&small)) };
        self.submit(thumbnail);
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
        let Some(mark) = self.board.as_mut().and_then(|open| open.marks.get_mut(index)) else { return };
        mark.is_favourite = !mark.is_favourite;
        if let Kept::At { hash, .. } = &mark.kept {
            let stars = if mark.is_favourite { FAVOURITE } else { 0 };
            let hash = hash.clone();
            self.execute_shelf(ShelfCommand::Rate(hash, stars));
        }
    }
}
