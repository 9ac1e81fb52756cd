//! The board: pictures that share a recipe but for one or two axes, side by side, painted corners first.

use std::sync::Arc;

use image::RgbImage;

use super::background::Done;
use super::board_files;
use super::history::HistoryEntry;
use super::notes::Place;
use super::state::{AppState, Shown};
use crate::board::{Axis, Board, BoardError, Cell, PictureName, Preset, drawing_order};
use crate::engine::{self, BoardRun, CellRun, CellState, Finished, JobSpec, Match};
use crate::recipe::Recipe;

/// What the artist wants to see side by side.
#[derive(Debug, Clone, PartialEq)]
pub enum BoardWish {
    Preset(Preset),
    /// Axes as the command line writes them; the second may be empty.
    Axes {
        x: String,
        y: String,
    },
}

/// What the window knows of a cell beside its picture.
#[derive(Debug, Clone, Default)]
pub struct CellMark {
    pub is_favourite: bool,
    /// How it differs from the chosen cell, where that is asked for.
    pub difference: Option<Arc<RgbImage>>,
    pub numbers: Option<Match>,
}

/// The open board.
pub struct OpenBoard {
    pub board: Board,
    /// Row by row.
    pub cells: Vec<Cell>,
    pub marks: Vec<CellMark>,
    /// The cell that the others are held against.
    pub against: Option<usize>,
    /// Numbers are being worked out.
    pub is_measuring: bool,
    /// Counts up with every change of a cell, for what is made of its preview.
    pub revision: u64,
    pub(super) run: BoardRun,
    /// Tells the answers about this board from those about one before.
    pub(super) id: u64,
}

impl OpenBoard {
    pub fn state(&self, index: usize) -> Option<&CellState> {
        self.run.cells().get(index).map(|cell| &cell.state)
    }

    pub fn finished(&self, index: usize) -> Option<&Arc<Finished>> {
        match self.state(index) {
            Some(CellState::Finished(finished)) => Some(finished),
            _ => None,
        }
    }

    pub fn is_at_work(&self) -> bool {
        !self.run.is_done()
    }

    pub fn done(&self) -> usize {
        (0..self.cells.len()).filter(|index| self.finished(*index).is_some()).count()
    }

    /// The labels of a cell's column and row.
    pub fn labels(&self, index: usize) -> (String, Option<String>) {
        let (column, row) = self.cells.get(index).map_or((0, 0), |cell| (cell.column, cell.row));
        (label(&self.board.x, column), self.board.y.as_ref().map(|y| label(y, row)))
    }

    /// A cell in words, such as "strength 0.5, seed 7".
    pub fn title(&self, index: usize) -> String {
        let (x, y) = self.labels(index);
        y.map_or_else(|| x.clone(), |y| format!("{x}, {y}"))
    }
}

/// A bare number says nothing without its field.
pub(super) fn label(axis: &Axis, place: usize) -> String {
    let label = axis.settings.get(place).map(|setting| setting.label.as_str()).unwrap_or_default();
    if label.parse::<f64>().is_ok() { format!("{} {label}", axis.name) } else { label.to_owned() }
}

/// Seconds that a picture took.
pub fn seconds(finished: &Finished) -> f64 {
    let timings = &finished.timings;
    timings.loading_secs + timings.encoding_secs + timings.sampling_secs + timings.decoding_secs
}

impl AppState {
    /// Lays out the board and begins to paint it. Cells that the open board has already are taken over.
    pub(super) fn open_board(&mut self, wish: &BoardWish) {
        self.notes.clear(Place::Board);
        if let Err(why) = self.lay_out(wish) {
            self.notes.error(Place::Board, why);
        }
        self.settings.is_board_shown = true;
    }

