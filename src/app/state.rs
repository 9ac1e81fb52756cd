//! Everything that the window shows.

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;

use super::background::{Background, Done};
use super::board::{BoardWish, OpenBoard};
use super::board_kept::BeingKept;
use super::history::{History, HistoryEntry};
use super::import::Carried;
use super::job::Job;
use super::latest::Latest;
use super::live::Live;
use super::looking::Seen;
use super::models::Models;
use super::notes::{Notes, Place};
use super::pictures::Pictures;
use super::references::{Dropped, Opened};
use super::second::Turn;
use super::session::{Saver, Session, Settings};
use super::shelf::Shelf;
use super::undo::UndoHistory;
use super::{references, sample};
use crate::engine::{Compute, Engine, ModelInfo, ModelPaths, PromptCount, Waker};
use crate::recipe::{Recipe, Reference};

/// What a window is opened with.
pub struct Setup {
    pub engine: Box<dyn Engine>,
    /// Wakes the window after background work.
    pub waker: Waker,
    /// Where everything is kept; None where the machine names no such place.
    pub home: Option<PathBuf>,
    pub session: Option<Session>,
    /// What to say about a session that could not be read.
    pub session_notice: Option<String>,
    /// Another window works on this home, and the session is that one's.
    pub is_second: bool,
    /// Pictures named on the command line.
    pub pictures: Vec<PathBuf>,
    pub compute: Compute,
}

/// What is known about the model.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelState {
    Opening,
    Ready(Box<ModelInfo>),
    Failed(String),
}

/// What lies on the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Nothing,
    /// The picture that is forming.
    Live,
    Entry(u64),
}

pub struct AppState {
    /// What the next picture will be made of; panels edit it in place.
    pub recipe: Recipe,
    pub settings: Settings,
    pub undo: UndoHistory,
    pub model: ModelState,
    /// In the order in which they were asked for; the first one is at work.
    pub jobs: VecDeque<Job>,
    pub history: History,
    pub board: Option<OpenBoard>,
    /// Names of pictures that were opened for an axis, until it takes them up.
    pub board_pictures: Vec<String>,
    pub shown: Shown,
    /// The picture of the history that the shown one is held against.
    pub compared: Option<u64>,
    pub notes: Notes,
    /// The seed of the last picture that was asked for.
    pub last_seed: Option<u64>,
    /// Seconds for a step and a thousand pixels, as last measured.
    pub pace: Option<f64>,
    pub device: Option<String>,
    /// Files that are being opened as references.
    pub opening: usize,
    /// The library and the styles.
    pub shelf: Shelf,
    /// The models that there are.
    pub models: Models,
    /// A dropped picture with settings of its own, about which the artist is asked.
    pub carried: Option<Box<Carried>>,

    /// Where the open model's weights lie; its LoRAs are the recipe's.
    pub(super) opened: ModelPaths,
    /// The model that is being opened.
    pub(super) asked_model: Option<ModelPaths>,
    /// Counts up with every model that is asked for; only the answer about the newest counts.
    pub(super) model_question: u64,
    pub(super) live: Live,
    /// What the model sees of the reference whose crop is being edited.
    pub(super) seen: Latest<Seen, Option<Arc<RgbImage>>>,
    /// How long the prompts are, in the order of [`Prompt::ALL`](super::Prompt::ALL).
    pub(super) counts: [Latest<String, Option<PromptCount>>; 2],
    pub(super) pictures: Pictures,
    /// Pictures of the library that are being opened.
    pub(super) asked_for: HashSet<String>,
    /// Generate was pressed while a reference or the model was still being opened.
    pub(super) wants_picture: bool,
    /// A board waits for its references or its model to be opened.
    pub(super) wants_board: Option<BoardWish>,
    /// Cells of this board, and of those before, whose files are being written.
    pub(super) cells_being_kept: Vec<BeingKept>,
    pub(super) loading: HashSet<u64>,
    /// Pictures of the strip whose small copies are still to be asked for, the newest last.
    pub(super) thumbnails_wanted: Vec<u64>,
    pub(super) thumbnails_under_way: HashSet<u64>,
    pub(super) engine: Box<dyn Engine>,
    pub(super) background: Background,
    /// Writes exported pictures: many take a while, and other files must not wait.
    pub(super) exports: Background,
    pub(super) saver: Option<Saver>,
    /// After the saver, which must have written all before another window reads it.
    pub(super) turn: Turn,
    pub(super) home: Option<PathBuf>,
    pub(super) compute: Compute,
    pub(super) last_id: u64,
    pub(super) saved: (Recipe, Settings, u64),
    pub(super) saved_at: f64,
    /// A file dialog is open, and this is where it was asked for.
    pub(super) dialog_place: Option<Place>,
}

