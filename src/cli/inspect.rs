//! `instantstyle inspect`: what each file is, what it needs, and what is wrong with it.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::{CliError, one_line};
use super::flags::Base;
use super::{console, print_line, recall};
use crate::pixels::{self, DecodeError, Picture};
use crate::recipe::Recipe;
use crate::weights;

/// Reports every file; a bad one does not stop the others.
///
/// # Errors
/// [`CliError::AlreadyReported`] if any file is bad.
pub fn inspect(files: &[PathBuf]) -> Result<(), CliError> {
    let mut all_good = true;
    for path in files {
        match inspect_one(path) {
            Ok((lines, good)) => {
                for line in lines {
                    print_line(&line)?;
                }
                all_good &= good;
            }
            Err(error) => {
                all_good = false;
                if let (_, Some(line)) = error.status_and_line() {
                    console::write_stderr(&format!("{line}\n"));
                }
            }
        }
    }
    if all_good { Ok(()) } else { Err(CliError::AlreadyReported) }
}

/// What there is to say, and whether the file is of use.
fn inspect_one(path: &Path) -> Result<(Vec<String>, bool), CliError> {
    match kind_of(path) {
        FileKind::Picture => Ok((picture(path)?, true)),
        FileKind::Json => {
            let recipe = recall::read_base(&Base::Recipe(path.to_owned()))?;
            Ok((recipe_lines(&format!("{}: a recipe", path.display()), &recipe)?, true))
        }
        FileKind::Weights => {
            let found = weights::inspect(path)?;
            Ok((found.lines(), found.wrong.is_empty()))
        }
    }
}

enum FileKind {
    Picture,
    Json,
    /// Or anything else: the room of weights names what it meets.
    Weights,
}

fn kind_of(path: &Path) -> FileKind {
    let mut first = Vec::new();
    // Opening a pipe would wait for a writer.
    if path.is_file()
        && let Ok(file) = std::fs::File::open(path)
        && file.take(64).read_to_end(&mut first).is_ok()
    {
        if image::guess_format(&first).is_ok() {
            return FileKind::Picture;
        }
        if first.trim_ascii_start().starts_with(b"{") {
            return FileKind::Json;
        }
    }
    FileKind::Weights
}

fn picture(path: &Path) -> Result<Vec<String>, CliError> {
    let picture = Picture::open(path)?;
    let (width, height) = picture.rgb.dimensions();
    let what = format!("{}: a picture, {width} x {height} pixels", path.display());
    let mut lines = match pixels::recipe_json(path) {
        Err(DecodeError::NotAPng { .. } | DecodeError::NoRecipe { .. }) => vec![format!("{what}, without a recipe")],
        Err(error) => vec![format!("{what}, whose recipe cannot be read: {error}")],
        Ok(_) => {
            let recipe = recall::read_base(&Base::Picture(path.to_owned()))?;
            recipe_lines(&format!("{what}, with its recipe (--from makes it again)"), &recipe)?
        }
    };
    lines.extend(picture.notices.iter().map(|notice| format!("  {notice}")));
    Ok(lines.iter().map(|line| keep_indent(line)).collect())
}

/// The recipe in short, and the pictures that it needs.
fn recipe_lines(what: &str, recipe: &Recipe) -> Result<Vec<String>, CliError> {
    recipe.validate()?;
    let mut lines = vec![what.to_owned()];
    lines.push(format!("  prompt: {}", recipe.prompt));
    if let Some(seed) = recipe.seed {
        lines.push(format!("  seed: {seed}"));
    }
    let built_in = |name: &str| if name.is_empty() { "the built-in one".to_owned() } else { name.to_owned() };
    lines.push(format!("  model: {}", built_in(&recipe.model.model)));
    let wanted = recipe.references.iter().map(|r| ("reference", &r.name, &r.hash));
    for (what, name, hash) in
        wanted.chain(recipe.init.iter().map(|init| ("picture to begin from", &init.name, &init.hash)))
    {
        let kept = match crate::library::find_reference(hash) {
            Some(_) => "in the library",
            None => "not in the library",
        };
        lines.push(format!("  needs the {what} {name} ({kept})"));
    }
    Ok(lines.iter().map(|line| keep_indent(line)).collect())
}

/// A line break in a prompt or a file name must not look like a line of ours.
fn keep_indent(line: &str) -> String {
    let indent = if line.starts_with("  ") { "  " } else { "" };
    format!("{indent}{}", one_line(line))
}
