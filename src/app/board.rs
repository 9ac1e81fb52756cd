//! The board: pictures that share a recipe but for one or two axes, side by side, painted corners first.

use std::sync::Arc;

use image::RgbImage;

use super::board_kept::Kept;
use super::notes::Place;
use super::state::AppState;
use super::words;
use crate::board::{Axis, Board, BoardError, Cell, Change, PictureName, Preset, drawing_order};
use crate::engine::{self, BoardRun, CellRun, CellState, Finished, JobSpec, Match, ModelPaths};
use crate::recipe::{ModelBlocks, ModelDefaults, Recipe};

/// What the artist wants to see side by side.
#[derive(Debug, Clone, PartialEq)]
pub enum BoardWish {
    Preset(Preset),
    /// Axes as the command line writes them; the second may be empty.
    Axes {
        x: String,
        y: String,
    },
    /// The axes of a sheet, with the present settings.
    Again(Box<Board>),
}

/// What the window knows of a cell beside its picture.
#[derive(Debug, Clone, Default)]
pub struct CellMark {
    pub is_favourite: bool,
    /// How it differs from the chosen cell, where that is asked for.
    pub difference: Option<Arc<RgbImage>>,
    pub numbers: Option<Match>,
    pub kept: Kept,
    /// A number never used before, for what the cell shows now.
    pub shown_id: u64,
}

/// The model that a board was laid out with; another may be open by now.
pub(super) struct BoardModel {
    pub name: String,
    pub blocks: ModelBlocks,
    pub defaults: ModelDefaults,
    pub paths: ModelPaths,
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
    pub(super) model: BoardModel,
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

    /// A cell's recipe as the engine is given it: what tells the pictures of a board from each other.
    pub(super) fn given(&self, index: usize) -> Option<&Arc<Recipe>> {
        self.run.cells().get(index).map(|cell| &cell.spec.recipe)
    }

    pub fn is_at_work(&self) -> bool {
        !self.run.is_done()
    }

    pub fn done(&self) -> usize {
        (0..self.cells.len()).filter(|index| self.finished(*index).is_some()).count()
    }

    /// The labels of a cell's column and row, in the window's words.
    pub fn labels(&self, index: usize) -> (String, Option<String>) {
        let (column, row) = self.cells.get(index).map_or((0, 0), |cell| (cell.column, cell.row));
        (self.label(&self.board.x, column), self.board.y.as_ref().map(|y| self.label(y, row)))
    }

    pub(super) fn label(&self, axis: &Axis, place: usize) -> String {
        axis.settings.get(place).map(|setting| words::label(axis, setting, self.blocks())).unwrap_or_default()
    }

    /// A cell's column (0) and row (1) as the command line calls them, where that is not what the window does.
    pub fn exact_label(&self, index: usize, side: usize) -> Option<String> {
        let cell = self.cells.get(index)?;
        let (axis, place) = match side {
            0 => (&self.board.x, cell.column),
            _ => (self.board.y.as_ref()?, cell.row),
        };
        let exact = axis.label(place);
        (exact != self.label(axis, place)).then_some(exact)
    }

