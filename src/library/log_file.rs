//! What happened, for those who look into a fault: two files in `logs/`, each of bounded size.
//!
//! What an artist writes or draws is never logged: no prompts, no words to subtract, no pictures. Lines come from this
//! program only, not from the libraries below it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// Asks for a log where there is no window: `INSTANTSTYLE_LOG=1`.
pub const LOG_VARIABLE: &str = "INSTANTSTYLE_LOG";

const NEW: &str = "instantstyle.log";
const OLD: &str = "instantstyle.old.log";
/// A file of this size is put aside, over the one before.
const LARGEST: u64 = 1 << 20;

/// Writes to `logs/instantstyle.log` in `home` from now on; a second call changes nothing. A log that cannot be written
/// is done without.
pub fn start_log(home: &Path) {
    static STARTED: AtomicBool = AtomicBool::new(false);
    if STARTED.swap(true, Ordering::Relaxed) {
        return;
    }
    let Ok(log) = LogFile::open(&home.join("logs"), LARGEST) else { return };
    let own_lines = tracing_subscriber::fmt()
        .with_writer(Shared(Arc::new(Mutex::new(log))))
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .with_target(false)
        .finish();
    drop(tracing::subscriber::set_global_default(OwnLines(own_lines)));
    // A panic's own line, before whoever catches it says what it means for the artist.
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(
            "a panic in the thread '{thread}' at {}: {}",
            short(&place),
            panic.payload_as_str().unwrap_or("no reason given")
        );
        before(panic);
    }));
}

/// Where in the sources, without the folders of the machine that built it.
fn short(place: &str) -> &str {
    let from =
        place.find("/src/").and_then(|at| place.get(..at)).and_then(|head| head.rfind('/')).map_or(0, |at| at + 1);
    place.get(from..).unwrap_or(place)
}

/// A file that puts itself aside when it is full.
struct LogFile {
    folder: PathBuf,
    file: File,
    written: u64,
    largest: u64,
}

impl LogFile {
    fn open(folder: &Path, largest: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = File::options().create(true).append(true).open(folder.join(NEW))?;
        let written = file.metadata()?.len();
        Ok(Self { folder: folder.to_owned(), file, written, largest })
    }

    fn turn_over(&mut self) -> io::Result<()> {
        fs::rename(self.folder.join(NEW), self.folder.join(OLD))?;
        self.file = File::options().create(true).append(true).open(self.folder.join(NEW))?;
        self.written = 0;
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A line longer than a whole file is cut.
        let bytes = bytes.get(..bytes.len().min(self.largest as usize)).unwrap_or(bytes);
        if self.written + bytes.len() as u64 > self.largest {
            self.turn_over()?;
        }
        let written = self.file.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[derive(Clone)]
struct Shared(Arc<Mutex<LogFile>>);

impl<'a> MakeWriter<'a> for Shared {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// Lets through what this crate says; libraries may say more than is anyone's business.
struct OwnLines<S>(S);

impl<S: tracing::Subscriber> tracing::Subscriber for OwnLines<S> {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("instantstyle") && self.0.enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        self.0.max_level_hint()
    }

    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        self.0.new_span(span)
    }

    fn record(&self, span: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        self.0.record(span, values);
    }

    fn record_follows_from(&self, span: &tracing::span::Id, follows: &tracing::span::Id) {
        self.0.record_follows_from(span, follows);
    }

    fn event(&self, event: &tracing::Event<'_>) {
        self.0.event(event);
    }

    fn enter(&self, span: &tracing::span::Id) {
        self.0.enter(span);
    }

    fn exit(&self, span: &tracing::span::Id) {
        self.0.exit(span);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn two_files_of_bounded_size_hold_the_newest_lines() {
        let folder = tempfile::tempdir().unwrap();
        for start in 0..3 {
            let mut log = LogFile::open(folder.path(), 100).unwrap();
            for line in 0..40 {
                log.write_all(format!("start {start}, line {line:02}\n").as_bytes()).unwrap();
            }
        }
        let read = |name| fs::read_to_string(folder.path().join(name)).unwrap();
        let (new, old) = (read(NEW), read(OLD));
        assert!(new.len() <= 100 && old.len() <= 100 && old.len() > 50);
        assert!(new.ends_with("start 2, line 39\n"), "{new}");
        assert!(old.contains("start 2") && fs::read_dir(folder.path()).unwrap().count() == 2);
    }

    #[test]
    fn places_are_shown_without_the_machine_s_folders() {
        assert_eq!(short("/home/someone/.cargo/registry/png-0.18/src/decode.rs:7:1"), "png-0.18/src/decode.rs:7:1");
        assert_eq!(short("src/app/state.rs:7:1"), "src/app/state.rs:7:1");
    }
}
