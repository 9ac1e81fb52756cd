//! The models panel, LoRAs and downloads, driven through the window's widgets on the fake engine and a scripted server.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/by_rule.rs"]
mod by_rule;
#[path = "common/server.rs"]
mod server;
#[path = "common/window.rs"]
mod window;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use by_rule::{ByRule, golden, write};
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use instantstyle::app::{Fetch, ModelSource, Place};
use instantstyle::engine::{FakeEngine, Script};
use instantstyle::models::{Folders, Hub, ModelEntry, ModelFile, Part, Patience, Places};
use instantstyle::recipe::ModelFiles;
use safetensors::Dtype;
use server::{Server, body, head, serve, sha256};
use window::{Window, click, drop_file, errors, generate, history, kept, open, press, wait};

/// A folder with models as an artist has them, and a window that knows of it.
struct Studio {
    home: tempfile::TempDir,
    art: tempfile::TempDir,
}

impl Studio {
    fn new() -> Self {
        let studio = Self { home: tempfile::tempdir().unwrap(), art: tempfile::tempdir().unwrap() };
        copy(&golden().join("model_a"), &studio.path("model_a"));
        copy(&golden().join("vision_a"), &studio.path("clip/vision_a"));
        for adapter in ["adapter_a.safetensors", "adapter_b.safetensors"] {
            copy(&golden().join(adapter), &studio.path(adapter));
        }
        studio
    }

    fn path(&self, name: &str) -> PathBuf {
        self.art.path().join(name)
    }

    fn source(&self, hub: &str, entries: Vec<ModelEntry>) -> ModelSource {
        let (store, art, hub) = (self.home.path().join("models"), self.art.path().to_owned(), hub.to_owned());
        ModelSource {
            places: Arc::new(move || {
                let mut named = Folders::load(&store)?.folders;
                named.push(art.clone());
                Ok(Places { store: Some(store.clone()), hub_cache: None, named })
            }),
            hub: Arc::new(move || Hub::new(&hub, None)),
            entries: entries.leak(),
            patience: Patience { tries: 1, pause: Duration::ZERO, ..Patience::default() },
        }
    }

    fn open(&self) -> (Window, Arc<FakeEngine>) {
        self.open_shop("http://127.0.0.1:9", Vec::new())
    }

    fn open_shop(&self, hub: &str, entries: Vec<ModelEntry>) -> (Window, Arc<FakeEngine>) {
        let (mut window, fake) = open(self.home.path());
        window.state_mut().state.set_model_source(self.source(hub, entries));
        (window, fake)
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
        return;
    }
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
}

fn open_models(window: &mut Window) {
    press(window, Modifiers::COMMAND, Key::M);
    wait(window, "the look through the folders", |app| !app.state.models.is_looking);
}

fn examined(window: &mut Window) {
    wait(window, "the try to open it", |app| app.state.models.examined.is_some());
    window.run_steps(2);
}

fn opened(window: &mut Window, path: Option<&Path>) {
    let path = path.map(Path::to_owned);
    wait(window, "the model to open", |app| app.state.opened_model().model == path);
    window.run_steps(2);
}

#[test]
fn a_found_model_is_chosen_with_what_goes_with_it_undone_and_kept() {
    let studio = Studio::new();
    let (mut window, fake) = studio.open();
    click(&mut window, "Model: Built-in model");
    wait(&mut window, "the look through the folders", |app| !app.state.models.is_looking);
    click(&mut window, "Model: model_a");
    examined(&mut window);
    assert!(window.query_by_label_contains("References enter through adapter_a.safetensors").is_some());
    assert!(window.query_by_label_contains("Takes about").is_some(), "the estimate comes before the loading");
    assert_eq!(window.state().state.opened_model().model, None, "looking changes nothing");
    click(&mut window, "Use this model");
    let model = studio.path("model_a");
    opened(&mut window, Some(&model));
    let files = window.state().state.recipe.model.clone();
    assert!(files.model.starts_with("model_a@") && files.adapter.starts_with("adapter_a.safetensors@"), "{files:?}");
    press(&mut window, Modifiers::NONE, Key::Escape);
    window.get_by_role_and_label(Role::Button, "Model: model_a");

    generate(&mut window, 1);
    let spec = fake.seen().pop().unwrap();
    assert_eq!(spec.model.model.as_ref(), Some(&model));
    assert_eq!(spec.model.adapter, Some(studio.path("adapter_a.safetensors")));
    assert_eq!(spec.model.image_encoder, Some(studio.path("clip/vision_a")));

    press(&mut window, Modifiers::COMMAND, Key::Z);
    opened(&mut window, None);
    assert_eq!(window.state().state.recipe.model, ModelFiles::default());
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    opened(&mut window, Some(&model));
    assert_eq!(window.state().state.recipe.model, files);

    drop(window);
    let (window, _fake) = studio.open();
    assert_eq!(window.state().state.opened_model().model, Some(model));
    assert_eq!(window.state().state.recipe.model, files);
}

