//! The files behind an order: the recipe to begin from, and the pictures of references and init, wherever they lie.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::compose::{Order, Source};
use super::error::{CliError, one_line};
use super::flags::Base;
use crate::library;
use crate::pixels::{self, DecodeError, Picture};
use crate::recipe::{Crop, Recipe, RecipeError, VERSION};

/// More than this is no recipe.
const LONGEST_RECIPE: u64 = 16 << 20;

/// Reads the recipe that the flags override.
///
/// # Errors
/// A file that is missing, holds no recipe, or one of a newer program.
pub fn read_base(base: &Base) -> Result<Recipe, CliError> {
    let json = match base {
        Base::Picture(path) => pixels::recipe_json(path)?,
        Base::Recipe(path) => read_text(path)?,
    };
    let shown = base.path().display();
    let fault = |error: serde_json::Error| {
        CliError::usage(format!("the recipe is not understood ({error}); export it again or correct it: {shown}"))
    };
    // The version first: a newer recipe has fields that would read as faults.
    let value: serde_json::Value = serde_json::from_str(&json).map_err(fault)?;
    if !value.is_object() {
        return Err(CliError::usage(format!("the file holds no recipe; give a recipe's JSON file: {shown}")));
    }
    let version = value.get("version").and_then(serde_json::Value::as_u64).unwrap_or(u64::from(VERSION));
    if version > u64::from(VERSION) {
        let found = u32::try_from(version).unwrap_or(u32::MAX);
        return Err(CliError::usage(format!("{}: {shown}", RecipeError::NewerVersion { found, known: VERSION })));
    }
    // From the text again, because its messages know lines and columns.
    serde_json::from_str(&json).map_err(fault)
}

fn read_text(path: &Path) -> Result<String, CliError> {
    let shown = path.display();
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => CliError::usage(format!("there is no such recipe; check the path: {shown}")),
        _ => CliError::usage(format!("the recipe cannot be read ({error}); check the path: {shown}")),
    };
    if path.is_dir() {
        return Err(CliError::usage(format!("a folder is no recipe; name a file in it: {shown}")));
    }
    // A pipe has no length, so that the bytes are counted as they come.
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LONGEST_RECIPE + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > LONGEST_RECIPE {
        return Err(CliError::usage(format!("the file is too large for a recipe; give a recipe's JSON file: {shown}")));
    }
    if bytes.starts_with(b"\x89PNG") {
        return Err(CliError::usage(format!(
            "--recipe wants a JSON file, and this is a picture; give it to --from: {shown}"
        )));
    }
    // Windows' editors begin a text with a mark that is none of it.
    let text = String::from_utf8(bytes).map(|text| text.trim_start_matches('\u{feff}').to_owned());
    text.map_err(|_| CliError::usage(format!("the recipe is not text; give a recipe's JSON file: {shown}")))
}

/// The pictures of an order, decoded; hash and name go into its recipe, notices into its notices.
pub struct Pictures {
    pub references: Vec<Arc<Picture>>,
    pub init: Option<Arc<Picture>>,
}

/// Finds and opens every picture that the order needs. `opened` are the pictures of `--reference`, by path.
///
/// # Errors
/// A picture that cannot be read, that the library does not hold, or that a crop reaches out of.
pub fn find_pictures(order: &mut Order, opened: &[(PathBuf, Arc<Picture>)]) -> Result<Pictures, CliError> {
    let mut references = Vec::new();
    for (index, (reference, source)) in order.recipe.references.iter_mut().zip(&order.references).enumerate() {
        let what = format!("reference {}", index + 1);
        let found = find(&what, "--reference", source, &reference.hash, &reference.name, opened)?;
        reference.hash.clone_from(&found.hash);
        reference.name.clone_from(&found.name);
        check_crop(reference.crop, &found)?;
        order.notices.extend(found.notices.iter().cloned());
        references.push(found);
    }
    let mut init_picture = None;
    if let (Some(init), Some(source)) = (&mut order.recipe.init, &order.init) {
        let found = find("the picture to begin from", "--init", source, &init.hash, &init.name, &[])?;
        init.hash.clone_from(&found.hash);
        init.name.clone_from(&found.name);
        order.notices.extend(found.notices.iter().cloned());
        init_picture = Some(found);
    }
    Ok(Pictures { references, init: init_picture })
}

fn find(
    what: &str,
    flag: &str,
    source: &Source,
    hash: &str,
    name: &str,
    opened: &[(PathBuf, Arc<Picture>)],
) -> Result<Arc<Picture>, CliError> {
    match source {
        Source::File(path) => match opened.iter().find(|(known, _)| known == path) {
            Some((_, picture)) => Ok(Arc::clone(picture)),
            None => Ok(Arc::new(Picture::open(path)?)),
        },
        Source::Library => {
            if hash.is_empty() {
                return Err(CliError::usage(format!("{what} of the recipe names no picture; add {flag} PATH")));
            }
            let missing = || {
                let hash: String = hash.chars().take(12).collect();
                CliError::usage(format!(
                    "{what}, '{name}' (hash {hash}…), is not in the library on this machine; add {flag} PATH"
                ))
            };
            let mut picture = Picture::open(&library::find_reference(hash).ok_or_else(missing)?)?;
            // A kept file that was damaged is another picture.
            if picture.hash != hash {
                return Err(missing());
            }
            name.clone_into(&mut picture.name);
            Ok(Arc::new(picture))
        }
    }
}

/// A crop outside of its picture is told before a model is loaded.
pub fn check_crop(crop: Crop, picture: &Picture) -> Result<(), CliError> {
    let Crop::Rect { x, y, width, height } = crop else { return Ok(()) };
    let (picture_width, picture_height) = picture.rgb.dimensions();
    let inside = |start: u32, length: u32, side: u32| start.checked_add(length).is_some_and(|end| end <= side);
    if inside(x, width, picture_width) && inside(y, height, picture_height) {
        return Ok(());
    }
    Err(DecodeError::CropOutside { x, y, width, height, picture_width, picture_height }.into())
}

/// Keeps the picture's file in the library, so that the recipe can be recalled; the sentence says why it was not kept.
pub fn keep(path: &Path, picture: &Picture) -> Result<(), String> {
    if library::find_reference(&picture.hash).is_some() {
        return Ok(());
    }
    let kept = library::read_unchanged(path, &picture.hash)
        .and_then(|bytes| library::keep_reference(&bytes, &picture.hash))
        .map_err(|error| error.to_string());
    kept.map_err(|why| {
        one_line(&format!("'{}' was not kept in the library, so --from will ask for it again ({why})", picture.name))
    })
}
