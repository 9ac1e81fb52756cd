//! The list of models: `assets/models.toml`, built into the program.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// What a model is used as; the flag of `render` that takes it has the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    Model,
    Adapter,
    ImageEncoder,
    Vae,
    Preview,
    /// None of the list; merged into a model.
    Lora,
}

/// One model of the list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// What `models get` takes; also the name of its folder among the program's files.
    pub name: String,
    pub title: String,
    /// What it is good for, in half a sentence.
    pub purpose: String,
    pub part: Part,
    /// It is used by its folder, not by its first file.
    #[serde(default)]
    pub folder: bool,
    /// Names of other models that it does not work without.
    #[serde(default)]
    pub needs: Vec<String>,
    pub licence: String,
    pub licence_url: String,
    /// On the Hugging Face hub.
    pub repo: String,
    /// A commit, so that a name always means the same bytes.
    pub revision: String,
    /// The weights first, then what must lie beside them.
    pub files: Vec<ModelFile>,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Inside the repository, with `/` between parts.
    pub path: String,
    /// Unknown for some small files; the server tells then.
    pub bytes: Option<u64>,
    /// 64 lower-case hex digits; unknown for some small files.
    pub sha256: Option<String>,
}

impl ModelFile {
    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

impl ModelEntry {
    /// The file that holds the weights.
    pub fn weights(&self) -> Option<&ModelFile> {
        self.files.first()
    }

    /// Bytes of all files together, as far as they are known.
    pub fn bytes(&self) -> u64 {
        self.files.iter().filter_map(|file| file.bytes).sum()
    }
}

/// All models, in the order of the file.
pub fn list() -> &'static [ModelEntry] {
    static LIST: OnceLock<Vec<ModelEntry>> = OnceLock::new();
    // A test parses the file, so that a mistake in it never leaves the workshop.
    LIST.get_or_init(|| parse(include_str!("../../assets/models.toml")).unwrap_or_default())
}

/// The model called `name`.
pub fn find_entry(name: &str) -> Option<&'static ModelEntry> {
    list().iter().find(|entry| entry.name == name)
}

fn parse(text: &str) -> Result<Vec<ModelEntry>, toml::de::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Document {
        model: Vec<ModelEntry>,
    }
    toml::from_str::<Document>(text).map(|document| document.model)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    fn is_hex(text: &str, length: usize) -> bool {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    }

    #[test]
    fn the_list_is_sound() {
        let list = parse(include_str!("../../assets/models.toml")).unwrap();
        assert!(list.len() >= 9);
        let names: BTreeSet<&str> = list.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names.len(), list.len(), "a name stands twice");
        for entry in &list {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(entry.name.chars().all(plain), "{}", entry.name);
            assert!(is_hex(&entry.revision, 40), "{}: a revision is a commit", entry.name);
            assert!(entry.licence_url.starts_with("https://"), "{}", entry.name);
            assert_eq!(entry.repo.split('/').count(), 2, "{}", entry.name);
            for need in &entry.needs {
                assert!(names.contains(need.as_str()), "{} needs {need}", entry.name);
            }
            let weights = entry.weights().unwrap();
            assert!(weights.path.ends_with(".safetensors"), "{}", entry.name);
            assert!(weights.bytes.is_some() && weights.sha256.is_some(), "{}", entry.name);
            for file in &entry.files {
                let parts: Vec<&str> = file.path.split('/').collect();
                assert!(parts.iter().all(|part| !part.is_empty() && !part.starts_with('.')), "{}", file.path);
                assert!(file.sha256.as_deref().is_none_or(|sha| is_hex(sha, 64)), "{}", file.path);
            }
            let distinct: BTreeSet<&str> = entry.files.iter().map(ModelFile::name).collect();
            assert_eq!(distinct.len(), entry.files.len(), "{}: two files of one name", entry.name);
        }
    }

    #[test]
    fn every_adapter_brings_its_encoder_and_bigg_serves_subtraction() {
        for entry in list().iter().filter(|entry| entry.part == Part::Adapter) {
            let [need] = entry.needs.as_slice() else { unreachable!("{}", entry.name) };
            assert_eq!(find_entry(need).unwrap().part, Part::ImageEncoder);
        }
        assert_eq!(find_entry("ip-adapter-sdxl").unwrap().needs, ["clip-vit-bigg"]);
        assert!(find_entry("../sdxl").is_none());
    }
}