#[test]
fn keys_alone_open_the_panel_find_a_model_and_take_it_up() {
    let studio = Studio::new();
    let (mut window, _fake) = studio.open();
    open_models(&mut window);
    window.get_by_role_and_label(Role::TextInput, "Find a model").focus();
    window.run_steps(2);
    window.event(egui::Event::Text("model_a".to_owned()));
    window.run_steps(3);
    assert!(window.query_by_role_and_label(Role::Button, "IP-Adapter: adapter_b.safetensors").is_none());
    press(&mut window, Modifiers::NONE, Key::Tab);
    assert!(window.get_by_role_and_label(Role::Button, "Model: model_a").accesskit_node().is_focused());
    press(&mut window, Modifiers::NONE, Key::Enter);
    examined(&mut window);
    press(&mut window, Modifiers::NONE, Key::Enter);
    opened(&mut window, Some(&studio.path("model_a")));
}

#[test]
fn what_does_not_fit_or_is_no_model_is_refused_with_its_sentence() {
    let studio = Studio::new();
    copy(&golden().join("latents.safetensors"), &studio.path("odd.safetensors"));
    let (mut window, _fake) = studio.open();
    open_models(&mut window);
    // The built-in model takes no other adapter.
    click(&mut window, "IP-Adapter: adapter_a.safetensors");
    examined(&mut window);
    assert!(window.query_by_label_contains("The built-in model brings its own IP-Adapter").is_some());
    click(&mut window, "Model: model_a");
    examined(&mut window);
    click(&mut window, "Use this model");
    opened(&mut window, Some(&studio.path("model_a")));
    click(&mut window, "IP-Adapter: adapter_b.safetensors");
    examined(&mut window);
    assert!(window.query_by_label_contains("is made for another model").is_some());
    assert!(window.get_by_role_and_label(Role::Button, "Use this IP-Adapter").accesskit_node().is_disabled());
    window.get_by_label("1 file that cannot be used");

    // Dropped: the same sentences, and nothing changes.
    drop_file(&mut window, &studio.path("odd.safetensors"), None);
    let said = errors(&window, Place::Model);
    assert!(said.len() == 1 && said[0].contains("odd.safetensors is a safetensors file of no known kind"), "{said:?}");
    let page = studio.path("page.safetensors");
    fs::write(&page, "<!DOCTYPE html><html></html>").unwrap();
    drop_file(&mut window, &page, None);
    let said = errors(&window, Place::Model);
    assert!(said.len() == 1 && said[0].contains("page.safetensors") && !said[0].contains('\n'), "{said:?}");
    assert_eq!(window.state().state.opened_model().adapter, Some(studio.path("adapter_a.safetensors")));
}

#[test]
fn a_dropped_model_is_offered_and_a_typed_path_is_opened() {
    let studio = Studio::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let model = elsewhere.path().join("model_a");
    copy(&golden().join("model_a"), &model);
    let (mut window, _fake) = studio.open();
    drop_file(&mut window, &model, None);
    window.get_by_label("model_a");
    click(&mut window, "Do nothing with the dropped file");
    assert!(window.state().state.models.offered.is_none());
    drop_file(&mut window, &model, None);
    click(&mut window, "Use it as the model");
    opened(&mut window, Some(&model));

    open_models(&mut window);
    window.get_by_role_and_label(Role::TextInput, "Path of a model").focus();
    window.run_steps(2);
    let path = studio.path("model_a");
    window.event(egui::Event::Text(path.display().to_string()));
    window.run_steps(2);
    press(&mut window, Modifiers::NONE, Key::Enter);
    wait(&mut window, "the file", |app| app.state.models.offered.is_some());
    assert_eq!(window.state().state.models.selected, Some(path));
}

