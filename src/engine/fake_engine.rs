//! An engine that plays a script: for tests of what stands above the engine, without weights or waiting.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};

use super::worker::{Runner, Worker};
use super::{
    CancelToken, Engine, EngineError, Finished, JobEvent, JobHandle, JobSpec, LatentRgb, Latents, Preview, Step,
    Timings, Waker,
};

/// What the fake engine does with one job.
#[derive(Debug, Clone)]
pub enum Script {
    /// This many steps of this length, then a picture of one colour that follows from prompt and seed.
    Paint { steps: usize, step: Duration },
    /// The first of two steps at once; the second when this is set, however long that takes.
    Hold(Arc<AtomicBool>),
    /// Fails at once.
    Fail(EngineError),
    /// Panics in the middle of the job.
    Panic,
}

impl Default for Script {
    fn default() -> Self {
        Self::Paint { steps: 4, step: Duration::ZERO }
    }
}

/// Plays the scripts given to [`FakeEngine::next`], one a job, and paints when there is none.
pub struct FakeEngine {
    worker: Worker,
    scripts: Arc<Mutex<VecDeque<Script>>>,
    seen: Arc<Mutex<Vec<JobSpec>>>,
}

impl FakeEngine {
    pub fn start(waker: Option<Waker>) -> Result<Self, EngineError> {
        let scripts = Arc::<Mutex<VecDeque<Script>>>::default();
        let seen = Arc::<Mutex<Vec<JobSpec>>>::default();
        let player = Player { scripts: scripts.clone(), seen: seen.clone() };
        Ok(Self { worker: Worker::start(player, waker)?, scripts, seen })
    }

    /// Appends a script; each job takes one.
    pub fn next(&self, script: Script) {
        lock(&self.scripts).push_back(script);
    }

    /// The jobs that have begun, in order.
    pub fn seen(&self) -> Vec<JobSpec> {
        lock(&self.seen).clone()
    }
}

impl Engine for FakeEngine {
    fn submit(&self, spec: JobSpec) -> Result<JobHandle, EngineError> {
        self.worker.submit(spec)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

struct Player {
    scripts: Arc<Mutex<VecDeque<Script>>>,
    seen: Arc<Mutex<Vec<JobSpec>>>,
}

impl Runner for Player {
    fn run(
        &mut self,
        spec: &JobSpec,
        cancel: &CancelToken,
        say: &mut dyn FnMut(JobEvent),
    ) -> Result<Finished, EngineError> {
        lock(&self.seen).push(spec.clone());
        let script = lock(&self.scripts).pop_front().unwrap_or_default();
        match script {
            Script::Paint { steps, step } => paint(spec, cancel, say, steps, &|_, took| took >= step),
            Script::Hold(goes_on) => {
                paint(spec, cancel, say, 2, &|index, _| index == 1 || goes_on.load(Ordering::Relaxed))
            }
            Script::Fail(error) => Err(error),
            // The very thing that the worker must survive.
            #[allow(clippy::panic)]
            Script::Panic => panic!("the script says so"),
        }
    }

    fn forget(&mut self) {}
}

/// `is_over` is asked of a step's number, from 1, and how long it has taken so far.
fn paint(
    spec: &JobSpec,
    cancel: &CancelToken,
    say: &mut dyn FnMut(JobEvent),
    steps: usize,
    is_over: &dyn Fn(usize, Duration) -> bool,
) -> Result<Finished, EngineError> {
    let defaults = crate::recipe::ModelDefaults {
        scheduler: crate::recipe::SchedulerName::Euler,
        steps: u32::try_from(steps).unwrap_or(u32::MAX),
        guidance: 5.0,
        width: 64,
        height: 64,
    };
    let recipe = spec.recipe.resolved(&defaults, 0);
    recipe.validate()?;
    let seed = recipe.seed.unwrap_or_default();
    let hash = blake3::hash(format!("{}\0{seed}", recipe.prompt).as_bytes());
    let [red, green, blue, ..] = *hash.as_bytes();
    let (width, height) = (recipe.width.unwrap_or(64), recipe.height.unwrap_or(64));
    let size = ((width / 8) as usize, (height / 8) as usize);
    let unit = |byte: u8| f32::from(byte) / 127.5 - 1.0;
    let latents: Vec<f32> =
        [red, green, blue].into_iter().flat_map(|c| std::iter::repeat_n(unit(c), size.0 * size.1)).collect();
    let latents = Latents { channels: 3, height: size.1, width: size.0, values: latents };
    let identity = LatentRgb { factors: vec![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], bias: [0.0; 3] };
    let preview =
        Arc::new(Preview { latents: latents.clone(), factors: Some(Arc::new(identity)), pixels_per_latent: 8 });

    say(JobEvent::Encoding("prompt"));
    let mut step_secs = Vec::new();
    for index in 1..=steps {
        let began = Instant::now();
        while !is_over(index, began.elapsed()) {
            if cancel.is_cancelled() {
                return Err(EngineError::Cancelled);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if cancel.is_cancelled() {
            return Err(EngineError::Cancelled);
        }
        let seconds = began.elapsed().as_secs_f64();
        step_secs.push(seconds);
        say(JobEvent::Step(Step { index, count: steps, seconds, preview: preview.clone() }));
    }
    say(JobEvent::Decoding);
    let timings = Timings { sampling_secs: step_secs.iter().sum(), step_secs, ..Timings::default() };
    Ok(Finished {
        image: RgbImage::from_pixel(width, height, Rgb([red, green, blue])),
        recipe,
        latents,
        timings,
        notices: Vec::new(),
        device: "fake".to_owned(),
    })
}
