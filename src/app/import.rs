//! A dropped picture that carries its own settings: it is asked what it is for, because both are likely.
//!
//! Other programs decide by the place where the picture was let go. That place is not known everywhere (the desktop
//! does not always tell where the pointer is during a drag), and a wrong guess would clear all settings.

use std::path::Path;

use super::background::Done;
use super::board::BoardWish;
use super::dialogs::WEIGHTS;
use super::models_offer::identified;
use super::notes::Place;
use super::references::{self, Dropped};
use super::shelf::ShelfCommand;
use super::state::AppState;
use crate::board::{Axis, Board, PictureName};
use crate::engine::ModelPaths;
use crate::library::STYLE_ENDING;
use crate::pixels;
use crate::recipe::{BUILT_IN, ForeignSettings, Lora, ModelFiles, Recipe, read_a1111_parameters, split_id};

/// As large as any picture that this program opens.
const LARGEST: u64 = pixels::MOST_FILE_BYTES;

/// A picture that waits for the artist to say what it is for.
#[derive(Debug, Clone)]
pub struct Carried {
    pub dropped: Dropped,
    /// The file's name.
    pub name: String,
    pub recipe: Recipe,
    /// Its axes, where it is a board's sheet.
    pub board: Option<Board>,
    /// What of the settings has no place here.
    pub ignored: Vec<String>,
}

impl AppState {
    /// Files that were let go over the window: styles are taken in, weights are looked at, a picture with settings is asked
    /// about, all else becomes references.
    pub(super) fn drop_files(&mut self, files: Vec<Dropped>) {
        let (mut styles, mut weights, mut pictures) = (Vec::new(), Vec::new(), Vec::new());
        for file in files {
            match file {
                Dropped::File(path) if is_style(&path) => styles.push(path),
                Dropped::File(path) if is_weights(&path) => weights.push(path),
                other => pictures.push(other),
            }
        }
        if !styles.is_empty() {
            self.execute_shelf(ShelfCommand::ImportStyleFiles(styles));
        }
        if !weights.is_empty() {
            self.identify(weights);
        }
        self.carried = None;
        self.models.leave_offers();
        if pictures.len() > 1 {
            self.notes.clear(Place::References);
        }
        let (is_single, entries) = (pictures.len() == 1, self.models.source.entries);
        for dropped in pictures {
            let folder = self.folder("references");
            let open = move || {
                Ok(match &dropped {
                    Dropped::File(path) if path.is_dir() => identified(path, false, entries),
                    // Of many, nobody is asked about each.
                    _ if !is_single => Done::Added(references::open(&dropped, folder.as_deref())),
                    _ => {
                        let carried = look(&dropped);
                        Done::Looked { dropped, carried: carried.map(Box::new) }
                    }
                })
            };
            if self.submit_from(Place::References, open, |done| done.unwrap_or_else(|why| Done::Added(Err(why)))) {
                self.opening += 1;
            }
        }
    }

    pub(super) fn take_looked(&mut self, dropped: Dropped, carried: Option<Box<Carried>>) {
        self.opening = self.opening.saturating_sub(1);
        match carried {
            Some(carried) => self.carried = Some(carried),
            None => self.add_references(vec![dropped]),
        }
    }

    pub(super) fn restore_carried(&mut self) {
        if let Some(carried) = self.carried.take() {
            self.restore(carried.recipe, &carried.ignored);
        }
    }

    pub(super) fn lay_out_carried(&mut self) {
        let Some(carried) = self.carried.take() else { return };
        self.restore(carried.recipe, &carried.ignored);
        let Some(board) = carried.board else { return };
        let pictures: Vec<PictureName> =
            [Some(&board.x), board.y.as_ref()].into_iter().flatten().flat_map(Axis::pictures).cloned().collect();
        self.find_named(pictures.into_iter().map(|picture| (picture.hash, picture.name)).collect());
        self.wants_board = Some(BoardWish::Again(Box::new(board)));
        self.lay_out_wanted();
    }

    /// Lays out the board that waits, once every picture has been looked for and its model is open.
    pub(super) fn lay_out_wanted(&mut self) {
        if self.asked_model.is_none()
            && self.asked_for.is_empty()
            && let Some(wish) = self.wants_board.take()
        {
            self.open_board(&wish);
        }
    }

    pub(super) fn use_carried(&mut self) {
        if let Some(carried) = self.carried.take() {
            self.add_references(vec![carried.dropped]);
        }
    }

