//! A board taken away: as one labelled sheet, as a page for a browser, or picture by picture. Written off the window's
//! thread, and never over anything that is there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::background::Done;
use super::export;
use super::notes::Place;
use super::state::AppState;
use super::words;
use crate::board::{Axis, Board, Cell, Page, PageCell, SheetWords, settings_in_words};
use crate::engine::{CellState, Finished, Match};
use crate::library::{self, LibraryError};
use crate::pixels::{self, CarriedReference, ContactSheet, PictureFormat, PixelsError, export_sheet};
use crate::recipe::Recipe;

/// What is written of a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExportWhat {
    /// All cells on one labelled picture.
    #[default]
    Sheet,
    /// A folder with a page for a browser.
    Page,
    /// Each cell as a file of its own.
    Pictures,
}

/// How a board is written; the window remembers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BoardExport {
    pub what: ExportWhat,
    pub format: PictureFormat,
    /// The template of the pictures' names.
    pub names: String,
    /// None: the folder `exports` of the program.
    pub folder: Option<PathBuf>,
}

impl Default for BoardExport {
    fn default() -> Self {
        let names = "{n}-{cell}-{seed}".to_owned();
        Self { what: ExportWhat::default(), format: PictureFormat::default(), names, folder: None }
    }
}

impl BoardExport {
    /// What the file of a cell would be called; the sentence says what is wrong with the template.
    ///
    /// # Errors
    /// A template with a field that is none.
    pub fn name_of(&self, recipe: &Recipe, cell: &str, number: usize) -> Result<String, String> {
        export::filled(&self.names, recipe, cell, number)
    }

    /// The formats that browsers show.
    pub const OF_PAGES: &[PictureFormat] = &[PictureFormat::Png, PictureFormat::Jpeg, PictureFormat::WebP];

    /// The format that is written: for a page PNG where the chosen one is none that browsers show.
    pub fn format(&self) -> PictureFormat {
        match self.what {
            ExportWhat::Page if !Self::OF_PAGES.contains(&self.format) => PictureFormat::Png,
            _ => self.format,
        }
    }
}

/// A cell as it is written.
struct Taken {
    cell: Cell,
    title: String,
    result: Result<Arc<Finished>, String>,
    numbers: Option<Match>,
    small: Vec<CarriedReference>,
}

/// A board as it is written.
struct TakenBoard {
    board: Board,
    model: String,
    cells: Vec<Taken>,
    small: Vec<CarriedReference>,
    /// In the words of the window.
    title: String,
    columns: Vec<String>,
    rows: Vec<String>,
}

impl AppState {
    /// Where a board would be written.
    pub fn export_folder(&self) -> Option<PathBuf> {
        self.settings.board_export.folder.clone().or_else(|| self.folder("exports"))
    }

    /// Writes the finished cells as the settings say; where each becomes a file, only these.
    pub(super) fn export_board(&mut self, only: &[usize]) {
        let wish = self.settings.board_export.clone();
        let Some(folder) = self.export_folder() else {
            self.notes.error(Place::Board, LibraryError::NoHome.to_string());
            return;
        };
        let Some(taken) = self.taken_board() else { return };
        let only: Vec<usize> = only.to_vec();
        self.submit(move || write(&taken, &wish, &folder, &only), Done::BoardExported);
    }

    fn taken_board(&self) -> Option<TakenBoard> {
        let open = self.board.as_ref()?;
        let taken = |(index, cell): (usize, &Cell)| Taken {
            cell: cell.clone(),
            title: open.title(index),
            result: match open.state(index) {
                Some(CellState::Finished(finished)) => Ok(Arc::clone(finished)),
                Some(CellState::Failed(why)) => Err(why.to_string()),
                _ => Err("not painted".to_owned()),
            },
            numbers: open.marks.get(index).and_then(|mark| mark.numbers),
            small: self.small_copies(&cell.recipe),
        };
        let cells: Vec<Taken> = open.cells.iter().enumerate().map(taken).collect();
        // With nothing left open, so that it is the same on another day.
        let mut base = open.board.base.resolved(&open.model.defaults, 0);
        if let Some(finished) = cells.iter().find_map(|taken| taken.result.as_ref().ok()) {
            base.model.clone_from(&finished.recipe.model);
        }
        let mut small: Vec<CarriedReference> = Vec::new();
        for copy in cells.iter().flat_map(|taken| &taken.small) {
            if small.iter().all(|known| known.hash != copy.hash) {
                small.push(copy.clone());
            }
        }
        let board = Board { base, ..open.board.clone() };
        let labels = |axis: &Axis| (0..axis.settings.len()).map(|place| open.label(axis, place)).collect();
        let called = |axis: &Axis| words::axis(&axis.name, open.blocks());
        let title = match (board.title.as_str(), &board.y) {
            ("", None) => called(&board.x),
            ("", Some(y)) => format!("{} and {}", called(&board.x), words::lowered(&called(y))),
            (question, None) => question.to_owned(),
            (question, Some(y)) => format!("{question} And {}", words::lowered(&called(y))),
        };
        let (columns, rows) = (labels(&board.x), board.y.as_ref().map(labels).unwrap_or_default());
        Some(TakenBoard { board, model: open.model.name.clone(), cells, small, title, columns, rows })
    }
}

