//! One file from the network: resumed where it stopped, checked as it comes, under its name only when it is whole.
//!
//! HTTP: RFC 9110 (range requests, conditional by `If-Range`). What servers get wrong and clients then corrupt:
//! Content-Range that begins elsewhere, a 200 in answer to a range, a 416 for a file that changed.

use std::path::Path;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use super::error::size;
use super::http::{self, Get, Head, Hub, Message, Trouble};
use super::part::{Origin, PartFile};
use super::progress::{Event, Pace, Progress};
use super::{ModelFile, ModelsError};

/// How long to wait for the network, and how often to try.
#[derive(Debug, Clone)]
pub struct Patience {
    /// A connection that says nothing for so long is given up.
    pub silence: Duration,
    /// A connection that brings less than `least` bytes in this time is given up.
    pub window: Duration,
    pub least: u64,
    /// Tries in a row that bring nothing.
    pub tries: u32,
    /// Pause after the first failure; it doubles up to a minute.
    pub pause: Duration,
    /// Free bytes of the disk that a folder lies on.
    pub free_space: fn(&Path) -> std::io::Result<u64>,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(30),
            window: Duration::from_secs(60),
            least: 64 << 10,
            tries: 5,
            pause: Duration::from_secs(1),
            free_space: |folder| fs4::available_space(folder),
        }
    }
}

/// Where a file comes from and what it must be.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    pub address: String,
    pub file: &'a ModelFile,
}

/// How often the caller is asked whether to go on.
const TICK: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Fetches `source` to `target`, whose folder must exist. The caller sees to it that nobody else writes there.
///
/// `say` hears what happens; `cancelled` is asked many times a second. On an error or a cancel the bytes so far stay
/// in `NAME.part`, and the next call goes on from there; bytes that are known to be wrong are removed.
///
/// # Errors
/// See [`ModelsError`]. Nothing lies under the name of `target` then.
pub fn download(
    hub: &Hub,
    source: &Source,
    target: &Path,
    patience: &Patience,
    say: &mut dyn FnMut(Event),
    cancelled: &dyn Fn() -> bool,
) -> Result<(), ModelsError> {
    let name = source.file.name().to_owned();
    let mut job = Job { hub, source, target, patience, say, cancelled, name, pace: Pace::default() };
    let mut part = job.open_part()?;
    let (mut failures, mut high) = (0, part.len());
    // What is there is thrown away for one request only: later ones go on from what that one brought.
    let (mut from_scratch, mut has_restarted) = (false, false);
    loop {
        match job.attempt(&mut part, std::mem::take(&mut from_scratch))? {
            Attempt::Whole => return job.finish(part),
            // The server says that what is there cannot be continued; said twice, it is broken.
            Attempt::StartAgain if !has_restarted => (from_scratch, has_restarted, high) = (true, true, 0),
            Attempt::StartAgain => {
                let why = "the server refuses to send what it is asked for".to_owned();
                return Err(ModelsError::Interrupted { file: job.name, why });
            }
            Attempt::Failed { host, why, after } => {
                if part.len() > high {
                    (failures, high) = (0, part.len());
                }
                failures += 1;
                if failures >= patience.tries {
                    return Err(match part.len() {
                        0 => ModelsError::Unreachable { host, why },
                        _ => ModelsError::Interrupted { file: job.name, why },
                    });
                }
                let doubled = patience.pause.saturating_mul(1 << (failures - 1).min(10));
                job.pause(why, after.unwrap_or(doubled).min(LONGEST_PAUSE))?;
            }
        }
    }
}

enum Attempt {
    Whole,
    /// Ask again, for everything.
    StartAgain,
    Failed {
        host: String,
        why: String,
        after: Option<Duration>,
    },
}

struct Job<'a> {
    hub: &'a Hub,
    source: &'a Source<'a>,
    target: &'a Path,
    patience: &'a Patience,
    say: &'a mut dyn FnMut(Event),
    cancelled: &'a dyn Fn() -> bool,
    name: String,
    pace: Pace,
}

