//! A folder with models as an artist has them, and a window that knows of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use egui::{Key, Modifiers};
use instantstyle::app::ModelSource;
use instantstyle::engine::FakeEngine;
use instantstyle::models::{Folders, Hub, ModelEntry, Patience, Places};

use super::by_rule::golden;
use super::window::{Window, open, press, wait};

#[path = "copy.rs"]
mod copying;
pub use copying::copy;

/// A folder with models as an artist has them, and a window that knows of it.
pub struct Studio {
    pub home: tempfile::TempDir,
    pub art: tempfile::TempDir,
}

impl Studio {
    pub fn new() -> Self {
        let studio = Self { home: tempfile::tempdir().unwrap(), art: tempfile::tempdir().unwrap() };
        copy(&golden().join("model_a"), &studio.path("model_a"));
        copy(&golden().join("vision_a"), &studio.path("clip/vision_a"));
        for adapter in ["adapter_a.safetensors", "adapter_b.safetensors"] {
            copy(&golden().join(adapter), &studio.path(adapter));
        }
        studio
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.art.path().join(name)
    }

    pub fn source(&self, hub: &str, entries: Vec<ModelEntry>) -> ModelSource {
        let (store, art, hub) = (self.home.path().join("models"), self.art.path().to_owned(), hub.to_owned());
        ModelSource {
            places: Arc::new(move || {
                let mut named = Folders::load(&store)?.folders;
                named.push(art.clone());
                Ok(Places { store: Some(store.clone()), hub_cache: None, named })
            }),
            hub: Arc::new(move || Hub::new(&hub, None)),
            entries: entries.leak(),
            converter: Some(PathBuf::from(env!("CARGO_BIN_EXE_instantstyle"))),
            patience: Patience { tries: 1, pause: Duration::ZERO, ..Patience::default() },
        }
    }

    pub fn open(&self) -> (Window, Arc<FakeEngine>) {
        self.open_shop("http://127.0.0.1:9", Vec::new())
    }

    pub fn open_shop(&self, hub: &str, entries: Vec<ModelEntry>) -> (Window, Arc<FakeEngine>) {
        let (mut window, fake) = open(self.home.path());
        window.state_mut().state.set_model_source(self.source(hub, entries));
        (window, fake)
    }
}

pub fn open_models(window: &mut Window) {
    press(window, Modifiers::COMMAND, Key::M);
    wait(window, "the look through the folders", |app| !app.state.models.is_looking);
}

pub fn examined(window: &mut Window) {
    wait(window, "the try to open it", |app| app.state.models.examined.is_some());
    window.run_steps(2);
}

pub fn opened(window: &mut Window, path: Option<&Path>) {
    let path = path.map(Path::to_owned);
    wait(window, "the model to open", |app| app.state.opened_model().model == path);
    window.run_steps(2);
}
