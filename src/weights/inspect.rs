//! What a file or folder is, what it needs and what is wrong with it, for `instantstyle inspect`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::error::{count, shown, shown_path};
use super::model_folder::whole_model;
use super::single_file::SingleFile;
use super::{Family, Kind, Lora, ModelFolder, Weights, WeightsError, identify};

/// Neither tensors nor, in this case, name and metadata tell.
const FEW_STEP_QUESTION: &str = "is it made for few steps (Turbo, Lightning, Hyper, LCM)? The file does not say; if so, give --steps, --guidance and --scheduler as its page says";

/// The outcome of [`inspect`]; `Display` gives its [`Inspection::lines`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    pub path: String,
    /// What it is, in words.
    pub what: String,
    /// The weights in it: one for a file, one a component for a folder.
    pub parts: Vec<Part>,
    /// What must come with it.
    pub needs: Vec<String>,
    /// What the artist must know that the file does not say, one question each.
    pub asks: Vec<String>,
    /// What is wrong with it, one sentence each.
    pub wrong: Vec<String>,
}

/// One set of weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Name of the component; empty for a file on its own.
    pub name: String,
    pub class: Option<String>,
    /// Unset where the weights could not be opened, or the part has none (a tokenizer).
    pub content: Option<Content>,
}

/// What the headers of one set of weights tell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Content {
    #[serde(flatten)]
    pub kind: Kind,
    pub tensors: usize,
    pub parameters: u64,
    pub bytes: u64,
    /// Number of tensors of each dtype.
    pub dtypes: BTreeMap<String, usize>,
    pub content_id: String,
}

impl Content {
    fn of(weights: &Weights) -> Result<Self, WeightsError> {
        let mut dtypes = BTreeMap::new();
        for (_, entry) in weights.entries() {
            *dtypes.entry(entry.dtype.to_string()).or_insert(0) += 1;
        }
        Ok(Self {
            kind: identify(weights),
            tensors: weights.len(),
            parameters: weights.parameters(),
            bytes: weights.byte_len(),
            dtypes,
            content_id: weights.content_id()?,
        })
    }

    fn numbers(&self) -> String {
        let dtypes: Vec<&str> = self.dtypes.keys().map(String::as_str).collect();
        let parameters = scaled(self.parameters, [" billion", " million", " thousand", ""]);
        let bytes = scaled(self.bytes, [" GB", " MB", " kB", " B"]);
        let tensors = count(self.tensors, "tensor");
        format!("{parameters} weights in {tensors}, {}, {bytes}", dtypes.join(" and "))
    }
}

/// Looks at a safetensors file, a diffusers folder or the folder of one component. Only headers and settings are read.
///
/// Errors: nothing there, or a file that is not whole safetensors. What is wrong inside a folder, or with a good file
/// of no use, is listed in [`Inspection::wrong`].
pub fn inspect(path: &Path) -> Result<Inspection, WeightsError> {
    if !path.is_dir() {
        return inspect_file(&Arc::new(Weights::open(path)?), path);
    }
    let folder = ModelFolder::open_component(path)?;
    if folder.has("model_index.json") {
        return inspect_model(&folder);
    }
    if !folder.has("config.json") && matches!(folder.weights(""), Err(WeightsError::MissingFile { .. })) {
        let advice = "name a file in it, or the folder of a model".to_owned();
        let wanted = "model_index.json or config.json".to_owned();
        return Err(WeightsError::MissingFile { file: folder.name().to_owned(), wanted, advice });
    }
    inspect_component(&folder)
}

