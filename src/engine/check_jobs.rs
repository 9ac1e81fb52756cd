//! What can be known of several jobs before one of them is begun.

use super::pipeline::Session;
use super::{EngineError, JobSpec};

/// Looks for a job that cannot be made, as far as headers and configs tell it: files that do not fit together, an adapter
/// that is missing, steps that the sampler cannot do, a size that does not fit into memory. Reads no weights.
///
/// # Errors
/// The place of the first such job among `specs`, and what is wrong with it.
pub fn check_jobs(specs: &[JobSpec]) -> Result<(), (usize, EngineError)> {
    let mut left: Vec<(usize, &JobSpec)> = specs.iter().enumerate().collect();
    // A model that is open with its adapter serves jobs without references too.
    left.sort_by_key(|(_, spec)| !spec.recipe.takes_references());
    while let Some((first, spec)) = left.first().copied() {
        let session = Session::open(spec, spec.recipe.takes_references()).map_err(|error| (first, error))?;
        let mut others = Vec::new();
        for (index, spec) in left {
            if index == first || session.serves(spec, spec.recipe.takes_references()) {
                session.check(spec).map_err(|error| (index, error))?;
            } else {
                others.push((index, spec));
            }
        }
        left = others;
    }
    Ok(())
}