impl AppState {
    /// # Errors
    /// A thread that does not start.
    pub fn new(setup: Setup) -> std::io::Result<Self> {
        let shelf = Shelf::start(setup.waker.clone())?;
        let models = Models::start(setup.home.clone(), setup.waker.clone())?;
        let exports = Background::start_named("exports", setup.waker.clone())?;
        let turn = Turn::of(setup.home.as_ref(), setup.is_second, setup.waker.clone())?;
        let background = Background::start(setup.waker)?;
        let saver = setup.home.clone().filter(|_| !setup.is_second).map(Saver::start).transpose()?;
        let is_first_start = setup.session.is_none();
        let session = setup.session.unwrap_or_else(|| Session { recipe: sample::recipe(), ..Session::default() });
        let mut state = Self {
            undo: UndoHistory::new(&session.recipe),
            saved: (session.recipe.clone(), session.settings.clone(), 0),
            recipe: session.recipe,
            settings: session.settings,
            model: ModelState::Opening,
            jobs: VecDeque::new(),
            history: History::default(),
            board: None,
            board_pictures: Vec::new(),
            shown: Shown::Nothing,
            notes: Notes::default(),
            last_seed: None,
            pace: None,
            device: None,
            opening: 0,
            shelf,
            models,
            opened: ModelPaths::default(),
            asked_model: None,
            model_question: 0,
            carried: None,
            live: Live::default(),
            seen: Latest::default(),
            counts: Default::default(),
            pictures: Pictures::default(),
            asked_for: HashSet::new(),
            wants_picture: false,
            wants_board: None,
            cells_being_kept: Vec::new(),
            compared: None,
            loading: HashSet::new(),
            thumbnails_wanted: Vec::new(),
            thumbnails_under_way: HashSet::new(),
            engine: setup.engine,
            background,
            exports,
            saver,
            turn,
            home: setup.home,
            compute: setup.compute,
            last_id: 0,
            saved_at: 0.0,
            dialog_place: None,
        };
        state.settings.count = state.settings.count.clamp(1, 16);
        state.notes_about_session(setup.session_notice);
        if setup.is_second {
            state.say_second();
        }
        // In the order in which they are opened: what is seen at once, and what the next picture waits for.
        if is_first_start && setup.pictures.is_empty() {
            state.add_sample();
        }
        state.find_pictures();
        state.bring_back_history(session.history);
        state.open_last_model();
        state.open_shelf();
        state.add_references(setup.pictures.into_iter().map(Dropped::File).collect());
        Ok(state)
    }

    pub fn model_info(&self) -> Option<&ModelInfo> {
        match &self.model {
            ModelState::Ready(info) => Some(info),
            _ => None,
        }
    }

    /// Where the open model's weights lie.
    pub fn opened_model(&self) -> &ModelPaths {
        &self.opened
    }

    /// The picture of a reference, once it has been opened.
    pub fn picture(&self, reference: &Reference) -> Option<&Opened> {
        self.pictures.get(&reference.hash)
    }

    /// The picture with this hash is being opened.
    pub fn is_opening(&self, hash: &str) -> bool {
        self.asked_for.contains(hash)
    }

