//! `instantstyle inspect`: what each file is, what it needs, and what is wrong with it.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::{CliError, one_line};
use super::flags::Base;
use super::json_file::{self, JsonFile};
use super::{console, print_line, recall, styles};
use crate::engine::check_files;
use crate::library::{self, Style};
use crate::pixels::{self, DecodeError, Picture};
use crate::recipe::Recipe;
use crate::weights::{self, Impostor, Kind};

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
    let shown = path.display();
    match kind_of(path) {
        FileKind::Picture => picture(path),
        FileKind::Style => Ok((style(path)?, true)),
        FileKind::Json => match json_file::look(path)? {
            JsonFile::Recipe(recipe) => Ok((recipe_lines(&format!("{shown}: a recipe"), path, &recipe)?, true)),
            JsonFile::Settings { what, needs } => {
                Ok((vec![format!("{shown}: {what}"), format!("  needs {needs}")], true))
            }
            JsonFile::Index => weights(path),
        },
        FileKind::Weights => weights(path),
    }
}

enum FileKind {
    Picture,
    Style,
    Json,
    /// Or anything else: the room of weights names what it meets.
    Weights,
}

fn kind_of(path: &Path) -> FileKind {
    let mut first = Vec::new();
    // Opening a pipe would wait for a writer.
    if path.is_file()
        && let Ok(file) = std::fs::File::open(path)
        && file.take(256).read_to_end(&mut first).is_ok()
    {
        let ends = |ending: &str| path.extension().is_some_and(|own| own.eq_ignore_ascii_case(ending));
        if image::guess_format(&first).is_ok() {
            return FileKind::Picture;
        }
        match Impostor::of(&first) {
            Impostor::Style => return FileKind::Style,
            Impostor::Json => return FileKind::Json,
            Impostor::Empty if ends("json") => return FileKind::Json,
            _ if ends(library::STYLE_ENDING) => return FileKind::Style,
            _ => {}
        }
    }
    FileKind::Weights
}

/// Weights and folders, opened as `render` would.
fn weights(path: &Path) -> Result<(Vec<String>, bool), CliError> {
    let mut found = weights::inspect(path)?;
    // What waits for something else cannot be opened on its own; a VAE's model is not looked at.
    let is_ready =
        found.needs.is_empty() || !matches!(found.kind(), Some(Kind::Checkpoint { .. } | Kind::ImageEncoder { .. }));
    if found.wrong.is_empty() && is_ready {
        found.wrong.extend(check_files(path, found.kind()).err().map(|error| error.to_string()));
    }
    let lines = found.lines().iter().map(|line| keep_indent(line)).collect();
    Ok((lines, found.wrong.is_empty()))
}

fn picture(path: &Path) -> Result<(Vec<String>, bool), CliError> {
    let picture = Picture::open(path)?;
    let (width, height) = picture.rgb.dimensions();
    let what = format!("{}: a picture, {width} x {height} pixels", path.display());
    let wrong = |what: &str, error: String| vec![what.to_owned(), format!("  wrong: its recipe is of no use: {error}")];
    let (mut lines, is_good) = match pixels::recipe_json(path) {
        Err(DecodeError::NotAPng { .. } | DecodeError::NoRecipe { .. }) => {
            (vec![format!("{what}, without a recipe")], true)
        }
        Err(error) => (wrong(&what, error.to_string()), false),
        Ok(_) => {
            let recipe = recall::read_base(&Base::Picture(path.to_owned()));
            let title = format!("{what}, with its recipe (--from makes it again)");
            match recipe.and_then(|recipe| recipe_lines(&title, path, &recipe)) {
                Ok(lines) => (lines, true),
                Err(error) => (wrong(&what, error.to_string()), false),
            }
        }
    };
    lines.extend(picture.notices.iter().map(|notice| format!("  {notice}")));
    Ok((lines.iter().map(|line| keep_indent(line)).collect(), is_good))
}

/// A style's name and what it takes.
fn style(path: &Path) -> Result<Vec<String>, CliError> {
    let Style { name, reference, .. } = library::look_at_style(path).map_err(styles::explain)?;
    let lines = [
        format!("{}: a style, '{name}'", path.display()),
        format!("  takes {} from {}, strength {}", reference.role.name(), reference.name, reference.strength),
        "  needs `instantstyle styles import` before --style can name it".to_owned(),
    ];
    Ok(lines.iter().map(|line| keep_indent(line)).collect())
}

/// The recipe in short, and the pictures that it needs.
fn recipe_lines(what: &str, path: &Path, recipe: &Recipe) -> Result<Vec<String>, CliError> {
    recipe.validate().map_err(|error| CliError::usage(format!("{error}: {}", path.display())))?;
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
        let kept = match library::find_reference(hash) {
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