/// A window on a small SDXL checkpoint in one file, and a LoRA for it.
fn with_checkpoint() -> (Studio, Window, Arc<FakeEngine>, PathBuf) {
    let studio = Studio::new();
    let model = ByRule::load("s");
    write(&studio.path("models/checkpoints/small_lightning_4step.safetensors"), &model.single(), Dtype::F16);
    let lora = studio.path("models/loras/brush.safetensors");
    write(&lora, &model.lora("lora_kohya"), Dtype::F32);
    let (mut window, fake) = studio.open();
    open_models(&mut window);
    // ComfyUI's layout: only its model folders are entered.
    assert!(window.query_by_role_and_label(Role::Button, "Model: model_a").is_none());
    click(&mut window, "Model: small_lightning_4step.safetensors");
    examined(&mut window);
    click(&mut window, "Use this model");
    opened(&mut window, Some(&studio.path("models/checkpoints/small_lightning_4step.safetensors")));
    (studio, window, fake, lora)
}

#[test]
fn a_lora_is_added_weighed_switched_off_and_undone() {
    let (studio, mut window, fake, lora) = with_checkpoint();
    let strength = |window: &Window| window.state().state.recipe.loras.first().map(|lora| lora.strength);
    click(&mut window, "LoRA: brush.safetensors");
    examined(&mut window);
    click(&mut window, "Add this LoRA");
    wait(&mut window, "the LoRA", |app| app.state.recipe.loras.len() == 1);
    press(&mut window, Modifiers::NONE, Key::Escape);
    window.get_by_role_and_label(Role::Slider, "Strength of brush").set_value_accesskit(0.5);
    window.run_steps(60);
    assert_eq!(strength(&window), Some(0.5));

    // No adapter goes with it, so that references are set aside.
    click(&mut window, "Generate");
    assert!(errors(&window, Place::Picture)[0].contains("References need an IP-Adapter"));
    click(&mut window, "Remove reference 1");
    generate(&mut window, 1);
    let spec = fake.seen().pop().unwrap();
    assert_eq!((spec.model.loras.as_slice(), spec.recipe.loras[0].strength), ([lora.clone()].as_slice(), 0.5));

    // Off keeps the strength, and the engine does not hear of it.
    window.get_by_role_and_label(Role::CheckBox, "Use the LoRA brush").click();
    window.run_steps(3);
    assert_eq!(strength(&window), Some(0.0));
    generate(&mut window, 2);
    assert!(fake.seen()[1].model.loras.is_empty() && fake.seen()[1].recipe.loras.is_empty());
    window.get_by_role_and_label(Role::CheckBox, "Use the LoRA brush").click();
    window.run_steps(3);
    assert_eq!(strength(&window), Some(0.5));
    for wanted in [Some(0.0), Some(0.5)] {
        press(&mut window, Modifiers::COMMAND, Key::Z);
        assert_eq!(strength(&window), wanted);
    }

    click(&mut window, "Blocks of the LoRA brush");
    click(&mut window, "Style half of a B-LoRA");
    assert_eq!(window.state().state.recipe.loras[0].blocks, ["style"]);
    press(&mut window, Modifiers::NONE, Key::Escape);
    click(&mut window, "Remove the LoRA brush");
    assert_eq!(strength(&window), None);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(strength(&window), Some(0.5));

    // The file moved away: it is said where it matters, and found again.
    drop(window);
    let moved = studio.path("models/loras/other.safetensors");
    fs::rename(&lora, &moved).unwrap();
    let (mut window, fake) = studio.open();
    assert_eq!(strength(&window), Some(0.5));
    open_models(&mut window);
    press(&mut window, Modifiers::NONE, Key::Escape);
    generate(&mut window, 3);
    assert_eq!(fake.seen()[0].model.loras, [moved]);
}

