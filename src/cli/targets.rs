//! Where the results go, checked before any work is done.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{CliError, shown};
use super::flags::{Base, BoardFlags, Flags};
use crate::library;
use crate::pixels::PictureFormat;

/// Checks `--out` and `--save-latents`: that they can be written, and that they replace nothing that is read.
///
/// # Errors
/// A missing folder, a folder as target, a name that is no picture's, or a file that is also an input.
pub fn check(flags: &Flags) -> Result<(), CliError> {
    let out = &flags.options.out;
    check_one("out", out)?;
    // A device, such as /dev/null, has no ending.
    if PictureFormat::of(out).is_none() && !is_device(out) {
        let better = out.with_extension("png");
        return Err(CliError::usage(format!(
            "--out '{}' must end in .png, .jpg, .webp or .tif; try {}",
            shown(&out.to_string_lossy()),
            better.display()
        )));
    }
    let mut targets = vec![("out", out)];
    if let Some(latents) = &flags.options.save_latents {
        check_one("save-latents", latents)?;
        if same_file(latents, out) {
            return Err(CliError::usage(format!(
                "--out and --save-latents are the same file; give two names: {}",
                out.display()
            )));
        }
        targets.push(("save-latents", latents));
    }
    for (target, path) in targets {
        if let Some((input, _)) = inputs(flags).into_iter().find(|(_, input)| same_file(input, path)) {
            return Err(CliError::usage(format!(
                "--{target} would replace the file that --{input} reads; choose another name: {}",
                path.display()
            )));
        }
    }
    Ok(())
}

/// As [`check`], and that the folders of a board can be made or written in.
///
/// # Errors
/// As [`check`]; a folder whose own folder is missing, or a file in its place.
pub fn check_board(flags: &BoardFlags) -> Result<(), CliError> {
    check(&flags.render)?;
    for (flag, folder) in [("cells", &flags.cells), ("html", &flags.html)] {
        let Some(folder) = folder else { continue };
        if folder.exists() && !folder.is_dir() {
            return Err(CliError::usage(format!("--{flag} wants a folder, and this is a file: {}", folder.display())));
        }
        // A folder that is not there yet is tried as a name in its own folder.
        check_one(flag, &if folder.is_dir() { folder.join("index.html") } else { folder.clone() })?;
    }
    Ok(())
}

/// Checks that the file behind a flag can be written.
pub fn check_one(flag: &str, path: &Path) -> Result<(), CliError> {
    library::check_target(path).map_err(|error| CliError::usage(format!("--{flag}: {error}")))
}

/// Files that must outlive the command. The picture of `--from` may be replaced: it is made anew.
fn inputs(flags: &Flags) -> Vec<(&'static str, &PathBuf)> {
    let mut inputs: Vec<(&'static str, &PathBuf)> =
        flags.references.iter().map(|(path, _)| ("reference", path)).collect();
    inputs.extend(flags.init.iter().map(|path| ("init", path)));
    inputs.extend(flags.model.model.iter().map(|path| ("model", path)));
    inputs.extend(flags.model.vae.iter().map(|path| ("vae", path)));
    inputs.extend(flags.loras.each.iter().map(|(path, _)| ("lora", path)));
    inputs.extend(flags.model.adapter.iter().map(|path| ("adapter", path)));
    if let Some(Base::Recipe(path)) = &flags.base {
        inputs.push(("recipe", path));
    }
    inputs
}

fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Whether two paths name one file. A target that is not there yet is known by its folder and its name.
pub fn same_file(a: &Path, b: &Path) -> bool {
    match (resolved(a), resolved(b)) {
        (Some(a), Some(b)) => a == b && !is_device(&a),
        _ => a == b,
    }
}

fn resolved(path: &Path) -> Option<PathBuf> {
    if let Ok(path) = fs::canonicalize(path) {
        return Some(path);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(fs::canonicalize(folder).ok()?.join(path.file_name()?))
}
