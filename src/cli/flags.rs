//! What stands on the command line of `render`, read and range-checked, but not yet put together with a recipe.
//!
//! Ranges: product.md, "Ranges". Every message names the flag, its value and what it must be.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::args::SCOPED;
use super::error::{CliError, shown};
use super::lora_flags::LoraFlags;
use crate::engine::{Compute, DTypeChoice, DeviceChoice, ModelPaths, ensure_built_in};
use crate::models::Part;
use crate::recipe::{Crop, RecipeError, Reference, Role, SchedulerName, block_scales};

/// The flags of `render`; `None` is a flag that was not given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flags {
    pub base: Option<Base>,
    pub prompt: Option<String>,
    pub negative: Option<String>,
    /// The pictures of `--reference`, in order, each with the flags that follow it.
    pub references: Vec<(PathBuf, Scope)>,
    /// The flags before the first `--reference`.
    pub all: Scope,
    pub start: Option<f64>,
    pub end: Option<f64>,
    pub init: Option<PathBuf>,
    pub denoise: Option<f64>,
    pub steps: Option<u32>,
    pub guidance: Option<f64>,
    pub scheduler: Option<SchedulerName>,
    pub seed: Option<u64>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub loras: LoraFlags,
    /// Without the LoRAs, whose order is the recipe's.
    pub model: ModelPaths,
    pub compute: Compute,
    pub options: RenderOptions,
    pub brought: Brought,
}

/// What the axes of a board bring, so that flags which would have nothing to change have it then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Brought {
    pub references: bool,
    pub words: bool,
    pub init: bool,
}

impl Brought {
    fn by<'a>(axes: impl IntoIterator<Item = &'a String>) -> Self {
        let mut out = Self::default();
        for text in axes {
            match text.split(['=', '@']).next().unwrap_or_default().trim() {
                "reference" => out.references = true,
                "subtract" => out.words = true,
                "init" => out.init = true,
                _ => {}
            }
        }
        out
    }
}

/// The flags of `board`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BoardFlags {
    /// What the cells share.
    pub render: Flags,
    pub x: Option<String>,
    pub y: Option<String>,
    pub preset: Option<String>,
    /// Where each cell goes as a picture of its own.
    pub cells: Option<PathBuf>,
    /// Where the page for a browser goes.
    pub html: Option<PathBuf>,
    pub numbers: bool,
}

impl BoardFlags {
    /// Reads the matches of the command `board`. The axes are read when the model's blocks are known.
    ///
    /// # Errors
    /// As [`Flags::read`].
    pub fn read(matches: &ArgMatches) -> Result<Self, CliError> {
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        let (x, y) = (text("x"), text("y"));
        Ok(Self {
            render: Flags { brought: Brought::by(x.iter().chain(&y)), ..Flags::read(matches)? },
            x,
            y,
            preset: text("preset"),
            cells: path(matches, "cells")?,
            html: path(matches, "html")?,
            numbers: matches.get_flag("numbers"),
        })
    }
}

/// Where the recipe that the flags override comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Base {
    Recipe(PathBuf),
    Picture(PathBuf),
}

impl Base {
    pub fn path(&self) -> &Path {
        let (Self::Recipe(path) | Self::Picture(path)) = self;
        path
    }
}

/// Flags that belong to one reference, or to all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scope {
    /// Of `--mode` and `--blocks`; blocks win.
    pub role: Option<Role>,
    pub strength: Option<f64>,
    pub layout_strength: Option<f64>,
    pub crop: Option<Crop>,
    pub subtract: Option<String>,
    pub subtract_strength: Option<f64>,
    /// Of `--style`: what the reference begins from.
    pub style: Option<Box<Reference>>,
}

/// What becomes of the picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RenderOptions {
    pub out: PathBuf,
    pub save_latents: Option<PathBuf>,
    pub json: bool,
}

