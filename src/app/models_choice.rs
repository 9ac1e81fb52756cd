//! Which model paints: chosen, proposed with what goes with it, and missed when its file is gone.
//!
//! A recipe names its weights by content (`recipe.model`, the hashes of its LoRAs), so that undo and a restored picture
//! bring them back; the session remembers where each of them lies.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::background::Done;
use super::loras::opened as opened_lora;
use super::models::ModelsDone;
use super::notes::Place;
use super::session::Settings;
use super::state::{AppState, ModelState};
use crate::engine::{self, Compute, MemoryFit, MemoryNeed, ModelInfo, ModelPaths};
use crate::models::{Item, Part};
use crate::recipe::{Lora, ModelDefaults, ModelFiles, Recipe};

/// Why a model is being opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The artist chose it: it goes into the recipe.
    Chosen,
    /// The recipe names it.
    Followed,
    /// The last session had it.
    First,
    /// The last session's does not open.
    Fallback,
    /// The artist's choice does not open, and the recipe names another one still.
    Back,
}

/// What a model that opens would take.
#[derive(Debug, Clone, PartialEq)]
pub struct Examined {
    /// The model with all that would be used with it.
    pub paths: ModelPaths,
    /// None for a part that changes little.
    pub fit: Option<Fit>,
    /// The settings that a model brings, or a LoRA for few steps on the open one.
    pub defaults: Option<ModelDefaults>,
}

/// Memory for a picture of the size that is set.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    pub memory: MemoryFit,
    pub size: (u32, u32),
}

/// What the memory of a model is asked for.
#[derive(Debug, Clone, Copy)]
struct Wish {
    size: (Option<u32>, Option<u32>),
    guidance: Option<f64>,
    compute: Compute,
    /// Of the open model, which would give its memory back.
    held: Option<MemoryNeed>,
}

impl Wish {
    /// Asks the device what is free: not for the window's thread. None where it does not answer, as painting will say.
    fn fit(self, info: &ModelInfo) -> Option<Fit> {
        let defaults = &info.defaults;
        let size = (self.size.0.unwrap_or(defaults.width), self.size.1.unwrap_or(defaults.height));
        let batch = if self.guidance.unwrap_or(defaults.guidance) > 1.0 { 2 } else { 1 };
        let memory = info.memory.fit(self.compute, self.held.as_ref(), size, batch).ok()?;
        Some(Fit { memory, size })
    }
}

/// How the opening of a model ended.
pub struct Described {
    pub(super) paths: ModelPaths,
    pub(super) why: Opening,
    pub(super) question: u64,
    result: Result<(Box<ModelInfo>, Option<Fit>), String>,
    lora_troubles: BTreeMap<String, String>,
    few_step: BTreeMap<String, ModelDefaults>,
    /// LoRAs that it was tried with, by their hash, and where they lay.
    tried_loras: BTreeMap<String, PathBuf>,
}

impl AppState {
    /// Opens a model by its headers, on the files' thread. The one that works stays until the new one is known to open.
    pub(super) fn describe_model(&mut self, paths: ModelPaths, why: Opening) {
        if self.model_info().is_none() {
            self.model = ModelState::Opening;
        }
        let wish = self.wish();
        let known = |lora: &Lora| Some((lora.clone(), self.lora_path(lora)?.clone()));
        let loras: Vec<(Lora, PathBuf)> = self.recipe.loras.iter().filter_map(known).collect();
        let asked = paths.clone();
        let question = self.model_question + 1;
        let failed = Described {
            paths: paths.clone(),
            why,
            question,
            result: Err(String::new()),
            lora_troubles: BTreeMap::new(),
            few_step: BTreeMap::new(),
            tried_loras: BTreeMap::new(),
        };
        let describe = move || {
            let result = engine::describe(&paths).map_err(|error| error.to_string());
            let result = result.map(|info| (Box::new(info.clone()), wish.fit(&info)));
            let (mut lora_troubles, mut few_step) = (BTreeMap::new(), BTreeMap::new());
            for (lora, path) in loras.iter().filter(|_| result.is_ok()) {
                let hash = lora.hash.clone();
                match opened_lora(&paths, path, lora) {
                    Ok(info) => few_step.extend(info.few_step.map(|defaults| (hash, defaults))),
                    Err(why) => drop(lora_troubles.insert(hash, why)),
                }
            }
            let tried_loras = loras.into_iter().map(|(lora, path)| (lora.hash, path)).collect();
            Ok(Described { paths, why, question, result, lora_troubles, few_step, tried_loras })
        };
        let answer = move |described: Result<Described, String>| {
            Done::Described(described.unwrap_or_else(|said| Described { result: Err(said), ..failed }))
        };
        if self.submit_from(Place::Model, describe, answer) {
            self.asked_model = Some(asked);
            self.model_question = question;
        }
    }

