//! `instantstyle evaluate`: how well each mode does on a model, as Markdown on stdout and as JSON.

use std::path::Path;
use std::time::Instant;

use clap::ArgMatches;

use super::console::{Console, duration};
use super::error::CliError;
use super::{flags, targets};
use crate::engine::{Engine, EngineError, ModelPaths};
use crate::evaluation::{Evaluation, Order, evaluate as measure};
use crate::library::write_atomically;

/// Pictures a mode where none are asked for: what two cores paint with the built-in model in under five minutes.
pub const DEFAULT_PICTURES: usize = 16;
/// More than this takes days and tells nothing more.
const MOST_PICTURES: usize = 10_000;
const MOST_ENGINES: usize = 8;

/// Measures the model that `matches` name. `start` starts an engine; it is not called before the flags are known to be
/// good.
///
/// # Errors
/// Bad input, a failed job, or a file that cannot be written.
pub fn evaluate(
    matches: &ArgMatches,
    start: impl Fn() -> Result<Box<dyn Engine>, EngineError>,
) -> Result<(), CliError> {
    let words = format!("a whole number from 1 to {MOST_PICTURES}");
    let pictures = matches.get_one::<String>("pictures").map_or(Ok(DEFAULT_PICTURES), |value| {
        flags::whole("pictures", value, &words, |n| (1..=MOST_PICTURES).contains(n))
    })?;
    let order = Order { model: flags::model_paths(matches)?, compute: flags::compute(matches)?, pictures };
    let json = flags::path(matches, "json")?;
    if let Some(json) = &json {
        targets::check_one("json", json)?;
        targets::Inputs::of_model(&order.model).spare("--json", json)?;
    }
    let mut console = Console::stderr();
    let began = Instant::now();
    let mut progress = |done: usize, total: usize| {
        let left = began.elapsed().as_secs_f64() * (total - done) as f64 / done.max(1) as f64;
        let left = if done == 0 { String::new() } else { format!(", {} left", duration(left)) };
        console.progress(&format!("picture {} of {total}{left}", done + 1));
    };
    let engines = (0..engines(&order)).map(|_| start()).collect::<Result<Vec<_>, _>>()?;
    let evaluation = measure(&order, &engines, &mut progress)?;
    for notice in &evaluation.notices {
        console.notice(notice);
    }
    if let Some(json) = &json {
        write(json, &evaluation)?;
    }
    console.wipe();
    super::print(&evaluation.markdown())?;
    console.done(&format!("{} pictures ({})", evaluation.painted(), duration(evaluation.seconds)));
    Ok(())
}

/// A picture of the built-in model is too small to keep several cores busy, so several are painted at once. Any other
/// model may be too large to be held twice.
fn engines(order: &Order) -> usize {
    if order.model != ModelPaths::default() {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, |cores| cores.get()).min(MOST_ENGINES)
}

fn write(path: &Path, evaluation: &Evaluation) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(evaluation)
        .map_err(|error| CliError::Machine(format!("the JSON could not be made ({error})")))?;
    write_atomically(path, format!("{text}\n").as_bytes()).map_err(|error| CliError::Machine(error.to_string()))
}
