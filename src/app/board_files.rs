//! What is made of a board's pictures off the window's thread: differences, numbers, the contact sheet.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::{Rgb, RgbImage};

use super::board::label;
use crate::board::{Board, Cell, SheetWords};
use crate::engine::{ClipMeasure, Compute, Finished, Match, ModelPaths};
use crate::library;
use crate::pixels::{ContactSheet, Picture, PngText, encode_png};
use crate::recipe::Recipe;

/// Eight times the distance of the sRGB values, as the comparison on the canvas shows it. Pictures of different sizes
/// have nothing in common.
pub fn difference(from: &RgbImage, to: &RgbImage) -> RgbImage {
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
pub fn measure(
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

/// Writes all finished cells as one picture into `folder`, with the board and its recipe inside.
pub fn export_sheet(
    folder: Option<&Path>,
    board: &Board,
    cells: &[(Cell, Option<Arc<Finished>>)],
) -> Result<PathBuf, String> {
    let folder = folder.ok_or("this machine names no folder for pictures; set INSTANTSTYLE_HOME")?;
    let finished = || cells.iter().filter_map(|(cell, finished)| Some((cell, finished.as_ref()?)));
    let (_, first) = finished().next().ok_or("no cell is painted yet; wait for the first one")?;
    let largest = finished().fold((0, 0), |(width, height), (_, finished)| {
        (width.max(finished.image.width()), height.max(finished.image.height()))
    });
    let said = |error: crate::pixels::PixelsError| error.to_string();
    let mut sheet = ContactSheet::new(words(board, &first.recipe), largest).map_err(said)?;
    for (cell, finished) in finished() {
        sheet.place(cell.column, cell.row, &finished.image);
    }
    let base = Recipe { model: first.recipe.model.clone(), ..board.base.clone() };
    let json = |value: serde_json::Result<String>| value.map_err(|error| error.to_string());
    let text = PngText {
        recipe_json: Some(json(serde_json::to_string(&base))?),
        board_json: Some(json(serde_json::to_string(board))?),
        made_by_model: true,
        ..PngText::default()
    };
    let bytes = encode_png(&sheet.finish(), &text).map_err(|error| error.to_string())?;
    let name = format!("board {}", if board.title.is_empty() { &board.x.name } else { &board.title });
    library::keep_picture_in(folder, &bytes, &name, base.seed.unwrap_or_default()).map_err(|error| error.to_string())
}

fn words(board: &Board, recipe: &Recipe) -> SheetWords {
    let labels = |axis: &crate::board::Axis| (0..axis.settings.len()).map(|place| label(axis, place)).collect();
    let title = match (board.title.as_str(), &board.y) {
        ("", None) => board.x.name.clone(),
        ("", Some(y)) => format!("{} and {}", board.x.name, y.name),
        (title, _) => title.to_owned(),
    };
    let references: Vec<&str> = board.base.references.iter().map(|reference| reference.name.as_str()).collect();
    let seed = recipe.seed.map(|seed| format!("seed {seed}"));
    let details: Vec<String> = references.into_iter().map(str::to_owned).chain(seed).collect();
    SheetWords {
        title,
        subtitle: board.base.prompt.clone(),
        details: details.join(" · "),
        columns: labels(&board.x),
        rows: board.y.as_ref().map(labels).unwrap_or_default(),
        has_captions: false,
    }
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
