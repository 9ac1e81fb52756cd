//! The engine that computes.

use super::pipeline::{self, JobContext, Session};
use super::worker::{Runner, Worker};
use super::{CancelToken, Engine, EngineError, Finished, JobEvent, JobHandle, JobSpec, Waker};
use crate::nn::cancel::Cancel;

/// Runs jobs one after the other on a thread named `engine`, and keeps the last model open between them.
pub struct CandleEngine {
    worker: Worker,
}

impl CandleEngine {
    /// Starts the thread; `waker` is called after every event of every job.
    pub fn start(waker: Option<Waker>) -> Result<Self, EngineError> {
        Ok(Self { worker: Worker::start(Candle { session: None }, waker)? })
    }
}

impl Engine for CandleEngine {
    fn submit(&self, spec: JobSpec) -> Result<JobHandle, EngineError> {
        self.worker.submit(spec)
    }
}

struct Candle {
    session: Option<Session>,
}

impl Runner for Candle {
    fn run(
        &mut self,
        spec: &JobSpec,
        cancel: &CancelToken,
        say: &mut dyn FnMut(JobEvent),
    ) -> Result<Finished, EngineError> {
        let asks = || cancel.is_cancelled();
        pipeline::run(&mut self.session, spec, &mut JobContext { say, cancel: Cancel::new(&asks) })
    }

    fn forget(&mut self) {
        self.session = None;
    }
}
