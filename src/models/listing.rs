//! Everything on this computer that can be chosen: in the store, in the folders that the user named, in the hub's cache.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::walk;
use super::{Item, ModelEntry, Places};

/// What a look through all places found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    pub items: Vec<Item>,
    /// Files of the named folders that nothing here can use, and why not.
    pub unusable: Vec<(PathBuf, String)>,
}

impl Listing {
    /// Reads headers only; `cancelled` is asked between two files, and what was found until then is returned.
    pub fn of(places: &Places, entries: &[ModelEntry], cancelled: &dyn Fn() -> bool) -> Self {
        let mut out = Self::default();
        // By their true paths: a cached file is a link to its content, and a folder is met once for each of its files.
        let (mut looked, mut taken) = (BTreeSet::new(), BTreeSet::new());
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let own = places.store.iter().chain(&places.named).map(|root| (root.clone(), true));
        let cached = places.hub_cache.iter().flat_map(|cache| snapshots(cache)).map(|root| (root, false));
        for (root, is_own) in own.chain(cached) {
            for candidate in walk::candidates(&root) {
                if cancelled() {
                    return out;
                }
                let path = whole(&candidate.path);
                if !looked.insert(real(&path)) {
                    continue;
                }
                match Item::look(&path) {
                    Ok(mut item) if taken.insert(real(&item.path)) => {
                        let entry = entries.iter().find(|entry| is_of(&item.path, entry, places));
                        item.licence = entry.map(|entry| entry.licence.clone()).or(item.licence);
                        out.items.push(item);
                    }
                    Ok(_) => {}
                    Err(why) if is_own => out.unusable.push((path, why)),
                    // The cache holds models for all kinds of programs.
                    Err(_) => {}
                }
            }
        }
        out
    }
}

/// The folder of a whole model, where a file is a part of one.
fn whole(file: &Path) -> PathBuf {
    let folder = file.parent().unwrap_or(Path::new(""));
    if let Some(model) = folder.parent().filter(|above| above.join("model_index.json").is_file()) {
        return model.to_owned();
    }
    // The names of a component's own weights; other files may lie beside a config.json that is not theirs.
    let stem = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_component = ["model.", "model-", "diffusion_pytorch_model."].iter().any(|start| stem.starts_with(start));
    match is_component && folder.join("config.json").is_file() {
        true => folder.to_owned(),
        false => file.to_owned(),
    }
}

fn snapshots(cache: &Path) -> Vec<PathBuf> {
    let folders = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        found.sort();
        found
    };
    let is_model = |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("models--"));
    folders(cache).iter().filter(|path| is_model(path)).flat_map(|repo| folders(&repo.join("snapshots"))).collect()
}

/// It lies where a download of the entry, or the hub's own tools, put it.
fn is_of(path: &Path, entry: &ModelEntry, places: &Places) -> bool {
    let is_stored = places.store.as_ref().is_some_and(|store| path.starts_with(store.join(&entry.name)));
    let cached =
        places.hub_cache.as_ref().map(|cache| cache.join(format!("models--{}", entry.repo.replace('/', "--"))));
    let is_cached = cached.is_some_and(|repo| path.starts_with(repo));
    let weights = entry.weights().map(|file| Path::new(&file.path));
    let is_named = weights.is_some_and(|weights| {
        path.ends_with(weights) || weights.parent().is_some_and(|folder| path.ends_with(folder))
    });
    is_stored || (is_cached && is_named)
}
