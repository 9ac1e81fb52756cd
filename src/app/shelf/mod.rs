//! The library of finished pictures and the artist's styles, as the window shows them.
//!
//! A thread of its own asks the disk, so that neither the window nor the opening of files waits for a large library.

mod pictures;
mod styles;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use image::RgbImage;

use crate::app::background::{Background, Done};
use crate::app::notes::Place;
use crate::app::references::{Dropped, Opened};
use crate::app::state::AppState;
use crate::app::{dialogs, files};
use crate::engine::Waker;
use crate::library::{Catalogue, LibraryError, LibraryPicture, Page, Query, Stop, Style, Synced};

/// Pictures that a page shows, and how many more each time.
pub const PAGE: u32 = 60;

/// What can be asked of the library and the styles.
#[derive(Debug, Clone)]
pub enum ShelfCommand {
    /// Looks again, for what the window's query says now.
    Search,
    More,
    Select(i64),
    /// 0 to 5 stars for the picture with this content hash.
    Rate(String, u8),
    Show(i64),
    Restore(i64),
    UseAsReference(i64),
    /// Only pictures that were made with the same first reference.
    SameReference(i64),
    OpenFolder(i64),
    Rebuild,

    SaveStyle(String),
    /// In the place of the selected reference.
    ApplyStyle(String),
    /// Beside the references that there are.
    AddStyle(String),
    RenameStyle(String, String),
    RemoveStyle(String),
    PutBackStyle,
    ImportStyles,
    ImportStyleFiles(Vec<PathBuf>),
    ExportStyle(String),
}

/// What the library's thread answers.
pub enum ShelfDone {
    Opened(Result<Synced, String>, Vec<String>),
    Found {
        question: u64,
        result: Result<(Page, Vec<String>), String>,
    },
    Thumbnail {
        hash: String,
        result: Result<Arc<RgbImage>, String>,
    },
    /// Something was entered or rated.
    Changed(Result<(), String>),
    Styles(Vec<(Style, Arc<RgbImage>)>, Vec<String>),
    /// A style was saved, renamed, removed or taken in; the sentence says so.
    StyleDone(Result<String, String>),
    StyleRemoved(Result<(String, PathBuf), String>),
    StyleOpened {
        style: Box<Style>,
        replaces: bool,
        result: Result<Box<Opened>, String>,
    },
}

/// What is known of the library and the styles.
pub struct Shelf {
    pub query: Query,
    pub page: Page,
    pub models: Vec<String>,
    pub selected: Option<i64>,
    pub is_searching: bool,
    /// Of pictures on the page, by their hash.
    pub thumbnails: HashMap<String, Arc<RgbImage>>,
    pub styles: Vec<(Style, Arc<RgbImage>)>,
    /// The style that was removed last, while it can come back.
    pub removed_style: Option<(String, PathBuf)>,

    /// Thumbnails that are being read.
    asked_for: HashSet<String>,
    /// Thumbnails that could not be read; the next page tries again.
    failed: HashSet<String>,
    /// Counts up; only the answer to the newest question is shown.
    question: u64,
    /// A picture was entered or rated since the question.
    is_stale: bool,
    is_open: bool,
    catalogue: Arc<Mutex<Option<Catalogue>>>,
    stop: Stop,
    work: Background,
}

