//! The threads that read, decode and write, so that the window never waits for a disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use image::RgbImage;

use super::import::Carried;
use super::looking::{Prompt, Seen};
use super::models::ModelsDone;
use super::models_choice::Described;
use super::references::{Dropped, Opened};
use super::shelf::ShelfDone;
use crate::engine::{Match, PromptCount, Waker};
use crate::recipe::Recipe;

/// Files that may wait to be read; more than anyone drops at once.
const WAITING: usize = 1024;
/// Results that may lie unread; a thread that has more to say waits.
const UNREAD: usize = 64;

/// What came out of a task.
pub enum Done {
    /// A file that was to become a new reference.
    Added(Result<Box<Opened>, String>),
    /// The picture of a reference that the recipe names already.
    Found {
        hash: String,
        result: Result<Box<Opened>, String>,
    },
    /// A file that was to become the content picture.
    Content(Result<Box<Opened>, String>),
    /// What the model sees of a reference.
    Seen {
        asked: Seen,
        square: Option<Arc<RgbImage>>,
    },
    /// A prompt's tokens; None where they cannot be counted.
    Counted {
        prompt: Prompt,
        text: String,
        count: Option<PromptCount>,
    },
    /// A picture for an axis of a board.
    ForBoard(Result<Box<Opened>, String>),
    /// How a cell of a board differs from another.
    Difference {
        board: u64,
        cell: usize,
        against: usize,
        result: Result<Arc<RgbImage>, String>,
    },
    /// Numbers of a board's cells.
    Measured {
        board: u64,
        result: Result<Vec<(usize, Match)>, String>,
    },
    Described(Described),
    /// A finished picture was kept.
    Kept {
        entry: u64,
        result: Result<PathBuf, String>,
    },
    /// A board's cell was kept; `asked` is the recipe that the engine was given for it.
    CellKept {
        asked: Arc<Recipe>,
        recipe: Box<Recipe>,
        /// The file, and its content hash.
        result: Result<(PathBuf, String), String>,
    },
    /// A small copy for the strip.
    Thumbnail {
        entry: u64,
        result: Result<Arc<RgbImage>, String>,
    },
    /// A picture of the history was read again.
    Loaded {
        entry: u64,
        result: Result<Arc<RgbImage>, String>,
    },
    /// Pictures were written; the sentence says what, or why not.
    Exported(Result<String, String>),
    /// A board was written; the sentence says what, or why not.
    BoardExported(Result<String, String>),
    /// A dropped file, and the settings that it carries.
    Looked {
        dropped: Dropped,
        carried: Option<Box<Carried>>,
    },
    Shelf(ShelfDone),
    Models(ModelsDone),
    FolderOpened(Result<(), String>),
    Picked(Picked),
}

/// What the artist chose in a file dialog.
pub enum Picked {
    References(Vec<PathBuf>),
    Content(PathBuf),
    BoardPictures(Vec<PathBuf>),
    SaveAs {
        entry: u64,
        path: PathBuf,
    },
    /// Where boards are exported to.
    ExportFolder(PathBuf),
    /// Files of weights, or the folder of a model.
    Models(Vec<PathBuf>),
    /// A folder in which to look for models.
    ModelsFolder(PathBuf),
    Styles(Vec<PathBuf>),
    ExportStyle {
        name: String,
        path: PathBuf,
    },
    Nothing,
    /// No dialog appeared; what was to be chosen.
    NoDialog {
        is_save: bool,
    },
}

type Task = Box<dyn FnOnce() -> Done + Send>;

/// One thread for files, in the order in which they were asked for, and one for each open dialog.
pub struct Background {
    tasks: Option<Sender<Task>>,
    done_sender: Sender<Done>,
    done: Option<Receiver<Done>>,
    thread: Option<JoinHandle<()>>,
    waker: Waker,
}

impl Background {
    pub fn start(waker: Waker) -> std::io::Result<Self> {
        Self::start_named("files", waker)
    }

    /// As [`Background::start`], on a thread of this name.
    pub fn start_named(name: &str, waker: Waker) -> std::io::Result<Self> {
        let (tasks, waiting) = bounded::<Task>(WAITING);
        let (done_sender, done) = bounded::<Done>(UNREAD);
        let (results, wake) = (done_sender.clone(), waker.clone());
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            while let Ok(task) = waiting.recv() {
                // Nobody listens any more when the window is closing; what is left to write is still written.
                drop(results.send(task()));
                wake();
            }
        })?;
        Ok(Self { tasks: Some(tasks), done_sender, done: Some(done), thread: Some(thread), waker })
    }

    /// Queues work; false when too much waits already. `answer` says what its result is the result of, a bug in it too:
    /// whoever waits for it hears of it.
    #[must_use]
    pub fn submit<T: 'static>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
        answer: impl FnOnce(Result<T, String>) -> Done + Send + 'static,
    ) -> bool {
        let task = Box::new(move || answer(guarded(work)));
        self.tasks.as_ref().is_some_and(|tasks| tasks.try_send(task).is_ok())
    }

    /// As [`Background::submit`], on a thread of its own: for what waits for a person.
    pub fn ask<T: 'static>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
        answer: impl FnOnce(Result<T, String>) -> Done + Send + 'static,
    ) -> std::io::Result<()> {
        let (results, wake) = (self.done_sender.clone(), self.waker.clone());
        std::thread::Builder::new().name("dialog".to_owned()).spawn(move || {
            drop(results.send(answer(guarded(work))));
            wake();
        })?;
        Ok(())
    }

    /// The next result, if there is one.
    pub fn next(&self) -> Option<Done> {
        self.done.as_ref()?.try_recv().ok()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Without a reader no result waits for one, so the thread comes to its end.
        self.done = None;
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Does `work`; a bug in it is an error like any other.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err("a file could not be handled because of a bug; try it again".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_bug_is_answered_where_the_work_was_asked_for() {
        let background = Background::start(Arc::new(|| {})).unwrap();
        let found = |result| Done::Found { hash: "7".to_owned(), result };
        assert!(background.submit(|| panic!("as a bug would"), found));
        background.ask(|| panic!("as a bug would"), found).unwrap();
        for done in background.done.as_ref().unwrap().iter().take(2) {
            let Done::Found { hash, result: Err(why) } = done else { panic!("another answer") };
            assert!(hash == "7" && why.contains("because of a bug"), "{hash}: {why}");
        }
    }
}
