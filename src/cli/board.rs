//! `instantstyle board`: one recipe, one or two axes, and a contact sheet on the disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::board_work::{ENDING, Work};
use super::compose::{bring_pictures, other_content};
use super::console::{Console, duration};
use super::error::CliError;
use super::flags::{Base, BoardFlags, Flags};
use super::render::{Prepared, prepare};
use super::targets;
use crate::board::{Axis, Board, Cell, PictureName, Preset, drawing_order};
use crate::engine::{BoardRun, Engine, EngineError, JobSpec, ModelInfo, ModelPaths, check_jobs, describe};
use crate::library;
use crate::pixels::{self, Picture, PictureFormat};

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
    let names: Vec<String> = cells.iter().map(|cell| board.file_name(cell, ENDING)).collect();
    targets::check_cells(flags, &names, pictures.files.iter().map(|(path, _)| path))?;

    let specs = cells.iter().map(|cell| pictures.spec(cell, &flags.render)).collect::<Result<Vec<_>, _>>()?;
    // What can be known is told before the first cell.
    check_jobs(&specs).map_err(|(index, error)| {
        let cell = cells.get(index).map(|cell| board.cell_name(cell.column, cell.row)).unwrap_or_default();
        let sentence = format!("the cell {cell}: {error}");
        if error.is_bad_input() { CliError::Usage(sentence) } else { CliError::Machine(sentence) }
    })?;
    // Before anything is written.
    for (path, picture) in prepared.kept.iter().chain(&pictures.files) {
        if let Err(notice) = super::recall::keep(path, picture) {
            console.notice(&notice);
        }
    }
    ensure_room(flags, &board, &mut console)?;
    let mut work = Work::new(flags, &board, &cells, &model);
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
    if let Some(notice) = other_content(&prepared.recorded, &work.weights) {
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

/// A JPEG has little room: refuses a recipe that has none, and says where the axes have none.
fn ensure_room(flags: &BoardFlags, board: &Board, console: &mut Console) -> Result<(), CliError> {
    let out = &flags.render.options.out;
    super::render::ensure_room(out, &board.base)?;
    let format = PictureFormat::of(out).unwrap_or_default();
    if pixels::ensure_room(&board.base, Some(board), format).is_err() {
        console.notice("the axes have more than the 64 KiB that a JPEG holds, so the sheet will not paint its board again; save it as PNG or WebP");
    }
    Ok(())
}

/// The axes from the flags, or from the sheet that `--from` names, put over the recipe.
fn compose(
    flags: &BoardFlags,
    prepared: &Prepared,
    model: &ModelInfo,
    pictures: &mut Shelf,
) -> Result<(Board, Vec<Cell>), CliError> {
    let mut base = prepared.order.recipe.clone();
    let parse = |flag: &str, text: &String| {
        Axis::parse(text, &model.blocks).map_err(|error| CliError::usage(format!("--{flag}: {error}")))
    };
    let recalled = recalled(flags);
    let (mut x, title) = match (&flags.x, &flags.preset) {
        (Some(_), Some(_)) => {
            return Err(CliError::usage("--x and --preset both say what the columns are; give one of them"));
        }
        (Some(text), None) => (parse("x", text)?, String::new()),
        (None, Some(name)) => {
            let preset = Preset::named(name).map_err(|error| CliError::usage(format!("--preset: {error}")))?;
            (preset.axis(&base, &model.blocks, &model.defaults)?, preset.question().to_owned())
        }
        (None, None) if let Some(board) = &recalled => (board.x.clone(), board.title.clone()),
        (None, None) => {
            let known = Preset::ALL.map(Preset::name).join(", ");
            return Err(CliError::usage(format!(
                "a board needs an axis; add --x AXIS=V1,V2,…, such as --x strength=0,0.5,1, or --preset with one of {known}"
            )));
        }
    };
    let rows_of_sheet = recalled.filter(|_| flags.x.is_none() && flags.preset.is_none()).and_then(|board| board.y);
    let mut y = flags.y.as_ref().map(|text| parse("y", text)).transpose()?.or(rows_of_sheet);
    for axis in [Some(&mut x), y.as_mut()].into_iter().flatten() {
        axis.resolve_pictures(|picture| pictures.open(picture))?;
    }
    let axes: Vec<&Axis> = std::iter::once(&x).chain(&y).collect();
    bring_pictures(&flags.render, &mut base, &axes);
    let board = Board { title, base, x, y };
    let cells = board.cells(&model.blocks, model.defaults.guidance)?;
    Ok((board, cells))
}

/// The board whose sheet `--from` names.
fn recalled(flags: &BoardFlags) -> Option<Board> {
    let Some(Base::Picture(path)) = &flags.render.base else { return None };
    serde_json::from_str(&pixels::carried_by(path).ok()?.board_json?).ok()
}

/// The decoded pictures of all cells, by content.
pub struct Shelf {
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

    /// Opens a picture that an axis names: by its file, or, as a sheet names it, by its content.
    fn open(&mut self, picture: &PictureName) -> Result<PictureName, CliError> {
        if !picture.hash.is_empty() {
            if self.find(&picture.hash).is_err() {
                let missing = || {
                    let name = &picture.name;
                    CliError::usage(format!("'{name}' is not in the library on this machine; name its file in --x"))
                };
                let kept = Picture::open(&library::find_reference(&picture.hash).ok_or_else(missing)?)?;
                // A kept file that was damaged is another picture.
                let opened = Some(kept).filter(|kept| kept.hash == picture.hash).ok_or_else(missing)?;
                self.pictures.push(Arc::new(Picture { name: picture.name.clone(), ..opened }));
            }
            return Ok(picture.clone());
        }
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

    pub fn find(&self, hash: &str) -> Result<Arc<Picture>, CliError> {
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