#[test]
fn a_lora_of_another_model_is_refused() {
    let (_studio, mut window, _fake, lora) = with_checkpoint();
    click(&mut window, "Model: Built-in model");
    opened(&mut window, None);
    press(&mut window, Modifiers::NONE, Key::Escape);
    drop_file(&mut window, &lora, None);
    click(&mut window, "Add it as a LoRA");
    wait(&mut window, "the refusal", |app| app.state.notes.at(Place::Model).count() > 0);
    let said = errors(&window, Place::Model);
    assert!(said[0].contains("brush.safetensors is made for another model"), "{said:?}");
    assert!(window.state().state.recipe.loras.is_empty());
}

/// A model of two files on a server, as the list has them.
fn entry(bytes: &[u8], name: &str, needs: &[&str]) -> ModelEntry {
    let file = |path: &str, bytes: &[u8]| ModelFile {
        path: path.to_owned(),
        bytes: Some(bytes.len() as u64),
        sha256: Some(sha256(bytes)),
    };
    ModelEntry {
        name: name.to_owned(),
        title: format!("The {name}"),
        purpose: "tests of the window".to_owned(),
        part: Part::Model,
        folder: false,
        needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        licence: "MIT".to_owned(),
        licence_url: "https://example.org/licence".to_owned(),
        repo: "o/r".to_owned(),
        revision: "abc".to_owned(),
        files: vec![file(&format!("{name}.safetensors"), bytes)],
    }
}

fn checkpoint_bytes() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.safetensors");
    write(&path, &ByRule::load("s").single(), Dtype::F16);
    fs::read(path).unwrap()
}

fn fetch(window: &Window, index: usize) -> Fetch {
    window.state().state.models.wares[index].fetch.clone()
}

