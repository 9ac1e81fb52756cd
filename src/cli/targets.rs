//! Where the results go, checked before any work is done.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{CliError, shown};
use super::flags::{Base, BoardFlags, Flags};
use crate::engine::ModelPaths;
use crate::library;
use crate::pixels::PictureFormat;

/// The page for a browser, in its folder.
pub const PAGE: &str = "index.html";

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
    let mut inputs = Inputs::of(flags);
    inputs.spare("--out", out)?;
    inputs.add_picture_of_from(flags);
    if let Some(latents) = &flags.options.save_latents {
        check_one("save-latents", latents)?;
        if same_file(latents, out) {
            return Err(CliError::usage(format!(
                "--out and --save-latents are the same file; give two names: {}",
                out.display()
            )));
        }
        inputs.spare("--save-latents", latents)?;
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
        check_one(flag, &if folder.is_dir() { folder.join(PAGE) } else { folder.clone() })?;
    }
    Ok(())
}

/// Checks that the file behind a flag can be written.
pub fn check_one(flag: &str, path: &Path) -> Result<(), CliError> {
    library::check_target(path).map_err(|error| CliError::usage(format!("--{flag}: {error}")))
}

/// Checks that no file of a board replaces what the board reads, and that the sheet is no cell. `cells` are the names of the
/// cells' files, `pictures` the files that its axes name.
///
/// # Errors
/// The first file that is an input too.
pub fn check_cells<'a>(
    flags: &BoardFlags,
    cells: &[String],
    pictures: impl Iterator<Item = &'a PathBuf>,
) -> Result<(), CliError> {
    let mut inputs = Inputs::of(&flags.render);
    pictures.for_each(|path| inputs.add("an axis", path));
    let out = &flags.render.options.out;
    inputs.spare("--out", out)?;
    // The sheet may take the place of the one that it is made from; a cell is another picture than that.
    inputs.add_picture_of_from(&flags.render);
    let page = [PAGE.to_owned()];
    let cells = cells.iter();
    for (flag, folder, names) in
        [("--cells", &flags.cells, cells.clone().chain(&[])), ("--html", &flags.html, cells.chain(&page))]
    {
        let Some(folder) = folder else { continue };
        for path in names.map(|name| folder.join(name)) {
            inputs.spare(flag, &path)?;
            if same_file(&path, out) {
                return Err(CliError::usage(format!(
                    "--out is also the name of a file of {flag}; choose another: {}",
                    out.display()
                )));
            }
        }
    }
    Ok(())
}

/// The files and folders that must outlive the command, each with what names it. The picture of `--from` is none of them for
/// `--out`: it may be made anew.
pub struct Inputs(Vec<(&'static str, PathBuf)>);

impl Inputs {
    /// Everything that flags name.
    pub fn of(flags: &Flags) -> Self {
        let mut inputs = Self::of_model(&flags.model);
        flags.references.iter().for_each(|(path, _)| inputs.add("--reference", path));
        flags.init.iter().for_each(|path| inputs.add("--init", path));
        flags.loras.each.iter().for_each(|(path, _)| inputs.add("--lora", path));
        if let Some(Base::Recipe(path)) = &flags.base {
            inputs.add("--recipe", path);
        }
        inputs
    }

    /// The parts of a model.
    pub fn of_model(model: &ModelPaths) -> Self {
        let mut inputs = Self(Vec::new());
        let ModelPaths { model, vae, loras, adapter, image_encoder } = model;
        model.iter().for_each(|path| inputs.add("--model", path));
        vae.iter().for_each(|path| inputs.add("--vae", path));
        loras.iter().for_each(|path| inputs.add("--lora", path));
        adapter.iter().for_each(|path| inputs.add("--adapter", path));
        image_encoder.iter().for_each(|path| inputs.add("--image-encoder", path));
        inputs
    }

    /// For every target but `--out`.
    fn add_picture_of_from(&mut self, flags: &Flags) {
        if let Some(Base::Picture(path)) = &flags.base {
            self.add("--from", path);
        }
    }

    fn add(&mut self, what: &'static str, path: &Path) {
        self.0.extend(resolved(path).map(|path| (what, path)));
    }

    /// Refuses a target that is one of these, or lies in a folder that is.
    ///
    /// # Errors
    /// The input that would be lost.
    pub fn spare(&self, target: &str, path: &Path) -> Result<(), CliError> {
        if is_device(path) {
            return Ok(());
        }
        // A link is followed when it is written; and a link in a model's folder belongs to the model.
        let names = [resolved(path), beside_its_folder(path)];
        let hit = |(_, input): &&(&str, PathBuf)| names.iter().flatten().any(|name| name.starts_with(input));
        let Some((what, input)) = self.0.iter().find(hit) else { return Ok(()) };
        let harm = if input.is_dir() { "write into the folder" } else { "replace the file" };
        Err(CliError::usage(format!(
            "{target} would {harm} that {what} reads; choose another place: {}",
            path.display()
        )))
    }
}

fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Whether two paths name one file. A target that is not there yet is known by its folder and its name.
fn same_file(a: &Path, b: &Path) -> bool {
    match (resolved(a), resolved(b)) {
        (Some(a), Some(b)) => a == b && !is_device(&a),
        _ => a == b,
    }
}

fn resolved(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok().or_else(|| beside_its_folder(path))
}

fn beside_its_folder(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(fs::canonicalize(folder).ok()?.join(path.file_name()?))
}
