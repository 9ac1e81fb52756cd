//! Where the time of a forward pass goes: operations report themselves while someone measures.
//!
//! One counter for the whole process, because an operation does not know whose forward it belongs to; off, it costs one
//! load of a flag.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// All calls of one operation on one shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Such as "attention".
    pub op: &'static str,
    /// For people, such as "2 x 4096 x 640".
    pub shape: String,
    pub calls: u64,
    pub seconds: f64,
    /// Multiplications and additions of all calls together, each counted as one.
    pub flops: f64,
}

static ON: AtomicBool = AtomicBool::new(false);
static TALLY: Mutex<BTreeMap<(&'static str, String), Part>> = Mutex::new(BTreeMap::new());

thread_local! {
    /// An operation inside another counts for the outer one.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

fn tally() -> MutexGuard<'static, BTreeMap<(&'static str, String), Part>> {
    TALLY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts from here on, from zero.
pub fn start() {
    tally().clear();
    ON.store(true, Ordering::Relaxed);
}

/// Stops counting; the most expensive part comes first.
pub fn finish() -> Vec<Part> {
    ON.store(false, Ordering::Relaxed);
    let mut parts: Vec<Part> = std::mem::take(&mut *tally()).into_values().collect();
    parts.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    parts
}

/// Does `work`, and counts it under `op` while someone measures. `about` gives its shape and its multiplications and
/// additions.
pub fn measured<T>(op: &'static str, about: impl FnOnce() -> (String, f64), work: impl FnOnce() -> T) -> T {
    if !ON.load(Ordering::Relaxed) || INSIDE.replace(true) {
        return work();
    }
    let begun = Instant::now();
    let out = work();
    let seconds = begun.elapsed().as_secs_f64();
    INSIDE.set(false);
    let (shape, flops) = about();
    let mut tally = tally();
    let part = tally.entry((op, shape.clone())).or_insert(Part { op, shape, calls: 0, seconds: 0.0, flops: 0.0 });
    part.calls += 1;
    part.seconds += seconds;
    part.flops += flops;
    out
}

/// `[2, 4096, 640]` as "2 x 4096 x 640".
pub fn shape_words(dims: &[usize]) -> String {
    dims.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // One test, because the counter belongs to the whole process.
    #[test]
    fn calls_are_added_up_by_operation_and_shape_and_only_while_measured() {
        let about = |n: usize| move || (shape_words(&[n, 4]), n as f64);
        measured("meter test", about(9), || ());
        start();
        for n in [2, 3, 2] {
            // The inner one belongs to the outer one.
            let out = measured("meter test", about(n), || measured("meter test inside", about(n), || n));
            assert_eq!(out, n);
        }
        let parts: Vec<Part> = finish().into_iter().filter(|part| part.op.starts_with("meter test")).collect();
        assert_eq!(parts.len(), 2, "{parts:?}");
        let of_two = parts.iter().find(|part| part.shape == "2 x 4").unwrap();
        assert_eq!((of_two.calls, of_two.flops), (2, 4.0));
        measured("meter test", about(2), || ());
        assert!(finish().iter().all(|part| part.op != "meter test"));
    }
}
