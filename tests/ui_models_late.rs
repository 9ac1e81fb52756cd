//! A model that is being opened: what waits for it, and answers that come after the recipe has gone on to another one.
//! Commands between two frames meet it unopened, since its answer is only taken in by a frame.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/window.rs"]
mod window;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use instantstyle::app::{BoardWish, Command, Dropped, ModelsCommand, Place};
use instantstyle::engine::FakeEngine;
use instantstyle::recipe::ModelFiles;
use window::{Window, errors, files_are_done, generate, hold_files, kept, open, picture_file, press, wait};

fn model_a() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/model_a")
}

fn opened(window: &mut Window, path: Option<PathBuf>) {
    wait(window, "the model to open", |app| app.state.opened_model().model == path);
}

/// A window on a model that takes no references, with none.
fn on_model_a(home: &Path) -> (Window, Arc<FakeEngine>) {
    let (mut window, fake) = open(home);
    window.state_mut().state.execute(Command::RemoveReference(0));
    window.state_mut().state.execute(Command::Models(ModelsCommand::Use(model_a())));
    opened(&mut window, Some(model_a()));
    assert_ne!(window.state().state.recipe.model, ModelFiles::default());
    (window, fake)
}

#[test]
fn a_picture_waits_for_the_model_that_is_being_opened() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = on_model_a(home.path());
    let state = &mut window.state_mut().state;
    state.execute(Command::Undo);
    state.execute(Command::Generate);
    wait(&mut window, "the picture", kept);
    assert_eq!(fake.seen().len(), 1);
    assert_eq!(fake.seen()[0].model.model, None, "painted with the model that the recipe names");

    let state = &mut window.state_mut().state;
    state.execute(Command::Redo);
    state.execute(Command::OpenBoard(BoardWish::Axes { x: "seed=1, 2".to_owned(), y: String::new() }));
    wait(&mut window, "the board", |app| app.state.board.as_ref().is_some_and(|board| board.done() == 2));
    let models: Vec<_> = fake.seen().iter().skip(1).map(|spec| spec.model.model.clone()).collect();
    assert_eq!(models, [Some(model_a()), Some(model_a())]);
}

#[test]
fn a_picture_that_waits_for_a_model_that_does_not_open_is_painted_with_the_open_one() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = on_model_a(home.path());
    let state = &mut window.state_mut().state;
    let gone = home.path().join("gone.safetensors");
    let files = ModelFiles { model: "gone.safetensors@0123456789abcdef".to_owned(), ..ModelFiles::default() };
    state.settings.known_files.insert(files.model.clone(), gone);
    let named = std::mem::replace(&mut state.recipe.model, files);
    state.undo.mark(&state.recipe);
    state.recipe.model = named;
    state.undo.mark(&state.recipe);
    state.execute(Command::Undo);
    state.execute(Command::Generate);
    wait(&mut window, "the picture", kept);
    assert_eq!(fake.seen()[0].model.model, Some(model_a()));
}

#[test]
fn a_late_answer_does_not_open_what_the_recipe_names_no_more() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = on_model_a(home.path());
    let state = &mut window.state_mut().state;
    let files = state.recipe.model.clone();
    state.execute(Command::Undo);
    state.execute(Command::Redo);
    assert_eq!(state.recipe.model, files);
    // The files' thread has answered all that came before this.
    let picture = picture_file(home.path(), "last.png", [9, 9, 9]);
    state.execute(Command::AddReferences(vec![Dropped::File(picture)]));
    wait(&mut window, "the files' thread", |app| app.state.opening == 0);
    assert_eq!(window.state().state.opened_model().model, Some(model_a()));
    assert_eq!(window.state().state.settings.known_files.get(&files.model), Some(&model_a()));
    window.state_mut().state.execute(Command::RemoveReference(0));
    generate(&mut window, 1);
    assert_eq!(fake.seen()[0].model.model, Some(model_a()));
}