    pub(super) fn take_opened(&mut self, described: Described) {
        let Described { paths, why, result, mut lora_troubles, mut few_step, mut tried_loras, .. } = described;
        let (info, fit) = match result {
            Ok(opened) => opened,
            Err(said) if why == Opening::First && paths != ModelPaths::default() => {
                let said = format!("the model of the last session is not open, and the built-in one stands in: {said}");
                self.models.missing = Some(said);
                return self.describe_model(ModelPaths::default(), Opening::Fallback);
            }
            Err(said) => {
                if self.model_info().is_none() {
                    self.model = ModelState::Failed(said.clone());
                }
                self.notes.error(Place::Model, said);
                if why == Opening::Chosen {
                    self.go_back_to_named();
                }
                return;
            }
        };
        tracing::info!("the model {} is open", info.name);
        if why != Opening::Back {
            self.notes.clear(Place::Model);
            self.notes.clear_failed();
        }
        self.look_afresh();
        self.pace = None;
        // A LoRA that was found elsewhere meanwhile is tried there.
        tried_loras.retain(|hash, path| self.lies_at(hash, path));
        lora_troubles.retain(|hash, _| tried_loras.contains_key(hash));
        few_step.retain(|hash, _| tried_loras.contains_key(hash));
        self.models.lora_troubles = lora_troubles;
        self.models.few_step = few_step;
        self.models.tried_loras = tried_loras;
        self.models.own_defaults = Some(info.defaults.clone());
        self.models.fit = fit;
        self.remember(&info.files, &paths);
        let files = if paths == ModelPaths::default() { ModelFiles::default() } else { info.files.clone() };
        self.model = ModelState::Ready(info);
        self.follow_few_step();
        self.opened = paths.clone();
        if why == Opening::Fallback {
            // The recipe and the session go on naming what is missing: it may be back at the next start.
            if let Some(missing) = self.models.missing.clone() {
                self.notes.error(Place::Model, missing);
            }
            // Perhaps it was only moved.
            self.models.is_wanted = true;
            self.watch_models();
            return;
        }
        self.examine_part_again();
        self.models.missing = None;
        if std::mem::take(&mut self.models.is_wanted) {
            // That it could not be found was said before.
            self.notes.clear_errors(Place::Picture);
        }
        if matches!(why, Opening::Followed | Opening::Back) {
            // The recipe's name for it, after its file was moved or renamed.
            self.remember(&self.recipe.model.clone(), &paths);
        }
        let Settings { model, adapter, image_encoder, vae, .. } = &mut self.settings;
        (*model, *adapter, *image_encoder, *vae) = (paths.model, paths.adapter, paths.image_encoder, paths.vae);
        if why == Opening::Chosen || (self.recipe.model == ModelFiles::default() && files != self.recipe.model) {
            self.recipe.model = files;
            self.undo.mark(&self.recipe);
        }
        if why == Opening::Chosen {
            self.tell_of_references();
        }
    }

