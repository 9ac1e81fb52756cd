//! Threads that compute step back for the one that paints.
//!
//! Linux shares the processors out among all threads alike, so that where a processor paints the window too, it would get the
//! smaller part while every core multiplies. Niceness is a thread's own there (setpriority(2), "C library/kernel
//! differences"). Elsewhere nothing is done: macOS and Windows prefer the window in front by themselves.

/// A tenth of the share of a thread of the usual niceness, 0, while both want the same core; all of it otherwise. Less would
/// let any other busy program stop the picture.
#[cfg(target_os = "linux")]
const NICENESS: std::ffi::c_int = 10;

/// The calling thread, and those that it starts from now on, give way to all others.
#[cfg(target_os = "linux")]
pub fn step_back() {
    use std::ffi::{c_int, c_uint};
    const PRIO_PROCESS: c_int = 0;
    const THIS_THREAD: c_uint = 0;
    // SAFETY: this is how the C library that std is linked with declares it, by numbers alone.
    unsafe extern "C" {
        safe fn setpriority(which: c_int, who: c_uint, niceness: c_int) -> c_int;
    }
    // Never refused where the niceness grows; and a thread that keeps its priority still computes.
    let _ = setpriority(PRIO_PROCESS, THIS_THREAD, NICENESS);
}

/// The calling thread, and those that it starts from now on, give way to all others.
#[cfg(not(target_os = "linux"))]
pub fn step_back() {}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn niceness() -> i32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        // The 19th field; the second one is a name in brackets.
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(16).unwrap().parse().unwrap()
    }

    #[test]
    fn a_thread_steps_back_with_its_children_and_nobody_else() {
        let before = niceness();
        let (own, child) = std::thread::spawn(|| {
            step_back();
            (niceness(), std::thread::spawn(niceness).join().unwrap())
        })
        .join()
        .unwrap();
        assert!(own >= NICENESS && child == own, "{own}, {child}");
        assert_eq!(niceness(), before);
    }
}
