//! A board in a window without a screen, and the hands that use it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::path::{Path, PathBuf};

use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use instantstyle::app::{BoardWish, Command, Kept, OpenBoard, Place};
use instantstyle::pixels::carried_by;
use instantstyle::recipe::Recipe;

use super::window::{Window, click, errors, wait};

pub fn board(window: &Window) -> &OpenBoard {
    window.state().state.board.as_ref().expect("a board")
}

/// Strength in five columns and two seeds in rows.
pub fn paint(window: &mut Window) {
    let wish = BoardWish::Axes { x: "strength=0..1 step 0.25".to_owned(), y: "seed=1, 2".to_owned() };
    window.state_mut().state.execute(Command::OpenBoard(wish));
    window.run_steps(2);
}

pub fn all_done(app: &instantstyle::ui::StudioApp) -> bool {
    app.state.board.as_ref().is_some_and(|board| board.done() == board.cells.len())
}

pub fn all_kept(app: &instantstyle::ui::StudioApp) -> bool {
    all_done(app) && app.state.board.as_ref().unwrap().marks.iter().all(|mark| matches!(mark.kept, Kept::At { .. }))
}

/// Opens the sheet of the export and writes what it says, until the message comes.
pub fn export(window: &mut Window) {
    click(window, "Export…");
    click(window, "Export");
    wait(window, "the export", |app| app.state.notes.at(Place::Board).next().is_some());
    let said = errors(window, Place::Board);
    assert!(said.is_empty(), "{said:?}");
}

pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

pub fn recipe_of(file: &Path) -> Recipe {
    serde_json::from_str(&carried_by(file).unwrap().recipe_json.unwrap()).unwrap()
}

pub fn choose(window: &mut Window, list: &str, entry: &str) {
    window.get_by_role_and_label(Role::ComboBox, list).click();
    window.run_steps(3);
    window.get_by_role_and_label(Role::Button, entry).click();
    window.run_steps(3);
}

pub fn cell(window: &mut Window, title: &str) {
    window.get_by_label_contains(&format!("Cell {title}, ")).click();
    window.run_steps(3);
}
