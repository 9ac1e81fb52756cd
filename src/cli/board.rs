//! `instantstyle board`: one recipe, one or two axes, and a contact sheet on the disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use image::RgbImage;

use super::board_report::{Report, Sums};
use super::compose::other_content;
use super::console::{Console, duration};
use super::error::{CliError, one_line};
use super::flags::{BoardFlags, Flags};
use super::render::{Prepared, carried, prepare};
use super::report::peak_rss_mib;
use super::targets;
use crate::board::{
    Axis, Board, Cell, Page, PageCell, PictureName, Preset, SheetWords, drawing_order, settings_in_words,
};
use crate::engine::{
    BoardRun, CellState, ClipMeasure, Engine, EngineError, Finished, JobSpec, Match, ModelInfo, ModelPaths, describe,
};
use crate::library::{LibraryError, write_atomically};
use crate::pixels::{CarriedReference, ContactSheet, Picture, PictureFormat, PngText, encode_png, export};
use crate::recipe::{Crop, Recipe, a1111_parameters};

/// Makes the board that `flags` ask for. `start` starts an engine; it is not called before the input is known to be good.
///
/// # Errors
/// Bad input, a result that cannot be written, or a cell that failed; then the others are on the sheet.
pub fn board(flags: &BoardFlags, start: impl FnOnce() -> Result<Box<dyn Engine>, EngineError>) -> Result<(), CliError> {
    let begun = Instant::now();
    targets::check_board(flags)?;
    let mut console = Console::stderr();
    let prepared = prepare(&flags.render, &mut console)?;
    let model = describe(&flags.render.model)?;
    let mut pictures = Shelf::new(&prepared);
    let (board, cells) = compose(flags, &prepared, &model, &mut pictures)?;

    let specs = cells.iter().map(|cell| pictures.spec(cell, &flags.render)).collect::<Result<Vec<_>, _>>()?;
    let mut work = Work::new(flags, &board, &cells, &model)?;
    let engine = start()?;
    let mut run = BoardRun::new(specs, &drawing_order(board.columns(), board.rows()));
    loop {
        let changed = run.wait(engine.as_ref())?;
        if changed.is_empty() {
            break;
        }
        for index in changed {
            work.hear(index, &run, &mut console)?;
        }
    }
    // Before the towers are read for the numbers: two models need not be held at once.
    drop(engine);
    if flags.numbers {
        work.measure(&run, &pictures, &mut console)?;
    }
    for (path, picture) in prepared.kept.iter().chain(&pictures.files) {
        if let Err(notice) = super::recall::keep(path, picture) {
            console.notice(&notice);
        }
    }
    if let Some(notice) = work.first.as_ref().and_then(|first| other_content(&prepared.recorded, &first.recipe.model)) {
        console.notice(&notice);
    }
    let total = begun.elapsed().as_secs_f64();
    let failed = work.finish(&run, total)?;
    match failed {
        Some(error) => Err(error),
        None => {
            console.done(&format!("{} is ready ({})", flags.render.options.out.display(), duration(total)));
            Ok(())
        }
    }
}

/// The axes from the flags, or from the sheet that `--from` names, put over the recipe.
fn compose(
    flags: &BoardFlags,
    prepared: &Prepared,
    model: &ModelInfo,
    pictures: &mut Shelf,
) -> Result<(Board, Vec<Cell>), CliError> {
    let base = prepared.order.recipe.clone();
    let parse = |flag: &str, text: &String| {
        Axis::parse(text, &model.blocks).map_err(|error| CliError::usage(format!("--{flag}: {error}")))
    };
    let (mut x, title) = match (&flags.x, &flags.preset) {
        (Some(_), Some(_)) => {
            return Err(CliError::usage("--x and --preset both say what the columns are; give one of them"));
        }
        (Some(text), None) => (parse("x", text)?, String::new()),
        (None, Some(name)) => {
            let preset = Preset::named(name).map_err(|error| CliError::usage(format!("--preset: {error}")))?;
            (preset.axis(&base, &model.blocks, &model.defaults)?, preset.question().to_owned())
        }
        (None, None) => {
            let known = Preset::ALL.map(Preset::name).join(", ");
            return Err(CliError::usage(format!(
                "a board needs an axis; add --x AXIS=V1,V2,…, such as --x strength=0,0.5,1, or --preset with one of {known}"
            )));
        }
    };
    let mut y = flags.y.as_ref().map(|text| parse("y", text)).transpose()?;
    for axis in [Some(&mut x), y.as_mut()].into_iter().flatten() {
        axis.resolve_pictures(|picture| pictures.open(picture))?;
    }
    let board = Board { title, base, x, y };
    let cells = board.cells(&model.blocks, model.defaults.guidance)?;
    Ok((board, cells))
}

