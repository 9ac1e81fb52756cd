//! The engine's thread: jobs in, events out, both through bounded channels.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::threads::in_own_pool;
use super::together::go_together;
use super::{CancelToken, EngineError, JobEvent, JobHandle, JobSpec, Step};
use crate::kernels::priority;

/// Called after every event, so that a sleeping window wakes up.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Jobs that may wait; a window never has more cells than this on a board.
const QUEUED_JOBS: usize = 256;
/// A job says less than this beside its steps, and steps leave room, so that a reader who sleeps never stops the engine.
const EVENTS: usize = 64;
/// With more unread events than this, a step waits and only the newest one is kept.
const UNREAD_BEFORE_DROPPING: usize = 8;

struct QueuedJob {
    spec: JobSpec,
    cancel: CancelToken,
    events: EventSender,
}

/// What runs on the thread: makes one picture, saying on the way what it does.
pub trait Runner: Send {
    fn run(
        &mut self,
        spec: &JobSpec,
        cancel: &CancelToken,
        say: &mut dyn FnMut(JobEvent),
    ) -> Result<super::Finished, EngineError>;

    /// How many jobs like this one may be run together; 1 where that is of no use.
    fn most_together(&self, _spec: &JobSpec) -> usize {
        1
    }

    /// Makes several pictures, which [`go_together`]; what is said comes with the job's place.
    fn run_together(
        &mut self,
        jobs: &[(&JobSpec, &CancelToken)],
        say: &mut dyn FnMut(usize, JobEvent),
    ) -> Vec<Result<super::Finished, EngineError>> {
        let one = |(place, (spec, cancel)): (usize, &(&JobSpec, &CancelToken))| {
            self.run(spec, cancel, &mut |event| say(place, event))
        };
        jobs.iter().enumerate().map(one).collect()
    }

    /// Called after a panic: whatever the runner holds may be half-made.
    fn forget(&mut self);
}

/// The named thread and the way to it. Dropping it lets the job at work stop at its next block and waits for the thread.
pub struct Worker {
    jobs: Option<Sender<QueuedJob>>,
    thread: Option<JoinHandle<()>>,
    next_id: AtomicU64,
    waker: Option<Waker>,
    stop: CancelToken,
}

impl Worker {
    /// Where a window waits for what is said, the threads that compute leave it its share of the processor.
    pub fn start(mut runner: impl Runner + 'static, waker: Option<Waker>) -> Result<Self, EngineError> {
        let (sender, receiver) = bounded::<QueuedJob>(QUEUED_JOBS);
        let stop = CancelToken::default();
        let (stopped, has_window) = (stop.clone(), waker.is_some());
        let thread = std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || {
                if has_window {
                    // Before its pool is made, whose threads are like it.
                    priority::step_back();
                }
                in_own_pool(|| work(&receiver, &mut runner, &stopped));
            })
            .map_err(|error| EngineError::Compute(format!("the engine's thread does not start ({error})")))?;
        Ok(Self { jobs: Some(sender), thread: Some(thread), next_id: AtomicU64::new(1), waker, stop })
    }

    pub fn submit(&self, spec: JobSpec) -> Result<JobHandle, EngineError> {
        let (sender, receiver) = bounded(EVENTS);
        let mut events = EventSender { sender, waiting: None, waker: self.waker.clone() };
        let cancel = CancelToken::default();
        events.send(JobEvent::Queued);
        let job = QueuedJob { spec, cancel: cancel.clone(), events };
        let jobs = self.jobs.as_ref().ok_or_else(|| EngineError::Compute("the engine has stopped".to_owned()))?;
        match jobs.try_send(job) {
            Ok(()) => {
                let id = self.next_id.fetch_add(1, Ordering::Relaxed);
                Ok(JobHandle { id, events: receiver, cancel })
            }
            Err(TrySendError::Full(_)) => Err(EngineError::Input(format!(
                "{QUEUED_JOBS} pictures are waiting already; cancel some or wait until one is done"
            ))),
            Err(TrySendError::Disconnected(_)) => Err(EngineError::Compute("the engine has stopped".to_owned())),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.cancel();
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // The thread catches panics, so a failure to join has nothing more to tell.
            drop(thread.join());
        }
    }
}

