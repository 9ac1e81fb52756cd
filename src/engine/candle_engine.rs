//! The engine that computes.

use std::path::PathBuf;

use super::embedding_cache::EmbeddingCache;
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
        Self::start_with_cache(waker, None)
    }

    /// As [`CandleEngine::start`]; embeddings of pictures are kept in `folder`, which need not exist yet.
    ///
    /// # Errors
    /// A thread that does not start.
    pub fn start_with_cache(waker: Option<Waker>, folder: Option<PathBuf>) -> Result<Self, EngineError> {
        let embeddings = EmbeddingCache::in_folder(folder);
        Ok(Self { worker: Worker::start(Candle { session: None, embeddings }, waker)? })
    }
}

impl Engine for CandleEngine {
    fn submit(&self, spec: JobSpec) -> Result<JobHandle, EngineError> {
        self.worker.submit(spec)
    }
}

struct Candle {
    session: Option<Session>,
    embeddings: EmbeddingCache,
}

impl Runner for Candle {
    fn run(
        &mut self,
        spec: &JobSpec,
        cancel: &CancelToken,
        say: &mut dyn FnMut(JobEvent),
    ) -> Result<Finished, EngineError> {
        let asks = || cancel.is_cancelled();
        let mut context = JobContext { say, cancel: Cancel::new(&asks), embeddings: &self.embeddings };
        pipeline::run(&mut self.session, spec, &mut context)
    }

    fn forget(&mut self) {
        self.session = None;
    }
}