/// The decoded pictures of all cells, by content.
struct Shelf {
    pictures: Vec<Arc<Picture>>,
    /// Those that the axes brought, with their files.
    files: Vec<(PathBuf, Arc<Picture>)>,
    /// The files of the recipe's LoRAs, which no axis changes.
    loras: Vec<PathBuf>,
}

impl Shelf {
    fn new(prepared: &Prepared) -> Self {
        let pictures = prepared.pictures.references.iter().chain(&prepared.pictures.init).cloned().collect();
        Self { pictures, files: Vec::new(), loras: prepared.order.loras.clone() }
    }

    /// Opens a picture that an axis names.
    fn open(&mut self, picture: &PictureName) -> Result<PictureName, CliError> {
        let path = PathBuf::from(&picture.name);
        let opened = match self.files.iter().find(|(known, _)| *known == path) {
            Some((_, opened)) => Arc::clone(opened),
            None => {
                let opened = Arc::new(Picture::open(&path)?);
                self.files.push((path, Arc::clone(&opened)));
                self.pictures.push(Arc::clone(&opened));
                opened
            }
        };
        Ok(PictureName { hash: opened.hash.clone(), name: opened.name.clone() })
    }

    fn find(&self, hash: &str) -> Result<Arc<Picture>, CliError> {
        let found = self.pictures.iter().find(|picture| picture.hash == hash).cloned();
        found.ok_or_else(|| CliError::usage("a cell names a picture that was not given; add --reference PATH"))
    }

    fn spec(&self, cell: &Cell, flags: &Flags) -> Result<JobSpec, CliError> {
        let references = cell.recipe.references.iter().map(|r| self.find(&r.hash)).collect::<Result<Vec<_>, _>>()?;
        for (reference, picture) in cell.recipe.references.iter().zip(&references) {
            super::recall::check_crop(reference.crop, picture)?;
        }
        Ok(JobSpec {
            recipe: Arc::new(cell.recipe.clone()),
            references,
            init: cell.recipe.init.as_ref().map(|init| self.find(&init.hash)).transpose()?,
            model: ModelPaths { loras: self.loras.clone(), ..flags.model.clone() },
            compute: flags.compute,
        })
    }
}

/// What is known of the cells while they are made.
struct Work<'a> {
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
    /// The first finished cell, without its picture's neighbours: its recipe names the model.
    first: Option<Arc<Finished>>,
}

impl<'a> Work<'a> {
    fn new(flags: &'a BoardFlags, board: &'a Board, cells: &'a [Cell], model: &'a ModelInfo) -> Result<Self, CliError> {
        for folder in [&flags.cells, &flags.html].into_iter().flatten() {
            fs::create_dir_all(folder).map_err(|error| {
                CliError::Machine(format!("the folder cannot be made ({error}); choose another: {}", folder.display()))
            })?;
        }
        let pages = cells.iter().map(|cell| PageCell { column: cell.column, row: cell.row, ..PageCell::default() });
        Ok(Self {
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
        })
    }