    pub fn selected_reference(&self) -> Option<usize> {
        let last = self.recipe.references.len().checked_sub(1)?;
        Some(self.settings.selected_reference.min(last))
    }

    pub fn shown_entry(&self) -> Option<&HistoryEntry> {
        match self.shown {
            Shown::Entry(id) => self.history.get(id),
            // Live mode goes from picture to picture, without the noise of the first steps between them.
            Shown::Live if self.jobs.front().is_some_and(|job| job.is_live && !job.is_ripe()) => self.history.draft(),
            Shown::Live if self.compared.is_some() => self.history.draft(),
            Shown::Live | Shown::Nothing => None,
        }
    }

    /// Both sides of a comparison: the other picture, and the shown one.
    pub fn comparison(&self) -> Option<(&HistoryEntry, &HistoryEntry)> {
        let (other, shown) = (self.history.get(self.compared?)?, self.shown_entry()?);
        (other.id != shown.id).then_some((other, shown))
    }

    /// The board that lies on the canvas.
    pub fn shown_board(&self) -> Option<&OpenBoard> {
        self.board.as_ref().filter(|_| self.settings.is_board_shown)
    }

    /// Something runs or waits that a cancel would end.
    pub fn is_at_work(&self) -> bool {
        !self.jobs.is_empty() || self.waiting().is_some() || self.board.as_ref().is_some_and(OpenBoard::is_at_work)
    }

    pub fn can_undo(&self) -> bool {
        self.can_put_back() || self.undo.can_undo(&self.recipe)
    }

    pub fn can_redo(&self) -> bool {
        self.undo.can_redo(&self.recipe)
    }

    /// Seconds that the next press of Generate will take, where a pace has been measured.
    pub fn estimate_secs(&self) -> Option<f64> {
        let steps = f64::from(self.recipe.steps.unwrap_or(self.model_info()?.defaults.steps));
        // Image to image begins in the middle.
        let part = self.recipe.init.as_ref().map_or(1.0, |init| init.denoise);
        let (width, height) = self.open_size()?;
        let width = f64::from(self.recipe.width.unwrap_or(width));
        let height = f64::from(self.recipe.height.unwrap_or(height));
        Some(self.pace? * steps * part * width * height / 1000.0 * f64::from(self.settings.count))
    }

    /// A number never given before.
    pub(super) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn folder(&self, name: &str) -> Option<PathBuf> {
        self.home.as_ref().map(|home| home.join(name))
    }

    fn notes_about_session(&mut self, notice: Option<String>) {
        if let Some(notice) = notice {
            self.notes.error(Place::Picture, notice);
        }
        if self.home.is_none() {
            let said =
                "nothing can be kept, since this machine names no home folder; set INSTANTSTYLE_HOME and start again";
            self.notes.error(Place::Picture, said);
        }
    }

    fn add_sample(&mut self) {
        let hash = blake3::hash(sample::PICTURE).to_hex().to_string();
        self.recipe.references.push(sample::reference(hash.clone()));
        self.undo = UndoHistory::new(&self.recipe);
        self.asked_for.insert(hash.clone());
        let folder = self.folder("references");
        let sample = Dropped::Bytes { name: sample::NAME.to_owned(), read: Arc::new(|| Ok(sample::PICTURE.to_vec())) };
        let open = move || references::open(&sample, folder.as_deref());
        self.submit(open, move |result| Done::Found { hash, result });
    }
}

#[cfg(test)]
impl AppState {
    /// A window of a first start, with an engine that does as it is told.
    #[allow(clippy::unwrap_used)]
    pub(super) fn for_tests(home: &std::path::Path) -> Self {
        Self::new(Setup {
            engine: Box::new(crate::engine::FakeEngine::start(None).unwrap()),
            waker: Arc::new(|| {}),
            home: Some(home.to_owned()),
            session: None,
            session_notice: None,
            is_second: false,
            pictures: Vec::new(),
            compute: Compute::default(),
        })
        .unwrap()
    }
}
