//! Models that are fetched inside the window, from a scripted server.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/by_rule.rs"]
mod by_rule;
#[path = "common/server.rs"]
mod server;
#[path = "common/studio.rs"]
mod studio;
#[path = "common/window.rs"]
mod window;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use by_rule::{ByRule, write};
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use instantstyle::app::Fetch;
use instantstyle::engine::{Compute, DTypeChoice, DeviceChoice};
use instantstyle::models::{ModelEntry, ModelFile, Part};
use safetensors::Dtype;
use server::{Server, body, head, serve, sha256};
use studio::{Studio, examined, open_models, opened};
use window::{Window, click, generate, open_computing, press, wait};

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

/// In f16 SDXL's own VAE overflows; the one that does not is one click away, on this computer or on the hub.
#[test]
fn the_vae_that_does_not_overflow_is_proposed_where_it_helps() {
    let studio = Studio::new();
    let model = ByRule::load("s");
    write(&studio.path("small.safetensors"), &model.single(), Dtype::F16);
    let elsewhere = tempfile::tempdir().unwrap();
    write(&elsewhere.path().join("vae.safetensors"), &model.component("vae"), Dtype::F16);
    let vae = fs::read(elsewhere.path().join("vae.safetensors")).unwrap();
    let half = Compute { device: DeviceChoice::Cpu, dtype: DTypeChoice::F16 };
    let proposed = |compute: Compute| {
        let (mut window, _fake) = open_computing(studio.home.path(), compute);
        let fixed = ModelEntry { part: Part::Vae, ..entry(&vae, "sdxl-vae-fp16-fix", &[]) };
        window.state_mut().state.set_model_source(studio.source("http://127.0.0.1:9", vec![fixed]));
        open_models(&mut window);
        click(&mut window, "Model: small.safetensors");
        examined(&mut window);
        if window.query_by_label("Use this model").is_some() {
            click(&mut window, "Use this model");
        }
        opened(&mut window, Some(&studio.path("small.safetensors")));
        window
    };
    let window = proposed(Compute::default());
    assert!(window.query_by_label_contains("overflows in f16").is_none());
    drop(window);

    let mut window = proposed(half);
    assert!(window.query_by_label_contains("The model's own VAE overflows in f16").is_some());
    let size = instantstyle::models::size(vae.len() as u64);
    click(&mut window, &format!("Get The sdxl-vae-fp16-fix ({size})…"));
    window.get_by_role_and_label(Role::Link, "https://example.org/licence");
    drop(window);

    // It is known by its content.
    let mine = studio.path("mine.safetensors");
    fs::write(&mine, &vae).unwrap();
    let mut window = proposed(half);
    click(&mut window, "Use The sdxl-vae-fp16-fix");
    let chosen = mine.clone();
    wait(&mut window, "the VAE", move |app| app.state.opened_model().vae.as_ref() == Some(&chosen));
    window.run_steps(2);
    assert!(window.query_by_label_contains("overflows in f16").is_none());
}

#[test]
fn a_download_that_waits_for_its_turn_is_stopped_at_once_and_asked_for_again() {
    let studio = Studio::new();
    let bytes = vec![7_u8; 10_000];
    let (sent, go_on) = (bytes.clone(), Arc::<AtomicBool>::default());
    let hold = go_on.clone();
    let server = Server::start(move |_, request, to| {
        while request.path.contains("first") && !hold.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(2));
        }
        serve(to, request, &sent, "\"v1\"");
    });
    let entries = vec![entry(&bytes, "first", &[]), entry(&bytes, "second", &[])];
    let (mut window, _fake) = studio.open_shop(&server.address, entries);
    open_models(&mut window);
    window.get_by_role_and_label(Role::Tab, "Download").click();
    window.run_steps(3);
    let size = instantstyle::models::size(bytes.len() as u64);
    let ask = |window: &mut Window, name: &str| {
        click(window, &format!("Get The {name}"));
        click(window, &format!("Accept the licence and download {size}"));
    };
    ask(&mut window, "first");
    ask(&mut window, "second");
    assert!(window.query_all_by_label("Waiting for its turn").count() > 0);
    click(&mut window, "Stop fetching The second");
    assert_eq!(fetch(&window, 1), Fetch::Idle, "at once, and not when its turn comes");
    // Asked for again, it is fetched once the first one is here.
    ask(&mut window, "second");
    assert_eq!(fetch(&window, 1), Fetch::Asked);
    go_on.store(true, Ordering::Relaxed);
    wait(&mut window, "both files", |app| app.state.models.wares.iter().all(|ware| ware.is_here()));
}
