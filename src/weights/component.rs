//! The files of one component of a diffusers folder: which of several names, and shards behind an index.
//!
//! File names as diffusers and transformers write them: `STEM.safetensors`, `STEM.safetensors.index.json` with shards,
//! and the same with the variant `fp16` (diffusers `models/model_loading_utils.py`, transformers `modeling_utils.py`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::{shown, shown_path};
use super::source::Source;
use super::{Impostor, Weights, WeightsError};

impl Weights {
    /// Opens a component of a diffusers folder by the stem of its file: `diffusion_pytorch_model` or `model`.
    ///
    /// The plain name wins over shards, and both over the `fp16` variant.
    pub fn open_component(folder: &Path, stem: &str) -> Result<Self, WeightsError> {
        let file = shown_path(folder);
        if !folder.is_dir() {
            return Err(WeightsError::NotFound { file });
        }
        for name in Self::file_names(stem) {
            let path = folder.join(name);
            if path.is_file() {
                return Self::open(&path);
            }
        }
        for pickle in [format!("{stem}.bin"), format!("{stem}.fp16.bin"), "pytorch_model.bin".to_owned()] {
            let path = folder.join(pickle);
            if path.is_file() {
                return Err(WeightsError::NotSafetensors { file: shown_path(&path), what: Impostor::Pickle });
            }
        }
        let advice = "download the folder again, with its .safetensors files".to_owned();
        Err(WeightsError::MissingFile { file, wanted: format!("{stem}.safetensors"), advice })
    }

    /// The names under which a component's weights may lie, best first.
    pub(super) fn file_names(stem: &str) -> [String; 5] {
        [
            format!("{stem}.safetensors"),
            format!("{stem}.safetensors.index.json"),
            format!("{stem}.fp16.safetensors"),
            // diffusers puts the variant before the last dot, older versions before "safetensors".
            format!("{stem}.safetensors.index.fp16.json"),
            format!("{stem}.fp16.safetensors.index.json"),
        ]
    }

    pub(super) fn open_index(path: &Path) -> Result<Self, WeightsError> {
        /// An index is a list of names; SDXL's UNet needs 200 KB.
        const LONGEST: u64 = 32 << 20;
        #[derive(serde::Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        let file = shown_path(path);
        let bad = |why: String| WeightsError::BadIndex { file: file.clone(), why };
        let source = Source::open(path)?;
        if source.len() > LONGEST {
            return Err(bad("it is too long".to_owned()));
        }
        let mut json = vec![0; source.len() as usize];
        source.read_at(0, &mut json).map_err(|e| WeightsError::io(&file, &e))?;
        // Settings, a recipe or a server's answer are no damaged index.
        let is_index = path.file_name().is_some_and(|name| name.to_string_lossy().contains(".index."));
        let index: Index = serde_json::from_slice(&json).map_err(|e| match is_index {
            true => bad(shown(&e.to_string())),
            false => {
                let first = json.get(..256).unwrap_or(&json);
                WeightsError::NotSafetensors { file: file.clone(), what: Impostor::of(first) }
            }
        })?;
        let mut shards: Vec<&String> = index.weight_map.values().collect();
        shards.sort();
        shards.dedup();
        if shards.is_empty() {
            return Err(bad("it lists no file".to_owned()));
        }
        let mut sources = Vec::new();
        for shard in shards {
            // A name from a file is never followed out of its folder.
            if Path::new(shard).file_name().is_none_or(|name| name != shard.as_str()) || shard.contains(['/', '\\']) {
                return Err(bad(format!("'{}' is not a plain file name", shown(shard))));
            }
            let path: PathBuf = path.with_file_name(shard);
            if !path.is_file() {
                return Err(bad(format!("its file '{}' is not beside it", shown(shard))));
            }
            sources.push((shown_path(&path), Source::open(&path)?));
        }
        let all = Self::gather(file.clone(), sources)?;
        match index.weight_map.keys().find(|key| !all.tensors.contains_key(*key)) {
            Some(key) => Err(bad(format!("tensor '{}' is in none of its files", shown(key)))),
            None => Ok(all),
        }
    }
}
