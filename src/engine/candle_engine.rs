//! The engine that computes.

use std::path::PathBuf;

use super::embedding_cache::EmbeddingCache;
use super::pipeline::Session;
use super::together::{self, Together};
use super::worker::{Runner, Worker};
use super::{CancelToken, Engine, EngineError, Finished, JobEvent, JobHandle, JobSpec, Waker};

/// Runs jobs in their order on threads of its own, small ones several at once, and keeps the last model open between them.
pub struct CandleEngine {
    worker: Worker,
}

impl CandleEngine {
    /// Starts the thread; `waker` is called after every event of every job. Where there is one, a window waits for it, and the
    /// threads that compute leave that window its share of the processor.
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
        let mut results = self.run_together(&[(spec, cancel)], &mut |_, event| say(event));
        results.pop().unwrap_or(Err(EngineError::Cancelled))
    }

    fn most_together(&self, spec: &JobSpec) -> usize {
        together::most_together(self.session.as_ref(), spec)
    }

    fn run_together(
        &mut self,
        jobs: &[(&JobSpec, &CancelToken)],
        say: &mut dyn FnMut(usize, JobEvent),
    ) -> Vec<Result<Finished, EngineError>> {
        let asks: Vec<_> = jobs.iter().map(|(_, cancel)| move || cancel.is_cancelled()).collect();
        let jobs = jobs.iter().zip(&asks).map(|((spec, _), is_cancelled)| Together { spec, is_cancelled });
        together::run(&mut self.session, &jobs.collect::<Vec<_>>(), say, &self.embeddings)
    }

    fn forget(&mut self) {
        self.session = None;
    }
}