    fn lay_out(&mut self, wish: &BoardWish) -> Result<(), String> {
        let info = self.model_info().cloned().ok_or("the model is still being opened; try again in a moment")?;
        let seed = self.recipe.seed.or(self.last_seed).unwrap_or_else(engine::random_seed);
        self.last_seed = Some(seed);
        let base = Recipe { seed: Some(seed), ..self.recipe.clone() };
        let said = |error: BoardError| error.to_string();
        let (title, x, y) = match wish {
            BoardWish::Preset(preset) => {
                let axis = preset.axis(&base, &info.blocks, &info.defaults).map_err(said)?;
                (preset.question().to_owned(), axis, None)
            }
            BoardWish::Axes { x, y } => {
                let y = (!y.trim().is_empty()).then(|| Axis::parse(y, &info.blocks)).transpose().map_err(said)?;
                (String::new(), Axis::parse(x, &info.blocks).map_err(said)?, y)
            }
        };
        let mut board = Board { title, base, x, y };
        for axis in [Some(&mut board.x), board.y.as_mut()].into_iter().flatten() {
            axis.resolve_pictures(|picture| self.picture_named(picture))?;
        }
        let cells = board.cells(&info.blocks, info.defaults.guidance).map_err(said)?;
        let specs = cells.iter().map(|cell| self.cell_job(&cell.recipe)).collect::<Result<Vec<_>, _>>()?;
        let order = drawing_order(board.columns(), board.rows());
        let (mut run, old) = match self.board.take() {
            Some(open) => (open.run, open.cells.into_iter().zip(open.marks).collect()),
            None => (BoardRun::default(), Vec::new()),
        };
        run.replace(specs, &order);
        let favourite = |cell: &Cell| old.iter().any(|(known, mark)| mark.is_favourite && known.recipe == cell.recipe);
        let marks =
            cells.iter().map(|cell| CellMark { is_favourite: favourite(cell), ..CellMark::default() }).collect();
        let id = self.new_id();
        let is_measuring = false;
        self.board = Some(OpenBoard { board, cells, marks, against: None, is_measuring, revision: 0, run, id });
        self.pump_board();
        Ok(())
    }

    /// A picture of an axis, among those that are open.
    fn picture_named(&self, wanted: &PictureName) -> Result<PictureName, String> {
        let mut open = self.pictures.values().map(|opened| &opened.picture);
        let found = open.find(|picture| picture.name == wanted.name || picture.hash == wanted.hash);
        let found = found.map(|picture| PictureName { hash: picture.hash.clone(), name: picture.name.clone() });
        found.ok_or_else(|| format!("no reference is named '{}'; add the picture as a reference first", wanted.name))
    }

    fn cell_job(&self, recipe: &Recipe) -> Result<JobSpec, String> {
        let opened = |hash: &String, name: &String| {
            let opened = self.pictures.get(hash).map(|opened| Arc::clone(&opened.picture));
            opened.ok_or_else(|| format!("'{name}' is not open; drop its file again or remove it"))
        };
        let references = recipe.references.iter().map(|r| opened(&r.hash, &r.name)).collect::<Result<_, _>>()?;
        let init = recipe.init.as_ref().map(|init| opened(&init.hash, &init.name)).transpose()?;
        let recipe = Arc::new(recipe.clone());
        Ok(JobSpec { recipe, references, init, model: self.model_paths(), compute: self.compute })
    }

    /// Called once a frame: takes in what the engine says about the cells, and gives it the next ones.
    pub(super) fn pump_board(&mut self) {
        let Some(mut open) = self.board.take() else { return };
        match open.run.pump(self.engine.as_ref()) {
            Ok(changed) => {
                open.revision += u64::from(!changed.is_empty());
                for index in changed {
                    if let Some(mark) = open.marks.get_mut(index) {
                        mark.difference = None;
                        if !matches!(open.run.cells().get(index).map(|c| &c.state), Some(CellState::Finished(_))) {
                            mark.numbers = None;
                        }
                    }
                    if let Some(against) = open.against {
                        self.ask_difference(&open, index, against);
                    }
                }
            }
            Err(error) => {
                open.run.cancel_all();
                self.notes.error(Place::Board, error.to_string());
            }
        }
        self.board = Some(open);
    }

    pub(super) fn cancel_cell(&mut self, index: usize) {
        if let Some(open) = &mut self.board {
            open.run.cancel(index);
            open.revision += 1;
        }
    }

    /// Paints a cell again, before all that wait.
    pub(super) fn run_cell(&mut self, index: usize) {
        if let Some(open) = &mut self.board {
            open.run.rerun(index);
        }
        self.pump_board();
    }

