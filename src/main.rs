//! The program `instantstyle`: a window, or a command.

use std::path::PathBuf;
use std::process::ExitCode;

use instantstyle::cli::{self, CliError};
use instantstyle::engine::{CandleEngine, Engine, EngineError};
use instantstyle::kernels::recycler::Recycler;
use instantstyle::library;

/// Tensors come and go by the hundred megabytes.
#[global_allocator]
static ALLOCATOR: Recycler = Recycler::new();

fn main() -> ExitCode {
    // The command line and the engine turn a panic into a line of their own; the details are for those who ask.
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
    // The window keeps a log of its own accord.
    if std::env::var_os(library::LOG_VARIABLE).is_some_and(|value| !value.is_empty() && value != "0")
        && let Some(home) = library::home()
    {
        library::start_log(&home);
    }
    ExitCode::from(cli::run(std::env::args_os(), start_engine, open_window))
}

fn start_engine() -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(CandleEngine::start_with_cache(None, embeddings_folder())?))
}

/// Where embeddings of references outlive the program.
fn embeddings_folder() -> Option<PathBuf> {
    instantstyle::library::home().map(|home| home.join("cache").join("embeddings"))
}

/// Opens the window with `pictures` as references.
#[cfg(feature = "ui")]
fn open_window(pictures: Vec<PathBuf>) -> Result<(), CliError> {
    let start =
        |waker| Ok(Box::new(CandleEngine::start_with_cache(Some(waker), embeddings_folder())?) as Box<dyn Engine>);
    instantstyle::ui::open(pictures, start).map_err(CliError::Machine)
}

/// This build has no window.
#[cfg(not(feature = "ui"))]
fn open_window(_pictures: Vec<PathBuf>) -> Result<(), CliError> {
    Err(CliError::Usage(
        "this build has no window; build it with --features ui, or use `instantstyle render`, see `instantstyle render --help`".to_owned(),
    ))
}
