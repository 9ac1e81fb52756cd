//! The command line: words to a recipe, a recipe to the engine, its results to files and lines.
//!
//! The contract is product.md, "The command line": one line on stderr for an error, exit status 0, 2 for bad
//! arguments or input, 1 for anything else.

mod args;
mod bench;
mod board;
mod board_report;
mod board_work;
mod compose;
#[cfg(test)]
mod compose_tests;
mod console;
mod error;
mod evaluate;
mod flags;
mod import;
mod inspect;
mod json_file;
mod latents;
mod library;
mod lora_flags;
mod models;
mod models_command;
mod recall;
mod render;
mod report;
mod styles;
mod targets;
mod usage;

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use crate::engine::{Engine, EngineError};

pub use error::CliError;

/// Does what `arguments` say (the program's name first) and returns the exit status.
///
/// `start_engine` is called by commands that make pictures (by `evaluate` more than once), `open_window` where there is no command.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    start_engine: impl Fn() -> Result<Box<dyn Engine>, EngineError>,
    open_window: impl FnOnce(Vec<PathBuf>) -> Result<(), CliError>,
) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // A bug is told in one line, as every other error is.
    let outcome = catch_unwind(AssertUnwindSafe(|| dispatch(&arguments, start_engine, open_window)));
    let outcome = outcome.unwrap_or_else(|_| {
        Err(CliError::Machine(
            "the program met a bug and stopped; run it with RUST_BACKTRACE=1 and report it".to_owned(),
        ))
    });
    let Err(error) = outcome else { return 0 };
    let (status, line) = error.status_and_line();
    if let Some(line) = line {
        console::write_stderr(&format!("{line}\n"));
    }
    status
}

fn dispatch(
    arguments: &[OsString],
    start_engine: impl Fn() -> Result<Box<dyn Engine>, EngineError>,
    open_window: impl FnOnce(Vec<PathBuf>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let words = arguments.get(1..).unwrap_or_default();
    if let Some((flag, next)) = args::forgotten_value(words) {
        return Err(CliError::usage(format!("{flag} has no value; the next word is the flag {}", error::shown(&next))));
    }
    let matches = match args::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        // --help and --version.
        Err(error) if !error.use_stderr() => return print(&error.render().to_string()),
        Err(error) => return Err(usage::explain(&error, words)),
    };
    match matches.subcommand() {
        Some(("render", matches)) => render::render(&flags::Flags::read(matches)?, start_engine),
        Some(("evaluate", matches)) => evaluate::evaluate(matches, start_engine),
        Some(("library", matches)) => library::run(matches),
        Some(("styles", matches)) => styles::run(matches),
        Some(("bench", matches)) => bench::run(matches, arguments),
        Some(("board", matches)) => board::board(&flags::BoardFlags::read(matches)?, start_engine),
        Some(("models", matches)) => models::run(matches),
        Some((_, matches)) => {
            let files: Vec<PathBuf> = matches.get_many::<PathBuf>("file").into_iter().flatten().cloned().collect();
            inspect::inspect(&files)
        }
        None => {
            let pictures: Vec<PathBuf> =
                matches.get_many::<PathBuf>("picture").into_iter().flatten().cloned().collect();
            // A word that is a command is never a picture; `./render` is one.
            match pictures.iter().find_map(|word| args::COMMANDS.iter().find(|c| word.as_os_str() == **c)) {
                Some(command) => Err(CliError::usage(format!("the command '{command}' must be the first word"))),
                None => open_window(pictures),
            }
        }
    }
}

fn print_line(line: &str) -> Result<(), CliError> {
    print(&format!("{line}\n"))
}

/// Writes to stdout. A reader that has had enough (`| head`) is no error.
fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(CliError::Machine(format!("the output could not be written ({error}); check where it goes")))
        }
        _ => Ok(()),
    }
}
