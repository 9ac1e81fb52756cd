//! Cancelled jobs, one after the other: alone in its process, because it reads how much memory that holds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::{finished, job, recipe, reference};
use instantstyle::engine::{CandleEngine, Engine, JobEvent};
use instantstyle::recipe::Recipe;

/// Resident memory in bytes; None where the system does not say.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[test]
fn cancelled_jobs_leave_the_worker_healthy_and_memory_flat() {
    let engine = CandleEngine::start(None).unwrap();
    let endless = Recipe { steps: Some(900), width: Some(128), height: Some(128), ..recipe(vec![reference()]) };
    let before_first = finished(&engine, job(recipe(vec![reference()]))).image;
    let cancel_one = || {
        let handle = engine.submit(job(endless.clone())).unwrap();
        let step = handle.events.iter().find(|event| matches!(event, JobEvent::Step(_)));
        assert!(step.is_some(), "the job ended before its first step");
        handle.cancel.cancel();
        let asked = Instant::now();
        let last = handle.events.iter().last();
        assert!(matches!(last, Some(JobEvent::Cancelled)), "{last:?}");
        asked.elapsed()
    };
    // A thread keeps the largest block that it needed; it takes a few jobs until each has had one.
    for _ in 0..5 {
        cancel_one();
    }
    let before = resident();
    for _ in 0..10 {
        // A whole job takes minutes; that it stops at the next block is shown above, block by block.
        assert!(cancel_one() < Duration::from_secs(20));
    }
    if let (Some(before), Some(after)) = (before, resident()) {
        let grown = after.saturating_sub(before);
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
        assert!(grown < (32 << 20) + threads * (2 << 20), "resident memory grew by {} MiB", grown >> 20);
    }
    assert_eq!(finished(&engine, job(recipe(vec![reference()]))).image, before_first);
}
