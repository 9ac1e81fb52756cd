//! The engine as others see it: jobs in, events out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Receiver;

use super::{EngineError, JobEvent, JobSpec};

/// Something that turns jobs into pictures on a thread of its own.
pub trait Engine: Send {
    /// Queues a job. Fails only when the queue is full or the engine has stopped.
    fn submit(&self, spec: JobSpec) -> Result<JobHandle, EngineError>;
}

/// A submitted job: its events, and the way to stop it. Dropping the handle does not stop the job.
#[derive(Debug)]
pub struct JobHandle {
    pub id: u64,
    /// Ends (disconnects) after `Finished`, `Failed` or `Cancelled`.
    pub events: Receiver<JobEvent>,
    pub cancel: CancelToken,
}

/// Stops a job: read between steps, between the blocks of a network and between the tensors of one that is read.
#[derive(Debug, Clone, Default)]
pub struct CancelToken {
    own: Arc<AtomicBool>,
    /// Another token that stops this one too.
    other: Option<Arc<AtomicBool>>,
}

impl CancelToken {
    pub fn cancel(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.own.load(Ordering::Relaxed) || self.other.as_ref().is_some_and(|other| other.load(Ordering::Relaxed))
    }

    /// A token that is cancelled when this one or `other` is.
    pub(super) fn joined(&self, other: &Self) -> Self {
        Self { own: self.own.clone(), other: Some(other.own.clone()) }
    }
}
