//! Jobs that go through the network together, where that takes less time: small pictures, which differ in what enters alone.

use std::time::Instant;

use super::embedding_cache::EmbeddingCache;
use super::pipeline::{JobContext, Prepared, Session};
use super::{EngineError, Finished, JobEvent, JobSpec, memory};
use crate::nn::cancel::{Asks, Cancel};
use crate::recipe::Recipe;

/// A job beside others: what is asked, and whether it still is.
pub struct Together<'a> {
    pub spec: &'a JobSpec,
    pub is_cancelled: Asks<'a>,
}

/// What a batch of small pictures may take together, in latent pixels of both sides of guidance. Beyond it, a forward of one
/// picture keeps the processor busy by itself, and a batch only holds more memory. It is eight pictures of the built-in model.
const MOST_TOGETHER: u32 = 4096;

/// How many jobs like this one may go through the network together; 1 where nothing is known of its model yet.
pub fn most_together(session: Option<&Session>, spec: &JobSpec) -> usize {
    let Some(session) = session.filter(|session| session.serves(spec, true) && spec.init.is_none()) else { return 1 };
    let (defaults, factor) = (&session.model.defaults, session.model.vae_config.scale_factor() as u32);
    let side = |asked: Option<u32>, default: u32| asked.unwrap_or(default).div_ceil(factor.max(1));
    let pixels = side(spec.recipe.width, defaults.width).saturating_mul(side(spec.recipe.height, defaults.height));
    let most = (MOST_TOGETHER / pixels.saturating_mul(2).max(1)).max(1) as usize;
    let size = (spec.recipe.width.unwrap_or(defaults.width), spec.recipe.height.unwrap_or(defaults.height));
    let held = session.networks.held_bytes(&session.model, &session.place);
    memory::fitting_together(&session.model, &session.place, held, size, most)
}

/// Whether two jobs can share every forward: both have references, they differ in prompts, references, seed and strengths
/// alone, and their references enter from the first step on (before that, the second takes over the steps of the first).
pub fn go_together(one: &JobSpec, other: &JobSpec) -> bool {
    let (a, b) = (&one.recipe, &other.recipe);
    let shared = |recipe: &Recipe| {
        let Recipe { scheduler, steps, guidance, width, height, start, end, .. } = recipe;
        (*scheduler, *steps, *guidance, *width, *height, *start, *end)
    };
    // A batch answers when all of it is done; pictures without references would only wait for each other.
    let are_shown = !a.references.is_empty() && !b.references.is_empty();
    are_shown
        && shared(a) == shared(b)
        && a.loras == b.loras
        && a.start == 0.0
        && a.init.is_none()
        && b.init.is_none()
        && one.model == other.model
        && one.compute == other.compute
}

/// Makes the pictures of `jobs`, which go together, with the open session if it serves, else with a new one left in its
/// place. `say` gets the events with the job's place.
pub fn run(
    session: &mut Option<Session>,
    jobs: &[Together],
    say: &mut dyn FnMut(usize, JobEvent),
    embeddings: &EmbeddingCache,
) -> Vec<Result<Finished, EngineError>> {
    let mut results: Vec<Result<Finished, EngineError>> = jobs.iter().map(|_| Err(EngineError::Cancelled)).collect();
    let mut batch: Vec<(usize, Prepared)> = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        let mut say_own = |event| say(index, event);
        let mut context = JobContext { say: &mut say_own, cancel: Cancel::new(job.is_cancelled), embeddings };
        match prepare(session, job.spec, &mut context) {
            Err(error) => put(&mut results, [(index, Err(error))]),
            // It takes over the steps of another where there are some, and the next may take over its own.
            Ok(prepared) if prepared.unshaped > 0 || batch.first().is_some_and(|first| !first.1.fits(&prepared)) => {
                complete(session, vec![(index, prepared)], jobs, say, &mut results);
            }
            Ok(prepared) => batch.push((index, prepared)),
        }
    }
    complete(session, batch, jobs, say, &mut results);
    results
}

type Results = [Result<Finished, EngineError>];

fn put(results: &mut Results, new: impl IntoIterator<Item = (usize, Result<Finished, EngineError>)>) {
    for (index, result) in new {
        if let Some(place) = results.get_mut(index) {
            *place = result;
        }
    }
}

fn complete(
    session: &mut Option<Session>,
    batch: Vec<(usize, Prepared)>,
    jobs: &[Together],
    say: &mut dyn FnMut(usize, JobEvent),
    results: &mut Results,
) {
    if let Some(session) = session.as_mut().filter(|_| !batch.is_empty()) {
        put(results, session.complete(batch, jobs, say));
    }
}

/// Opens the model where it is not open yet, and does what comes before the steps.
fn prepare(session: &mut Option<Session>, spec: &JobSpec, context: &mut JobContext) -> Result<Prepared, EngineError> {
    spec.recipe.validate()?;
    let needs_image_prompt = spec.recipe.takes_references();
    let began = Instant::now();
    let session = match session {
        Some(open) if open.serves(spec, needs_image_prompt) => open,
        slot => {
            // The old model is dropped first, so that two are never held at once.
            *slot = None;
            (context.say)(JobEvent::Loading("model"));
            slot.insert(Session::open(spec, needs_image_prompt)?)
        }
    };
    session.prepare(spec, context, began)
}
