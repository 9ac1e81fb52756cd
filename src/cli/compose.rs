//! Flags and a recipe to begin from become the recipe to render, and the list of pictures that it needs.
//!
//! Recall: product.md, "Recall". Everything here is plain data; files are read in `recall` and `render`.

use std::path::{Path, PathBuf};

use super::error::CliError;
use super::flags::{Brought, Flags, Scope};
use super::lora_flags::LoraScope;
use crate::board::{Axis, Change, PictureName, Target};
use crate::recipe::{BUILT_IN, Init, Lora, ModelFiles, Recipe, Reference, Subtraction, split_id};

/// What `render` is asked to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// References and init hold the hash and name that the base recipe knows, or nothing until their file is read.
    pub recipe: Recipe,
    /// Where the pictures of `recipe.references` are, in the same order.
    pub references: Vec<Source>,
    /// Where the picture of `recipe.init` is.
    pub init: Option<Source>,
    /// Where the files of `recipe.loras` are, in the same order.
    pub loras: Vec<PathBuf>,
    /// What the artist should know, a sentence each.
    pub notices: Vec<String>,
}

/// Where a picture is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    /// In the library, under its content hash.
    Library,
}

/// Puts `flags` over `base`. `hashes` are the content hashes of the files of `--reference`, in order; they are looked
/// at only where `base` has references.
///
/// # Errors
/// A recipe that is outside of its ranges.
pub fn compose(flags: &Flags, base: Option<Recipe>, hashes: &[String]) -> Result<Order, CliError> {
    let mut notices = Vec::new();
    let mut recipe = base.unwrap_or_default();
    notices.extend(other_model(&recipe.model, flags));

    let sources = place_references(flags, &mut recipe.references, hashes, &mut notices);
    override_references(flags, &mut recipe.references, &sources, &mut notices);
    let loras = place_loras(flags, &mut recipe.loras)?;
    if loras.is_empty() && flags.loras.all != LoraScope::default() {
        notices.push("--lora-strength and --lora-blocks change nothing without a LoRA; add --lora PATH".to_owned());
    }
    let init = override_init(flags, &mut recipe, &mut notices);
    override_settings(flags, &mut recipe);
    recipe.validate().map_err(|error| match &flags.base {
        // Flags are in range already, so that the file has the fault, or what it holds beside the flags.
        Some(base) => CliError::usage(format!("{error}: {}", base.path().display())),
        None => CliError::Recipe(error),
    })?;

    let references = sources
        .into_iter()
        .map(|supplied| match supplied.and_then(|index| flags.references.get(index)) {
            Some((path, _)) => Source::File(path.clone()),
            None => Source::Library,
        })
        .collect();
    Ok(Order { recipe, references, init, loras, notices })
}

/// Gives every picture of `--reference` its place among the recipe's references: the one with the same hash, else the
/// one of the same position, else the first that has none, else a new one at the end.
///
/// Returns, for each reference, which `--reference` supplies its picture.
fn place_references(
    flags: &Flags,
    references: &mut Vec<Reference>,
    hashes: &[String],
    notices: &mut Vec<String>,
) -> Vec<Option<usize>> {
    let mut supplier: Vec<Option<usize>> = vec![None; references.len()];
    let mut left = Vec::new();
    for index in 0..flags.references.len() {
        let same_hash = (0..references.len()).find(|&place| {
            supplier.get(place) == Some(&None)
                && references
                    .get(place)
                    .map(|r| &r.hash)
                    .is_some_and(|hash| !hash.is_empty() && hashes.get(index) == Some(hash))
        });
        match same_hash.and_then(|place| supplier.get_mut(place)) {
            Some(slot) => *slot = Some(index),
            None => left.push(index),
        }
    }
    for index in left {
        let named = |(path, scope): &(PathBuf, Scope)| match &scope.style {
            Some(style) => style.name.clone(),
            None => file_name(path),
        };
        let name = flags.references.get(index).map(named).unwrap_or_default();
        let free = |place: &usize| supplier.get(*place) == Some(&None);
        let place = Some(index).filter(free).or_else(|| (0..supplier.len()).find(free));
        match place.and_then(|place| Some((place, references.get_mut(place)?, supplier.get_mut(place)?))) {
            Some((place, reference, slot)) => {
                // A reference without a hash is one that a person wrote into a recipe file: no picture is replaced.
                if !reference.hash.is_empty() {
                    notices.push(format!(
                        "reference {} of the recipe was '{}'; '{name}' is another picture and takes its place",
                        place + 1,
                        reference.name
                    ));
                }
                reference.hash.clear();
                reference.name = name;
                *slot = Some(index);
            }
            None => {
                references.push(Reference { name, ..Reference::default() });
                supplier.push(Some(index));
            }
        }
    }
    supplier
}

