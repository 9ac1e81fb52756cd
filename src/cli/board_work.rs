//! What becomes of a board's cells on the command line: the sheet, their files, the page, the library, the numbers.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use image::RgbImage;

use super::board::Shelf;
use super::board_report::{Report, Sums};
use super::console::{Console, duration};
use super::error::{CliError, one_line};
use super::flags::BoardFlags;
use super::library::Entering;
use super::render::carried;
use super::report::peak_rss_mib;
use super::targets::PAGE;
use crate::board::{Board, Cell, Page, PageCell, SheetWords, settings_in_words};
use crate::engine::{BoardRun, CellState, ClipMeasure, EngineError, Finished, Match, ModelInfo};
use crate::library::{LibraryError, write_atomically};
use crate::pixels::{CarriedReference, ContactSheet, Picture, PictureFormat, export, export_sheet};
use crate::recipe::{Crop, ModelFiles, Recipe};

/// Cells on their own are PNG: without loss, so that they can be made again to the pixel, and shown by every browser.
pub const ENDING: &str = "png";

/// What is known of the cells while they are made.
pub struct Work<'a> {
    flags: &'a BoardFlags,
    board: &'a Board,
    cells: &'a [Cell],
    model: &'a ModelInfo,
    /// Made with the first picture, which tells the cells' size.
    sheet: Option<ContactSheet>,
    pages: Vec<PageCell>,
    /// Small copies of the references that cells have had so far.
    small: Vec<CarriedReference>,
    /// Encoder runs and other sums over the cells.
    sums: Sums,
    done: usize,
    began: Instant,
    /// The first finished cell.
    first: Option<Arc<Finished>>,
    /// The weights that the cells name, with the adapter where one of them has it.
    pub weights: ModelFiles,
    library: Entering,
}

impl<'a> Work<'a> {
    pub fn new(flags: &'a BoardFlags, board: &'a Board, cells: &'a [Cell], model: &'a ModelInfo) -> Self {
        let pages = cells.iter().map(|cell| PageCell { column: cell.column, row: cell.row, ..PageCell::default() });
        Self {
            flags,
            board,
            cells,
            model,
            sheet: None,
            pages: pages.collect(),
            small: Vec::new(),
            sums: Sums::default(),
            done: 0,
            began: Instant::now(),
            first: None,
            weights: ModelFiles::default(),
            library: Entering::default(),
        }
    }

