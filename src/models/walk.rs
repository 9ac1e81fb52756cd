//! Model files below a folder that the user named.
//!
//! The folder of a ComfyUI or an A1111 installation holds much besides models, so only the model folders of its known
//! layout are entered (ComfyUI `folder_paths.py`, A1111 `modules/paths.py`); any other folder is searched whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Below `models/` of ComfyUI (first row) and A1111 with its forks (second row).
const MODEL_FOLDERS: &[&str] = &[
    "checkpoints",
    "clip_vision",
    "diffusers",
    "diffusion_models",
    "ipadapter",
    "loras",
    "unet",
    "vae",
    "vae_approx",
    "Stable-diffusion",
    "VAE",
    "VAE-approx",
    "Lora",
    "ControlNet",
    "ControlNetPreprocessor",
];
const DEEPEST: usize = 8;
/// Entries that are looked at below one folder.
const MOST: usize = 100_000;

/// A safetensors file, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub path: PathBuf,
    pub bytes: u64,
}

/// All candidates below `root`, sorted by path. What cannot be read is left out.
pub(super) fn candidates(root: &Path) -> Vec<Candidate> {
    let mut walk = Walk { seen: BTreeSet::new(), looked: 0, found: Vec::new() };
    let models = root.join("models");
    let known: Vec<PathBuf> = MODEL_FOLDERS.iter().map(|name| models.join(name)).filter(|path| path.is_dir()).collect();
    match known.is_empty() {
        true => walk.enter(root),
        false => known.iter().for_each(|folder| walk.enter(folder)),
    }
    walk.found.sort_by(|a, b| a.path.cmp(&b.path));
    walk.found
}

struct Walk {
    /// Folders by their true path: links may lead in circles.
    seen: BTreeSet<PathBuf>,
    looked: usize,
    found: Vec<Candidate>,
}

impl Walk {
    fn enter(&mut self, root: &Path) {
        let mut folders = vec![(root.to_owned(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let is_new = fs::canonicalize(&folder).is_ok_and(|real| self.seen.insert(real));
            let Some(entries) = is_new.then(|| fs::read_dir(&folder).ok()).flatten() else { continue };
            for entry in entries.flatten() {
                self.looked += 1;
                if self.looked > MOST {
                    return;
                }
                let path = entry.path();
                // Hidden folders hold caches and histories; the hub's cache is searched by its own layout.
                let hidden = entry.file_name().as_encoded_bytes().first() == Some(&b'.');
                let Ok(about) = fs::metadata(&path) else { continue };
                let is_weights = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("safetensors"));
                if about.is_dir() && !hidden && depth < DEEPEST {
                    folders.push((path, depth + 1));
                } else if about.is_file() && is_weights && about.len() > 0 {
                    self.found.push(Candidate { path, bytes: about.len() });
                }
            }
        }
    }
}
