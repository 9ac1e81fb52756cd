//! The cache of Hugging Face's tools: `models--OWNER--NAME/snapshots/COMMIT/PATH`, each file a link to
//! `blobs/SHA256` (huggingface_hub, "Understand caching").

use std::fs;
use std::path::{Path, PathBuf};

use super::{ModelEntry, ModelFile};
use crate::weights::ModelFolder;

/// Folders of snapshots of the entry's repository, its own revision first.
pub(super) fn snapshots(cache: &Path, entry: &ModelEntry) -> Vec<PathBuf> {
    let folder = cache.join(format!("models--{}", entry.repo.replace('/', "--"))).join("snapshots");
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort_by_key(|path| (!path.ends_with(&entry.revision), path.clone()));
    found
}

/// What the cache says about a file of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cached {
    /// The blob's name is the wanted checksum.
    Right,
    /// Of the right length, but not named by a checksum (small files, and systems without links).
    Perhaps,
    Wrong,
}

pub(super) fn look(path: &Path, file: &ModelFile) -> Cached {
    let Ok(about) = fs::metadata(path) else { return Cached::Wrong };
    if !about.is_file() || about.len() == 0 || file.bytes.is_some_and(|bytes| bytes != about.len()) {
        return Cached::Wrong;
    }
    let blob = fs::read_link(path).ok().and_then(|blob| Some(blob.file_name()?.to_str()?.to_owned()));
    match (blob.filter(|name| name.len() == 64), &file.sha256) {
        (Some(blob), Some(sha256)) if blob == *sha256 => Cached::Right,
        (Some(_), Some(_)) => Cached::Wrong,
        _ => Cached::Perhaps,
    }
}

/// A snapshot that is a whole model in diffusers' layout, as its tools fetch it.
pub(super) fn is_whole_model(snapshot: &Path) -> bool {
    let Ok(folder) = ModelFolder::open(snapshot) else { return false };
    ["unet", "vae", "text_encoder", "text_encoder_2"].iter().all(|part| folder.weights(part).is_ok())
}