    /// What the session had open.
    pub(super) fn session_model(&self) -> ModelPaths {
        let Settings { model, adapter, image_encoder, vae, .. } = self.settings.clone();
        ModelPaths { model, vae, adapter, image_encoder, loras: Vec::new() }
    }

    pub(super) fn open_last_model(&mut self) {
        self.describe_model(self.session_model(), Opening::First);
    }

    pub(super) fn choose_model(&mut self, paths: ModelPaths) {
        self.describe_model(paths, Opening::Chosen);
    }

    fn remember(&mut self, files: &ModelFiles, paths: &ModelPaths) {
        for (id, path) in [
            (&files.model, &paths.model),
            (&files.vae, &paths.vae),
            (&files.adapter, &paths.adapter),
            (&files.image_encoder, &paths.image_encoder),
        ] {
            if let Some(path) = path.as_ref().filter(|_| !id.is_empty()) {
                self.settings.known_files.insert(id.clone(), path.clone());
            }
        }
    }

    pub(super) fn use_path(&mut self, path: PathBuf) {
        match self.models.item(&path).cloned() {
            Some(item) => self.use_item(&item),
            None => self.identify_one(path, true),
        }
    }

    pub(super) fn use_item(&mut self, item: &Item) {
        self.notes.clear(Place::Model);
        self.models.offered.retain(|offered| offered.path != item.path);
        if item.part == Part::Lora {
            return self.open_lora(item.path.clone());
        }
        match self.paths_with(item) {
            Ok(paths) => self.choose_model(paths),
            Err(why) => self.notes.error(Place::Model, why),
        }
    }

    pub(super) fn go_without(&mut self, part: Part) {
        let mut paths = self.coming_model().clone();
        match part {
            Part::Adapter | Part::ImageEncoder => (paths.adapter, paths.image_encoder) = (None, None),
            Part::Vae => paths.vae = None,
            Part::Model => paths = ModelPaths::default(),
            Part::Preview | Part::Lora => return,
        }
        self.choose_model(paths);
    }

    /// It is open, or merged in.
    pub fn is_chosen(&self, item: &Item) -> bool {
        let ModelPaths { model, vae, adapter, image_encoder, .. } = &self.opened;
        let is_open = [model, vae, adapter, image_encoder].into_iter().flatten().any(|path| *path == item.path);
        is_open || self.recipe.loras.iter().any(|lora| lora.hash == item.id)
    }

    /// What would be open if `item` were taken up; the sentence says why it cannot be.
    pub(super) fn paths_with(&self, item: &Item) -> Result<ModelPaths, String> {
        let path = Some(item.path.clone());
        // The one that is being opened: a part that is chosen meanwhile goes with it.
        let open = self.coming_model().clone();
        let model = open.model.as_deref().and_then(|path| self.models.item(path));
        let needs_model = |what: &str| match &open.model {
            Some(_) => Ok(()),
            None => Err(format!("the built-in model brings its own {what}; choose another model first")),
        };
        match item.part {
            Part::Model => {
                let (adapter, image_encoder) = self.proposal(item);
                Ok(ModelPaths { model: path, adapter, image_encoder, ..ModelPaths::default() })
            }
            Part::Adapter => {
                needs_model("IP-Adapter")?;
                item.adapter_fits(model, None)?;
                let encoder = self.encoder_for(item).ok_or_else(|| {
                    let need = item.needs().unwrap_or_else(|| "an image encoder".to_owned());
                    format!("{} needs {need}, and none was found; get it under Download", item.name)
                })?;
                Ok(ModelPaths { adapter: path, image_encoder: Some(encoder.path.clone()), ..open.clone() })
            }
            Part::ImageEncoder => {
                needs_model("image encoder")?;
                let current = open.adapter.as_deref().and_then(|path| self.models.item(path));
                let mut adapters = current.into_iter().chain(self.models.of_part(Part::Adapter));
                match adapters.find(|adapter| adapter.adapter_fits(model, Some(item)).is_ok()) {
                    Some(adapter) => {
                        Ok(ModelPaths { adapter: Some(adapter.path.clone()), image_encoder: path, ..open.clone() })
                    }
                    None => Err(current
                        .and_then(|adapter| adapter.adapter_fits(model, Some(item)).err())
                        .unwrap_or_else(|| {
                            format!("no IP-Adapter for {} was found; choose one that goes with the model", item.name)
                        })),
                }
            }
            Part::Vae => Ok(ModelPaths { vae: path, ..open }),
            Part::Preview | Part::Lora => Ok(open),
        }
    }