#[test]
fn a_cell_brings_its_model_along_and_a_board_is_exported_with_its_own() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = on_model_a(home.path());
    let wish = BoardWish::Axes { x: "seed=1, 2".to_owned(), y: String::new() };
    window.state_mut().state.execute(Command::OpenBoard(wish));
    wait(&mut window, "the board", |app| app.state.board.as_ref().is_some_and(|board| board.done() == 2));
    let name = window.state().state.model_info().unwrap().name.clone();
    window.state_mut().state.execute(Command::Models(ModelsCommand::UseBuiltIn));
    opened(&mut window, None);
    assert_ne!(window.state().state.model_info().unwrap().name, name);

    let state = &mut window.state_mut().state;
    state.settings.board_export.what = instantstyle::app::ExportWhat::Page;
    state.settings.board_export.folder = Some(home.path().join("out"));
    state.execute(Command::ExportBoard(vec![0, 1]));
    let out = home.path().join("out");
    let page = || std::fs::read_dir(&out).ok()?.next()?.ok().map(|folder| folder.path().join("index.html"));
    wait(&mut window, "the page", |_| page().is_some_and(|page| page.exists()));
    let html = std::fs::read_to_string(page().unwrap()).unwrap();
    assert!(html.contains(&name), "the page names {name}");

    window.state_mut().state.execute(Command::PromoteCell(1));
    opened(&mut window, Some(model_a()));
}

#[test]
fn waiting_for_the_model_is_said_and_ends_with_esc() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = on_model_a(home.path());
    let hold = hold_files(&mut window);
    window.state_mut().state.execute(Command::Undo);
    press(&mut window, Modifiers::COMMAND, Key::Enter);
    window.get_by_label("Waiting for the model to open");
    window.get_by_label("Getting ready");
    window.get_by_role_and_label(Role::Button, "Cancel");
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.query_by_label("Waiting for the model to open").is_none());
    assert!(!window.state().state.is_at_work());
    drop(hold);
    opened(&mut window, None);
    files_are_done(&mut window);
    assert!(fake.seen().is_empty(), "nothing is painted after all");

    // Not cancelled, it is painted.
    let hold = hold_files(&mut window);
    window.state_mut().state.execute(Command::Redo);
    press(&mut window, Modifiers::COMMAND, Key::Enter);
    window.get_by_label("Waiting for the model to open");
    drop(hold);
    wait(&mut window, "the picture", kept);
    assert_eq!(fake.seen()[0].model.model, Some(model_a()));
}

#[test]
fn a_late_choice_does_not_win_over_what_was_asked_for_after_it() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = on_model_a(home.path());
    let files = window.state().state.recipe.model.clone();
    let hold = hold_files(&mut window);
    let state = &mut window.state_mut().state;
    state.execute(Command::Models(ModelsCommand::UseBuiltIn));
    // The recipe comes to name another model, and then the one before again.
    state.execute(Command::Undo);
    state.execute(Command::Redo);
    drop(hold);
    files_are_done(&mut window);
    assert_eq!(window.state().state.opened_model().model, Some(model_a()));
    assert_eq!(window.state().state.recipe.model, files);
}

#[test]
fn a_choice_that_does_not_open_leaves_what_the_recipe_names() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = on_model_a(home.path());
    let hold = hold_files(&mut window);
    let gone = home.path().join("gone.safetensors");
    let state = &mut window.state_mut().state;
    // The recipe names the built-in model from here on, which is asked for, and then not waited for.
    state.execute(Command::Undo);
    let mut item = state.models.items[0].clone();
    item.path.clone_from(&gone);
    state.models.items.push(item);
    state.execute(Command::Models(ModelsCommand::Use(gone)));
    drop(hold);
    files_are_done(&mut window);
    opened(&mut window, None);
    assert!(errors(&window, Place::Model)[0].contains("gone.safetensors"), "{:?}", errors(&window, Place::Model));
}