/// Gives every `--lora` its place among the recipe's LoRAs: the one of the same name, else the first that has no file, else
/// a new one at the end. Returns the file of each.
fn place_loras(flags: &Flags, loras: &mut Vec<Lora>) -> Result<Vec<PathBuf>, CliError> {
    let mut files: Vec<Option<PathBuf>> = vec![None; loras.len()];
    let mut left = Vec::new();
    for (path, scope) in &flags.loras.each {
        let name = file_name(path);
        let mut places = loras.iter_mut().zip(&mut files);
        match places.find(|(lora, file)| file.is_none() && lora.name == name) {
            Some((lora, file)) => {
                scope.apply(&flags.loras.all, lora);
                *file = Some(path.clone());
            }
            None => left.push((path, scope)),
        }
    }
    for (path, scope) in left {
        let place = files.iter().position(Option::is_none).unwrap_or(files.len());
        if place == files.len() {
            files.push(None);
            loras.push(Lora { name: file_name(path), ..Lora::default() });
        }
        if let (Some(lora), Some(file)) = (loras.get_mut(place), files.get_mut(place)) {
            scope.apply(&flags.loras.all, lora);
            *file = Some(path.clone());
        }
    }
    let given = |(file, lora): (Option<PathBuf>, &Lora)| {
        let missing = || {
            CliError::usage(format!("the recipe's LoRA '{}' was not given; name its file with --lora PATH", lora.name))
        };
        file.ok_or_else(missing)
    };
    files.into_iter().zip(loras.iter()).map(given).collect()
}

fn override_references(
    flags: &Flags,
    references: &mut [Reference],
    sources: &[Option<usize>],
    notices: &mut Vec<String>,
) {
    for (reference, source) in references.iter_mut().zip(sources) {
        let own = source.and_then(|index| flags.references.get(index)).map(|(_, scope)| scope);
        let scope = own.map_or_else(|| flags.all.clone(), |own| own.over(&flags.all));
        apply_before_axes(&scope, flags.brought, reference);
        if own.is_some_and(|own| own.subtract_strength.is_some()) && reference.subtract.is_none() {
            notices.push(format!(
                "--subtract-strength after '{}' has no words to subtract; add --subtract TEXT",
                reference.name
            ));
        }
    }
    if references.is_empty() {
        if flags.all != Scope::default() && !flags.brought.references {
            let words =
                "there is no reference, so --mode, --strength and their kin change nothing; add --reference PATH";
            notices.push(words.to_owned());
        }
    } else if flags.all.subtract_strength.is_some() && references.iter().all(|r| r.subtract.is_none()) {
        notices.push("--subtract-strength has no words to subtract; add --subtract TEXT".to_owned());
    }
}

/// As [`apply`]; words that an axis is going to bring are subtracted with the strength of the flags.
fn apply_before_axes(scope: &Scope, brought: Brought, reference: &mut Reference) {
    apply(scope, reference);
    if let (true, None, Some(strength)) = (brought.words, &reference.subtract, scope.subtract_strength) {
        reference.subtract = Some(Subtraction { words: String::new(), strength });
    }
}

/// Where an axis brings the first reference or the content picture, the flags that are for all are for it too. The axis's
/// first picture stands in the recipe that the cells share.
pub fn bring_pictures(flags: &Flags, recipe: &mut Recipe, board: &[&Axis]) {
    let (mut reference, mut init) = (None, None);
    for axis in board {
        for change in axis.settings.iter().flat_map(|setting| &setting.changes) {
            match (change, axis.target) {
                (Change::Reference(picture), Target::All | Target::Only(1)) => reference = reference.or(Some(picture)),
                (Change::Init(picture), _) => init = init.or(Some(picture)),
                _ => {}
            }
        }
    }
    if let (true, Some(PictureName { hash, name })) = (recipe.references.is_empty(), reference) {
        let mut reference = Reference { hash: hash.clone(), name: name.clone(), ..Reference::default() };
        apply_before_axes(&flags.all, flags.brought, &mut reference);
        recipe.references.push(reference);
    }
    if let (None, Some(PictureName { hash, name })) = (&recipe.init, init) {
        let mut init = Init { hash: hash.clone(), name: name.clone(), ..Init::default() };
        set(&mut init.denoise, flags.denoise);
        recipe.init = Some(init);
    }
}