fn inspect_file(weights: &Arc<Weights>, path: &Path) -> Result<Inspection, WeightsError> {
    let content = Content::of(weights)?;
    let (mut needs, mut asks, mut wrong) = (vec![], vec![], vec![]);
    match &content.kind {
        Kind::Adapter { needs: encoder, family, adapter } => {
            needs.push(match family {
                Family::Other => format!("a model with cross-attention {} wide", adapter.cross_attention_dim),
                family => format!("an {family} model"),
            });
            needs.extend(encoder.iter().map(ToString::to_string));
            wrong.extend(super::AdapterInfo::read(weights).err().map(|e| e.to_string()));
        }
        Kind::Checkpoint { family, few_step, .. } => {
            let is_open = few_step.is_none() && matches!(family, Family::Sdxl | Family::Sd15);
            asks.extend(is_open.then(|| FEW_STEP_QUESTION.to_owned()));
            match SingleFile::open(weights) {
                Ok(single) if single.components.contains_key("vae") => {}
                Ok(_) => needs.push("a VAE, given with --vae".to_owned()),
                Err(error) => wrong.push(error.to_string()),
            }
        }
        Kind::Unknown => {
            let first = weights.names().next().map_or("none".to_owned(), |name| format!("'{}'", shown(name)));
            wrong.push(format!("nothing here uses a file like this; its first tensor is {first}"));
        }
        Kind::Lora { family, .. } => {
            let family = family.map_or("the kind that it was trained on".to_owned(), |family| family.to_string());
            needs.push(format!("a model of {family}, given with --model, beside --lora"));
            match Lora::beside(weights.clone(), path.parent()) {
                Ok(lora) => asks.extend(lora.notices().iter().cloned()),
                Err(error) => wrong.push(error.to_string()),
            }
        }
        Kind::ControlNet { .. } | Kind::TinyVae { .. } | Kind::Foreign { .. } => {
            wrong.push("this version has no use for it".to_owned());
        }
        Kind::OpenClip => wrong.push("get the tower in transformers' format, a folder with config.json".to_owned()),
        Kind::Vae { .. } => needs.push("a model, given with --model, beside --vae".to_owned()),
        Kind::Latents { .. } => needs.push("a VAE to become a picture; nothing here reads it back".to_owned()),
        Kind::ImageEncoder { .. } if SingleFile::of_image_encoder(weights).is_some() => {}
        Kind::ImageEncoder { .. } if ModelFolder::beside_settings(path, weights).is_some() => {}
        Kind::TextEncoder { .. } | Kind::ImageEncoder { .. } | Kind::Unet { .. } => {
            let folder = path.parent().filter(|folder| folder.join("config.json").is_file());
            needs.push(match (whole_model(path), folder) {
                (Some(model), _) => format!("the rest of its model, to be given as the folder {}", shown_path(&model)),
                (None, Some(folder)) => format!("to be given as its folder, {}", shown_path(folder)),
                (None, None) => "the config.json of its folder".to_owned(),
            });
        }
    }
    let what = content.kind.to_string();
    let parts = vec![Part { name: String::new(), class: None, content: Some(content) }];
    Ok(Inspection { path: weights.name().to_owned(), what, parts, needs, asks, wrong })
}

/// A folder with `config.json` and one set of weights, such as an image encoder.
fn inspect_component(folder: &ModelFolder) -> Result<Inspection, WeightsError> {
    let weights = folder.weights("")?;
    let content = Content::of(&weights)?;
    let mut wrong = vec![];
    let mut class = None;
    match folder.json::<Map<String, Value>>("config.json") {
        Ok(config) => {
            class = config_class(&config);
            wrong.extend(config_differs(&config, &content.kind, "config.json"));
        }
        Err(error) => wrong.push(error.to_string()),
    }
    let what = format!("the folder of {}", content.kind);
    let parts = vec![Part { name: String::new(), class, content: Some(content) }];
    Ok(Inspection { path: folder.name().to_owned(), what, parts, needs: vec![], asks: vec![], wrong })
}