impl Job<'_> {
    fn open_part(&mut self) -> Result<PartFile, ModelsError> {
        let (name, total, cancelled) = (&self.name, self.source.file.bytes, self.cancelled);
        let (say, pace) = (&mut self.say, &mut self.pace);
        let mut look = |done| {
            if done > 0 {
                say(Event::Checking { file: name.clone(), progress: pace.mark(Instant::now(), done, total) });
            }
            !cancelled()
        };
        let opened = PartFile::open(self.target, &mut look).map_err(|error| self.cannot_write(&error))?;
        self.pace = Pace::default();
        let mut part = opened.ok_or(ModelsError::Cancelled)?;
        let wanted = self.source.file;
        // The bytes of another revision, or more of them than there can be.
        let differs = wanted.sha256.is_some() && part.origin.sha256.is_some() && part.origin.sha256 != wanted.sha256;
        if differs || wanted.bytes.is_some_and(|bytes| part.len() > bytes) {
            part.restart(Origin::default()).map_err(|error| self.cannot_write(&error))?;
        }
        Ok(part)
    }

    /// One request and its body.
    fn attempt(&mut self, part: &mut PartFile, from_scratch: bool) -> Result<Attempt, ModelsError> {
        if from_scratch {
            part.restart(Origin::default()).map_err(|error| self.cannot_write(&error))?;
        }
        let same_server = part.origin.address == self.source.address;
        let told = part.origin.etag.is_some() || part.origin.sha256.is_some();
        // Without a checksum or a tag nobody could tell a new version from the old one.
        if part.len() > 0 && self.source.file.sha256.is_none() && !(same_server && told) {
            part.restart(Origin::default()).map_err(|error| self.cannot_write(&error))?;
        }
        let known_total = self.source.file.bytes.or(part.origin.total);
        if part.len() > 0 && known_total == Some(part.len()) {
            return Ok(Attempt::Whole);
        }
        let get = Get {
            address: self.source.address.clone(),
            from: part.len(),
            if_range: part.origin.etag.clone().filter(|_| same_server),
        };
        let messages = http::start(self.hub, &get, &self.name, self.patience.silence);
        let (mut host, mut total) = (http::host_of(&get.address), None);
        let mut heard = Instant::now();
        let mut mark = (heard, part.len());
        let lost = |host: &str, why: &str| Attempt::Failed { host: host.to_owned(), why: why.to_owned(), after: None };
        loop {
            if (self.cancelled)() {
                return Err(ModelsError::Cancelled);
            }
            let message = messages.recv_timeout(TICK);
            let now = Instant::now();
            match message {
                Ok(Message::Head(head)) => {
                    host.clone_from(&head.host);
                    match self.judge(part, &head)? {
                        Verdict::Body(whole) => total = whole,
                        Verdict::Otherwise(attempt) => return Ok(attempt),
                    }
                    mark = (now, part.len());
                }
                Ok(Message::Data(data)) => {
                    if let Some(total) = total.filter(|total| part.len() + data.len() as u64 > *total) {
                        let found = part.len() + data.len() as u64;
                        return Err(self.wrong_length(&host, total, found));
                    }
                    part.append(&data).map_err(|error| self.cannot_write(&error))?;
                    let progress = self.pace.mark(now, part.len(), total);
                    (self.say)(Event::Data { file: self.name.clone(), progress });
                }
                Ok(Message::End) if total.is_none_or(|total| total == part.len()) => return Ok(Attempt::Whole),
                Ok(Message::End) => return Ok(lost(&host, "the connection ended early")),
                Ok(Message::Trouble(Trouble::Passing { host, why })) => {
                    return Ok(Attempt::Failed { host, why, after: None });
                }
                Ok(Message::Trouble(Trouble::Final(error))) => return Err(error),
                Err(RecvTimeoutError::Disconnected) => return Ok(lost(&host, "the connection broke")),
                Err(RecvTimeoutError::Timeout) => {
                    // Resolving a name may hang beyond every timeout.
                    if now.saturating_duration_since(heard) > self.patience.silence.saturating_mul(2) {
                        return Ok(lost(&host, "the server is silent for too long"));
                    }
                    continue;
                }
            }
            heard = now;
            if now.saturating_duration_since(mark.0) > self.patience.window {
                if part.len() - mark.1.min(part.len()) < self.patience.least {
                    return Ok(lost(&host, "the server sends next to nothing"));
                }
                mark = (now, part.len());
            }
        }
    }

    /// What the head of an answer means for the part.
    fn judge(&mut self, part: &mut PartFile, head: &Head) -> Result<Verdict, ModelsError> {
        let (host, file) = (head.host.clone(), self.name.clone());
        let start = match head.status {
            200 => 0,
            206 => match head.content_range {
                Some((Some(start), _)) if start == part.len() => start,
                // Bytes of another place, or of an unnamed one, are never joined.
                _ => return Ok(Verdict::Otherwise(Attempt::StartAgain)),
            },
            416 => {
                let whole = head.content_range.and_then(|(_, total)| total);
                let is_whole = part.len() > 0 && whole == Some(part.len()) && self.wanted_sha256(head).is_some();
                return Ok(Verdict::Otherwise(if is_whole { Attempt::Whole } else { Attempt::StartAgain }));
            }
            401 | 403 if self.hub.has_token() => return Err(ModelsError::TokenRefused { host, file }),
            401 | 403 => return Err(ModelsError::Gated { host, file }),
            408 | 425 | 429 | 500 | 502 | 503 | 504 => {
                let why = format!("status {}", head.status);
                return Ok(Verdict::Otherwise(Attempt::Failed { host, why, after: head.retry_after }));
            }
            status => {
                let advice = "check HF_ENDPOINT, or look for a newer version of this program";
                return Err(ModelsError::NotThere { host, file, status, advice });
            }
        };
        let from_range = head.content_range.and_then(|(_, total)| total).filter(|_| head.status == 206);
        let told = from_range.or_else(|| head.content_length.map(|length| start.saturating_add(length)));
        let wanted = self.source.file.bytes.or(head.linked_size);
        if let (Some(wanted), Some(found)) = (wanted, told)
            && wanted != found
        {
            return Err(self.wrong_length(&head.host, wanted, found));
        }
        let total = wanted.or(told);
        let sha256 = self.wanted_sha256(head);
        if total.is_none() && sha256.is_none() {
            return Err(ModelsError::Unchecked { host, file });
        }
        let origin = Origin { address: self.source.address.clone(), etag: head.etag.clone(), sha256, total };
        let is_other = part.origin.sha256.is_some() && origin.sha256.is_some() && part.origin.sha256 != origin.sha256;
        if head.status == 206 && is_other {
            return Ok(Verdict::Otherwise(Attempt::StartAgain));
        }
        let written = if head.status == 200 { part.restart(origin) } else { part.set_origin(origin) };
        written.map_err(|error| self.cannot_write(&error))?;
        if let Some(total) = total {
            self.ensure_space(total - start.min(total))?;
        }
        Ok(Verdict::Body(total))
    }

    fn wanted_sha256(&self, head: &Head) -> Option<String> {
        self.source.file.sha256.clone().or_else(|| head.sha256.clone())
    }

    fn ensure_space(&self, needed: u64) -> Result<(), ModelsError> {
        let folder = self.target.parent().unwrap_or(Path::new("."));
        // A file system that does not tell is tried.
        match (self.patience.free_space)(folder) {
            Ok(free) if free < needed => Err(ModelsError::NoSpace {
                folder: folder.display().to_string(),
                file: self.name.clone(),
                free: size(free),
                needed: size(needed),
            }),
            _ => Ok(()),
        }
    }

    /// Checks the whole file and gives it its name.
    fn finish(&mut self, part: PartFile) -> Result<(), ModelsError> {
        let wanted = self.source.file.sha256.clone().or_else(|| part.origin.sha256.clone());
        if let Some(wanted) = wanted {
            let found = part.checksum.clone().hex();
            if found != wanted {
                part.remove();
                return Err(ModelsError::WrongHash { file: self.name.clone(), wanted, found });
            }
        }
        part.finish().map_err(|error| self.cannot_write(&error))
    }

    fn pause(&mut self, why: String, after: Duration) -> Result<(), ModelsError> {
        (self.say)(Event::Retrying { file: self.name.clone(), why, after });
        let until = Instant::now() + after;
        while Instant::now() < until {
            if (self.cancelled)() {
                return Err(ModelsError::Cancelled);
            }
            std::thread::sleep(TICK.min(until.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }

    fn wrong_length(&self, host: &str, wanted: u64, found: u64) -> ModelsError {
        ModelsError::WrongLength { host: host.to_owned(), file: self.name.clone(), wanted, found }
    }

    fn cannot_write(&self, error: &std::io::Error) -> ModelsError {
        let file = super::part::part_path(self.target).display().to_string();
        ModelsError::CannotWrite { file, why: error.to_string() }
    }
}

enum Verdict {
    /// Its body follows, up to this length of the whole file.
    Body(Option<u64>),
    Otherwise(Attempt),
}

/// For callers who want to show a size.
impl Progress {
    /// "1.20 GB of 6.94 GB, 24 MB/s".
    pub fn words(&self) -> String {
        let of = self.total.map_or(String::new(), |total| format!(" of {}", size(total)));
        let speed = match self.bytes_per_second {
            speed if speed > 0.0 => format!(", {}/s", size(speed as u64)),
            _ => String::new(),
        };
        format!("{}{of}{speed}", size(self.done))
    }
}
