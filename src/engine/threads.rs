//! The threads that compute.
//!
//! A parallel operation that is begun on a thread of rayon's pool begins there at once, and the others help if they come in
//! time; begun anywhere else it is handed over and waited for. And a thread that has gone to sleep comes too late: most
//! operations of a small model are done before it has woken.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The most threads that are kept awake: more would get into each other's way, and large operations wake the others.
const MOST_AWAKE: usize = 7;
/// Looks for work in vain before a thread lets others of the machine go first, each time.
const PATIENCE: u32 = 64;
/// Work that takes longer than this has operations that are worth waking for, and the machine has other things to do.
const LONG: Duration = Duration::from_millis(100);

/// Runs `work` on a thread of a pool of its own, of the global one's size: what else the program does in parallel neither
/// waits for it nor holds it up.
pub(super) fn in_own_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let threads = rayon::ThreadPoolBuilder::new().thread_name(|i| format!("engine-{i}"));
    match threads.build() {
        Ok(pool) => pool.install(work),
        // Threads are short: the global ones do it too, only slower.
        Err(_) => work(),
    }
}

thread_local! {
    /// This thread waits for `work` of [`awake`], or does it.
    static IS_TAKEN: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, and keeps the other threads of this thread's pool awake meanwhile, as long as it is short. Elsewhere it only
/// runs it.
pub(super) fn awake<T>(work: impl FnOnce() -> T) -> T {
    if rayon::current_thread_index().is_none() || IS_TAKEN.replace(true) {
        return work();
    }
    let is_done = AtomicBool::new(false);
    let begun = Instant::now();
    rayon::in_place_scope(|scope| {
        // One for each thread, which takes its own before it looks elsewhere: of jobs for all, the first would take the rest.
        scope.spawn_broadcast(|_, thread| {
            if thread.index() <= MOST_AWAKE {
                look_for_work(&is_done, begun);
            }
        });
        // Set on a panic too: the scope waits for the others before it passes that on.
        let _end = AtEnd(&is_done);
        work()
    })
}

struct AtEnd<'a>(&'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
        IS_TAKEN.set(false);
    }
}

/// Does what there is to be done until `is_done`, or until the work turns out to be long. A thread that does so already, or
/// whose work all this is for, would wait for itself: rayon hands it this as well when it looks for something to do.
fn look_for_work(is_done: &AtomicBool, begun: Instant) {
    if IS_TAKEN.replace(true) {
        return;
    }
    let mut in_vain = 0u32;
    while !is_done.load(Ordering::Acquire) {
        if rayon::yield_now() == Some(rayon::Yield::Executed) {
            in_vain = 0;
            continue;
        }
        in_vain = in_vain.wrapping_add(1);
        if !in_vain.is_multiple_of(PATIENCE) {
            std::hint::spin_loop();
        } else if begun.elapsed() < LONG {
            std::thread::yield_now();
        } else {
            break;
        }
    }
    IS_TAKEN.set(false);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn work_is_done_in_a_pool_of_the_same_size() {
        assert!(rayon::current_thread_index().is_none());
        let (index, threads) = in_own_pool(|| (rayon::current_thread_index(), rayon::current_num_threads()));
        assert!(index.is_some());
        assert_eq!(threads, rayon::current_num_threads());
    }

    /// With fewer and with more threads than there are cores; parallel parts in parallel parts, in which threads look for
    /// work of each other.
    #[test]
    fn parallel_work_ends_among_threads_that_are_kept_awake() {
        let sum = || (0..200usize).into_par_iter().map(|i| (0..i).into_par_iter().with_max_len(1).sum::<usize>()).sum();
        let wanted: usize = (0..200usize).map(|i| (0..i).sum::<usize>()).sum();
        for threads in [1, 2, 3, 12] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found: Vec<usize> = pool.install(|| (0..50).map(|_| awake(|| awake(sum))).collect());
            assert!(found.iter().all(|found| *found == wanted), "{threads} threads");
        }
        assert_eq!(awake(sum), wanted);
    }

    #[test]
    fn a_panic_lets_the_others_go() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        for _ in 0..3 {
            let run = || -> usize { pool.install(|| awake(|| panic!("on purpose"))) };
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
        }
        assert_eq!(pool.install(|| awake(|| 5)), 5);
    }
}
