//! A picture being made, as the window follows it.

use std::sync::Arc;
use std::time::Instant;

use crate::engine::{JobEvent, JobHandle, ModelPaths, Preview, Step};

/// What a job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Waiting,
    Loading(&'static str),
    Encoding(&'static str),
    Step { index: usize, count: usize },
    Decoding,
}

pub struct Job {
    pub handle: JobHandle,
    pub seed: u64,
    /// Asked for by live mode.
    pub is_live: bool,
    /// What is known before the first step says how many there are.
    pub expected_steps: usize,
    pub stage: Stage,
    pub preview: Option<Arc<Preview>>,
    /// Counts up with every preview.
    pub preview_id: u64,
    pub began: Option<Instant>,
    /// The model that was open when it was asked for, and that it is painted with.
    pub model: ModelPaths,
    /// Seconds that each step took.
    steps: Vec<f64>,
}

impl Job {
    pub fn new(handle: JobHandle, seed: u64, is_live: bool, expected_steps: usize, model: ModelPaths) -> Self {
        Self {
            handle,
            seed,
            is_live,
            expected_steps,
            stage: Stage::Waiting,
            preview: None,
            preview_id: 0,
            began: None,
            model,
            steps: Vec::new(),
        }
    }

    /// Takes in what the engine says on the way; `preview_id` is a number never used before.
    pub fn hear(&mut self, event: JobEvent, preview_id: u64) {
        if !matches!(event, JobEvent::Queued) {
            self.began.get_or_insert_with(Instant::now);
        }
        match event {
            JobEvent::Loading(part) => self.stage = Stage::Loading(part),
            JobEvent::Encoding(part) => self.stage = Stage::Encoding(part),
            JobEvent::Step(step) => self.hear_step(step, preview_id),
            JobEvent::Decoding => self.stage = Stage::Decoding,
            JobEvent::Queued | JobEvent::Finished(_) | JobEvent::Failed(_) | JobEvent::Cancelled => {}
        }
    }

    fn hear_step(&mut self, step: Step, preview_id: u64) {
        self.stage = Stage::Step { index: step.index, count: step.count };
        self.expected_steps = step.count;
        self.steps.push(step.seconds);
        self.preview = Some(step.preview);
        self.preview_id = preview_id;
    }

    /// How much is done, 0 to 1; None while nothing can be said.
    pub fn progress(&self) -> Option<f32> {
        match self.stage {
            Stage::Waiting | Stage::Loading(_) | Stage::Encoding(_) => None,
            Stage::Step { index, count } => Some(index as f32 / (count.max(1) as f32 + 1.0)),
            Stage::Decoding => Some(0.97),
        }
    }

    /// Far enough that the preview resembles the picture.
    pub fn is_ripe(&self) -> bool {
        match self.stage {
            Stage::Step { index, count } => self.preview.is_some() && 2 * index >= count,
            Stage::Decoding => self.preview.is_some(),
            Stage::Waiting | Stage::Loading(_) | Stage::Encoding(_) => false,
        }
    }

    /// Seconds a step takes: the middle one of those seen, without the first, which is slow while everything gets ready.
    pub fn step_secs(&self) -> Option<f64> {
        let (first, others) = self.steps.split_first()?;
        let mut others = others.to_vec();
        others.sort_by(f64::total_cmp);
        Some(others.get(others.len().saturating_sub(1) / 2).copied().unwrap_or(*first))
    }

    /// Seconds that the whole picture takes, once enough steps were seen to say so.
    pub fn picture_secs(&self) -> Option<f64> {
        const ENOUGH: usize = 3;
        let step_secs = self.step_secs().filter(|_| self.steps.len() >= ENOUGH.min(self.expected_steps))?;
        Some(step_secs * self.expected_steps as f64)
    }

    pub fn seconds_left(&self) -> Option<f64> {
        match self.stage {
            Stage::Step { index, count } => Some(count.saturating_sub(index) as f64 * self.step_secs()?),
            _ => None,
        }
    }

    /// The stage in words.
    pub fn words(&self) -> String {
        match self.stage {
            Stage::Waiting => "Waiting".to_owned(),
            // Of the parts of a model an artist need not know.
            Stage::Loading(_) => "Loading the model".to_owned(),
            Stage::Encoding(part) => format!("Reading the {part}"),
            Stage::Step { index, count } => match self.seconds_left() {
                Some(secs) if secs >= 1.0 => format!("Step {index} of {count} · {} left", duration(secs)),
                _ => format!("Step {index} of {count}"),
            },
            Stage::Decoding => "Finishing the picture".to_owned(),
        }
    }
}

/// Seconds as people say them.
pub fn duration(secs: f64) -> String {
    let whole = secs.max(0.0).round() as u64;
    match whole {
        0 => "under 1 s".to_owned(),
        1..=89 => format!("{whole} s"),
        90..=5399 => format!("{} min", (whole + 30) / 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}
