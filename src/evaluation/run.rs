//! The evaluation itself: every case in every mode.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::claims::claims;
use super::judging::{Judge, Seen};
use super::modes::{Mode, modes};
use super::palette::palette_distance;
use super::references::{Case, ReferenceSet};
use super::summary::{Claim, ModeSummary, Outcome, TextToImage, rounded};
use crate::engine::{
    Compute, Engine, EngineError, Finished, JobEvent, JobHandle, JobSpec, ModelPaths, can_subtract, describe,
};
use crate::recipe::{Recipe, Reference};

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub model: ModelPaths,
    pub compute: Compute,
    /// Pictures for each mode, at least 1.
    pub pictures: usize,
}

/// How well each mode does. The field names are part of the contract (product.md; issue 3).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Name and content of the model, as recipes name it.
    pub model: String,
    /// Who decided what a picture shows; "none" where nobody could.
    pub judge: &'static str,
    pub modes: Vec<ModeSummary>,
    pub text_to_image: TextToImage,
    pub claims: Vec<Claim>,
    /// How often the judge is right about the references themselves.
    pub judge_on_references: Option<Accuracy>,
    /// Pictures for each mode.
    pub pictures: usize,
    pub seconds: f64,
    pub device: String,
    pub dtype: String,
    /// What was left out, and why; a sentence each.
    pub notices: Vec<String>,
}

/// Parts that were right, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Accuracy {
    pub subject: f64,
    pub style: f64,
}

impl Evaluation {
    /// All pictures that were made.
    pub fn painted(&self) -> usize {
        self.modes.iter().map(|mode| mode.n).sum::<usize>() + self.text_to_image.n
    }
}

/// Paints on all `engines` at once, and judges. `progress` hears how many pictures of how many are done.
///
/// # Errors
/// A model that is missing, damaged or takes no references, before any picture is made; or a job that failed.
pub fn evaluate(
    order: &Order,
    engines: &[Box<dyn Engine>],
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Evaluation, EngineError> {
    let began = Instant::now();
    let model = describe(&order.model)?;
    let set = ReferenceSet::built_in()?;
    let (modes, mut notices) = modes(&model, can_subtract(&order.model)?);
    let mut judge = Judge::open(&order.model, order.compute, &set)?;
    if matches!(judge, Judge::None) {
        notices.push(
            "the image encoder and the text encoder have no space in common, so nobody can judge what a picture shows; only palettes are measured".to_owned(),
        );
    }
    let mut outcomes: Vec<(String, Vec<Outcome>)> = modes.iter().map(|mode| (mode.name.clone(), Vec::new())).collect();
    let mut named = Vec::new();
    let mut last: Option<Finished> = None;
    let (mut done, total) = (0, order.pictures * (modes.len() + 1));
    // Case by case, so that a reference and a prompt are encoded once.
    for case in (0..order.pictures).filter_map(|index| set.case(index)) {
        let jobs = modes.iter().map(Some).chain([None]).zip(engines.iter().cycle());
        let jobs: Vec<JobHandle> =
            jobs.map(|(mode, engine)| engine.submit(job(order, &case, mode))).collect::<Result<_, _>>()?;
        let lists = outcomes.iter_mut().map(|(_, list)| list).chain([&mut named]);
        for (job, list) in jobs.iter().zip(lists) {
            progress(done, total);
            let finished = wait(job)?;
            list.push(outcome(&case, &finished, &mut judge)?);
            last = Some(finished);
            done += 1;
        }
    }
    let last = last.ok_or_else(|| EngineError::Input("an evaluation needs at least one picture a mode".to_owned()))?;
    let (device, dtype) = last.device_and_dtype();
    Ok(Evaluation {
        device: device.to_owned(),
        dtype: dtype.to_owned(),
        model: last.recipe.model.model,
        judge: judge.name(),
        modes: outcomes.iter().map(|(mode, list)| ModeSummary::new(mode, list)).collect(),
        text_to_image: TextToImage::new(&named),
        claims: claims(&outcomes),
        judge_on_references: on_references(&set, &mut judge)?,
        pictures: order.pictures,
        seconds: (began.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        notices,
    })
}

/// One picture of a case; without a mode the style is named in the prompt and there is no reference.
fn job(order: &Order, case: &Case, mode: Option<&Mode>) -> JobSpec {
    let references: Vec<Reference> = mode.iter().map(|mode| mode.reference(&case.reference.subject.words)).collect();
    let prompt = match mode {
        Some(_) => case.prompt.words.clone(),
        None => format!("{} in {}", case.prompt.words, case.reference.style.words),
    };
    JobSpec {
        references: vec![Arc::clone(&case.reference.picture); references.len()],
        recipe: Arc::new(Recipe { prompt, references, seed: Some(case.seed), ..Recipe::default() }),
        init: None,
        model: order.model.clone(),
        compute: order.compute,
    }
}

fn wait(job: &JobHandle) -> Result<Finished, EngineError> {
    for event in &job.events {
        match event {
            JobEvent::Finished(finished) => return Ok(*finished),
            JobEvent::Failed(error) => return Err(error),
            JobEvent::Cancelled => return Err(EngineError::Cancelled),
            _ => {}
        }
    }
    Err(EngineError::Panicked("it ended without a word".to_owned()))
}

fn outcome(case: &Case, finished: &Finished, judge: &mut Judge) -> Result<Outcome, EngineError> {
    let seen = judge.look(&finished.image)?;
    let is = |part: fn(&Seen) -> &String, name: &str| seen.as_ref().map(|seen| part(seen) == name);
    Ok(Outcome {
        style: is(|seen| &seen.style, &case.reference.style.name),
        prompt: is(|seen| &seen.subject, &case.prompt.name),
        leak: is(|seen| &seen.subject, &case.reference.subject.name),
        palette: palette_distance(&finished.image, &case.reference.picture.rgb),
    })
}

fn on_references(set: &ReferenceSet, judge: &mut Judge) -> Result<Option<Accuracy>, EngineError> {
    let (mut subjects, mut styles) = (0, 0);
    for known in &set.pictures {
        let Some(seen) = judge.look(&known.picture.rgb)? else { return Ok(None) };
        subjects += usize::from(seen.subject == known.subject.name);
        styles += usize::from(seen.style == known.style.name);
    }
    let part = |hits: usize| rounded(hits as f64 / set.pictures.len().max(1) as f64);
    Ok(Some(Accuracy { subject: part(subjects), style: part(styles) }))
}
