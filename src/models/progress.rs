//! What a download says while it runs, and how fast it goes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far one file is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    pub done: u64,
    /// Unknown where neither the list nor the server tells.
    pub total: Option<u64>,
    /// Over the last seconds; 0 before there is a figure.
    pub bytes_per_second: f64,
    pub seconds_left: Option<f64>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Another process fetches the same model.
    Waiting,
    /// A file on this disk is read to learn what it is.
    Checking {
        file: String,
        progress: Progress,
    },
    /// A file that lies elsewhere on this disk is used.
    Reused {
        file: String,
        from: String,
    },
    Data {
        file: String,
        progress: Progress,
    },
    /// The connection failed and is tried again.
    Retrying {
        file: String,
        why: String,
        after: Duration,
    },
}

/// Speed over a sliding window, so that the time left follows the connection.
#[derive(Debug, Default)]
pub struct Pace {
    marks: VecDeque<(Instant, u64)>,
}

impl Pace {
    const WINDOW: Duration = Duration::from_secs(5);

    /// `done` bytes are there at `now`.
    pub fn mark(&mut self, now: Instant, done: u64, total: Option<u64>) -> Progress {
        self.marks.push_back((now, done));
        while self.marks.len() > 2
            && self.marks.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > Self::WINDOW)
        {
            self.marks.pop_front();
        }
        let (at, before) = self.marks.front().copied().unwrap_or((now, done));
        let seconds = now.saturating_duration_since(at).as_secs_f64();
        let bytes_per_second = if seconds > 0.0 { done.saturating_sub(before) as f64 / seconds } else { 0.0 };
        let left = total.map(|total| total.saturating_sub(done) as f64);
        let seconds_left = left.filter(|_| bytes_per_second > 0.0).map(|left| left / bytes_per_second);
        Progress { done, total, bytes_per_second, seconds_left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut pace = Pace::default();
        assert_eq!(pace.mark(at(0), 0, Some(1000)).seconds_left, None);
        let now = pace.mark(at(2), 200, Some(1000));
        assert_eq!((now.bytes_per_second, now.seconds_left), (100.0, Some(8.0)));
        // A standstill of a minute, then slowly: the fast beginning is forgotten.
        pace.mark(at(62), 200, Some(1000));
        pace.mark(at(63), 210, Some(1000));
        let now = pace.mark(at(64), 220, Some(1000));
        assert_eq!((now.bytes_per_second, now.seconds_left), (10.0, Some(78.0)));
        assert_eq!(pace.mark(at(65), 230, None).seconds_left, None);
    }
}
