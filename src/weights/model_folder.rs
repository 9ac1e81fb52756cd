//! A model in diffusers format: a folder on disk, the same files built into the program, or a single file seen as one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::error::{shown, shown_path};
use super::files::Weights;
use super::single_file::SingleFile;
use super::{Kind, WeightsError, identify};

/// The longest settings or vocabulary file that is read; CLIP's vocab.json has 1 MB.
const LONGEST_TEXT: u64 = 64 << 20;

/// The files of a model, by their names inside the folder, with `/` between parts.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    name: String,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Disk(PathBuf),
    BuiltIn(&'static [(&'static str, &'static [u8])]),
    Single(Arc<SingleFile>),
}

impl ModelFolder {
    /// A whole model: a folder with `model_index.json`, or a single-file checkpoint.
    ///
    /// Errors: nothing there, a file that is no checkpoint or cannot be used, a folder of something else.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        if path.is_file() {
            return Self::of_checkpoint(&open_file(path)?).map_err(|error| match (error, whole_model(path)) {
                (WeightsError::OtherKind { file, what, wanted, .. }, Some(whole)) => {
                    let advice = format!("it is a part of a model: give its folder, {}", shown_path(&whole));
                    WeightsError::OtherKind { file, what, wanted, advice }
                }
                (error, _) => error,
            });
        }
        let folder = Self::open_component(path)?;
        if !folder.has("model_index.json") {
            let advice = match path.parent().map(|up| up.join("model_index.json")).filter(|index| index.is_file()) {
                Some(_) => "it is a part of a model: give the folder above it",
                None => "give a folder in diffusers format, with unet/, vae/ and text_encoder/ in it",
            };
            let wanted = "model_index.json".to_owned();
            return Err(WeightsError::MissingFile { file: folder.name, wanted, advice: advice.to_owned() });
        }
        Ok(folder)
    }

    /// A single-file checkpoint as the folder that it stands for.
    pub fn of_checkpoint(weights: &Weights) -> Result<Self, WeightsError> {
        let single = SingleFile::open(weights)?;
        Ok(Self { name: weights.name().to_owned(), place: Place::Single(Arc::new(single)) })
    }

    /// One component: a folder with `config.json` and weights, asked for with `weights("")`; or the file of an image
    /// encoder whose settings lie beside it, or whose header tells them.
    pub fn open_component(path: &Path) -> Result<Self, WeightsError> {
        let name = shown_path(path);
        let about = std::fs::metadata(path).map_err(|e| WeightsError::io(&name, &e))?;
        if about.is_dir() {
            return Ok(Self { name, place: Place::Disk(path.to_owned()) });
        }
        let weights = Arc::new(open_file(path)?);
        let kind = identify(&weights);
        let is_encoder = matches!(kind, Kind::ImageEncoder { .. });
        if is_encoder && let Some(folder) = Self::beside_settings(path, &weights) {
            return Ok(folder);
        }
        if let Some(single) = SingleFile::of_image_encoder(&weights) {
            return Ok(Self { name, place: Place::Single(Arc::new(single)) });
        }
        let advice = match kind {
            Kind::ImageEncoder { .. } => {
                let advice = format!("put the encoder's settings beside {name}, or download its folder whole");
                let file = shown_path(path.parent().unwrap_or(path));
                return Err(WeightsError::MissingFile { file, wanted: "config.json".to_owned(), advice });
            }
            _ => "choose the folder of a CLIP image encoder".to_owned(),
        };
        Err(WeightsError::OtherKind { file: name, what: kind.to_string(), wanted: "an image encoder", advice })
    }

    /// The file of an image encoder or a VAE, seen as the folder that it lies in; None without its settings there.
    pub fn beside_settings(path: &Path, weights: &Arc<Weights>) -> Option<Self> {
        let folder = Self { name: shown_path(path), place: Place::Disk(path.parent()?.to_owned()) };
        let config: serde_json::Map<String, serde_json::Value> = folder.json("config.json").ok()?;
        // The settings of something else may lie in a folder with many files.
        let fits = match identify(weights) {
            Kind::ImageEncoder { .. } => config.contains_key("patch_size"),
            // Settings name diffusers' parts, not LDM's.
            Kind::Vae { .. } => {
                config.contains_key("block_out_channels")
                    && weights.contains("decoder.up_blocks.0.resnets.0.conv1.weight")
            }
            _ => false,
        };
        let texts = ["config.json", "preprocessor_config.json"].into_iter();
        let texts = texts.filter_map(|name| Some((name.to_owned(), folder.text(name).ok()??))).collect();
        let single = SingleFile { texts, components: BTreeMap::from([("", weights.clone())]), notices: vec![] };
        fits.then(|| Self { name: folder.name, place: Place::Single(Arc::new(single)) })
    }

    /// Files built into the program: names inside the folder, and their bytes.
    pub fn built_in(name: &str, files: &'static [(&'static str, &'static [u8])]) -> Self {
        Self { name: name.to_owned(), place: Place::BuiltIn(files) }
    }

    /// What messages call this model: its path, or the name of the built-in one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is odd but harmless, one sentence each.
    pub fn notices(&self) -> &[String] {
        match &self.place {
            Place::Single(single) => &single.notices,
            Place::Disk(_) | Place::BuiltIn(_) => &[],
        }
    }

    /// The folder on disk; `None` for built-in and single files.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Disk(path) => Some(path),
            Place::BuiltIn(_) | Place::Single(_) => None,
        }
    }

    /// Whether the file `rel` is there.
    pub fn has(&self, rel: &str) -> bool {
        match &self.place {
            Place::Disk(path) => path.join(rel).is_file(),
            Place::BuiltIn(_) => self.bytes(rel).is_some(),
            Place::Single(single) => single.texts.contains_key(rel),
        }
    }

    fn bytes(&self, rel: &str) -> Option<&'static [u8]> {
        match &self.place {
            Place::Disk(_) | Place::Single(_) => None,
            Place::BuiltIn(files) => files.iter().find(|(name, _)| *name == rel).map(|(_, bytes)| *bytes),
        }
    }

    fn shown(&self, rel: &str) -> String {
        match &self.place {
            Place::Disk(path) => shown_path(&path.join(rel)),
            Place::BuiltIn(_) | Place::Single(_) => format!("{}/{rel}", self.name),
        }
    }

    /// The text of a file; `None` where it is absent. Over 64 MiB or not UTF-8 is an error.
    pub fn text(&self, rel: &str) -> Result<Option<String>, WeightsError> {
        let file = self.shown(rel);
        let bytes = match &self.place {
            Place::Single(single) => return Ok(single.texts.get(rel).cloned()),
            Place::BuiltIn(_) => match self.bytes(rel) {
                Some(bytes) => bytes.to_vec(),
                None => return Ok(None),
            },
            Place::Disk(path) => {
                let source = match super::source::Source::open(&path.join(rel)) {
                    Ok(source) => source,
                    Err(WeightsError::NotFound { .. }) => return Ok(None),
                    Err(error) => return Err(error),
                };
                if source.len() > LONGEST_TEXT {
                    return Err(WeightsError::BadJson { file, why: format!("{} bytes are too many", source.len()) });
                }
                let mut bytes = vec![0; source.len() as usize];
                source.read_at(0, &mut bytes).map_err(|e| WeightsError::io(&file, &e))?;
                bytes
            }
        };
        let text = String::from_utf8(bytes);
        text.map(Some).map_err(|_| WeightsError::BadJson { file, why: "it is not UTF-8 text".to_owned() })
    }

    /// Reads settings; an absent, damaged or unfitting file is an error that names it.
    pub fn json<T: DeserializeOwned>(&self, rel: &str) -> Result<T, WeightsError> {
        let Some(text) = self.text(rel)? else {
            let advice = "download the folder again".to_owned();
            return Err(WeightsError::MissingFile { file: self.name.clone(), wanted: rel.to_owned(), advice });
        };
        let bad = |why: &str| WeightsError::BadJson { file: self.shown(rel), why: why.to_owned() };
        // serde takes a list for a struct, its values one after the other.
        if text.trim_start().starts_with('[') {
            return Err(bad("a list stands where names and values are meant"));
        }
        serde_json::from_str(&text).map_err(|e| bad(&shown(&e.to_string())))
    }

    /// The weights of a component (`unet`, `vae`, `text_encoder`, …; empty for the folder itself), whatever their file
    /// is called.
    pub fn weights(&self, component: &str) -> Result<Arc<Weights>, WeightsError> {
        let stem = self.stem(component);
        match &self.place {
            Place::Single(single) => single.components.get(component).cloned().ok_or_else(|| {
                let advice = match component {
                    "vae" => "name one with --vae, or choose a checkpoint that holds it",
                    _ => "choose a whole checkpoint, or a folder in diffusers format",
                };
                let wanted = if component == "vae" { "VAE" } else { component }.to_owned();
                WeightsError::MissingFile { file: self.name.clone(), wanted, advice: advice.to_owned() }
            }),
            Place::Disk(path) => {
                let folder = if component.is_empty() { path.clone() } else { path.join(component) };
                if !folder.is_dir() {
                    let advice = "download the folder again".to_owned();
                    let wanted = format!("folder {component}");
                    return Err(WeightsError::MissingFile { file: self.name.clone(), wanted, advice });
                }
                Weights::open_component(&folder, stem).map(Arc::new)
            }
            Place::BuiltIn(_) => {
                let [plain, _, variant, ..] = Weights::file_names(stem);
                let rel =
                    |name: &str| if component.is_empty() { name.to_owned() } else { format!("{component}/{name}") };
                let found = [rel(&plain), rel(&variant)].into_iter().find(|rel| self.has(rel));
                self.file(&found.unwrap_or_else(|| rel(&plain)))
            }
        }
    }

    /// The safetensors file `rel`, such as an adapter.
    pub fn file(&self, rel: &str) -> Result<Arc<Weights>, WeightsError> {
        match (&self.place, self.bytes(rel)) {
            (Place::Disk(path), _) => Weights::open(&path.join(rel)).map(Arc::new),
            (Place::BuiltIn(_), Some(bytes)) => Weights::from_static(&self.shown(rel), bytes).map(Arc::new),
            (Place::BuiltIn(_) | Place::Single(_), _) => Err(WeightsError::NotFound { file: self.shown(rel) }),
        }
    }

    /// diffusers' own models and transformers' have different file names.
    fn stem(&self, component: &str) -> &'static str {
        match component {
            "unet" | "vae" => "diffusion_pytorch_model",
            "" => {
                const DIFFUSERS: &str = "diffusion_pytorch_model";
                let is_diffusers = Weights::file_names(DIFFUSERS).iter().any(|name| self.has(name));
                if is_diffusers { DIFFUSERS } else { "model" }
            }
            _ => "model",
        }
    }
}

/// The weights in a file. Settings stand for the folder that they lie in, which is what was meant.
fn open_file(path: &Path) -> Result<Weights, WeightsError> {
    match path.file_name().and_then(|name| name.to_str()) {
        Some("model_index.json" | "config.json") => {
            let advice = "give the folder that holds it".to_owned();
            Err(WeightsError::IsFile { file: shown_path(path), advice })
        }
        _ => Weights::open(path),
    }
}

/// The folder of the model that the file at `path` is a part of.
pub fn whole_model(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?.parent()?;
    // A relative path may begin with the part's own name.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    folder.join("model_index.json").is_file().then(|| folder.to_owned())
}