fn inspect_model(folder: &ModelFolder) -> Result<Inspection, WeightsError> {
    let index: Map<String, Value> = folder.json("model_index.json")?;
    let pipeline = index.get("_class_name").and_then(Value::as_str).unwrap_or("a pipeline without a name");
    let (family, second): (_, &[&str]) = match pipeline.contains("XL") {
        true => ("SDXL", &["text_encoder_2", "tokenizer_2"]),
        false => ("SD 1.5", &[]),
    };
    let needed: Vec<&str> = NEEDED.iter().chain(second).copied().collect();
    let mut wrong = vec![];
    let mut parts = vec![];
    for (name, library_and_class) in &index {
        // A component is [library, class]; both null where the pipeline does without it.
        let Some([_, Value::String(class)]) = library_and_class.as_array().map(Vec::as_slice) else { continue };
        if name.contains(['/', '\\', '.']) {
            wrong.push(format!("model_index.json names a component '{}', which is no folder name", shown(name)));
            continue;
        }
        let content = look_at_part(folder, name, needed.contains(&name.as_str()), &mut wrong);
        parts.push(Part { name: name.clone(), class: Some(shown(class)), content });
    }
    for name in needed {
        if parts.iter().any(|part| part.name == name) {
            continue;
        }
        // What the index forgets is used where it is there.
        if files_of(name).iter().any(|file| folder.has(&format!("{name}/{file}"))) {
            let content = look_at_part(folder, name, true, &mut wrong);
            parts.push(Part { name: name.to_owned(), class: None, content });
        } else {
            wrong.push(format!("it has no {name}, which an {family} model needs; choose an SDXL or SD 1.5 model"));
        }
    }
    let what = format!("a model in diffusers format ({})", shown(pipeline));
    Ok(Inspection { path: folder.name().to_owned(), what, parts, needs: vec![], asks: vec![], wrong })
}

/// The parts without which no picture is made; a safety checker and the like are never opened.
const NEEDED: &[&str] = &["unet", "vae", "text_encoder", "tokenizer", "scheduler"];

/// The settings of a part.
fn files_of(part: &str) -> &'static [&'static str] {
    match part {
        "tokenizer" | "tokenizer_2" => &["vocab.json", "merges.txt"],
        "scheduler" => &["scheduler_config.json"],
        "feature_extractor" => &["preprocessor_config.json"],
        _ => &["config.json"],
    }
}

/// The weights of a part of a model, if it has any; what is wrong with one that is used goes to `wrong`.
fn look_at_part(folder: &ModelFolder, name: &str, is_needed: bool, wrong: &mut Vec<String>) -> Option<Content> {
    let files = files_of(name);
    // An image encoder serves references where it is there.
    let is_used = is_needed || (name == "image_encoder" && folder.has("image_encoder/config.json"));
    let has_whole_tokenizer = name.starts_with("tokenizer") && folder.has(&format!("{name}/tokenizer.json"));
    if is_used && folder.path().is_some_and(|path| !path.join(name).is_dir()) {
        wrong.push(format!("it holds no folder {name}; download the folder again"));
        return None;
    }
    if is_used && !has_whole_tokenizer {
        let missing = files.iter().map(|file| format!("{name}/{file}")).filter(|file| !folder.has(file));
        wrong.extend(missing.map(|file| format!("{file} is missing; download the folder again")));
    }
    if files != ["config.json"] {
        return None;
    }
    let opened = folder.weights(name).and_then(|weights| Ok((Content::of(&weights)?, weights)));
    let (content, weights) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            wrong.extend(is_used.then(|| error.to_string()));
            return None;
        }
    };
    if is_used {
        let file = format!("{name}/config.json");
        if let Some(expected) = not_the_part(name, &content.kind, &weights) {
            let (file, kind) = (weights.name(), &content.kind);
            wrong.push(format!("{file} is {kind}, not {expected}; download the folder again"));
        } else if folder.has(&file) {
            match folder.json::<Map<String, Value>>(&file) {
                Ok(config) => wrong.extend(config_differs(&config, &content.kind, &file)),
                Err(error) => wrong.push(error.to_string()),
            }
        }
    }
    Some(content)
}

