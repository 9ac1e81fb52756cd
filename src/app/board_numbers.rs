//! Cells held against each other: how they differ, and numbers under them. Worked out off the window's thread.

use std::sync::Arc;

use image::{Rgb, RgbImage};

use super::background::Done;
use super::board::OpenBoard;
use super::notes::Place;
use super::state::AppState;
use crate::engine::{ClipMeasure, Compute, Finished, Match, ModelPaths};
use crate::pixels::Picture;

impl AppState {
    /// Holds every cell against this one.
    pub(super) fn hold_against(&mut self, against: Option<usize>) {
        let Some(mut open) = self.board.take() else { return };
        open.against = against.filter(|index| open.finished(*index).is_some());
        open.marks.iter_mut().for_each(|mark| mark.difference = None);
        if let Some(against) = open.against {
            for index in 0..open.cells.len() {
                self.ask_difference(&open, index, against);
            }
        }
        self.board = Some(open);
    }

    pub(super) fn ask_difference(&mut self, open: &OpenBoard, index: usize, against: usize) {
        let (Some(from), Some(to)) = (open.finished(against).cloned(), open.finished(index).cloned()) else { return };
        let board = open.id;
        let image = move || Ok(Arc::new(difference(&from.image, &to.image)));
        self.submit(image, move |result| Done::Difference { board, cell: index, against, result });
    }

    pub(super) fn take_difference(
        &mut self,
        board: u64,
        index: usize,
        against: usize,
        result: Result<Arc<RgbImage>, String>,
    ) {
        let shown_id = self.new_id();
        let open = self.board.as_mut().filter(|open| open.id == board && open.against == Some(against));
        let Some(mark) = open.and_then(|open| open.marks.get_mut(index)) else { return };
        match result {
            Ok(image) => (mark.difference, mark.shown_id) = (Some(image), shown_id),
            Err(why) => self.notes.error(Place::Board, why),
        }
    }

    /// Works out numbers for the finished cells, on a thread of its own: the CLIP towers are read for it.
    pub(super) fn measure_board(&mut self) {
        let Some(open) = self.board.as_mut().filter(|open| !open.is_measuring) else { return };
        let finished: Vec<_> =
            (0..open.cells.len()).filter_map(|index| Some((index, open.finished(index)?.clone()))).collect();
        let references: Vec<_> = open.run.cells().iter().map(|cell| cell.spec.references.first().cloned()).collect();
        let (board, paths, compute) = (open.id, open.model.paths.clone(), self.compute);
        let work = move || measure(&paths, compute, &finished, &references);
        match self.background.ask(work, move |result| Done::Measured { board, result }) {
            Ok(()) => {
                if let Some(open) = &mut self.board {
                    open.is_measuring = true;
                }
            }
            Err(error) => self.notes.error(Place::Board, format!("the numbers cannot be worked out ({error})")),
        }
    }

    pub(super) fn take_numbers(&mut self, board: u64, result: Result<Vec<(usize, Match)>, String>) {
        let Some(open) = self.board.as_mut().filter(|open| open.id == board) else { return };
        open.is_measuring = false;
        match result {
            Ok(numbers) => {
                for (index, numbers) in numbers {
                    if let Some(mark) = open.marks.get_mut(index) {
                        mark.numbers = Some(numbers);
                    }
                }
            }
            Err(why) => self.notes.error(Place::Board, why),
        }
    }
}

/// Eight times the distance of the sRGB values, as the comparison on the canvas shows it. Pictures of different sizes
/// have nothing in common.
fn difference(from: &RgbImage, to: &RgbImage) -> RgbImage {
    const GAIN: u8 = 8;
    if from.dimensions() != to.dimensions() {
        return RgbImage::from_pixel(to.width(), to.height(), Rgb([255; 3]));
    }
    let mut out = to.clone();
    for (byte, other) in out.iter_mut().zip(from.iter()) {
        *byte = byte.abs_diff(*other).saturating_mul(GAIN);
    }
    out
}

/// How well each finished cell matches its prompt and its reference, and how much of the reference's subject shows.
fn measure(
    paths: &ModelPaths,
    compute: Compute,
    finished: &[(usize, Arc<Finished>)],
    references: &[Option<Arc<Picture>>],
) -> Result<Vec<(usize, Match)>, String> {
    let opened = ClipMeasure::open(paths, compute).map_err(|error| error.to_string())?;
    let mut towers = opened
        .ok_or("this model has no joint space of pictures and texts, so there are no numbers for its pictures")?;
    let mut out = Vec::new();
    for (index, finished) in finished {
        let recipe = &finished.recipe;
        let reference = recipe.references.first();
        let words = reference.and_then(|r| r.subtract.as_ref()).map(|subtract| subtract.words.as_str());
        let picture = references.get(*index).and_then(Option::as_deref);
        let picture = picture.zip(reference.map(|reference| reference.crop));
        let numbers = towers.compare(&finished.image, &recipe.prompt, picture, words);
        out.push((*index, numbers.map_err(|error| error.to_string())?));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_amplified_and_never_turns_over() {
        let from = RgbImage::from_pixel(2, 1, Rgb([10, 100, 200]));
        let to = RgbImage::from_pixel(2, 1, Rgb([12, 100, 0]));
        assert_eq!(difference(&from, &to).get_pixel(0, 0).0, [16, 0, 255]);
        assert_eq!(difference(&RgbImage::new(1, 1), &to).get_pixel(0, 0).0, [255; 3]);
    }
}