    /// The adapter and the image encoder that go with a model: those in use where they fit, else one with which words
    /// can be subtracted, else the first pair.
    fn proposal(&self, model: &Item) -> (Option<PathBuf>, Option<PathBuf>) {
        if model.brings_adapter() {
            return (None, None);
        }
        let mut adapters: Vec<&Item> = self.models.of_part(Part::Adapter).collect();
        let current = self.coming_model().adapter.as_deref();
        adapters
            .sort_by_key(|item| (Some(item.path.as_path()) != current, !item.can_subtract(), !item.is_base_adapter()));
        let mut fitting = adapters.into_iter().filter(|adapter| adapter.adapter_fits(Some(model), None).is_ok());
        let pair = fitting.find_map(|adapter| Some((adapter, self.encoder_for(adapter)?)));
        pair.map_or((None, None), |(adapter, encoder)| (Some(adapter.path.clone()), Some(encoder.path.clone())))
    }

    fn encoder_for(&self, adapter: &Item) -> Option<&Item> {
        let current = self.coming_model().image_encoder.as_deref().and_then(|path| self.models.item(path));
        let mut encoders = current.into_iter().chain(self.models.of_part(Part::ImageEncoder));
        encoders.find(|encoder| adapter.adapter_fits(None, Some(encoder)).is_ok())
    }

    /// Shows more of one that was found, and tries behind the window whether it would open.
    pub(super) fn examine(&mut self, path: PathBuf) {
        self.models.selected = Some(path.clone());
        self.models.is_built_in_selected = false;
        self.models.examined = None;
        let Some(item) = self.models.item(&path).cloned() else { return };
        let (on, wish) = (self.coming_model().clone(), self.wish());
        let paths = match item.part {
            Part::Lora => Ok(on.clone()),
            _ => self.paths_with(&item),
        };
        let paths = match paths {
            Ok(paths) => paths,
            Err(why) => {
                self.models.examined = Some((path, Err(why)));
                return;
            }
        };
        let selected = path.clone();
        let examine = move || {
            let (fit, defaults) = match item.part {
                Part::Lora => opened_lora(&paths, &path, &Lora::default()).map(|info| (None, info.few_step)),
                _ => engine::describe(&paths)
                    .map(|info| (wish.fit(&info), Some(info.defaults)))
                    .map_err(|error| error.to_string()),
            }?;
            Ok(Examined { paths, fit, defaults })
        };
        self.submit_from(Place::Model, examine, move |result| {
            Done::Models(ModelsDone::Examined { on, path: selected, result: Box::new(result) })
        });
    }

    /// What was said of a selected part, or of a LoRA, was said on another model.
    fn examine_part_again(&mut self) {
        let selected = self.models.selected.as_ref().and_then(|path| self.models.item(path));
        if let Some(item) = selected.filter(|item| item.part != Part::Model) {
            self.examine(item.path.clone());
        }
    }

    fn wish(&self) -> Wish {
        let Recipe { width, height, guidance, .. } = self.recipe;
        // The open model lies in memory once a picture was painted with it.
        let held = self.model_info().filter(|_| self.pace.is_some()).map(|info| info.memory);
        Wish { size: (width, height), guidance, compute: self.compute, held }
    }
}