fn work(jobs: &Receiver<QueuedJob>, runner: &mut impl Runner, stop: &CancelToken) {
    let mut left: Option<QueuedJob> = None;
    while let Some(first) = left.take().or_else(|| jobs.recv().ok()) {
        // Where the question fails, the job itself tells why.
        let most = catch_unwind(AssertUnwindSafe(|| runner.most_together(&first.spec))).unwrap_or(1);
        let mut together = vec![first];
        // Those that wait already, in their order, as far as they go with the first.
        while together.len() < most
            && let Ok(next) = jobs.try_recv()
        {
            match together.first().is_some_and(|first| go_together(&first.spec, &next.spec)) {
                true => together.push(next),
                false => {
                    left = Some(next);
                    break;
                }
            }
        }
        run(together, runner, stop);
    }
}

fn run(mut jobs: Vec<QueuedJob>, runner: &mut impl Runner, stop: &CancelToken) {
    jobs.retain_mut(|job| {
        let is_cancelled = stop.is_cancelled() || job.cancel.is_cancelled();
        if is_cancelled {
            job.events.send(JobEvent::Cancelled);
        }
        !is_cancelled
    });
    let (asked, mut events): (Vec<_>, Vec<_>) =
        jobs.into_iter().map(|job| ((job.spec, job.cancel.joined(stop)), job.events)).unzip();
    let asked: Vec<(&JobSpec, &CancelToken)> = asked.iter().map(|(spec, cancel)| (spec, cancel)).collect();
    let ran = catch_unwind(AssertUnwindSafe(|| {
        runner.run_together(&asked, &mut |place, event| {
            if let Some(events) = events.get_mut(place) {
                events.send(event);
            }
        })
    }));
    let results = ran.unwrap_or_else(|payload| {
        runner.forget();
        let error = EngineError::Panicked(panic_text(payload.as_ref()));
        asked.iter().map(|_| Err(error.clone())).collect()
    });
    for (mut events, result) in events.into_iter().zip(results) {
        events.send(match result {
            Ok(finished) => JobEvent::Finished(Box::new(finished)),
            Err(EngineError::Cancelled) => JobEvent::Cancelled,
            Err(error) => JobEvent::Failed(error),
        });
    }
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    text.and_then(|text| text.lines().next()).unwrap_or("no reason given").to_owned()
}

/// One job's end of its channel. Steps never wait for the reader: the newest one is held back until there is room.
struct EventSender {
    sender: Sender<JobEvent>,
    waiting: Option<Step>,
    waker: Option<Waker>,
}

impl EventSender {
    fn send(&mut self, event: JobEvent) {
        match event {
            JobEvent::Step(step) if self.sender.len() > UNREAD_BEFORE_DROPPING => self.waiting = Some(step),
            event => {
                // A newer step replaces one held back; anything else comes after it.
                let held = self.waiting.take().filter(|_| !matches!(event, JobEvent::Step(_)));
                for event in held.map(JobEvent::Step).into_iter().chain([event]) {
                    // Fails when nobody listens any more, or if the reader sleeps through more than a job ever says.
                    drop(self.sender.try_send(event));
                }
            }
        }
        if let Some(waker) = &self.waker {
            waker();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::{Compute, ModelPaths};
    use super::*;
    use crate::recipe::Recipe;

    /// A runner that not even the question before a job leaves alive.
    struct Broken;

    impl Runner for Broken {
        fn run(
            &mut self,
            _: &JobSpec,
            _: &CancelToken,
            _: &mut dyn FnMut(JobEvent),
        ) -> Result<super::super::Finished, EngineError> {
            Err(EngineError::Cancelled)
        }

        fn most_together(&self, _: &JobSpec) -> usize {
            panic!("no number")
        }

        fn forget(&mut self) {}
    }

    #[test]
    fn a_panic_before_a_job_leaves_the_thread_alive() {
        let worker = Worker::start(Broken, None).unwrap();
        for _ in 0..2 {
            let spec = JobSpec {
                recipe: Arc::new(Recipe::default()),
                references: Vec::new(),
                init: None,
                model: ModelPaths::default(),
                compute: Compute::default(),
            };
            let handle = worker.submit(spec).unwrap();
            assert!(matches!(handle.events.iter().last(), Some(JobEvent::Cancelled)));
        }
    }
}