#[test]
fn a_model_is_fetched_stopped_continued_and_used() {
    let studio = Studio::new();
    let bytes = checkpoint_bytes();
    let (sent, half, go_on) = (bytes.clone(), bytes.len() / 2, Arc::<AtomicBool>::default());
    let hold = go_on.clone();
    let server = Server::start(move |number, request, to| {
        if number > 0 {
            return serve(to, request, &sent, "\"v1\"");
        }
        head(to, "200 OK", &[("Content-Length", &sent.len().to_string()), ("ETag", "\"v1\"")]);
        body(to, &sent[..half]);
        while !hold.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let (mut window, _fake) = studio.open_shop(&server.address, vec![entry(&bytes, "checkpoint", &[])]);
    open_models(&mut window);
    window.get_by_role_and_label(Role::Tab, "Download").click();
    window.run_steps(3);
    click(&mut window, "Get The checkpoint");
    window.get_by_role_and_label(Role::Link, "https://example.org/licence");
    assert!(server.requests().is_empty(), "nothing comes before the licence is accepted");
    click(&mut window, "Not now");
    click(&mut window, "Get The checkpoint");
    let size = instantstyle::models::size(bytes.len() as u64);
    click(&mut window, &format!("Accept the licence and download {size}"));
    wait(&mut window, "half of the file", |app| {
        let event = app.state.fetching().map(|(_, event)| event);
        matches!(event, Some(instantstyle::models::Event::Data { progress, .. }) if progress.done == half as u64)
    });
    window.get_by_role_and_label(Role::ProgressIndicator, "Download of The checkpoint");
    click(&mut window, "Stop fetching The checkpoint");
    wait(&mut window, "the end of the download", |app| app.state.models.wares[0].fetch == Fetch::Idle);
    go_on.store(true, Ordering::Relaxed);
    assert_eq!(window.state().state.models.wares[0].unfinished, half as u64);
    let stored = studio.home.path().join("models/checkpoint/checkpoint.safetensors");
    assert!(!stored.exists());

    // A later session goes on, without asking for the licence again.
    drop(window);
    let (mut window, fake) = studio.open_shop(&server.address, vec![entry(&bytes, "checkpoint", &[])]);
    open_models(&mut window);
    window.get_by_role_and_label(Role::Tab, "Download").click();
    window.run_steps(3);
    click(&mut window, "Go on fetching The checkpoint");
    wait(&mut window, "the whole file", |app| app.state.models.wares[0].is_here() && !app.state.models.is_looking);
    assert_eq!(server.requests()[1].header("range"), Some(format!("bytes={half}-").as_str()));
    assert!(fs::read(&stored).unwrap() == bytes);
    click(&mut window, "Use The checkpoint");
    opened(&mut window, Some(&stored));
    let item = window.state().state.models.item(&stored).unwrap();
    assert_eq!(item.licence.as_deref(), Some("MIT"));
    press(&mut window, Modifiers::NONE, Key::Escape);
    click(&mut window, "Remove reference 1");
    generate(&mut window, 1);
    assert_eq!(fake.seen()[0].model.model, Some(stored));
}

#[test]
fn a_download_that_fails_says_why_where_it_was_asked_for() {
    let studio = Studio::new();
    let bytes = [7_u8; 10_000];
    let server = Server::start(|_, _, to| head(to, "404 Not Found", &[("Content-Length", "0")]));
    let entries = vec![entry(&bytes, "tower", &[]), entry(&bytes, "adapter", &["tower"])];
    let (mut window, _fake) = studio.open_shop(&server.address, entries.clone());
    open_models(&mut window);
    window.get_by_role_and_label(Role::Tab, "Download").click();
    window.run_steps(3);
    // What it needs comes with it.
    click(&mut window, "Get The adapter");
    click(&mut window, "Accept the licences and download 20.0 kB");
    wait(&mut window, "the failures", |app| {
        app.state.models.wares.iter().all(|ware| matches!(ware.fetch, Fetch::Failed(_)))
    });
    let Fetch::Failed(why) = fetch(&window, 0) else { panic!() };
    assert!(why.contains("does not have tower.safetensors (status 404)"), "{why}");
    assert!(window.query_all_by_label_contains("does not have").count() == 2);

    // A disk that is too full for both is told before anything is fetched.
    let asked = server.requests().len();
    let mut source = studio.source(&server.address, entries);
    source.patience.free_space = |_| Ok(15_000);
    window.state_mut().state.set_model_source(source);
    wait(&mut window, "another look", |app| !app.state.models.is_looking && app.state.models.wares[1].place.is_some());
    click(&mut window, "Get The adapter");
    click(&mut window, "Accept the licences and download 20.0 kB");
    wait(&mut window, "the refusal", |app| matches!(app.state.models.wares[1].fetch, Fetch::Failed(_)));
    let Fetch::Failed(why) = fetch(&window, 1) else { panic!() };
    assert!(why.contains("has 15.0 kB free") && why.contains("The adapter with The tower needs 20.0 kB"), "{why}");
    wait(&mut window, "the other answer", |app| matches!(app.state.models.wares[0].fetch, Fetch::Failed(_)));
    assert!(server.requests().len() <= asked + 1, "only what has room alone is asked for");
}

#[test]
fn a_model_that_is_gone_at_the_start_is_named_and_comes_back() {
    let studio = Studio::new();
    // Not in a folder that is looked through, as on a disk that can be taken away.
    let disk = tempfile::tempdir().unwrap();
    let (model, aside) = (disk.path().join("model_a"), disk.path().join("aside"));
    fs::rename(studio.path("model_a"), &model).unwrap();
    let (mut window, _fake) = studio.open();
    open_models(&mut window);
    press(&mut window, Modifiers::NONE, Key::Escape);
    drop_file(&mut window, &model, None);
    click(&mut window, "Use it as the model");
    opened(&mut window, Some(&model));
    let recipe = window.state().state.recipe.clone();
    drop(window);
    fs::rename(&model, &aside).unwrap();

    let (mut window, fake) = studio.open();
    let said = errors(&window, Place::Model);
    assert!(said.len() == 1 && said[0].contains(&model.display().to_string()), "{said:?}");
    assert_eq!(window.state().state.opened_model().model, None, "the built-in model stands in");
    assert_eq!(window.state().state.recipe, recipe, "and nothing of the recipe is lost");
    generate(&mut window, 1);
    assert_eq!(fake.seen()[0].model.model, None);
    drop(window);

    // It is still missing, and then it is back.
    let (mut window, _fake) = studio.open();
    assert_eq!(errors(&window, Place::Model).len(), 1);
    fs::rename(&aside, &model).unwrap();
    open_models(&mut window);
    click(&mut window, "Try the last one again");
    opened(&mut window, Some(&model));
    assert!(errors(&window, Place::Model).is_empty());
    assert_eq!(window.state().state.recipe, recipe);
}

#[test]
fn a_model_that_was_renamed_is_found_by_its_content() {
    let studio = Studio::new();
    let (mut window, _fake) = studio.open();
    open_models(&mut window);
    click(&mut window, "Model: model_a");
    examined(&mut window);
    click(&mut window, "Use this model");
    opened(&mut window, Some(&studio.path("model_a")));
    press(&mut window, Modifiers::NONE, Key::Escape);
    generate(&mut window, 1);
    let made = window.state().state.history.entries()[0].clone();
    drop(window);
    fs::rename(studio.path("model_a"), studio.path("models_of_mine")).unwrap();
    let (mut window, _fake) = studio.open();
    assert_eq!(errors(&window, Place::Model).len(), 1);
    open_models(&mut window);
    opened(&mut window, Some(&studio.path("models_of_mine")));
    assert!(errors(&window, Place::Model).is_empty());

    // A recipe that names it brings it back.
    click(&mut window, "Model: Built-in model");
    opened(&mut window, None);
    press(&mut window, Modifiers::NONE, Key::Escape);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    opened(&mut window, Some(&studio.path("models_of_mine")));
    assert!(made.recipe.model.model.starts_with("model_a@"), "{:?}", made.recipe.model);
}

#[test]
fn a_job_goes_on_with_its_model_when_another_is_chosen() {
    let studio = Studio::new();
    let (mut window, fake) = studio.open();
    open_models(&mut window);
    fake.next(Script::Paint { steps: 200, step: Duration::from_millis(5) });
    press(&mut window, Modifiers::NONE, Key::Escape);
    click(&mut window, "Generate");
    wait(&mut window, "the first step", |app| app.state.jobs.front().is_some_and(|job| job.preview.is_some()));
    open_models(&mut window);
    click(&mut window, "Model: model_a");
    examined(&mut window);
    click(&mut window, "Use this model");
    opened(&mut window, Some(&studio.path("model_a")));
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().state.jobs.len(), 1, "the picture is still being painted");
    click(&mut window, "Generate");
    wait(&mut window, "both pictures", |app| app.state.history.entries().len() == 2 && kept(app));
    assert_eq!(history(&window), 2);
    let models: Vec<_> = fake.seen().iter().map(|spec| spec.model.model.clone()).collect();
    assert_eq!(models, [None, Some(studio.path("model_a"))]);
}

#[test]
fn a_folder_is_named_and_left_again() {
    let studio = Studio::new();
    let more = tempfile::tempdir().unwrap();
    copy(&golden().join("adapter_a_plus.safetensors"), &more.path().join("plus.safetensors"));
    let store = studio.home.path().join("models");
    Folders { folders: vec![more.path().to_owned()] }.save(&store).unwrap();
    let (mut window, _fake) = studio.open();
    open_models(&mut window);
    window.get_by_role_and_label(Role::Button, "IP-Adapter: plus.safetensors");
    let name = more.path().file_name().unwrap().to_string_lossy().into_owned();
    click(&mut window, &format!("Do not look in {name} any more"));
    wait(&mut window, "another look", |app| !app.state.models.is_looking && app.state.models.folders.is_empty());
    window.run_steps(3);
    assert!(window.query_by_role_and_label(Role::Button, "IP-Adapter: plus.safetensors").is_none());
    assert!(more.path().join("plus.safetensors").exists(), "nothing is deleted");
    assert_eq!(Folders::load(&store).unwrap(), Folders::default());
}
