//! Pickled files in the window: named, never opened as they are, and imported on request by another process.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/by_rule.rs"]
mod by_rule;
#[path = "common/pickle.rs"]
mod pickle;
#[path = "common/studio.rs"]
mod studio;
#[path = "common/window.rs"]
mod window;

use std::fs;
use std::path::{Path, PathBuf};

use by_rule::golden;
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use instantstyle::app::{Command, ModelsCommand, Place, Stand};
use instantstyle::models::{ModelEntry, ModelFile, Part};
use pickle::{PROTO, Zip, global, of_safetensors, text, tuple};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use studio::{Studio, examined, open_models, opened};
use window::{Window, click, drop_file, drop_files, errors, press, wait};

/// A window on model_a, which has no adapter, with a pickle in its folder.
fn on_model_a(studio: &Studio, name: &str, bytes: &[u8]) -> (Window, PathBuf) {
    fs::remove_file(studio.path("adapter_a.safetensors")).unwrap();
    let path = studio.path(name);
    fs::write(&path, bytes).unwrap();
    let (mut window, _fake) = studio.open();
    open_models(&mut window);
    click(&mut window, "Model: model_a");
    examined(&mut window);
    click(&mut window, "Use this model");
    opened(&mut window, Some(&studio.path("model_a")));
    press(&mut window, Modifiers::NONE, Key::Escape);
    (window, path)
}

