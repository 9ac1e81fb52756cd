//! The program `instantstyle`: a window, or a command.

use std::path::PathBuf;
use std::process::ExitCode;

use instantstyle::cli::{self, CliError};
use instantstyle::engine::{CandleEngine, Engine, EngineError};

fn main() -> ExitCode {
    // The command line and the engine turn a panic into a line of their own; the details are for those who ask.
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
    ExitCode::from(cli::run(std::env::args_os(), start_engine, open_window))
}

fn start_engine() -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(CandleEngine::start(None)?))
}

/// Opens the window with `pictures` as references.
fn open_window(_pictures: Vec<PathBuf>) -> Result<(), CliError> {
    Err(CliError::Usage(
        "the window is not built yet; use `instantstyle render`, see `instantstyle render --help`".to_owned(),
    ))
}
