//! `instantstyle models import`: a .bin of torch to safetensors.
//!
//! The file is read by a second process, this program again, which has given up what it does not need before it opens
//! the file: memory, time, the length of what it writes, and starting other processes. So a hostile file that finds a
//! fault in the reader wins next to nothing, and the worst that a damaged one can do is end that process.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::ArgMatches;

use super::error::{CliError, one_line, shown};
use super::{models_command, print_line};
use crate::library::{self, PendingFile};
use crate::weights::{self, Weights};

/// An SDXL adapter takes a second; the slowest disk and a model of 7 GB a few minutes.
const LONGEST: Duration = Duration::from_secs(600);
/// Of the converting process: one storage at a time, and the program itself.
#[cfg(unix)]
const MOST_MEMORY: u64 = 2 << 30;

/// Converts the file that `matches` name.
///
/// # Errors
/// A file that is refused (one sentence from the converting process), a target that cannot be written.
pub fn import(matches: &ArgMatches) -> Result<(), CliError> {
    let Some(from) = matches.get_one::<PathBuf>("file") else {
        return Err(CliError::usage("name the file to convert"));
    };
    let Some(out) = matches.get_one::<std::ffi::OsString>("out").map(PathBuf::from) else {
        return Err(CliError::usage("the result needs a place; add --out FILE.safetensors"));
    };
    if !out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("safetensors")) {
        let better = out.with_extension("safetensors");
        return Err(CliError::usage(format!(
            "--out '{}' must end in .safetensors; try {}",
            shown(&out.to_string_lossy()),
            better.display()
        )));
    }
    if !from.is_file() {
        return Err(CliError::usage(format!("{} is no file; check the path", from.display())));
    }
    library::check_target(&out).map_err(|error| CliError::usage(format!("--out: {error}")))?;
    if matches!((from.canonicalize(), out.canonicalize()), (Ok(a), Ok(b)) if a == b) {
        return Err(CliError::usage(format!(
            "--out would replace the file that is read; choose another name: {}",
            out.display()
        )));
    }
    let pending = PendingFile::beside(&out).map_err(|error| CliError::usage(format!("--out: {error}")))?;
    run_confined(from, pending.path())?;
    // Whatever the other process did, only a sound file gets the name.
    let weights = Weights::open(pending.path()).map_err(|error| CliError::Machine(error.to_string()))?;
    let what = weights::identify(&weights);
    let count = weights.len();
    drop(weights);
    pending.finish().map_err(|error| CliError::Machine(error.to_string()))?;
    print_line(&format!("{}: {what}, {count} tensors", one_line(&out.display().to_string())))
}

fn run_confined(from: &Path, to: &Path) -> Result<(), CliError> {
    let failed =
        |error: std::io::Error| CliError::Machine(format!("the converting process failed ({error}); try again"));
    let program = std::env::current_exe().map_err(failed)?;
    let mut child = Command::new(program)
        .args(["models", models_command::CONVERT, "--"])
        .args([from, to])
        .env_remove("HF_TOKEN")
        .env_remove("HUGGING_FACE_HUB_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // It writes one line, which fits into the pipe.
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if begun.elapsed() > LONGEST {
            let _ = child.kill();
            let _ = child.wait();
            return Err(CliError::usage(format!(
                "{} takes more than {} minutes to convert; get its .safetensors file",
                from.display(),
                LONGEST.as_secs() / 60
            )));
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        let _ = stderr.take(8192).read_to_string(&mut said);
    }
    let sentence = said.lines().next().and_then(|line| line.strip_prefix("error: "));
    Err(match (status.code(), sentence) {
        (Some(2), Some(sentence)) => CliError::usage(sentence),
        (Some(1), Some(sentence)) => CliError::Machine(sentence.to_owned()),
        _ => CliError::usage(format!(
            "{} could not be converted within the memory and time that a conversion may take; get its .safetensors file",
            from.display()
        )),
    })
}

/// The converting process.
///
/// # Errors
/// As [`weights::convert_pickle`].
pub fn convert(matches: &ArgMatches) -> Result<(), CliError> {
    let path = |name: &str| matches.get_one::<PathBuf>(name).ok_or_else(|| CliError::usage("a path is missing"));
    let (from, to) = (path("file")?, path("out")?);
    let unwritable = |error: std::io::Error| CliError::Machine(format!("{} cannot be written ({error})", to.display()));
    let length = std::fs::metadata(from).map_or(0, |about| about.len());
    let mut out = OpenOptions::new().write(true).truncate(true).open(to).map_err(unwritable)?;
    confine(length)?;
    weights::convert_pickle(from, &mut out)?;
    Ok(())
}

/// Gives up what a conversion does not need.
#[cfg(unix)]
fn confine(length: u64) -> Result<(), CliError> {
    use rlimit::Resource;
    // Tied weights and the header may make the result longer than the file.
    let longest = length.saturating_mul(2).saturating_add(64 << 20);
    let mut limits = vec![
        (Resource::CPU, LONGEST.as_secs()),
        (Resource::FSIZE, longest),
        (Resource::CORE, 0),
        (Resource::NOFILE, 16),
    ];
    // macOS knows neither limit in a way that works.
    #[cfg(target_os = "linux")]
    limits.extend([(Resource::AS, MOST_MEMORY), (Resource::NPROC, 0)]);
    #[cfg(not(target_os = "linux"))]
    limits.push((Resource::DATA, MOST_MEMORY));
    for (resource, limit) in limits {
        // A hard limit that is lower already is as good.
        let lowest = rlimit::getrlimit(resource).map_or(limit, |(_, hard)| hard.min(limit));
        rlimit::setrlimit(resource, lowest, lowest).map_err(|error| {
            CliError::Machine(format!(
                "the converting process could not be confined ({error}); convert it on another system"
            ))
        })?;
    }
    Ok(())
}

/// Elsewhere the reader's own bounds must do.
#[cfg(not(unix))]
fn confine(_length: u64) -> Result<(), CliError> {
    Ok(())
}
