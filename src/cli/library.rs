//! `instantstyle library`: the finished pictures of this machine, and what is entered into them by `render`.

use std::path::Path;

use clap::{ArgMatches, Command};
use serde::Serialize;

use super::args::{switch, text};
use super::console::Console;
use super::error::{CliError, one_line, shown};
use super::{console, print_line};
use crate::library::{Catalogue, LibraryError, LibraryPicture, Query, Stop, home};
use crate::recipe::Recipe;

const EXAMPLES: &str = "\
Examples:
  instantstyle library list --search \"fox snow\" --stars 3
  instantstyle library list --limit 1 --json
  instantstyle library rebuild

A picture is entered when it is made, in the window, by `render` or by `board --cells`. The list
says when, stars, size, seed, prompt and file, the newest first.";

/// The words of this command.
pub fn command() -> Command {
    let command = |name: &'static str, about: &'static str| Command::new(name).about(about).max_term_width(110);
    command("library", "Find finished pictures again")
        .override_usage("instantstyle library list [FLAGS]\n       instantstyle library rebuild")
        .after_help(EXAMPLES)
        .disable_help_subcommand(true)
        .subcommand(
            command("list", "List finished pictures, the newest first")
                .override_usage("instantstyle library list [--search TEXT] [--stars N] [--limit N] [--json]")
                .args_override_self(true)
                .arg(text("search", "TEXT", "Words of the prompt, whole or begun, in any order"))
                .arg(text("stars", "N", "Only pictures with at least so many stars, 1 to 5"))
                .arg(text("limit", "N", "At most so many pictures [default: 100]"))
                .arg(switch("json", "Print one JSON line for each picture, with its recipe")),
        )
        .subcommand(command("rebuild", "Make the library's database again from the pictures; stars stay"))
}

/// Does what `matches` say.
///
/// # Errors
/// A number out of its range, or a library that cannot be opened.
pub fn run(matches: &ArgMatches) -> Result<(), CliError> {
    match matches.subcommand() {
        Some(("list", matches)) => list(matches),
        Some(_) => rebuild(),
        None => Err(CliError::usage("say what to do: library list or library rebuild")),
    }
}

/// Enters pictures into the library as they are written. It is opened with the first one.
#[derive(Debug, Default)]
pub struct Entering {
    catalogue: Option<Catalogue>,
    /// It has been said that it takes nothing; the pictures themselves are safe.
    has_failed: bool,
}

impl Entering {
    /// Enters a picture that has been written to `file`; what is to be told of it goes to the console, once.
    pub fn enter(&mut self, file: &Path, bytes: &[u8], recipe: &Recipe, console: &mut Console) {
        // A device has swallowed it.
        if self.has_failed || !file.is_file() {
            return;
        }
        match self.record(file, bytes, recipe) {
            Ok(notices) => notices.iter().for_each(|notice| console.notice(notice)),
            Err(error) => {
                self.has_failed = true;
                console.notice(&format!("the picture is written, but is not in the library: {error}"));
            }
        }
    }

    fn record(&mut self, file: &Path, bytes: &[u8], recipe: &Recipe) -> Result<Vec<String>, LibraryError> {
        let catalogue = match &mut self.catalogue {
            Some(catalogue) => catalogue,
            none => none.insert(open()?),
        };
        catalogue.record(file, bytes, recipe)?;
        Ok(catalogue.take_notices())
    }
}

fn open() -> Result<Catalogue, LibraryError> {
    Catalogue::open(&home().ok_or(LibraryError::NoHome)?, &Stop::default())
}

fn list(matches: &ArgMatches) -> Result<(), CliError> {
    let number = |name: &str, low: u32, high: u32, default: u32| match matches.get_one::<String>(name) {
        None => Ok(default),
        Some(value) => value.trim().parse().ok().filter(|n| (low..=high).contains(n)).ok_or_else(|| {
            CliError::usage(format!("--{name} is '{}', but must be a whole number from {low} to {high}", shown(value)))
        }),
    };
    let query = Query {
        text: matches.get_one::<String>("search").cloned().unwrap_or_default(),
        min_stars: u8::try_from(number("stars", 1, 5, 0)?).unwrap_or(0),
        limit: number("limit", 1, u32::MAX, 100)?,
        ..Query::default()
    };
    let failed = |error: LibraryError| CliError::Machine(error.to_string());
    let mut catalogue = open().map_err(failed)?;
    // Pictures that were moved or thrown away meanwhile.
    catalogue.sync().map_err(failed)?;
    let page = catalogue.search(&query).map_err(failed)?;
    for notice in catalogue.take_notices() {
        console::write_stderr(&format!("notice: {}\n", one_line(&notice)));
    }
    for picture in &page.pictures {
        let line = if matches.get_flag("json") { json_line(picture)? } else { line(picture) };
        print_line(&line)?;
    }
    Ok(())
}

fn rebuild() -> Result<(), CliError> {
    let failed = |error: LibraryError| CliError::Machine(error.to_string());
    let found = open().and_then(|mut catalogue| catalogue.rebuild()).map_err(failed)?;
    print_line(&format!("the library was made again: {} pictures", found.added))
}

/// "2026-11-22 17:03  ***  512 x 512  seed 7  a red fox  /home/…/a-red-fox-7.png"
fn line(picture: &LibraryPicture) -> String {
    let recipe = &picture.recipe;
    let side = |side: Option<u32>| side.unwrap_or_default();
    let parts = [
        date(picture.made),
        "*".repeat(usize::from(picture.stars)),
        format!("{} x {}", side(recipe.width), side(recipe.height)),
        format!("seed {}", recipe.seed.unwrap_or_default()),
        one_line(&recipe.prompt),
        one_line(&picture.file.to_string_lossy()),
    ];
    parts.join("  ")
}

fn date(made: i64) -> String {
    match jiff::Timestamp::from_millisecond(made) {
        Ok(time) => time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => "no date".to_owned(),
    }
}

/// Field names are stable.
#[derive(Serialize)]
struct Line<'a> {
    file: String,
    made_ms: i64,
    stars: u8,
    blake3: &'a str,
    recipe: &'a Recipe,
}

fn json_line(picture: &LibraryPicture) -> Result<String, CliError> {
    let LibraryPicture { file, made, stars, hash, recipe, .. } = picture;
    let line = Line { file: file.to_string_lossy().into_owned(), made_ms: *made, stars: *stars, blake3: hash, recipe };
    serde_json::to_string(&line)
        .map_err(|error| CliError::Machine(format!("the JSON line could not be made ({error})")))
}
