//! The models on this computer as the window shows them: found, looked at, and offered for use.
//!
//! One thread looks through folders and reads large files for their checksums, another fetches; what an artist waits for
//! in front of the window (a dropped file, a choice) goes to the files' thread. See also `models_look`,
//! `models_choice`, `models_follow` and `models_fetch`.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::background::{Background, Done};
use super::dialogs;
use super::models_choice::{Examined, Fit};
use super::models_command::ModelsCommand;
use super::models_fetch::{Fetched, Ware};
use super::models_import::{Converted, Pickled};
use super::models_look::{Newest, newest};
use super::notes::Place;
use super::state::AppState;
use crate::engine::{LoraInfo, ModelPaths, Waker};
use crate::models::{Event, Folders, Hub, Item, Listing, ModelEntry, ModelsError, Part, Patience, Places, State, list};
use crate::recipe::ModelDefaults;

/// What the threads answer.
pub enum ModelsDone {
    /// To which look, what was found, and the folders that were named.
    Listed(u64, Result<(Listing, Vec<PathBuf>), String>),
    /// Where the models of the list are, and how much of an unfinished download is there.
    Located(u64, Result<Vec<(String, State, u64)>, String>),
    FoldersChanged(Result<(), String>),
    Identified {
        result: Result<Box<Item>, String>,
        /// It was chosen already, so that nobody is asked.
        is_chosen: bool,
    },
    /// A folder that is no model, but in which some may lie.
    Folder(PathBuf),
    /// A file that could run code, and is not opened as it is.
    Pickled(Pickled),
    Converted(Converted),
    Examined {
        /// What was open, or to be opened, when it was asked.
        on: ModelPaths,
        path: PathBuf,
        result: Box<Result<Examined, String>>,
    },
    LoraOpened {
        on: ModelPaths,
        path: PathBuf,
        result: Result<LoraInfo, String>,
    },
    /// A LoRA that the recipe names already, on this model.
    LoraTried {
        on: ModelPaths,
        path: PathBuf,
        hash: String,
        result: Result<LoraInfo, String>,
    },
    Fetched(Fetched),
}

type Source<T> = Arc<dyn Fn() -> Result<T, ModelsError> + Send + Sync>;

/// Where models are looked for and fetched from. Both are asked on other threads.
#[derive(Clone)]
pub struct ModelSource {
    pub places: Source<Places>,
    pub hub: Source<Hub>,
    pub entries: &'static [ModelEntry],
    pub patience: Patience,
    /// What converts pickles; left out: this program.
    pub converter: Option<PathBuf>,
}

impl ModelSource {
    /// As the environment says, for a window whose files lie in `home`.
    pub fn of_home(home: Option<PathBuf>) -> Self {
        Self {
            places: Arc::new(move || Places::of_home(home.as_deref())),
            hub: Arc::new(|| Hub::from_environment(|name| std::env::var_os(name))),
            entries: list(),
            patience: Patience::default(),
            converter: None,
        }
    }
}

/// What is known of the models.
pub struct Models {
    pub items: Vec<Item>,
    /// Files that cannot be used, and why not.
    pub unusable: Vec<(PathBuf, String)>,
    /// The folders that the artist named.
    pub folders: Vec<PathBuf>,
    /// The models of the list.
    pub wares: Vec<Ware>,
    pub is_looking: bool,
    pub selected: Option<PathBuf>,
    /// The built-in model, which lies nowhere, is the selected one.
    pub is_built_in_selected: bool,
    /// What came of the try to open the selected one.
    pub examined: Option<(PathBuf, Result<Examined, String>)>,
    /// Files that were dropped or named, about which the artist is asked, one after the other.
    pub offered: VecDeque<Item>,
    /// Folders that were dropped or named, in which models may lie.
    pub offered_folders: VecDeque<PathBuf>,
    /// A pickle that was dropped or named.
    pub pickled: Option<Pickled>,
    /// Those that are asked about after it.
    pub(super) waiting_pickled: VecDeque<Pickled>,
    /// The model of the list whose licence is being shown.
    pub asking: Option<String>,
    /// The models are to be shown; whoever shows them takes this back.
    pub wants_panel: bool,
    /// The list of downloads is to be shown; whoever shows it takes this back.
    pub wants_downloads: bool,
    /// Why the model that was chosen is not the one that is open.
    pub missing: Option<String>,
    /// LoRAs of the recipe that do not go with the open model, by their hash.
    pub lora_troubles: BTreeMap<String, String>,
    /// Memory that the open model takes.
    pub fit: Option<Fit>,

    /// What LoRAs for few steps bring on the open model, by their hash.
    pub(super) few_step: BTreeMap<String, ModelDefaults>,
    /// What the open model brings itself.
    pub(super) own_defaults: Option<ModelDefaults>,
    /// Where the LoRAs of the recipe lay that the open model has been tried with, by their hash.
    pub(super) tried_loras: BTreeMap<String, PathBuf>,