/// A flag of `scope` wins over what the reference holds; empty words end the subtraction.
pub fn apply(scope: &Scope, reference: &mut Reference) {
    if let Some(style) = &scope.style {
        let hash = std::mem::take(&mut reference.hash);
        *reference = Reference { hash, ..style.as_ref().clone() };
    }
    if let Some(role) = &scope.role {
        reference.role = role.clone();
    }
    set(&mut reference.strength, scope.strength);
    set(&mut reference.layout_strength, scope.layout_strength);
    set(&mut reference.crop, scope.crop);
    if let Some(words) = &scope.subtract {
        let strength = reference.subtract.take().unwrap_or_default().strength;
        reference.subtract = (!words.trim().is_empty()).then(|| Subtraction { words: words.clone(), strength });
    }
    if let (Some(subtract), Some(strength)) = (&mut reference.subtract, scope.subtract_strength) {
        subtract.strength = strength;
    }
}

fn set<T: Copy>(field: &mut T, flag: Option<T>) {
    if let Some(value) = flag {
        *field = value;
    }
}

fn override_init(flags: &Flags, recipe: &mut Recipe, notices: &mut Vec<String>) -> Option<Source> {
    if let Some(path) = &flags.init {
        let init = recipe.init.get_or_insert_with(Init::default);
        init.hash.clear();
        init.name = file_name(path);
    }
    match (&mut recipe.init, flags.denoise) {
        (Some(init), Some(denoise)) => init.denoise = denoise,
        (None, Some(_)) if !flags.brought.init => {
            notices.push("--denoise changes nothing without a picture to begin from; add --init PATH".into())
        }
        _ => {}
    }
    recipe.init.as_ref().map(|_| flags.init.clone().map_or(Source::Library, Source::File))
}

fn override_settings(flags: &Flags, recipe: &mut Recipe) {
    if let Some(prompt) = &flags.prompt {
        recipe.prompt.clone_from(prompt);
    }
    if let Some(negative) = &flags.negative {
        recipe.negative_prompt.clone_from(negative);
    }
    set(&mut recipe.start, flags.start);
    set(&mut recipe.end, flags.end);
    recipe.scheduler = flags.scheduler.or(recipe.scheduler);
    recipe.steps = flags.steps.or(recipe.steps);
    recipe.guidance = flags.guidance.or(recipe.guidance);
    recipe.seed = flags.seed.or(recipe.seed);
    recipe.width = flags.width.or(recipe.width);
    recipe.height = flags.height.or(recipe.height);
}

/// The recipe names another model than the flags: the picture will differ, and the artist should know why.
fn other_model(recorded: &ModelFiles, flags: &Flags) -> Option<String> {
    flags.base.as_ref()?;
    let pairs = [
        ("model", &recorded.model, &flags.model.model, BUILT_IN),
        ("VAE", &recorded.vae, &flags.model.vae, "the model's own"),
        ("adapter", &recorded.adapter, &flags.model.adapter, BUILT_IN),
        ("image encoder", &recorded.image_encoder, &flags.model.image_encoder, BUILT_IN),
    ];
    let differing: Vec<String> = pairs
        .into_iter()
        .filter_map(|(what, recorded, given, else_it_is)| {
            let given = given.as_deref().map_or_else(|| else_it_is.to_owned(), file_name);
            let (recorded, _) = split_id(recorded);
            // An empty name promises nothing.
            let same = recorded.is_empty() || recorded == given;
            (!same).then(|| format!("its {what} was '{recorded}', now it is '{given}'"))
        })
        .collect();
    (!differing.is_empty()).then(|| format!("the recipe was made with other weights: {}", differing.join("; ")))
}

/// As [`compose`] tells other names, told after the weights were read: the same names with other contents.
pub fn other_content(recorded: &ModelFiles, used: &ModelFiles) -> Option<String> {
    let pairs = [
        (&recorded.model, &used.model),
        (&recorded.vae, &used.vae),
        (&recorded.adapter, &used.adapter),
        (&recorded.image_encoder, &used.image_encoder),
    ];
    let changed = pairs.into_iter().find_map(|(recorded, used)| {
        let ((old_name, old), (new_name, new)) = (split_id(recorded), split_id(used));
        (old_name == new_name && old? != new?).then_some(new_name)
    })?;
    Some(format!("'{changed}' has changed since the recipe was made, so the picture may differ"))
}

/// The last part of a path, as recipes hold it.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