    /// Takes in a cell that has changed.
    fn hear(&mut self, index: usize, run: &BoardRun, console: &mut Console) -> Result<(), CliError> {
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
                for folder in [&self.flags.cells, &self.flags.html].into_iter().flatten() {
                    let carried = self.carried(&cell.spec.references)?;
                    let png = export(&finished.image, &finished.recipe, &carried, PictureFormat::Png)?;
                    write(&folder.join(file_name(at, self.board)), &png)?;
                }
                if let Some(page) = self.pages.get_mut(index) {
                    page.file = Some(file_name(at, self.board));
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

    fn add(&mut self, finished: &Arc<Finished>, console: &mut Console) {
        self.sums.add(&finished.timings);
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
    fn measure(&mut self, run: &BoardRun, pictures: &Shelf, console: &mut Console) -> Result<(), CliError> {
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
                page.numbers = named(&numbers, ["prompt match", "reference match", "leak"]);
            }
            if let (Some(sheet), Some(at)) = (&mut self.sheet, self.cells.get(index)) {
                let text: Vec<String> = named(&numbers, ["prompt", "reference", "leak"])
                    .iter()
                    .map(|(name, value)| format!("{name} {value:.2}"))
                    .collect();
                sheet.caption(at.column, at.row, &text.join("  "));
            }
        }
        Ok(())
    }

    /// Writes the sheet and the page, prints the line of `--json`, and gives back the error of the first failed cell.
    fn finish(mut self, run: &BoardRun, total: f64) -> Result<Option<CliError>, CliError> {
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
        base.model.clone_from(&first.recipe.model);
        let board = Board { base: base.clone(), ..self.board.clone() };
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| CliError::Machine(format!("the board could not be written as JSON ({error})")))
        };
        let out = &self.flags.render.options.out;
        let bytes = match PictureFormat::of(out).unwrap_or_default() {
            // The one format that carries the axes too.
            PictureFormat::Png => {
                let text = PngText {
                    recipe_json: Some(json(serde_json::to_string(&base))?),
                    board_json: Some(json(serde_json::to_string(&board))?),
                    parameters: Some(a1111_parameters(&base)),
                    made_by_model: true,
                    ..PngText::default()
                };
                encode_png(&sheet.finish(), &text)?
            }
            format => export(&sheet.finish(), &base, &[], format)?,
        };
        write(out, &bytes)?;
        if let Some(folder) = &self.flags.html {
            let words = self.words(&first.recipe);
            let page = Page {
                title: words.title,
                subtitle: words.subtitle,
                details: words.details,
                columns: words.columns,
                rows: words.rows,
                cells: std::mem::take(&mut self.pages),
            };
            write(&folder.join("index.html"), json(page.html())?.as_bytes())?;
        }
        if self.flags.render.options.json {
            let report = Report {
                cells: self.cells.len(),
                columns: self.board.columns(),
                rows: self.board.rows(),
                failed,
                seconds_per_cell: total / self.cells.len().max(1) as f64,
                total_seconds: total,
                seconds: &self.sums,
                encoder_runs: self.sums.encoder_runs,
                key_value_runs: self.sums.key_value_runs,
                steps: self.sums.steps,
                shared_steps: self.sums.shared_steps,
                peak_rss_mb: peak_rss_mib(),
                device: &first.device,
                seed: self.board.base.seed,
                out: self.flags.render.options.out.to_string_lossy().into_owned(),
            };
            super::print_line(&json(serde_json::to_string(&report))?)?;
        }
        Ok(first_fault.map(|(index, error)| self.fault(index, &error, failed)))
    }

    /// A failed cell's error, by its place.
    fn fault(&self, index: usize, error: &EngineError, failed: usize) -> CliError {
        let label = |axis: &Axis, index: usize| axis.settings.get(index).map(|s| format!("{} {}", axis.name, s.label));
        let place: Vec<String> = self.cells.get(index).map_or_else(Vec::new, |cell| {
            let y = self.board.y.as_ref().and_then(|y| label(y, cell.row));
            label(&self.board.x, cell.column).into_iter().chain(y).collect()
        });
        let sentence = format!("{failed} of {} cells failed, such as {}: {error}", self.cells.len(), place.join(", "));
        if error.is_bad_input() { CliError::Usage(sentence) } else { CliError::Machine(sentence) }
    }
}

fn named(numbers: &Match, names: [&str; 3]) -> Vec<(String, f64)> {
    names
        .into_iter()
        .zip([Some(numbers.prompt), numbers.reference, numbers.leak])
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// A cell's file, by its place counted from 1.
fn file_name(cell: &Cell, board: &Board) -> String {
    match board.rows() {
        1 => format!("cell-{:02}.png", cell.column + 1),
        _ => format!("cell-r{:02}-c{:02}.png", cell.row + 1, cell.column + 1),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    write_atomically(path, bytes).map_err(|error: LibraryError| CliError::Machine(error.to_string()))
}
