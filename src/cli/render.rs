//! `instantstyle render`: flags to a picture on the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::compose::{Order, Source, compose, other_content};
use super::console::{Console, duration};
use super::error::CliError;
use super::flags::Flags;
use super::library::Entering;
use super::report::Report;
use super::{latents, recall, targets};
use crate::engine::{Engine, EngineError, Finished, JobEvent, JobSpec, ModelPaths, Step, random_seed};
use crate::library::{LibraryError, write_atomically};
use crate::pixels::{self, CarriedReference, Picture, PictureFormat, export};
use crate::recipe::{ModelFiles, Recipe};

/// Makes the picture that `flags` ask for. `start` starts an engine; it is not called before the input is known to be
/// good.
///
/// # Errors
/// Bad input, a failed job, or a result that cannot be written. There is no new picture then.
pub fn render(flags: &Flags, start: impl FnOnce() -> Result<Box<dyn Engine>, EngineError>) -> Result<(), CliError> {
    let begun = Instant::now();
    targets::check(flags)?;
    let mut console = Console::stderr();
    let Prepared { order, pictures, recorded, kept } = prepare(flags, &mut console)?;
    ensure_room(&flags.options.out, &order.recipe)?;
    let carried = carried(&pictures.references)?;
    let spec = JobSpec {
        recipe: Arc::new(order.recipe),
        references: pictures.references,
        init: pictures.init,
        model: ModelPaths { loras: order.loras, ..flags.model.clone() },
        compute: flags.compute,
    };
    let finished = run(start()?.as_ref(), spec, &mut console)?;
    for notice in finished.notices.iter().chain(&other_content(&recorded, &finished.recipe.model)) {
        console.notice(notice);
    }
    for (path, picture) in &kept {
        if let Err(notice) = recall::keep(path, picture) {
            console.notice(&notice);
        }
    }
    let bytes = write(flags, &finished, &carried)?;
    Entering::default().enter(&flags.options.out, &bytes, &finished.recipe, &mut console);
    let total = begun.elapsed().as_secs_f64();
    if flags.options.json {
        let line = serde_json::to_string(&Report::new(&finished, total, &flags.options.out))
            .map_err(|error| CliError::Machine(format!("the JSON line could not be made ({error})")))?;
        super::print_line(&line)?;
    }
    console.done(&format!("{} is ready ({})", flags.options.out.display(), duration(total)));
    Ok(())
}

/// Good input, before an engine is started.
pub struct Prepared {
    /// The recipe has a seed, and the hashes and names of its pictures.
    pub order: Order,
    pub pictures: recall::Pictures,
    /// The weights that the recipe was made with, as far as it says.
    pub recorded: ModelFiles,
    /// The pictures that came from files, for the library.
    pub kept: Vec<(PathBuf, Arc<Picture>)>,
}

/// Reads everything that `flags` name, and says what the artist should know.
///
/// # Errors
/// Bad input.
pub fn prepare(flags: &Flags, console: &mut Console) -> Result<Prepared, CliError> {
    let base = flags.base.as_ref().map(recall::read_base).transpose()?;
    let opened = open_references(flags)?;
    let hashes: Vec<String> = opened.iter().map(|(_, picture)| picture.hash.clone()).collect();
    let mut order = compose(flags, base, &hashes)?;
    let pictures = recall::find_pictures(&mut order, &opened)?;
    for notice in &order.notices {
        console.notice(notice);
    }
    if order.recipe.seed.is_none() {
        let seed = random_seed();
        order.recipe.seed = Some(seed);
        console.line(&format!("seed {seed}"));
    }
    let recorded = order.recipe.model.clone();
    let kept = files(&order, &pictures);
    Ok(Prepared { order, pictures, recorded, kept })
}

