//! What a JSON file is: a recipe, the settings of a part of a model, an index of weights, or of no use.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::error::{CliError, shown};
use super::flags::Base;
use super::recall;
use crate::recipe::Recipe;
use crate::weights;

/// An index of weights is the longest of what is known here.
const LONGEST: u64 = 32 << 20;

pub enum JsonFile {
    Recipe(Box<Recipe>),
    /// An index of weights, which the room of weights looks at.
    Index,
    /// The settings of something, and what is to be given in their place.
    Settings {
        what: String,
        needs: String,
    },
}

/// Reads the file at `path`.
///
/// # Errors
/// What is no whole JSON, and JSON that nothing here uses.
pub fn look(path: &Path) -> Result<JsonFile, CliError> {
    let file = path.display();
    let refused = |why: String| Err(CliError::usage(format!("{file} {why}")));
    let length = fs::metadata(path).map_or(0, |about| about.len());
    if length == 0 {
        return refused("is empty; download it again".to_owned());
    }
    if length > LONGEST {
        return refused("is too long for a recipe or settings; nothing here uses a file like this".to_owned());
    }
    let bytes = fs::read(path)
        .map_err(|error| CliError::usage(format!("{file} cannot be read ({error}); check its permissions")))?;
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let fields = match serde_json::from_slice(text) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return refused("is JSON, but neither a recipe nor settings, which begin with a brace".to_owned()),
        // Python's own numbers are read where settings may hold them.
        Err(_) if name(path) == "scheduler_config.json" => Map::new(),
        Err(error) => {
            return refused(format!("is no whole JSON ({error}); correct it, or save or download it again"));
        }
    };
    if fields.get("weight_map").is_some_and(Value::is_object) {
        return Ok(JsonFile::Index);
    }
    if let Some(what) = settings(name(path), &fields) {
        let folder = weights::whole_model(path).or_else(|| path.parent().map(Path::to_owned)).unwrap_or_default();
        let folder = if folder.as_os_str().is_empty() { ".".into() } else { folder };
        let needs = format!("the rest of its folder, to be given as {}", folder.display());
        return Ok(JsonFile::Settings { what, needs });
    }
    let known = serde_json::to_value(Recipe::default()).ok();
    let is_known = |field: &String| known.as_ref().is_some_and(|known| known.get(field).is_some());
    match (recall::read_base(&Base::Recipe(path.to_owned())), fields.keys().next()) {
        (Ok(recipe), _) => Ok(JsonFile::Recipe(Box::new(recipe))),
        (Err(_), Some(first)) if !fields.keys().any(is_known) => refused(format!(
            "is JSON, but neither a recipe nor settings of a model (its first field is '{}'); nothing here uses it",
            shown(first)
        )),
        (Err(error), _) => Err(error),
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Whose settings they are, told by diffusers' and transformers' marks, else by the name that the file always has.
fn settings(name: &str, fields: &Map<String, Value>) -> Option<String> {
    let text = |key: &str| fields.get(key).and_then(Value::as_str).map(shown);
    let first = |key: &str| fields.get(key)?.as_array()?.first()?.as_str().map(shown);
    if let Some(class) = text("_class_name") {
        return Some(match class.ends_with("Pipeline") {
            true => format!("the index of a model in diffusers format ({class})"),
            false => format!("the settings of a part of a model ({class})"),
        });
    }
    if let Some(class) = first("architectures").or_else(|| text("model_type")) {
        return Some(format!("the settings of a part of a model ({class})"));
    }
    if let Some(class) = text("image_processor_type").or_else(|| text("feature_extractor_type")) {
        return Some(format!("how pictures are prepared for an image encoder ({class})"));
    }
    let what = match name {
        "model_index.json" => "the index of a model in diffusers format",
        "config.json" | "scheduler_config.json" => "the settings of a part of a model",
        "preprocessor_config.json" => "how pictures are prepared for an image encoder",
        "instantstyle.json" => "what a model says of its blocks and its defaults",
        "adapter_config.json" => "the settings of a LoRA",
        "vocab.json" | "tokenizer.json" | "tokenizer_config.json" | "special_tokens_map.json" => {
            "a file of a tokenizer"
        }
        _ => return None,
    };
    Some(what.to_owned())
}
