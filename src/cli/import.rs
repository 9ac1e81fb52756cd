//! `instantstyle models import`: a .bin of torch to safetensors; and the confined process that does it.

use std::fs::OpenOptions;
use std::path::PathBuf;

use clap::ArgMatches;

use super::error::{CliError, one_line, shown};
use super::print_line;
use crate::library;
use crate::models::{self, LONGEST_IMPORT};
use crate::weights;

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
    if out.as_os_str().is_empty() {
        return Err(CliError::usage("--out is empty; name the file that is to be written, FILE.safetensors"));
    }
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
    let program = std::env::current_exe()
        .map_err(|error| CliError::Machine(format!("the converting process failed ({error}); try again")))?;
    let imported = models::import(&program, from, &out, &mut |_| {}, &|| false)?;
    let out = one_line(&out.display().to_string());
    print_line(&format!("{out}: {}, {} tensors", imported.kind, imported.tensors))
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
        (Resource::CPU, LONGEST_IMPORT.as_secs()),
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