/// The pictures of `--reference`; one that is given twice is read once.
fn open_references(flags: &Flags) -> Result<Vec<(PathBuf, Arc<Picture>)>, CliError> {
    let mut opened: Vec<(PathBuf, Arc<Picture>)> = Vec::new();
    for (path, scope) in &flags.references {
        let picture = match opened.iter().find(|(known, _)| known == path) {
            Some((_, picture)) => Arc::clone(picture),
            None => {
                let mut picture = Picture::open(path)?;
                // A style's picture lies under its hash, which tells nobody anything.
                if let Some(style) = &scope.style {
                    picture.name.clone_from(&style.name);
                }
                Arc::new(picture)
            }
        };
        opened.push((path.clone(), picture));
    }
    Ok(opened)
}

/// The pictures that came from files, for the library.
fn files(order: &Order, pictures: &recall::Pictures) -> Vec<(PathBuf, Arc<Picture>)> {
    let sources = order.references.iter().chain(&order.init);
    let pictures = pictures.references.iter().chain(&pictures.init);
    sources
        .zip(pictures)
        .filter_map(|(source, picture)| match source {
            Source::File(path) => Some((path.clone(), Arc::clone(picture))),
            Source::Library => None,
        })
        .collect()
}

/// Hands the job to the engine and follows it to its end.
fn run(engine: &dyn Engine, spec: JobSpec, console: &mut Console) -> Result<Finished, CliError> {
    let handle = engine.submit(spec)?;
    // Under load steps are skipped, so the pace is that of those that were seen.
    let (mut seen, mut seconds) = (0, 0.0);
    for event in &handle.events {
        match event {
            JobEvent::Queued => {}
            JobEvent::Loading(part) => console.progress(&format!("loading {part}")),
            JobEvent::Encoding(part) => console.progress(&format!("encoding {part}")),
            JobEvent::Step(step) => {
                seen += 1;
                seconds += step.seconds;
                console.progress(&progress_line(&step, seen, seconds));
            }
            JobEvent::Decoding => console.progress("decoding the picture"),
            JobEvent::Finished(finished) => return Ok(*finished),
            JobEvent::Failed(error) => return Err(error.into()),
            JobEvent::Cancelled => return Err(EngineError::Cancelled.into()),
        }
    }
    Err(EngineError::Panicked("it ended without a word".to_owned()).into())
}

/// "step 3/20, 12 s left", at the pace of the steps seen so far: their number and seconds.
fn progress_line(step: &Step, seen: u32, seconds: f64) -> String {
    let left = step.count.saturating_sub(step.index) as f64 * seconds / f64::from(seen.max(1));
    format!("step {}/{}, {} left", step.index, step.count, duration(left))
}

/// Refuses a recipe that the file of `--out` has no room for.
pub fn ensure_room(out: &Path, recipe: &Recipe) -> Result<(), CliError> {
    let format = PictureFormat::of(out).unwrap_or_default();
    let refused = |error| CliError::usage(format!("{}: {error}", out.display()));
    pixels::ensure_room(recipe, None, format).map_err(refused)
}

/// Small copies of the references, which travel with the picture.
pub fn carried(references: &[Arc<Picture>]) -> Result<Vec<CarriedReference>, CliError> {
    Ok(references.iter().map(|picture| CarriedReference::of(picture)).collect::<Result<_, _>>()?)
}

/// Returns the bytes of the picture's file.
fn write(flags: &Flags, finished: &Finished, carried: &[CarriedReference]) -> Result<Vec<u8>, CliError> {
    let failed = |error: LibraryError| CliError::Machine(error.to_string());
    let out = &flags.options.out;
    // A device has no ending, and gets a PNG.
    let format = PictureFormat::of(out).unwrap_or_default();
    let bytes = export(&finished.image, &finished.recipe, carried, format)?;
    // The picture comes last: where there is one, all of the command was done.
    if let Some(path) = &flags.options.save_latents {
        write_atomically(path, &latents::to_safetensors(&finished.latents)?).map_err(failed)?;
    }
    write_atomically(out, &bytes).map_err(failed)?;
    Ok(bytes)
}