    /// Paints what was stopped or has failed.
    pub(super) fn run_rest(&mut self) {
        if let Some(open) = &mut self.board {
            let order = drawing_order(open.board.columns(), open.board.rows());
            let is_open = |cell: Option<&CellRun>| {
                cell.is_some_and(|cell| matches!(cell.state, CellState::Cancelled | CellState::Failed(_)))
            };
            // Each goes to the front, so that the first is asked for last.
            for index in order.into_iter().rev() {
                if is_open(open.run.cells().get(index)) {
                    open.run.rerun(index);
                }
            }
        }
        self.pump_board();
    }

    pub(super) fn cancel_board(&mut self) {
        if let Some(open) = &mut self.board {
            open.run.cancel_all();
            open.revision += 1;
        }
    }

    pub(super) fn close_board(&mut self) {
        self.cancel_board();
        self.board = None;
        self.settings.is_board_shown = false;
        self.notes.clear(Place::Board);
    }

    /// A cell becomes a picture of the history, kept and on the canvas, and its settings the present ones.
    pub(super) fn promote_cell(&mut self, index: usize) {
        let Some(open) = &self.board else { return };
        let (Some(finished), Some(cell)) = (open.finished(index).cloned(), open.cells.get(index).cloned()) else {
            return;
        };
        let id = self.new_id();
        let image = Arc::new(finished.image.clone());
        let recipe = finished.recipe.clone();
        self.history.add(HistoryEntry {
            id,
            recipe: recipe.clone(),
            file: None,
            image: Some(image.clone()),
            thumbnail: None,
            seconds: seconds(&finished),
            device: finished.device.clone(),
            is_draft: false,
        });
        let (folder, small) = (self.folder("pictures"), image.clone());
        let thumbnail = move || Done::Thumbnail { entry: id, thumbnail: Arc::new(crate::library::thumbnail(&small)) };
        self.submit(thumbnail);
        let keep = move || super::files::keep_picture(folder.as_deref(), &image, &recipe);
        self.submit(move || Done::Kept { entry: id, result: keep() });
        self.recipe = cell.recipe;
        self.undo.mark(&self.recipe);
        self.shown = Shown::Entry(id);
        self.compared = None;
        self.settings.is_board_shown = false;
    }

    pub(super) fn star_cell(&mut self, index: usize) {
        if let Some(mark) = self.board.as_mut().and_then(|open| open.marks.get_mut(index)) {
            mark.is_favourite = !mark.is_favourite;
        }
    }

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

    fn ask_difference(&mut self, open: &OpenBoard, index: usize, against: usize) {
        let (Some(from), Some(to)) = (open.finished(against).cloned(), open.finished(index).cloned()) else { return };
        let board = open.id;
        let image = move || Arc::new(board_files::difference(&from.image, &to.image));
        self.submit(move || Done::Difference { board, cell: index, against, image: image() });
    }

    pub(super) fn take_difference(&mut self, board: u64, index: usize, against: usize, image: Arc<RgbImage>) {
        let open = self.board.as_mut().filter(|open| open.id == board && open.against == Some(against));
        if let Some(mark) = open.and_then(|open| open.marks.get_mut(index)) {
            mark.difference = Some(image);
        }
    }

    /// Works out numbers for the finished cells, on a thread of its own: the CLIP towers are read for it.
    pub(super) fn measure_board(&mut self) {
        let Some(open) = self.board.as_mut().filter(|open| !open.is_measuring) else { return };
        let finished: Vec<_> =
            (0..open.cells.len()).filter_map(|index| Some((index, open.finished(index)?.clone()))).collect();
        let references: Vec<_> = open.run.cells().iter().map(|cell| cell.spec.references.first().cloned()).collect();
        let (board, paths, compute) = (open.id, self.model_paths(), self.compute);
        let work =
            move || Done::Measured { board, result: board_files::measure(&paths, compute, &finished, &references) };
        match self.background.ask(work) {
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

    /// Writes the contact sheet beside the pictures.
    pub(super) fn export_board(&mut self) {
        let Some(open) = &self.board else { return };
        let cells: Vec<_> =
            open.cells.iter().enumerate().map(|(i, cell)| (cell.clone(), open.finished(i).cloned())).collect();
        let (board, folder) = (open.board.clone(), self.folder("pictures"));
        self.submit(move || Done::Exported(board_files::export_sheet(folder.as_deref(), &board, &cells)));
    }
}