impl TakenBoard {
    fn finished(&self) -> impl Iterator<Item = (&Taken, &Finished)> {
        self.cells.iter().filter_map(|taken| Some((taken, taken.result.as_deref().ok()?)))
    }

    /// A file's name without ending, such as "which-mode-a-fish-5".
    fn name(&self) -> String {
        let Board { title, x, base, .. } = &self.board;
        let words = format!("{} {}", if title.is_empty() { &x.name } else { title }, base.prompt);
        format!("{}-{}", library::words_for_name(&words), base.seed.unwrap_or_default())
    }

    fn words(&self) -> SheetWords {
        let words = self.board.words(&self.model, &self.board.base);
        SheetWords { title: self.title.clone(), columns: self.columns.clone(), rows: self.rows.clone(), ..words }
    }

    fn sheet(&self, format: PictureFormat) -> Result<Vec<u8>, PixelsError> {
        let largest = self.finished().fold((0, 0), |(width, height), (_, finished)| {
            (width.max(finished.image.width()), height.max(finished.image.height()))
        });
        let mut words = self.words();
        words.has_captions = self.cells.iter().any(|taken| taken.numbers.is_some());
        let mut sheet = ContactSheet::new(words, largest)?;
        for taken in &self.cells {
            let (column, row) = (taken.cell.column, taken.cell.row);
            match &taken.result {
                Ok(finished) => sheet.place(column, row, &finished.image),
                Err(why) => sheet.place_words(column, row, why),
            }
            if let Some(numbers) = taken.numbers {
                sheet.caption(column, row, &numbers.in_one_line());
            }
        }
        export_sheet(&sheet.finish(), &self.board, &self.small, format)
    }

    fn page(&self, format: PictureFormat) -> Result<String, String> {
        let cell = |taken: &Taken| PageCell {
            column: taken.cell.column,
            row: taken.cell.row,
            file: taken.result.is_ok().then(|| self.board.file_name(&taken.cell, format.ending())),
            settings: settings_in_words(taken.result.as_ref().map_or(&taken.cell.recipe, |finished| &finished.recipe)),
            numbers: taken.numbers.map(|numbers| numbers.named(Match::LONG_NAMES)).unwrap_or_default(),
            fault: taken.result.as_ref().err().cloned(),
        };
        Page::new(self.words(), self.cells.iter().map(cell).collect()).html().map_err(|error| error.to_string())
    }
}

/// Returns the sentence that tells what was written.
fn write(taken: &TakenBoard, wish: &BoardExport, folder: &Path, only: &[usize]) -> Result<String, String> {
    let said = |error: LibraryError| error.to_string();
    let format = wish.format();
    let picture = |taken: &Taken, finished: &Finished, format: PictureFormat| {
        pixels::export(&finished.image, &finished.recipe, &taken.small, format).map_err(|error| error.to_string())
    };
    if taken.finished().next().is_none() {
        return Err("no cell is painted yet; wait for the first one".to_owned());
    }
    std::fs::create_dir_all(folder)
        .map_err(|error| format!("the folder cannot be made ({error}); choose another: {}", folder.display()))?;
    match wish.what {
        ExportWhat::Sheet => {
            let bytes = taken.sheet(format).map_err(|error| error.to_string())?;
            let path = library::write_free(folder, &taken.name(), format.ending(), &bytes).map_err(said)?;
            Ok(format!("Saved as {}", path.display()))
        }
        ExportWhat::Page => {
            let folder = library::make_free_folder(folder, &taken.name()).map_err(said)?;
            for (cell, finished) in taken.finished() {
                let bytes = picture(cell, finished, format)?;
                library::write_atomically(&folder.join(taken.board.file_name(&cell.cell, format.ending())), &bytes)
                    .map_err(said)?;
            }
            let path = folder.join("index.html");
            library::write_atomically(&path, taken.page(format)?.as_bytes()).map_err(said)?;
            Ok(format!("Saved as {}", path.display()))
        }
        ExportWhat::Pictures => {
            let mut count = 0;
            for (index, cell) in taken.cells.iter().enumerate().filter(|(index, _)| only.contains(index)) {
                let Ok(finished) = &cell.result else { continue };
                let name = wish.name_of(&finished.recipe, &cell.title, index + 1)?;
                let bytes = picture(cell, finished, format)?;
                library::write_free(folder, &name, format.ending(), &bytes).map_err(said)?;
                count += 1;
            }
            match count {
                0 => Err("none of these cells is painted yet; wait, or choose others".to_owned()),
                1 => Ok(format!("1 picture saved in {}", folder.display())),
                count => Ok(format!("{count} pictures saved in {}", folder.display())),
            }
        }
    }
}
