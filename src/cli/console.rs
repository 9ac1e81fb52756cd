//! What a person reads on stderr: progress, notices, the seed.
//!
//! Progress is for terminals only. Elsewhere notices wait for the end, so that an error stays the only line.

use std::io::{IsTerminal, Write};

use super::error::one_line;

/// Stderr, as a terminal or as a file.
#[derive(Debug)]
pub struct Console {
    is_terminal: bool,
    /// A progress line stands on the screen and is to be wiped before anything else is written.
    progress: bool,
    waiting: Vec<String>,
}

impl Console {
    pub fn stderr() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), progress: false, waiting: Vec::new() }
    }

    /// A line that is to be read: at once on a terminal, else when the work is done.
    pub fn line(&mut self, text: &str) {
        let text = one_line(text);
        if self.is_terminal {
            self.wipe();
            write_stderr(&format!("{text}\n"));
        } else {
            self.waiting.push(text);
        }
    }

    pub fn notice(&mut self, text: &str) {
        self.line(&format!("notice: {text}"));
    }

    /// Replaces the progress line.
    pub fn progress(&mut self, text: &str) {
        if self.is_terminal {
            write_stderr(&format!("\r\x1b[K{}", one_line(text)));
            self.progress = true;
        }
    }

    pub fn wipe(&mut self) {
        if std::mem::take(&mut self.progress) {
            write_stderr("\r\x1b[K");
        }
    }

    /// The work is done: writes what waits, and on a terminal `last`.
    pub fn done(mut self, last: &str) {
        self.wipe();
        for line in std::mem::take(&mut self.waiting) {
            write_stderr(&format!("{line}\n"));
        }
        if self.is_terminal {
            write_stderr(&format!("{}\n", one_line(last)));
        }
    }
}

impl Drop for Console {
    /// On an error the progress line makes room for the message.
    fn drop(&mut self) {
        self.wipe();
    }
}

/// A closed stderr is no reason to lose a picture.
pub fn write_stderr(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// A time as a person says it.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..=99 => format!("{whole} s"),
        100..=5999 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_words() {
        assert_eq!(duration(-1.0), "0 s");
        assert_eq!(duration(12.4), "12 s");
        assert_eq!(duration(125.0), "2 min 05 s");
        assert_eq!(duration(7300.0), "2 h 01 min");
    }
}