fn adapter() -> Vec<u8> {
    of_safetensors(&fs::read(golden().join("adapter_a.safetensors")).unwrap())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn stand(window: &Window) -> Option<Stand> {
    window.state().state.models.pickled.as_ref().map(|pickled| pickled.stand.clone())
}

#[test]
fn a_pickle_is_named_and_imported_when_asked_for() {
    let studio = Studio::new();
    let (mut window, path) = on_model_a(&studio, "mine.bin", &adapter());
    let before = names(studio.art.path());
    drop_file(&mut window, &path, None);
    window.get_by_label("mine.bin");
    assert!(window.query_by_label_contains("A pickled PyTorch file").is_some());
    assert!(window.query_by_label_contains("mine.safetensors, which is safe").is_some());
    assert!(errors(&window, Place::Model).is_empty());
    click(&mut window, "Do nothing with the pickled file");
    assert_eq!((stand(&window), names(studio.art.path())), (None, before));

    drop_file(&mut window, &path, None);
    click(&mut window, "Import a safe copy");
    let copy = studio.path("mine.safetensors");
    wait(&mut window, "the import", |app| app.state.models.pickled.is_none());
    // It is offered: the artist may be at other things when it comes to its end.
    let offered: Vec<_> = window.state().state.models.offered.iter().map(|item| item.path.clone()).collect();
    assert_eq!(offered, std::slice::from_ref(&copy));
    let said: Vec<_> = window.state().state.notes.at(Place::Model).map(|note| note.text.clone()).collect();
    assert_eq!(said, [format!("A safe copy of mine.bin is {}", copy.display())]);
    window.run_steps(3);
    window.get_by_label(&copy.display().to_string());
    assert_eq!(window.state().state.opened_model().adapter, None);
    click(&mut window, "Use it as the IP-Adapter");
    let chosen = copy.clone();
    wait(&mut window, "the adapter", move |app| app.state.opened_model().adapter.as_ref() == Some(&chosen));
    let original = fs::read(golden().join("adapter_a.safetensors")).unwrap();
    let (theirs, ours) = (safetensors::SafeTensors::deserialize(&original).unwrap(), fs::read(&copy).unwrap());
    let ours = safetensors::SafeTensors::deserialize(&ours).unwrap();
    assert!(theirs.tensors().iter().all(|(name, view)| ours.tensor(name).unwrap().data() == view.data()));

    // The copy lies beside it now.
    window.state_mut().state.execute(Command::Models(ModelsCommand::Without(Part::Adapter)));
    wait(&mut window, "the model alone", |app| app.state.opened_model().adapter.is_none());
    drop_file(&mut window, &path, None);
    assert!(window.query_by_label_contains("mine.safetensors lies beside it").is_some());
    click(&mut window, "Use the safe one");
    wait(&mut window, "the copy", move |app| app.state.opened_model().adapter.as_ref() == Some(&copy));
    assert_eq!(stand(&window), None);
}

#[test]
fn a_hostile_pickle_gets_a_sentence_and_does_nothing() {
    let studio = Studio::new();
    let mark = studio.path("mark");
    let call = [global("posix", "system"), tuple(&[text(&format!("touch {}", mark.display()))]), b"R.".to_vec()];
    let (mut window, path) = on_model_a(&studio, "nice.pt", &Zip::new(&[PROTO, &call.concat()].concat()).bytes());
    let before = names(studio.art.path());
    drop_file(&mut window, &path, None);
    click(&mut window, "Import a safe copy");
    wait(&mut window, "the refusal", |app| {
        app.state.models.pickled.as_ref().is_some_and(|pickled| matches!(pickled.stand, Stand::Refused(_)))
    });
    assert!(window.query_by_label_contains("wants to run 'posix.system'").is_some());
    assert!(!offers_import(&window), "another try would end as this one");
    assert!(!mark.exists());
    assert_eq!(names(studio.art.path()), before);
    assert_eq!(window.state().state.opened_model().adapter, None);
    click(&mut window, "Do nothing with the pickled file");
    assert_eq!(stand(&window), None);
}

fn offers_import(window: &Window) -> bool {
    let words = ["Try to import again", "Import a safe copy"];
    words.into_iter().any(|words| window.query_by_role_and_label(Role::Button, words).is_some())
}

#[test]
fn of_a_pickle_that_cannot_be_used_no_copy_is_left() {
    let studio = Studio::new();
    let tensor = |name: &str| (name.to_owned(), TensorView::new(Dtype::F32, vec![2], &[0; 8]).unwrap());
    let upscaler = safetensors::serialize([tensor("model.0.weight"), tensor("model.0.bias")], None).unwrap();
    let (mut window, path) = on_model_a(&studio, "upscaler.pth", &of_safetensors(&upscaler));
    // An image encoder whose settings do not lie beside it.
    let tower = studio.path("alone/pytorch_model.bin");
    fs::create_dir(studio.path("alone")).unwrap();
    fs::write(&tower, of_safetensors(&fs::read(golden().join("vision_a/model.safetensors")).unwrap())).unwrap();
    for (path, says) in [(path, "upscaler.pth"), (tower, "config.json")] {
        let folder = path.parent().unwrap();
        let before = names(folder);
        drop_file(&mut window, &path, None);
        click(&mut window, "Import a safe copy");
        wait(&mut window, "the refusal", |app| {
            app.state.models.pickled.as_ref().is_some_and(|pickled| pickled.stand != Stand::AtWork)
        });
        let Some(Stand::Refused(why)) = stand(&window) else { panic!("{:?}", stand(&window)) };
        assert!(why.contains(says) && why.contains(path.to_str().unwrap()) && !why.contains(".part"), "{why}");
        assert!(!offers_import(&window));
        assert_eq!(names(folder), before);
        click(&mut window, "Do nothing with the pickled file");
    }
}

#[test]
fn the_question_is_seen_while_the_models_are_shown() {
    let studio = Studio::new();
    let (mut window, path) = on_model_a(&studio, "mine.bin", &adapter());
    open_models(&mut window);
    drop_file(&mut window, &path, None);
    click(&mut window, "Do nothing with the pickled file");
    assert_eq!(stand(&window), None);
}

#[test]
fn two_pickles_are_asked_about_one_after_the_other() {
    let studio = Studio::new();
    let (mut window, path) = on_model_a(&studio, "mine.bin", &adapter());
    let other = studio.path("other.bin");
    fs::copy(&path, &other).unwrap();
    drop_files(&mut window, &[&path, &other]);
    for name in ["mine.bin", "other.bin"] {
        window.get_by_label(name);
        click(&mut window, "Do nothing with the pickled file");
    }
    assert_eq!(stand(&window), None);
}

#[cfg(unix)]
#[test]
fn an_import_is_stopped() {
    let studio = Studio::new();
    let (mut window, path) = on_model_a(&studio, "mine.bin", &adapter());
    // One that never comes to its end.
    let mut source = studio.source("http://127.0.0.1:9", Vec::new());
    source.converter = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/never_ends.sh"));
    window.state_mut().state.set_model_source(source);
    let before = names(studio.art.path());
    drop_file(&mut window, &path, None);
    click(&mut window, "Import a safe copy");
    window.get_by_role_and_label(Role::ProgressIndicator, "Import of mine.bin");
    let folder = studio.art.path().to_owned();
    let begun = |window: &mut Window, known: &[String]| {
        wait(window, "the import to begin", |_| names(&folder).iter().any(|name| !known.contains(name)));
        names(&folder)
    };
    let first = begun(&mut window, &before);

    // Other files do not end it, and are asked about meanwhile.
    drop_file(&mut window, &studio.path("adapter_b.safetensors"), None);
    assert_eq!(stand(&window), Some(Stand::AtWork));
    click(&mut window, "Do nothing with the dropped file");
    click(&mut window, "Stop importing");
    // The same file again: that the first import has ended does not end the second.
    drop_file(&mut window, &path, None);
    click(&mut window, "Import a safe copy");
    begun(&mut window, &first);
    window.run_steps(3);
    assert_eq!(stand(&window), Some(Stand::AtWork));
    click(&mut window, "Stop importing");
    assert_eq!(stand(&window), None);
    wait(&mut window, "the import to end", |_| names(&folder).len() == before.len());
    assert_eq!(names(studio.art.path()), before);
}

#[test]
fn the_twin_in_the_list_of_downloads_is_shown() {
    let studio = Studio::new();
    let file = ModelFile {
        path: "models/ip-adapter_x.safetensors".to_owned(),
        bytes: Some(5_000),
        sha256: Some("0".repeat(64)),
    };
    let entry = ModelEntry {
        name: "ip-adapter-x".to_owned(),
        title: "IP-Adapter X".to_owned(),
        purpose: "tests".to_owned(),
        part: Part::Adapter,
        folder: false,
        needs: Vec::new(),
        licence: "MIT".to_owned(),
        licence_url: "https://example.org/licence".to_owned(),
        repo: "o/r".to_owned(),
        revision: "abc".to_owned(),
        files: vec![file],
    };
    let (mut window, _fake) = studio.open_shop("http://127.0.0.1:9", vec![entry]);
    let path = studio.path("ip-adapter_x.bin");
    fs::write(&path, adapter()).unwrap();
    drop_file(&mut window, &path, None);
    assert!(window.query_by_label_contains("safe to get under Download: IP-Adapter X").is_some());
    click(&mut window, "Show the download");
    wait(&mut window, "the look through the folders", |app| !app.state.models.is_looking);
    window.run_steps(3);
    window.get_by_role_and_label(Role::Link, "https://example.org/licence");
    assert_eq!(stand(&window), None);
}