    pub(super) source: ModelSource,
    pub(super) downloads: Background,
    pub(super) imports: Background,
    /// What the thread that looks and the one that fetches do just now.
    pub(super) checking: Newest,
    pub(super) fetching: Newest,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) waker: Waker,
    pub(super) looking: Background,
    pub(super) has_looked: bool,
    /// Counts up; only the answers to the newest look count.
    pub(super) look: u64,
    /// A look was asked for during one, and follows it.
    pub(super) look_again: bool,
    /// The recipe names a model that is not open, and that may be found.
    pub(super) is_wanted: bool,
}

impl Drop for Models {
    fn drop(&mut self) {
        // The threads are waited for when the window closes; a download goes on next time where it stopped.
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Models {
    pub fn start(home: Option<PathBuf>, waker: Waker) -> std::io::Result<Self> {
        let source = ModelSource::of_home(home);
        Ok(Self {
            items: Vec::new(),
            unusable: Vec::new(),
            folders: Vec::new(),
            wares: source.entries.iter().map(Ware::new).collect(),
            is_looking: false,
            selected: None,
            is_built_in_selected: false,
            examined: None,
            offered: VecDeque::new(),
            offered_folders: VecDeque::new(),
            pickled: None,
            waiting_pickled: VecDeque::new(),
            asking: None,
            wants_panel: false,
            wants_downloads: false,
            missing: None,
            lora_troubles: BTreeMap::new(),
            fit: None,
            few_step: BTreeMap::new(),
            own_defaults: None,
            tried_loras: BTreeMap::new(),
            source,
            imports: Background::start_named("imports", waker.clone())?,
            downloads: Background::start_named("downloads", waker.clone())?,
            checking: Newest::default(),
            fetching: Newest::default(),
            stop: Arc::default(),
            looking: Background::start_named("models", waker.clone())?,
            waker,
            has_looked: false,
            look: 0,
            look_again: false,
            is_wanted: false,
        })
    }

    pub fn next(&self) -> Option<Done> {
        self.looking.next().or_else(|| self.downloads.next()).or_else(|| self.imports.next())
    }

    /// What was found by this path.
    pub fn item(&self, path: &std::path::Path) -> Option<&Item> {
        self.items.iter().find(|item| item.path == path)
    }

    pub fn of_part(&self, part: Part) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| item.part == part)
    }

    /// The large file that is being read to learn what it is.
    pub fn checking(&self) -> Option<Event> {
        newest(&self.checking).map(|(_, event)| event)
    }

    pub(super) fn take_item(&mut self, item: Item) {
        self.items.retain(|known| known.path != item.path);
        self.items.push(item);
        self.sort();
    }

    fn sort(&mut self) {
        self.items.sort_by_cached_key(|item| (item.name.to_lowercase(), item.path.clone()));
    }
}

impl AppState {
    /// Has models looked for and fetched elsewhere than the environment says.
    pub fn set_model_source(&mut self, source: ModelSource) {
        self.models.wares = source.entries.iter().map(Ware::new).collect();
        self.models.source = source;
        (self.models.has_looked, self.models.is_looking, self.models.look_again) = (false, false, false);
        self.models.look += 1;
    }

    /// Looks for models where nobody has yet: they are on the screen, or one is wanted.
    pub fn watch_models(&mut self) {
        if !self.models.has_looked {
            self.look_for_models();
        }
    }

    pub(super) fn execute_models(&mut self, command: ModelsCommand) {
        match command {
            ModelsCommand::Look => self.look_for_models(),
            ModelsCommand::Select(path) => self.examine(path),
            ModelsCommand::SelectBuiltIn => {
                (self.models.selected, self.models.examined) = (None, None);
                self.models.is_built_in_selected = true;
            }
            ModelsCommand::UseBuiltIn => self.choose_model(ModelPaths::default()),
            ModelsCommand::Use(path) => self.use_path(path),
            ModelsCommand::Without(part) => self.go_without(part),
            ModelsCommand::RemoveLora(index) => self.remove_lora(index),
            ModelsCommand::ToggleLora(index) => self.toggle_lora(index),
            ModelsCommand::FollowLora(index, follows) => self.follow_lora(index, follows),
            ModelsCommand::TryAgain => self.open_last_model(),
            ModelsCommand::OpenFile => self.ask(Place::Model, dialogs::open_model_file),
            ModelsCommand::OpenFolder => self.ask(Place::Model, dialogs::open_model_folder),
            ModelsCommand::AddFolder => self.ask(Place::Model, dialogs::add_models_folder),
            ModelsCommand::RemoveFolder(folder) => self.change_folders(folder, false),
            ModelsCommand::Identify(paths) => self.identify(paths),
            ModelsCommand::UseOffered => self.answer_offered(true),
            ModelsCommand::ForgetOffered => self.answer_offered(false),
            ModelsCommand::LookInOffered => self.look_in_offered(),
            ModelsCommand::ForgetFolder => drop(self.models.offered_folders.pop_front()),
            ModelsCommand::Import => self.import_pickled(),
            ModelsCommand::UseTwin(path) => self.use_twin(path),
            ModelsCommand::ForgetPickled => self.forget_pickled(),
            ModelsCommand::ShowDownload(name) => {
                (self.models.asking, self.models.wants_downloads) = (Some(name), true);
            }
            ModelsCommand::ShowAdapters => self.show_adapters(),
            ModelsCommand::ReferencesOff => self.switch_references_off(),
            ModelsCommand::Ask(name) => self.models.asking = Some(name),
            ModelsCommand::Decline => self.models.asking = None,
            ModelsCommand::Accept(name) => self.fetch(&name),
            ModelsCommand::Stop(name) => self.stop_fetching(&name),
        }
    }