impl Drop for Shelf {
    fn drop(&mut self) {
        // The thread is waited for when the window closes; a look at many pictures is broken off.
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Shelf {
    pub fn start(waker: Waker) -> std::io::Result<Self> {
        Ok(Self {
            query: Query { limit: PAGE, ..Query::default() },
            page: Page::default(),
            models: Vec::new(),
            selected: None,
            is_searching: false,
            thumbnails: HashMap::new(),
            styles: Vec::new(),
            removed_style: None,
            asked_for: HashSet::new(),
            failed: HashSet::new(),
            question: 0,
            is_stale: true,
            is_open: false,
            catalogue: Arc::default(),
            stop: Stop::default(),
            work: Background::start_named("library", waker)?,
        })
    }

    pub fn next(&self) -> Option<Done> {
        self.work.next()
    }

    /// The picture with this number, if it is on the page.
    pub fn picture(&self, id: i64) -> Option<&LibraryPicture> {
        self.page.pictures.iter().find(|picture| picture.id == id)
    }

    /// Does `ask` with the open library on its thread.
    fn ask(
        &self,
        home: PathBuf,
        ask: impl FnOnce(&mut Catalogue) -> Result<ShelfDone, LibraryError> + Send + 'static,
        failed: impl FnOnce(String) -> ShelfDone + Send + 'static,
    ) -> bool {
        let (catalogue, stop) = (self.catalogue.clone(), self.stop.clone());
        let asked = move || {
            let mut slot = catalogue.lock().unwrap_or_else(PoisonError::into_inner);
            with_catalogue(&mut slot, &home, &stop, ask).map_err(|error| error.to_string())
        };
        self.work.submit(asked, |done| Done::Shelf(done.unwrap_or_else(failed)))
    }
}

fn with_catalogue(
    slot: &mut Option<Catalogue>,
    home: &Path,
    stop: &Stop,
    ask: impl FnOnce(&mut Catalogue) -> Result<ShelfDone, LibraryError>,
) -> Result<ShelfDone, LibraryError> {
    let catalogue = match slot {
        Some(catalogue) => catalogue,
        None => slot.insert(Catalogue::open(home, stop)?),
    };
    ask(catalogue)
}

impl AppState {
    /// Opens the library and looks at what has changed on the disk since, behind the window's back.
    pub(in crate::app) fn open_shelf(&mut self) {
        let Some(home) = self.home.clone() else { return };
        let opened = |catalogue: &mut Catalogue| {
            let synced = catalogue.sync().map_err(|error| error.to_string());
            Ok(ShelfDone::Opened(synced, catalogue.take_notices()))
        };
        self.shelf.ask(home, opened, |why| ShelfDone::Opened(Err(why), Vec::new()));
        self.list_styles();
    }

    pub(in crate::app) fn execute_shelf(&mut self, command: ShelfCommand) {
        match command {
            ShelfCommand::Search => {
                self.shelf.query.limit = PAGE;
                self.search_library();
            }
            ShelfCommand::More => {
                self.shelf.query.limit = self.shelf.query.limit.saturating_add(PAGE);
                self.search_library();
            }
            ShelfCommand::Select(id) => self.shelf.selected = Some(id),
            ShelfCommand::Rate(hash, stars) => self.rate(hash, stars),
            ShelfCommand::Show(id) => self.show_of_library(id),
            ShelfCommand::Restore(id) => {
                if let Some(recipe) = self.shelf.picture(id).map(|picture| picture.recipe.clone()) {
                    self.restore(recipe, &[]);
                }
            }
            ShelfCommand::UseAsReference(id) => {
                if let Some(file) = self.shelf.picture(id).map(|picture| picture.file.clone()) {
                    self.add_references(vec![Dropped::File(file)]);
                }
            }
            ShelfCommand::SameReference(id) => {
                let picture = self.shelf.picture(id);
                let reference = picture.and_then(|picture| picture.recipe.references.first());
                self.shelf.query.reference = reference.map(|reference| reference.hash.clone());
                self.execute_shelf(ShelfCommand::Search);
            }
            ShelfCommand::OpenFolder(id) => {
                let folder = self.shelf.picture(id).and_then(|picture| Some(picture.file.parent()?.to_owned()));
                if self.background.ask(move || files::open_folder(folder.as_deref()), Done::FolderOpened).is_err() {
                    self.notes.error(Place::Library, "the folder could not be opened; try again");
                }
            }
            ShelfCommand::Rebuild => {
                let Some(home) = self.home.clone() else { return };
                let rebuilt = |catalogue: &mut Catalogue| Ok(ShelfDone::Opened(Ok(catalogue.rebuild()?), Vec::new()));
                self.shelf.ask(home, rebuilt, |why| ShelfDone::Opened(Err(why), Vec::new()));
            }
            ShelfCommand::SaveStyle(name) => self.save_style(name),
            ShelfCommand::ApplyStyle(name) => self.open_style(&name, true),
            ShelfCommand::AddStyle(name) => self.open_style(&name, false),
            ShelfCommand::RenameStyle(from, to) => self.with_styles(move |styles| {
                let done = styles.rename(&from, &to).map(|style| format!("'{from}' is called '{}' now", style.name));
                ShelfDone::StyleDone(done.map_err(|error| error.to_string()))
            }),
            ShelfCommand::RemoveStyle(name) => self.with_styles(move |styles| {
                let done = styles.remove(&name).map(|aside| (name, aside));
                ShelfDone::StyleRemoved(done.map_err(|error| error.to_string()))
            }),
            ShelfCommand::PutBackStyle => {
                let Some((_, aside)) = self.shelf.removed_style.take() else { return };
                self.with_styles(move |styles| {
                    let done = styles.put_back(&aside).map(|style| format!("'{}' is back", style.name));
                    ShelfDone::StyleDone(done.map_err(|error| error.to_string()))
                });
            }
            ShelfCommand::ImportStyles => self.ask(Place::Styles, dialogs::import_styles),
            ShelfCommand::ImportStyleFiles(files) => {
                for file in files {
                    self.with_styles(move |styles| {
                        let done = styles.import(&file).map(|style| format!("The style '{}' is here", style.name));
                        ShelfDone::StyleDone(done.map_err(|error| error.to_string()))
                    });
                }
            }
            ShelfCommand::ExportStyle(name) => {
                self.ask(Place::Styles, move |background| dialogs::export_style(background, &name));
            }
        }
    }

    pub(in crate::app) fn take_shelf(&mut self, done: ShelfDone) {
        match done {
            ShelfDone::Opened(result, notices) => {
                self.shelf.is_open = true;
                let is_sound = result.is_ok();
                for notice in notices {
                    self.notes.error(Place::Picture, notice);
                }
                match result {
                    Ok(Synced { gone: 0, .. }) => {}
                    Ok(synced) => {
                        let said = format!("{} pictures are no longer where they were", synced.gone);
                        self.notes.info(Place::Library, said);
                    }
                    Err(why) => self.notes.error(Place::Library, why),
                }
                self.look_again();
                // What it holds can be exported before it was ever on the screen.
                if is_sound {
                    self.watch_library();
                }
            }
            ShelfDone::Found { question, result } => {
                if question == self.shelf.question {
                    self.shelf.is_searching = false;
                    match result {
                        Ok((page, models)) => {
                            let shown: HashSet<&String> = page.pictures.iter().map(|picture| &picture.hash).collect();
                            self.shelf.thumbnails.retain(|hash, _| shown.contains(hash));
                            self.shelf.failed.clear();
                            self.shelf.page = page;
                            self.shelf.models = models;
                        }
                        Err(why) => self.notes.error(Place::Library, why),
                    }
                }
            }
            ShelfDone::Thumbnail { hash, result } => {
                self.shelf.asked_for.remove(&hash);
                match result {
                    Ok(thumbnail) => drop(self.shelf.thumbnails.insert(hash, thumbnail)),
                    // It is shown without one; opening it says why.
                    Err(why) => {
                        tracing::warn!("no thumbnail: {why}");
                        self.shelf.failed.insert(hash);
                    }
                }
            }
            ShelfDone::Changed(Ok(())) => self.look_again(),
            ShelfDone::Changed(Err(why)) => {
                self.notes.error(Place::Picture, format!("the library does not know of it: {why}"));
            }
            ShelfDone::Styles(styles, wrong) => {
                self.shelf.styles = styles;
                for sentence in wrong {
                    self.notes.error(Place::Styles, sentence);
                }
            }
            ShelfDone::StyleDone(Ok(said)) => {
                self.notes.clear(Place::Styles);
                self.notes.info(Place::Styles, said);
                self.list_styles();
            }
            ShelfDone::StyleRemoved(Ok(removed)) => {
                self.notes.clear(Place::Styles);
                self.shelf.removed_style = Some(removed);
                self.list_styles();
            }
            ShelfDone::StyleDone(Err(why)) | ShelfDone::StyleRemoved(Err(why)) => {
                self.notes.error(Place::Styles, why);
            }
            ShelfDone::StyleOpened { style, replaces, result } => match result {
                Ok(opened) => self.take_style(*style, replaces, *opened),
                Err(why) => self.notes.error(Place::Styles, why),
            },
        }
    }
}