impl Flags {
    /// Reads the matches of the command `render`, or of `board`, which has no latents to save.
    ///
    /// # Errors
    /// The first value that is outside its range or no value at all.
    pub fn read(matches: &ArgMatches) -> Result<Self, CliError> {
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        let number = |name, range| text(name).map(|value| float(name, &value, range)).transpose();
        let unit = Range { low: 0.0, high: 1.0, words: "a number from 0 to 1" };
        let base = match (path(matches, "recipe")?, path(matches, "from")?) {
            (Some(_), Some(_)) => {
                return Err(CliError::usage("--recipe and --from both name a recipe to begin from; give one of them"));
            }
            (Some(file), None) => Some(Base::Recipe(file)),
            (None, picture) => picture.map(Base::Picture),
        };
        let (all, references) = references(matches)?;
        let size = |name| -> Result<Option<u32>, CliError> {
            let must = "a multiple of 8 from 8 to 8192";
            let allowed = |side: &u32| (8..=8192).contains(side) && side.is_multiple_of(8);
            text(name).map(|value| whole(name, &value, must, allowed)).transpose()
        };
        let steps = |value: String| whole("steps", &value, "a whole number from 1 to 1000", |n| (1..=1000).contains(n));
        let seed = |value: String| whole("seed", &value, "a whole number from 0 to 18446744073709551615", |_| true);
        let out = path(matches, "out")?;
        let Some(out) = out else {
            return Err(CliError::usage("there is no place for the picture; add --out FILE.png"));
        };
        Ok(Self {
            base,
            prompt: text("prompt"),
            negative: text("negative"),
            references,
            all,
            start: number("start", unit)?,
            end: number("end", unit)?,
            init: path(matches, "init")?,
            denoise: number("denoise", unit)?,
            steps: text("steps").map(steps).transpose()?,
            guidance: number("guidance", Range { low: 0.0, high: 100.0, words: "a number from 0 to 100" })?,
            scheduler: text("scheduler").map(|value| choice("scheduler", &value)).transpose()?,
            seed: text("seed").map(seed).transpose()?,
            width: size("width")?,
            height: size("height")?,
            loras: LoraFlags::read(matches)?,
            model: model_paths(matches)?,
            compute: compute(matches)?,
            options: RenderOptions {
                out,
                save_latents: path(matches, "save-latents")?,
                json: matches.get_flag("json"),
            },
            brought: Brought::default(),
        })
    }
}

/// `--model`, `--vae`, `--adapter` and `--image-encoder`.
pub fn model_paths(matches: &ArgMatches) -> Result<ModelPaths, CliError> {
    Ok(ModelPaths {
        model: model(matches, "model", Part::Model)?,
        vae: model(matches, "vae", Part::Vae)?,
        loras: Vec::new(),
        adapter: model(matches, "adapter", Part::Adapter)?,
        image_encoder: model(matches, "image-encoder", Part::ImageEncoder)?,
    })
}

/// `--device` and `--dtype`.
pub fn compute(matches: &ArgMatches) -> Result<Compute, CliError> {
    let text = |name: &str| matches.get_one::<String>(name);
    Ok(Compute {
        device: text("device").map(|value| device(value)).transpose()?.unwrap_or_default(),
        dtype: text("dtype").map(|value| dtype(value)).transpose()?.unwrap_or_default(),
    })
}

/// The flags that are for all, and every `--reference` and `--style` with the flags after it, in order.
fn references(matches: &ArgMatches) -> Result<(Scope, Vec<(PathBuf, Scope)>), CliError> {
    let mut given: Vec<(usize, (PathBuf, Scope))> = Vec::new();
    let values = matches.get_many::<OsString>("reference").into_iter().flatten();
    for (place, value) in matches.indices_of("reference").into_iter().flatten().zip(values) {
        given.push((place, (non_empty("reference", value)?, Scope::default())));
    }
    let values = matches.get_many::<String>("style").into_iter().flatten();
    for (place, name) in matches.indices_of("style").into_iter().flatten().zip(values) {
        given.push((place, super::styles::reference(name)?));
    }
    given.sort_by_key(|(place, _)| *place);
    let (starts, mut references): (Vec<usize>, Vec<_>) = given.into_iter().unzip();
    let (all, each) = scopes(matches, &starts)?;
    for ((_, scope), flags) in references.iter_mut().zip(each) {
        *scope = Scope { style: scope.style.take(), ..flags };
    }
    Ok((all, references))
}

/// The flags before the first of `starts`, and those after each.
pub fn scopes(matches: &ArgMatches, starts: &[usize]) -> Result<(Scope, Vec<Scope>), CliError> {
    let mut all = Scope::default();
    let mut each = vec![Scope::default(); starts.len()];
    // Within a scope the last one wins; only --blocks always beats --mode, and so comes after it in SCOPED.
    for &name in SCOPED {
        if matches.value_source(name) != Some(ValueSource::CommandLine) {
            continue;
        }
        let values = matches.get_many::<String>(name).into_iter().flatten();
        for (value, place) in values.zip(matches.indices_of(name).into_iter().flatten()) {
            let before = starts.iter().filter(|&&start| start < place).count();
            let scope = before.checked_sub(1).and_then(|index| each.get_mut(index)).unwrap_or(&mut all);
            scope.set(name, value.clone())?;
        }
    }
    Ok((all, each))
}