    /// Takes a recipe over whole: what it does not use is cleared. What cannot be had is named.
    pub(super) fn restore(&mut self, recipe: Recipe, ignored: &[String]) {
        self.notes.clear(Place::Picture);
        self.notes.clear(Place::References);
        let paths = self.paths_of(&recipe.model);
        let other_model = other_model(&recipe.model, &self.opened).filter(|_| paths.is_none());
        let before = self.recipe.model.clone();
        let is_locked = recipe.seed.is_some();
        self.recipe = recipe;
        if self.recipe.model == ModelFiles::default() {
            // It names none, so that it is painted with the one that is open.
            self.recipe.model.clone_from(&before);
        }
        self.follow_model(&before);
        let is_unknown = |lora: &Lora| self.lora_path(lora).is_none();
        if paths.is_none() || self.recipe.loras.iter().any(is_unknown) {
            // It may lie in one of the artist's folders, under another name.
            self.models.is_wanted = paths.is_none();
            self.watch_models();
        }
        self.settings.selected_reference = 0;
        self.undo.mark(&self.recipe);
        // Pictures that are not kept here are named by the thread that looks for them.
        self.find_pictures();
        let restored = if is_locked { "Settings restored, with their seed locked" } else { "Settings restored" };
        self.notes.info(Place::Picture, restored);
        if let Some(said) = other_model {
            self.notes.error(Place::Picture, said);
        }
        if !ignored.is_empty() {
            self.notes.error(
                Place::Picture,
                format!("not taken over, as there is no such setting here: {}", ignored.join(", ")),
            );
        }
    }
}

fn is_style(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == STYLE_ENDING)
}

fn is_weights(path: &Path) -> bool {
    path.extension().is_some_and(|ending| WEIGHTS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

impl Dropped {
    /// By its name it is neither a style nor weights.
    pub fn may_be_picture(&self) -> bool {
        match self {
            Self::File(path) => !is_style(path) && !is_weights(path),
            Self::Bytes { .. } => true,
        }
    }
}

/// Runs on the files' thread: the settings that a picture carries, ours before those of others.
fn look(dropped: &Dropped) -> Option<Carried> {
    let (name, bytes) = match dropped {
        Dropped::File(path) => {
            let metadata = std::fs::metadata(path).ok()?;
            if !metadata.is_file() || metadata.len() > LARGEST {
                return None;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, std::fs::read(path).ok()?)
        }
        Dropped::Bytes { name, read } => (name.clone(), read().ok()?),
    };
    // Whatever is wrong with it, opening it as a reference says so.
    let found = pixels::carried(&bytes, &name).ok()?;
    let ours = found.recipe_json.and_then(|json| serde_json::from_str::<Recipe>(&json).ok());
    let ForeignSettings { recipe, ignored } = match ours.filter(|recipe| recipe.validate().is_ok()) {
        Some(recipe) => ForeignSettings { recipe, ignored: Vec::new() },
        None => found.parameters.as_deref().and_then(read_a1111_parameters)?,
    };
    let board = found.board_json.and_then(|json| serde_json::from_str(&json).ok());
    Some(Carried { dropped: dropped.clone(), name, recipe, board, ignored })
}

/// The recipe names other weights than those that are open: the picture will differ, and the artist should know why.
fn other_model(recorded: &ModelFiles, open: &ModelPaths) -> Option<String> {
    let pairs = [
        ("model", &recorded.model, &open.model),
        ("VAE", &recorded.vae, &open.vae),
        ("IP-Adapter", &recorded.adapter, &open.adapter),
        ("image encoder", &recorded.image_encoder, &open.image_encoder),
    ];
    let differing: Vec<String> = pairs
        .into_iter()
        .filter_map(|(what, recorded, open)| {
            let (recorded, _) = split_id(recorded);
            let open = open.as_deref().and_then(Path::file_name);
            let open = open.map_or_else(|| BUILT_IN.to_owned(), |name| name.to_string_lossy().into_owned());
            // An empty name promises nothing.
            let is_same = recorded.is_empty() || recorded == open;
            (!is_same).then(|| format!("the {what} '{recorded}'"))
        })
        .collect();
    let wanted = differing.join(", ");
    (!wanted.is_empty())
        .then(|| format!("the picture was made with {wanted}; choose it at the top left to get the same again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_weights_are_named() {
        let recorded =
            ModelFiles { model: "sdxl@1f".to_owned(), adapter: "built-in@2f".to_owned(), ..ModelFiles::default() };
        let said = other_model(&recorded, &ModelPaths::default());
        let expected = "the picture was made with the model 'sdxl'; choose it at the top left to get the same again";
        assert_eq!(said.as_deref(), Some(expected));
        let vae = ModelFiles { vae: "soft.safetensors@3f".to_owned(), ..ModelFiles::default() };
        let said = other_model(&vae, &ModelPaths::default()).unwrap_or_default();
        assert!(said.contains("the VAE 'soft.safetensors'"), "{said}");
        let open = ModelPaths { model: Some("/models/sdxl".into()), ..ModelPaths::default() };
        assert_eq!(other_model(&recorded, &open), None);
        assert_eq!(other_model(&ModelFiles::default(), &open), None);
    }
}
