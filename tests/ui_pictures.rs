//! The window as it is painted: a few pictures of it, and what happens when the graphics device goes.
//!
//! The pictures lie in `tests/snapshots/` and are made anew with `UPDATE_SNAPSHOTS=1`. They are painted by a software
//! adapter where there is one, and may differ by what two versions of it round differently.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/headless.rs"]
mod headless;
#[path = "common/painter.rs"]
mod painter;
#[path = "common/window.rs"]
mod window;

use eframe::egui_wgpu::wgpu;
use egui::{Key, Modifiers, ViewportCommand};
use egui_kittest::SnapshotOptions;
use instantstyle::app::{Command, Place, Prompt, Session, Theme};
use instantstyle::engine::{EngineError, Script};
use window::{Window, click, errors, generate, kept, open, open_painted, press, settle, wait};

const SIZE: [f32; 2] = [1000.0, 720.0];

/// A pixel may differ by a little, and a few hundred of 720,000 by more: edges of letters and curves.
fn options() -> SnapshotOptions {
    SnapshotOptions::new().threshold(1.0).max_failed_pixels(600_usize)
}

fn shot(window: &mut Window, name: &str) {
    window.hover_at(egui::pos2(SIZE[0] - 2.0, SIZE[1] - 2.0));
    settle(window);
    window.run();
    window.snapshot_options(name, &options());
}

#[test]
fn the_window_looks_as_it_did() {
    let Some(state) = painter::painter(headless::device) else { return };
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open_painted(home.path(), SIZE, &state);
    window.state_mut().state.recipe.seed = Some(7);
    wait(&mut window, "the count of tokens", |app| app.state.prompt_count(Prompt::Positive).is_some());
    shot(&mut window, "window_first_start");
    generate(&mut window, 1);
    // However long it took here.
    let id = window.state().state.history.entries()[0].id;
    window.state_mut().state.history.get_mut(id).unwrap().seconds = 0.0;
    shot(&mut window, "window_finished");
    window.state_mut().state.execute(Command::SetTheme(Theme::Light));
    shot(&mut window, "window_light");
    window.state_mut().state.execute(Command::SetTheme(Theme::Dark));
    fake.next(Script::Fail(EngineError::OutOfMemory("there is not enough memory; make the picture smaller".into())));
    window.state_mut().state.recipe.prompt.push('s');
    click(&mut window, "Generate");
    wait(&mut window, "the failure", |app| app.state.jobs.is_empty());
    shot(&mut window, "window_error");
    click(&mut window, "Dismiss message");
    window.set_size(egui::vec2(820.0, 1240.0));
    press(&mut window, Modifiers::COMMAND, Key::E);
    shot(&mut window, "window_advanced");
}

#[test]
fn what_is_empty_says_what_to_do() {
    let Some(state) = painter::painter(headless::device) else { return };
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open_painted(home.path(), SIZE, &state);
    window.state_mut().state.execute(Command::RemoveReference(0));
    shot(&mut window, "empty_dark");
    window.state_mut().state.execute(Command::SetTheme(Theme::Light));
    shot(&mut window, "empty_light");
}

#[test]
fn what_the_graphics_card_refuses_is_told_once() {
    let Some(state) = painter::painter(headless::device) else { return };
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open_painted(home.path(), SIZE, &state);
    assert!(errors(&window, Place::Picture).is_empty());
    for _ in 0..2 {
        let usage = wgpu::BufferUsages::COPY_DST;
        let too_large = wgpu::BufferDescriptor { label: None, size: u64::MAX, usage, mapped_at_creation: false };
        drop(state.device.create_buffer(&too_large));
        window.step();
    }
    let said = errors(&window, Place::Picture);
    assert!(said.len() == 1 && said[0].starts_with("The graphics card refused"), "{said:?}");
    let id = window.state().state.notes.at(Place::Picture).next().unwrap().id;
    window.state_mut().state.execute(Command::DismissNote(id));
    window.step();
    assert!(errors(&window, Place::Picture).is_empty(), "dismissed, it stays so");
}

#[test]
fn a_lost_device_closes_the_window_and_loses_nothing() {
    let Some(state) = painter::painter(headless::device) else { return };
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open_painted(home.path(), SIZE, &state);
    generate(&mut window, 1);
    window.render().unwrap();
    window.state_mut().state.recipe.prompt = "a boat at night".to_owned();
    // One picture is on its way when it happens.
    fake.next(Script::Hold(std::sync::Arc::default()));
    click(&mut window, "Generate");
    wait(&mut window, "the first step", |app| app.state.jobs.front().is_some_and(|job| job.preview.is_some()));
    let (recipe, picture) =
        (window.state().state.recipe.clone(), window.state().state.history.entries()[0].file.clone().unwrap());

    let closes = |window: &Window| {
        let viewports = window.output().viewport_output.values();
        viewports.flat_map(|viewport| &viewport.commands).any(|command| *command == ViewportCommand::Close)
    };
    assert!(!closes(&window));
    state.device.destroy();
    window.step();
    assert!(closes(&window), "the window closes by itself");
    // Written before anything else could end the program.
    let session = Session::load(home.path()).0.unwrap();
    assert_eq!(session.recipe, recipe);
    assert_eq!(session.history.len(), 1);
    drop(window);

    let (mut again, _fake) = open(home.path());
    wait(&mut again, "the history", kept);
    assert_eq!(again.state().state.recipe, recipe);
    assert_eq!(again.state().state.history.entries()[0].file.as_ref(), Some(&picture));
    assert!(picture.is_file());
    generate(&mut again, 2);
}