    /// A cell as the command line calls it, where that is not what the window does.
    pub fn exact_title(&self, index: usize) -> Option<String> {
        let parts: Vec<String> = [0, 1].into_iter().filter_map(|side| self.exact_label(index, side)).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// The blocks of the model that it was laid out with.
    pub fn blocks(&self) -> &ModelBlocks {
        &self.model.blocks
    }

    /// A cell in words, such as "strength 0.5, seed 7".
    pub fn title(&self, index: usize) -> String {
        let (x, y) = self.labels(index);
        y.map_or_else(|| x.clone(), |y| format!("{x}, {y}"))
    }
}

impl AppState {
    /// Lays out the board and begins to paint it. Cells that the open board has already are taken over.
    pub(super) fn open_board(&mut self, wish: &BoardWish) {
        self.notes.clear(Place::Board);
        self.notes.clear_failed();
        if self.asked_model.is_some() {
            self.wants_board = Some(wish.clone());
            return;
        }
        if let Err(why) = self.lay_out(wish) {
            self.tell_refusal(Place::Board, why);
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
            BoardWish::Again(board) => (board.title.clone(), board.x.clone(), board.y.clone()),
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
            self.tell_pictures_apart(axis);
        }
        let closed = self.pictures_to_open([Some(&board.x), board.y.as_ref()]);
        if !closed.is_empty() {
            self.wants_board = Some(wish.clone());
            self.find_named(closed);
            return Ok(());
        }
        let cells = board.cells(&info.blocks, info.defaults.guidance).map_err(said)?;
        let specs = cells.iter().map(|cell| self.cell_job(&cell.recipe)).collect::<Result<Vec<_>, _>>()?;
        let order = drawing_order(board.columns(), board.rows());
        let (mut run, old) = match self.board.take() {
            Some(open) => (open.run, open.marks),
            None => (BoardRun::default(), Vec::new()),
        };
        let from = run.replace(specs, &order);
        // Which picture is shown against which is of the old board; all else goes with the picture, whatever the recipe
        // says of LoRAs that are off.
        let known = |from: Option<usize>| from.and_then(|from| old.get(from)).cloned().unwrap_or_default();
        let mark = |from| CellMark { difference: None, shown_id: self.new_id(), ..known(from) };
        let marks = from.into_iter().map(mark).collect();
        let id = self.new_id();
        let is_measuring = false;
        let model =
            BoardModel { name: info.name, blocks: info.blocks, defaults: info.defaults, paths: self.opened.clone() };
        self.board = Some(OpenBoard { board, cells, marks, against: None, is_measuring, revision: 0, run, model, id });
        self.pump_board();
        Ok(())
    }

    /// A picture of an axis, among those that are open or have been.
    fn picture_named(&self, wanted: &PictureName) -> Result<PictureName, String> {
        let hash = match wanted.hash.as_str() {
            "" => self.axis_names().into_iter().find(|(name, _)| *name == wanted.name).map(|(_, hash)| hash.to_owned()),
            hash => Some(hash.to_owned()),
        };
        let found = hash.and_then(|hash| self.pictures.known(&hash));
        found.ok_or_else(|| format!("no reference is named '{}'; add the picture as a reference first", wanted.name))
    }

    /// Columns of two pictures with one name are not called the same.
    fn tell_pictures_apart(&self, axis: &mut Axis) {
        for setting in &mut axis.settings {
            for change in &setting.changes {
                if let Change::Reference(picture) | Change::Init(picture) = change
                    && let Some(name) = self.axis_name(&picture.hash)
                {
                    setting.label = name;
                }
            }
        }
    }

    fn cell_job(&self, recipe: &Recipe) -> Result<JobSpec, String> {
        let opened = |hash: &String, name: &String| {
            let opened = self.pictures.get(hash).map(|opened| Arc::clone(&opened.picture));
            opened.ok_or_else(|| format!("'{name}' is not open; drop its file again or remove it"))
        };
        let references = recipe.references.iter().map(|r| opened(&r.hash, &r.name)).collect::<Result<_, _>>()?;
        let init = recipe.init.as_ref().map(|init| opened(&init.hash, &init.name)).transpose()?;
        let (recipe, model) = self.job_parts(recipe.clone())?;
        Ok(JobSpec { recipe: Arc::new(recipe), references, init, model, compute: self.compute })
    }

    /// Called once a frame: takes in what the engine says about the cells, and gives it the next ones.
    pub(super) fn pump_board(&mut self) {
        let Some(mut open) = self.board.take() else { return };
        match open.run.pump(self.engine.as_ref()) {
            Ok(changed) => {
                open.revision += u64::from(!changed.is_empty());
                for index in changed {
                    let shown_id = self.new_id();
                    self.keep_cell(&mut open, index);
                    if let Some(mark) = open.marks.get_mut(index) {
                        mark.shown_id = shown_id;
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
}