impl Scope {
    /// These flags, and those of `all` that are not among them.
    pub fn over(&self, all: &Self) -> Self {
        Self {
            role: self.role.clone().or_else(|| all.role.clone()),
            strength: self.strength.or(all.strength),
            layout_strength: self.layout_strength.or(all.layout_strength),
            crop: self.crop.or(all.crop),
            subtract: self.subtract.clone().or_else(|| all.subtract.clone()),
            subtract_strength: self.subtract_strength.or(all.subtract_strength),
            style: self.style.clone(),
        }
    }

    fn set(&mut self, name: &'static str, value: String) -> Result<(), CliError> {
        match name {
            "mode" => self.role = Some(choice(name, &value)?),
            "blocks" => self.role = Some(Role::Custom(blocks(&value)?)),
            "strength" => self.strength = Some(float(name, &value, STRENGTH)?),
            "layout-strength" => self.layout_strength = Some(float(name, &value, STRENGTH)?),
            "crop" => self.crop = Some(choice(name, &value)?),
            "subtract" => self.subtract = Some(value),
            _ => self.subtract_strength = Some(float(name, &value, STRENGTH)?),
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    low: f64,
    high: f64,
    words: &'static str,
}

pub(super) const STRENGTH: Range = Range { low: -1.0, high: 5.0, words: "a number from -1 to 5" };

pub fn must_be(name: &str, value: &str, words: &str) -> CliError {
    CliError::usage(format!("--{name} is '{}', but must be {words}", shown(value)))
}

/// A finite number within its range. Minus zero is zero, so that a recipe has one way to say it.
pub(super) fn float(name: &str, value: &str, range: Range) -> Result<f64, CliError> {
    match value.trim().parse::<f64>() {
        Ok(number) if number >= range.low && number <= range.high => Ok(number + 0.0),
        _ => Err(must_be(name, value, range.words)),
    }
}

/// A whole number that is `allowed`; `words` say which are.
pub fn whole<T: std::str::FromStr>(
    name: &str,
    value: &str,
    words: &str,
    allowed: impl Fn(&T) -> bool,
) -> Result<T, CliError> {
    value.trim().parse().ok().filter(allowed).ok_or_else(|| must_be(name, value, words))
}

/// A word out of a list that the recipe knows.
fn choice<T: std::str::FromStr<Err = RecipeError>>(name: &str, value: &str) -> Result<T, CliError> {
    value.parse().map_err(|error| match error {
        RecipeError::UnknownChoice { valid, .. } => must_be(name, value, &format!("one of {}", valid.join(", "))),
        other => CliError::Recipe(other),
    })
}

pub fn device(value: &str) -> Result<DeviceChoice, CliError> {
    let device = match value {
        "auto" => DeviceChoice::Auto,
        "cpu" => DeviceChoice::Cpu,
        "cuda" => DeviceChoice::Cuda,
        "metal" => DeviceChoice::Metal,
        _ => return Err(must_be("device", value, "one of auto, cpu, cuda, metal")),
    };
    ensure_built_in(device)?;
    Ok(device)
}

pub fn dtype(value: &str) -> Result<DTypeChoice, CliError> {
    match value {
        "auto" => Ok(DTypeChoice::Auto),
        "f32" => Ok(DTypeChoice::F32),
        "f16" => Ok(DTypeChoice::F16),
        "bf16" => Ok(DTypeChoice::Bf16),
        _ => Err(must_be("dtype", value, "one of auto, f32, f16, bf16")),
    }
}

fn blocks(value: &str) -> Result<BTreeMap<String, f64>, CliError> {
    block_scales(value).map_err(|error| match error {
        RecipeError::BlockScales { why } => CliError::usage(format!("--blocks {why}")),
        other => CliError::Recipe(other),
    })
}

/// The value of a flag that takes a path.
pub fn path(matches: &ArgMatches, name: &str) -> Result<Option<PathBuf>, CliError> {
    // Not every command has every flag.
    matches.try_get_one::<OsString>(name).ok().flatten().map(|value| non_empty(name, value)).transpose()
}

/// A path, or the name of a model of the list.
fn model(matches: &ArgMatches, name: &str, part: Part) -> Result<Option<PathBuf>, CliError> {
    path(matches, name)?.map(|value| super::models::resolve(name, value, part)).transpose()
}

pub(super) fn non_empty(name: &str, value: &OsString) -> Result<PathBuf, CliError> {
    if value.is_empty() {
        return Err(CliError::usage(format!("--{name} is empty; give it a path")));
    }
    Ok(PathBuf::from(value))
}
