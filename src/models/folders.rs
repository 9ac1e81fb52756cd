//! Where models may lie: the program's own store, folders that the user names, and the cache of Hugging Face's tools.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ModelsError;
use crate::library;

/// Folders to search, as in `PATH`, besides those that were added for good.
pub const FOLDERS_VARIABLE: &str = "INSTANTSTYLE_MODELS";

/// The folders that the user has added, kept in `folders.toml` of the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Folders {
    pub folders: Vec<PathBuf>,
}

impl Folders {
    /// # Errors
    /// A file that is there and cannot be read: it is the user's, and is not silently forgotten.
    pub fn load(store: &Path) -> Result<Self, ModelsError> {
        let path = Self::path(store);
        let bad = |why: String| ModelsError::Disk {
            file: path.display().to_string(),
            why,
            advice: "mend it or remove it, and add the folders again",
        };
        match fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|error| bad(error.message().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(bad(error.to_string())),
        }
    }

    /// # Errors
    /// A store that cannot be written in, or a path that is not UTF-8.
    pub fn save(&self, store: &Path) -> Result<(), ModelsError> {
        let path = Self::path(store);
        let bad = |why: String| ModelsError::Disk {
            file: path.display().to_string(),
            why,
            advice: "name the folder by a path that is plain text",
        };
        let text = toml::to_string(self).map_err(|error| bad(error.to_string()))?;
        make_folder(store)?;
        Ok(library::write_atomically(&path, text.as_bytes())?)
    }

    /// The same folder under another name, or from another working folder, is the same. False where it is there already.
    pub fn add(&mut self, folder: &Path) -> bool {
        let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let is_new = !self.folders.contains(&real);
        if is_new {
            self.folders.push(real);
        }
        is_new
    }

    /// False where it was not there.
    pub fn remove(&mut self, folder: &Path) -> bool {
        // One that is gone has no true path any more, only the one that was typed.
        let real = fs::canonicalize(folder).or_else(|_| std::path::absolute(folder));
        let real = real.unwrap_or_else(|_| folder.to_owned());
        let before = self.folders.len();
        self.folders.retain(|kept| *kept != real && kept != folder);
        self.folders.len() < before
    }

    fn path(store: &Path) -> PathBuf {
        store.join("folders.toml")
    }
}

/// Every place to search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Where downloads go: one folder a model.
    pub store: Option<PathBuf>,
    /// Hugging Face's cache, `models--OWNER--NAME/snapshots/COMMIT/…`.
    pub hub_cache: Option<PathBuf>,
    /// Folders that the user named.
    pub named: Vec<PathBuf>,
}

impl Places {
    /// From the environment and the user's own list.
    ///
    /// # Errors
    /// A list that cannot be read.
    pub fn from_environment() -> Result<Self, ModelsError> {
        Self::of_home(library::home().as_deref())
    }

    /// As [`Places::from_environment`], for a program whose files lie in `home`.
    ///
    /// # Errors
    /// A list that cannot be read.
    pub fn of_home(home: Option<&Path>) -> Result<Self, ModelsError> {
        let variable = |name: &str| env::var_os(name);
        let store = home.map(|home| home.join("models"));
        let mut named = match &store {
            Some(store) => Folders::load(store)?.folders,
            None => Vec::new(),
        };
        if let Some(more) = variable(FOLDERS_VARIABLE) {
            named.extend(env::split_paths(&more).filter(|path| !path.as_os_str().is_empty()));
        }
        Ok(Self { store, hub_cache: hub_cache(&variable), named })
    }

    /// The store.
    ///
    /// # Errors
    /// A machine without a home folder.
    pub fn store(&self) -> Result<&Path, ModelsError> {
        self.store.as_deref().ok_or(ModelsError::NoHome)
    }
}

/// The home of Hugging Face's tools (huggingface_hub `constants.py`).
pub(super) fn hub_home(variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || {
        let home = || folder("HOME").or_else(|| folder("USERPROFILE")).map(|home| home.join(".cache"));
        folder("XDG_CACHE_HOME").or_else(home)
    };
    folder("HF_HOME").or_else(|| Some(cache()?.join("huggingface")))
}

fn hub_cache(variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let own = folder("HF_HUB_CACHE").or_else(|| folder("HUGGINGFACE_HUB_CACHE"));
    own.or_else(|| Some(hub_home(variable)?.join("hub")))
}

pub(super) fn make_folder(folder: &Path) -> Result<(), ModelsError> {
    fs::create_dir_all(folder).map_err(|error| ModelsError::Disk {
        file: folder.display().to_string(),
        why: error.to_string(),
        advice: "check its permissions or move the program's files with INSTANTSTYLE_HOME",
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_hubs_cache_is_where_its_tools_put_it() {
        let cache = |variables: &[(&str, &str)]| {
            hub_cache(&|name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value)))
        };
        assert_eq!(cache(&[("HOME", "/h")]), Some("/h/.cache/huggingface/hub".into()));
        assert_eq!(cache(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]), Some("/c/huggingface/hub".into()));
        assert_eq!(cache(&[("HOME", "/h"), ("HF_HOME", "/hf")]), Some("/hf/hub".into()));
        assert_eq!(cache(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/cache")]), Some("/cache".into()));
        assert_eq!(cache(&[]), None);
    }

    #[test]
    fn folders_are_kept_and_a_damaged_list_is_told() {
        let store = tempfile::tempdir().unwrap();
        let store = store.path().join("models");
        assert_eq!(Folders::load(&store).unwrap(), Folders::default());
        let folders = Folders { folders: vec!["/art/ComfyUI".into(), "/b \"c\"".into()] };
        folders.save(&store).unwrap();
        assert_eq!(Folders::load(&store).unwrap(), folders);
        fs::write(store.join("folders.toml"), "folders = [1").unwrap();
        let said = Folders::load(&store).unwrap_err().to_string();
        assert!(said.contains("folders.toml") && said.lines().count() == 1, "{said}");
    }
}