    /// Takes in a cell that has changed.
    pub fn hear(&mut self, index: usize, run: &BoardRun, console: &mut Console) -> Result<(), CliError> {
        let Some((cell, at)) = run.cells().get(index).zip(self.cells.get(index)) else { return Ok(()) };
        match &cell.state {
            CellState::Running(Some(step)) => {
                let left = match self.done {
                    0 => String::new(),
                    done => {
                        let pace = self.began.elapsed().as_secs_f64() / done as f64;
                        format!(", {} left", duration(pace * (self.cells.len() - done) as f64))
                    }
                };
                let count = self.cells.len();
                console.progress(&format!("cell {}/{count}, step {}/{}{left}", self.done + 1, step.index, step.count));
            }
            CellState::Finished(finished) => {
                self.done += 1;
                let finished = Arc::clone(finished);
                self.add(&finished, console);
                self.write_cell(at, &finished, &cell.spec.references, console)?;
                if let Some(page) = self.pages.get_mut(index) {
                    page.file = Some(self.board.file_name(at, ENDING));
                    page.settings = settings_in_words(&finished.recipe);
                }
                if self.sheet.is_none() {
                    self.sheet = Some(ContactSheet::new(self.words(&finished.recipe), self.largest(&finished.image))?);
                }
                let Some(sheet) = &mut self.sheet else { return Ok(()) };
                sheet.place(at.column, at.row, &finished.image);
            }
            CellState::Failed(error) => {
                self.done += 1;
                if let Some(page) = self.pages.get_mut(index) {
                    page.settings = settings_in_words(&at.recipe);
                    page.fault = Some(one_line(&error.to_string()));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes a finished cell where cells are wanted; the first of its files is the library's.
    fn write_cell(
        &mut self,
        at: &Cell,
        finished: &Finished,
        references: &[Arc<Picture>],
        console: &mut Console,
    ) -> Result<(), CliError> {
        // The sheet carries small copies too.
        let carried = self.carried(references)?;
        let folders: Vec<&PathBuf> = [&self.flags.cells, &self.flags.html].into_iter().flatten().collect();
        if folders.is_empty() {
            return Ok(());
        }
        let png = export(&finished.image, &finished.recipe, &carried, PictureFormat::Png)?;
        for (number, folder) in folders.into_iter().enumerate() {
            // With the first cell: a board that is refused leaves nothing.
            fs::create_dir_all(folder).map_err(|error| {
                CliError::Machine(format!("the folder cannot be made ({error}); choose another: {}", folder.display()))
            })?;
            let path = folder.join(self.board.file_name(at, ENDING));
            write(&path, &png)?;
            if number == 0 {
                self.library.enter(&path, &png, &finished.recipe, console);
            }
        }
        Ok(())
    }

    fn add(&mut self, finished: &Arc<Finished>, console: &mut Console) {
        self.sums.add(&finished.timings);
        if self.weights.adapter.is_empty() {
            self.weights.clone_from(&finished.recipe.model);
        }
        if self.first.is_none() {
            for notice in &finished.notices {
                console.notice(notice);
            }
            self.first = Some(Arc::clone(finished));
        }
    }

    /// Small copies of a cell's references; each is made once.
    fn carried(&mut self, references: &[Arc<Picture>]) -> Result<Vec<CarriedReference>, CliError> {
        for picture in references {
            if self.small.iter().all(|known| known.hash != picture.hash) {
                self.small.extend(carried(std::slice::from_ref(picture))?);
            }
        }
        let of = |picture: &Arc<Picture>| self.small.iter().find(|known| known.hash == picture.hash).cloned();
        Ok(references.iter().filter_map(of).collect())
    }

    /// The size that every cell's picture fits into.
    fn largest(&self, first: &RgbImage) -> (u32, u32) {
        self.cells.iter().fold(first.dimensions(), |(width, height), cell| {
            (width.max(cell.recipe.width.unwrap_or(0)), height.max(cell.recipe.height.unwrap_or(0)))
        })
    }

    fn words(&self, recipe: &Recipe) -> SheetWords {
        SheetWords { has_captions: self.flags.numbers, ..self.board.words(&self.model.name, recipe) }
    }

    /// The numbers under every finished cell, where the model has a joint space of pictures and texts.
    pub fn measure(&mut self, run: &BoardRun, pictures: &Shelf, console: &mut Console) -> Result<(), CliError> {
        let render = &self.flags.render;
        let Some(mut measure) = ClipMeasure::open(&render.model, render.compute)? else {
            console
                .notice("this model has no joint space of pictures and texts, so there are no numbers under the cells");
            return Ok(());
        };
        for (index, cell) in run.cells().iter().enumerate() {
            let CellState::Finished(finished) = &cell.state else { continue };
            console.progress(&format!("measuring cell {}/{}", index + 1, self.cells.len()));
            let reference = finished.recipe.references.first();
            let words = reference.and_then(|r| r.subtract.as_ref()).map(|s| s.words.clone());
            let picture: Option<(Arc<Picture>, Crop)> =
                reference.map(|r| Ok::<_, CliError>((pictures.find(&r.hash)?, r.crop))).transpose()?;
            let numbers = measure.compare(
                &finished.image,
                &finished.recipe.prompt,
                picture.as_ref().map(|(picture, crop)| (picture.as_ref(), *crop)),
                words.as_deref(),
            )?;
            if let Some(page) = self.pages.get_mut(index) {
                page.numbers = numbers.named(Match::LONG_NAMES);
            }
            if let (Some(sheet), Some(at)) = (&mut self.sheet, self.cells.get(index)) {
                sheet.caption(at.column, at.row, &numbers.in_one_line());
            }
        }
        Ok(())
    }

    /// Writes the sheet and the page, prints the line of `--json`, and gives back the error of the first failed cell.
    pub fn finish(mut self, run: &BoardRun, total: f64) -> Result<Option<CliError>, CliError> {
        let mut faults = run.cells().iter().enumerate().filter_map(|(index, cell)| match &cell.state {
            CellState::Failed(error) => Some((index, error.clone())),
            _ => None,
        });
        let first_fault = faults.next();
        let failed = faults.count() + usize::from(first_fault.is_some());
        let (Some(mut sheet), Some(first)) = (self.sheet.take(), self.first.take()) else {
            // Not one cell: there is nothing to write.
            let error = first_fault.map_or(EngineError::Cancelled, |(_, error)| error);
            return Ok(Some(error.into()));
        };
        for (page, at) in self.pages.iter().zip(self.cells) {
            if let Some(fault) = &page.fault {
                sheet.place_words(at.column, at.row, fault);
            }
        }
        // What the engine filled in, so that the sheet's recipe leaves nothing open.
        let mut base = self.board.base.resolved(&self.model.defaults, 0);
        base.model.clone_from(&self.weights);
        let board = Board { base, ..self.board.clone() };
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| CliError::Machine(format!("the board could not be written as JSON ({error})")))
        };
        let out = &self.flags.render.options.out;
        let format = PictureFormat::of(out).unwrap_or_default();
        write(out, &export_sheet(&sheet.finish(), &board, &self.small, format)?)?;
        if let Some(folder) = &self.flags.html {
            let page = Page::new(self.words(&first.recipe), std::mem::take(&mut self.pages));
            write(&folder.join(PAGE), json(page.html())?.as_bytes())?;
        }
        if self.flags.render.options.json {
            let (device, dtype) = first.device_and_dtype();
            self.sums.total = total;
            let report = Report {
                cells: self.cells.len(),
                columns: self.board.columns(),
                rows: self.board.rows(),
                failed,
                seconds_per_cell: total / self.cells.len().max(1) as f64,
                seconds: &self.sums,
                encoder_runs: self.sums.encoder_runs,
                key_value_runs: self.sums.key_value_runs,
                steps: self.sums.steps,
                shared_steps: self.sums.shared_steps,
                most_together: self.sums.most_together,
                peak_rss_mb: peak_rss_mib(),
                device,
                dtype,
                seed: self.board.base.seed,
                out: self.flags.render.options.out.to_string_lossy().into_owned(),
            };
            super::print_line(&json(serde_json::to_string(&report))?)?;
        }
        Ok(first_fault.map(|(index, error)| self.fault(index, &error, failed)))
    }

    /// A failed cell's error, by its place.
    fn fault(&self, index: usize, error: &EngineError, failed: usize) -> CliError {
        let name = |cell: &Cell| self.board.cell_name(cell.column, cell.row);
        let cell = self.cells.get(index).map(name).unwrap_or_default();
        let sentence = format!("{failed} of {} cells failed, such as {cell}: {error}", self.cells.len());
        if error.is_bad_input() { CliError::Usage(sentence) } else { CliError::Machine(sentence) }
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    write_atomically(path, bytes).map_err(|error: LibraryError| CliError::Machine(error.to_string()))
}