/// What the folder `part` should hold, where its weights are something else.
fn not_the_part(part: &str, kind: &Kind, weights: &Weights) -> Option<&'static str> {
    let (fits, expected) = match part {
        "unet" => (matches!(kind, Kind::Unet { .. }), "a UNet"),
        "vae" => (matches!(kind, Kind::Vae { .. }), "a VAE"),
        "image_encoder" => (matches!(kind, Kind::ImageEncoder { .. }), "an image encoder"),
        // A whole CLIP is both.
        "text_encoder" | "text_encoder_2" => {
            (weights.contains("text_model.embeddings.token_embedding.weight"), "a text encoder")
        }
        _ => return None,
    };
    (!fits).then_some(expected)
}

fn config_class(config: &Map<String, Value>) -> Option<String> {
    let first = || config.get("architectures")?.as_array()?.first();
    config.get("_class_name").or_else(first).and_then(Value::as_str).map(shown)
}

/// Where the settings and the header disagree about a size. Layers that the settings leave out are merely not used.
fn config_differs(config: &Map<String, Value>, kind: &Kind, file: &str) -> Vec<String> {
    let sizes: Vec<(&str, Option<usize>)> = match kind {
        Kind::Unet { cross_attention_dim, in_channels, .. } => {
            vec![("cross_attention_dim", Some(*cross_attention_dim)), ("in_channels", Some(*in_channels))]
        }
        Kind::Vae { latent_channels } => vec![("latent_channels", Some(*latent_channels))],
        Kind::TextEncoder { hidden_size, layers, projection_dim }
        | Kind::ImageEncoder { hidden_size, layers, projection_dim } => vec![
            ("hidden_size", Some(*hidden_size)),
            ("num_hidden_layers", Some(*layers)),
            ("projection_dim", *projection_dim),
        ],
        _ => vec![],
    };
    let differs = |(key, found): (&str, Option<usize>)| {
        let (found, said) = (found? as u64, config.get(key)?.as_u64()?);
        let differs = if key == "num_hidden_layers" { said > found } else { said != found };
        differs
            .then(|| format!("{file} says {key} {said}, but the weights have {found}; they belong to different models"))
    };
    sizes.into_iter().filter_map(differs).collect()
}

impl Inspection {
    /// What is opened to see whether it fits together: the weights' kind, `None` for a folder with a whole model.
    pub fn kind(&self) -> Option<&Kind> {
        match self.parts.as_slice() {
            [Part { name, content: Some(content), .. }] if name.is_empty() => Some(&content.kind),
            _ => None,
        }
    }

    /// The findings in plain lines, the first of them what it is.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{}: {}", self.path, self.what)];
        for part in &self.parts {
            let class = part.class.as_ref().map_or(String::new(), |class| format!(" ({class})"));
            lines.push(match (&part.content, part.name.as_str()) {
                (Some(content), "") => format!("  {}{class}", content.numbers()),
                (Some(content), name) => format!("  {name}{class}: {}; {}", content.kind, content.numbers()),
                (None, name) => format!("  {name}{class}"),
            });
        }
        lines.extend(self.needs.iter().map(|need| format!("  needs {need}")));
        lines.extend(self.asks.iter().map(|ask| format!("  asks: {ask}")));
        lines.extend(self.wrong.iter().map(|wrong| format!("  wrong: {wrong}")));
        lines
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

/// A large number with its unit, of thousand-folds from the largest down: `2.57 billion`.
fn scaled(n: u64, [giga, mega, kilo, one]: [&str; 4]) -> String {
    for (factor, unit) in [(1e9, giga), (1e6, mega), (1e3, kilo)] {
        if n as f64 >= factor {
            return format!("{:.2}{unit}", n as f64 / factor);
        }
    }
    format!("{n}{one}")
}
