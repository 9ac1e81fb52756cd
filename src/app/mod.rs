//! What the window knows and does, without a single widget.
//!
//! [`AppState`] holds the recipe being edited, the references, the jobs and the history. The panels of `ui` show it and
//! send a [`Command`]; [`AppState::execute`] does it; [`AppState::logic`] takes in what the engine and the background
//! threads say. Nothing here waits: files are read, decoded and written on threads of their own.

mod background;
mod board;
mod board_export;
mod board_kept;
mod board_numbers;
mod board_values;
mod command;
mod content;
mod crop;
mod dialogs;
mod differences;
mod execute;
mod export;
mod few_step;
mod files;
mod history;
mod import;
mod job;
mod latest;
mod live;
mod logic;
mod looking;
mod loras;
mod model_references;
mod models;
mod models_choice;
mod models_command;
mod models_fetch;
mod models_follow;
mod models_import;
mod models_look;
mod models_offer;
mod notes;
mod pictures;
mod reference_list;
mod references;
mod sample;
mod sampling_words;
mod second;
mod session;
mod shelf;
mod state;
mod strip;
mod undo;
pub mod words;

pub use board::{BoardWish, CellMark, OpenBoard};
pub use board_export::{BoardExport, ExportWhat};
pub use board_kept::Kept;
pub use board_values::listed;
pub use command::Command;
pub use crop::{Square, loss};
pub use differences::differences;
pub use export::{ExportOf, PictureExport};
pub use history::HistoryEntry;
pub use import::Carried;
pub use job::{Job, Stage, duration};
pub use live::LivePace;
pub use looking::Prompt;
pub use models::{ModelSource, Models};
pub use models_choice::{Examined, Fit};
pub use models_command::ModelsCommand;
pub use models_fetch::{Fetch, Ware};
pub use models_import::{Pickled, Stand};
pub use notes::{Note, NoteKind, Notes, Offer, Place};
pub use references::Dropped;
pub use sampling_words::{words_for_sampler, words_for_sampling};
pub use session::{Session, Settings, Theme, WindowPlace};
pub use shelf::{PAGE, Shelf, ShelfCommand};
pub use state::{AppState, ModelState, Setup, Shown};
