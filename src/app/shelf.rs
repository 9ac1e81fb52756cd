//! The library of finished pictures and the artist's styles, as the window shows them.
//!
//! A thread of its own asks the disk, so that neither the window nor the opening of files waits for a large library.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use image::RgbImage;

use super::background::{Background, Done};
use super::dialogs;
use super::files;
use super::history::HistoryEntry;
use super::notes::Place;
use super::references::{self, Dropped, Opened};
use super::state::AppState;
use crate::engine::Waker;
use crate::library::{self, Catalogue, LibraryError, LibraryPicture, Page, Query, Stop, Style, Styles, Synced};
use crate::recipe::Recipe;

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
    pub thumbnails: HashMap<String, Arc<RgbImage>>,
    pub styles: Vec<(Style, Arc<RgbImage>)>,
    /// The style that was removed last, while it can come back.
    pub removed_style: Option<(String, PathBuf)>,

    asked_for: HashSet<String>,
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
        self.work.submit(move || {
            let mut slot = catalogue.lock().unwrap_or_else(PoisonError::into_inner);
            Done::Shelf(with_catalogue(&mut slot, &home, &stop, ask).unwrap_or_else(|error| failed(error.to_string())))
        })
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
    pub(super) fn open_shelf(&mut self) {
        let Some(home) = self.home.clone() else { return };
        let opened = |catalogue: &mut Catalogue| {
            let synced = catalogue.sync().map_err(|error| error.to_string());
            Ok(ShelfDone::Opened(synced, catalogue.take_notices()))
        };
        self.shelf.ask(home, opened, |why| ShelfDone::Opened(Err(why), Vec::new()));
        self.list_styles();
    }

    pub(super) fn execute_shelf(&mut self, command: ShelfCommand) {
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
                let opened = move || Done::FolderOpened(files::open_folder(folder.as_deref()));
                if self.background.ask(opened).is_err() {
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
            ShelfCommand::ImportStyles => self.ask(dialogs::import_styles),
            ShelfCommand::ImportStyleFiles(files) => {
                for file in files {
                    self.with_styles(move |styles| {
                        let done = styles.import(&file).map(|style| format!("The style '{}' is here", style.name));
                        ShelfDone::StyleDone(done.map_err(|error| error.to_string()))
                    });
                }
            }
            ShelfCommand::ExportStyle(name) => self.ask(move |background| dialogs::export_style(background, &name)),
        }
    }

    /// Writes a style where the artist wants it.
    pub(super) fn export_style(&mut self, name: String, path: PathBuf) {
        self.with_styles(move |styles| {
            let done = styles.export(&name, &path).map(|()| format!("Saved as {}", path.display()));
            ShelfDone::StyleDone(done.map_err(|error| error.to_string()))
        });
    }

    /// Enters a picture of the history that has just been kept.
    pub(super) fn enter_into_library(&mut self, file: PathBuf, recipe: Recipe) {
        let Some(home) = self.home.clone() else { return };
        let enter = move |catalogue: &mut Catalogue| {
            let bytes = std::fs::read(&file)
                .map_err(|error| LibraryError::Failed { why: error.to_string(), path: file.display().to_string() })?;
            catalogue.record(&file, &bytes, &recipe)?;
            Ok(ShelfDone::Changed(Ok(())))
        };
        self.shelf.ask(home, enter, |why| ShelfDone::Changed(Err(why)));
    }

    pub(super) fn take_shelf(&mut self, done: ShelfDone) {
        match done {
            ShelfDone::Opened(result, notices) => {
                self.shelf.is_open = true;
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
            }
            ShelfDone::Found { question, result } => {
                if question == self.shelf.question {
                    self.shelf.is_searching = false;
                    match result {
                        Ok((page, models)) => {
                            self.shelf.page = page;
                            self.shelf.models = models;
                        }
                        Err(why) => self.notes.error(Place::Library, why),
                    }
                }
            }
            ShelfDone::Thumbnail { hash, result } => match result {
                Ok(thumbnail) => drop(self.shelf.thumbnails.insert(hash, thumbnail)),
                // It is shown without one; opening it says why.
                Err(why) => tracing::warn!("no thumbnail: {why}"),
            },
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

    /// Asks for the thumbnail of a picture that is on the screen.
    pub fn want_thumbnail(&mut self, hash: &str, file: &Path) {
        if self.shelf.thumbnails.contains_key(hash) || self.shelf.asked_for.contains(hash) {
            return;
        }
        let Some(home) = self.home.clone() else { return };
        let (wanted, file) = (hash.to_owned(), file.to_owned());
        let asked = self.shelf.work.submit(move || {
            let result = library::cached_thumbnail(&home, &file, &wanted);
            let result = result.map(Arc::new).map_err(|error| error.to_string());
            Done::Shelf(ShelfDone::Thumbnail { hash: wanted, result })
        });
        // Where too many wait already, it is asked for in a later frame.
        if asked {
            self.shelf.asked_for.insert(hash.to_owned());
        }
    }

    /// The library is on the screen: asks where nothing was asked yet, or something has changed.
    pub fn watch_library(&mut self) {
        if self.shelf.is_open && std::mem::take(&mut self.shelf.is_stale) {
            self.search_library();
        }
    }

    fn look_again(&mut self) {
        self.shelf.is_stale = true;
    }

    fn search_library(&mut self) {
        let Some(home) = self.home.clone() else { return };
        self.shelf.question += 1;
        self.shelf.is_searching = true;
        let (question, query) = (self.shelf.question, self.shelf.query.clone());
        let search = move |catalogue: &mut Catalogue| {
            let found = (catalogue.search(&query)?, catalogue.models()?);
            Ok(ShelfDone::Found { question, result: Ok(found) })
        };
        self.shelf.ask(home, search, move |why| ShelfDone::Found { question, result: Err(why) });
    }

    fn rate(&mut self, hash: String, stars: u8) {
        let Some(home) = self.home.clone() else { return };
        // Shown at once.
        for picture in self.shelf.page.pictures.iter_mut().filter(|picture| picture.hash == hash) {
            picture.stars = stars;
        }
        let rate = move |catalogue: &mut Catalogue| {
            catalogue.set_stars(&hash, stars)?;
            Ok(ShelfDone::Changed(Ok(())))
        };
        self.shelf.ask(home, rate, |why| ShelfDone::Changed(Err(why)));
    }

    /// Puts a picture of the library onto the canvas, and into the history where it is not there.
    fn show_of_library(&mut self, id: i64) {
        let Some(picture) = self.shelf.picture(id) else { return };
        let (file, recipe) = (picture.file.clone(), picture.recipe.clone());
        let thumbnail = self.shelf.thumbnails.get(&picture.hash).cloned();
        let known =
            self.history.entries().iter().find(|entry| entry.file.as_ref().is_some_and(|known| same(known, &file)));
        let entry = match known.map(|entry| entry.id) {
            Some(entry) => entry,
            None => {
                let entry = self.new_id();
                self.history.add(HistoryEntry {
                    id: entry,
                    recipe,
                    file: Some(file),
                    image: None,
                    thumbnail,
                    seconds: 0.0,
                    device: String::new(),
                    is_draft: false,
                });
                entry
            }
        };
        self.show(entry);
    }

    fn with_styles(&mut self, work: impl FnOnce(&Styles) -> ShelfDone + Send + 'static) {
        let Some(home) = self.home.clone() else {
            self.notes.error(Place::Styles, LibraryError::NoHome.to_string());
            return;
        };
        if !self.shelf.work.submit(move || Done::Shelf(work(&Styles::of(&home)))) {
            self.notes.error(Place::Styles, "too much is waiting; try again in a moment");
        }
    }

    fn list_styles(&mut self) {
        if self.home.is_none() {
            return;
        }
        self.with_styles(|styles| {
            let (found, mut wrong) = styles.list();
            let mut list = Vec::new();
            for style in found {
                match styles.thumbnail(&style) {
                    Ok(thumbnail) => list.push((style, Arc::new(thumbnail))),
                    Err(error) => wrong.push(error.to_string()),
                }
            }
            ShelfDone::Styles(list, wrong)
        });
    }

    /// Keeps the selected reference as a style.
    fn save_style(&mut self, name: String) {
        let Some(reference) = self.selected_reference().and_then(|index| self.recipe.references.get(index)) else {
            self.notes.error(Place::Styles, "there is no reference to be kept as a style; add one first");
            return;
        };
        let (reference, folder) = (reference.clone(), self.folder("references"));
        self.with_styles(move |styles| {
            let kept = folder.and_then(|folder| library::find_reference_in(&folder, &reference.hash));
            let saved = match kept {
                Some(path) => library::read_unchanged(&path, &reference.hash)
                    .and_then(|bytes| styles.save(&name, &reference, &bytes))
                    .map(|style| format!("The style '{}' is kept", style.name))
                    .map_err(|error| error.to_string()),
                None => Err(format!("the file of '{}' is not kept on this machine; drop it again", reference.name)),
            };
            ShelfDone::StyleDone(saved)
        });
    }

    fn open_style(&mut self, name: &str, replaces: bool) {
        let Some((style, _)) = self.shelf.styles.iter().find(|(style, _)| style.name == name) else { return };
        let (style, folder) = (Box::new(style.clone()), self.folder("references"));
        self.with_styles(move |styles| {
            let Style { reference, .. } = style.as_ref();
            let result = styles
                .keep_reference(&style)
                .map_err(|error| error.to_string())
                .and_then(|_| references::find(&reference.hash, &reference.name, folder.as_deref()));
            ShelfDone::StyleOpened { style, replaces, result }
        });
    }

    fn take_style(&mut self, style: Style, replaces: bool, opened: Opened) {
        self.notes.clear(Place::References);
        self.take_picture(opened);
        let selected = self.selected_reference();
        let references = &mut self.recipe.references;
        let same = references.iter().position(|reference| reference.hash == style.reference.hash);
        // The same picture twice would be one reference with two settings.
        let place = same.or(selected.filter(|_| replaces));
        match place.and_then(|place| references.get_mut(place)) {
            Some(reference) => *reference = style.reference,
            None => references.push(style.reference),
        }
        self.settings.selected_reference = place.unwrap_or(references.len().saturating_sub(1));
        self.undo.mark(&self.recipe);
        self.notes.info(Place::Styles, format!("'{}' is applied", style.name));
    }
}

/// The library names files as the system does, the history as they were written.
fn same(a: &Path, b: &Path) -> bool {
    a == b || (a.file_name() == b.file_name() && a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b)))
}