    pub(super) fn take_models(&mut self, done: ModelsDone) {
        match done {
            ModelsDone::Listed(look, _) | ModelsDone::Located(look, _) if look != self.models.look => {}
            ModelsDone::Listed(_, Ok((listing, folders))) => {
                // What was opened by hand lies elsewhere, and stays.
                for item in std::mem::take(&mut self.models.items) {
                    let is_new = !listing.items.iter().any(|found| found.path == item.path);
                    if is_new && self.is_chosen(&item) {
                        self.models.items.push(item);
                    }
                }
                self.models.items.extend(listing.items);
                self.models.unusable = listing.unusable;
                self.models.folders = folders;
                self.models.sort();
                self.find_loras();
                self.find_model();
            }
            ModelsDone::Located(..) | ModelsDone::Listed(_, Err(_)) if self.models.look_again => {
                self.models.is_looking = false;
                self.look_for_models();
            }
            ModelsDone::Located(_, Ok(found)) => {
                self.models.is_looking = false;
                for (name, state, unfinished) in found {
                    if let Some(ware) = self.models.wares.iter_mut().find(|ware| ware.entry.name == name) {
                        ware.place = Some(state);
                        ware.unfinished = unfinished;
                    }
                }
            }
            ModelsDone::Listed(_, Err(why)) | ModelsDone::Located(_, Err(why)) => {
                self.models.is_looking = false;
                self.notes.error(Place::Model, why);
            }
            ModelsDone::FoldersChanged(Ok(())) => self.look_for_models(),
            ModelsDone::FoldersChanged(Err(why)) => self.notes.error(Place::Model, why),
            ModelsDone::Identified { result, is_chosen } => {
                self.opening = self.opening.saturating_sub(1);
                match result {
                    Ok(item) => self.take_identified(item, is_chosen),
                    Err(why) => self.notes.error(Place::Model, why),
                }
            }
            ModelsDone::Folder(folder) => {
                self.opening = self.opening.saturating_sub(1);
                self.offer_folder(folder);
            }
            ModelsDone::Pickled(pickled) => {
                self.opening = self.opening.saturating_sub(1);
                self.take_pickled(pickled);
            }
            ModelsDone::Converted(converted) => self.take_converted(converted),
            ModelsDone::Examined { path, .. } if self.models.selected.as_ref() != Some(&path) => {}
            ModelsDone::Examined { on, path, .. } if on != *self.coming_model() => self.examine(path),
            ModelsDone::Examined { path, result, .. } => self.models.examined = Some((path, *result)),
            ModelsDone::LoraOpened { on, path, result } => self.take_opened_lora(&on, path, result),
            ModelsDone::LoraTried { on, path, hash, result } => self.take_tried_lora(&on, &path, hash, result),
            ModelsDone::Fetched(fetched) => self.take_fetched(fetched),
        }
    }

    fn change_folders(&mut self, folder: PathBuf, add: bool) {
        let places = self.models.source.places.clone();
        let change = move || {
            let places = places()?;
            let store = places.store()?;
            let mut folders = Folders::load(store)?;
            if add {
                folders.add(&folder)
            } else {
                folders.remove(&folder)
            };
            folders.save(store)
        };
        let change = move || change().map_err(|error: ModelsError| error.to_string());
        if !self.models.looking.submit(change, |changed| Done::Models(ModelsDone::FoldersChanged(changed))) {
            self.notes.error(Place::Model, "too much is waiting; try again in a moment");
        }
    }

    pub(super) fn add_models_folder(&mut self, folder: PathBuf) {
        self.change_folders(folder, true);
    }
}
