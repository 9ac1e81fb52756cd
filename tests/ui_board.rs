//! The board in the window: laid out, painted corners first, stopped and painted again cell by cell, and taken away.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/window.rs"]
mod window;

use std::time::Duration;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use instantstyle::app::{BoardWish, Command, OpenBoard, Place, Shown};
use instantstyle::board::drawing_order;
use instantstyle::engine::{CellState, EngineError, Script};
use window::{Window, click, errors, open, press, settle, wait};

fn board(window: &Window) -> &OpenBoard {
    window.state().state.board.as_ref().expect("a board")
}

/// Strength in five columns and two seeds in rows.
fn paint(window: &mut Window) {
    let wish = BoardWish::Axes { x: "strength=0..1 step 0.25".to_owned(), y: "seed=1, 2".to_owned() };
    window.state_mut().state.execute(Command::OpenBoard(wish));
    window.run_steps(2);
}

fn all_done(app: &instantstyle::ui::StudioApp) -> bool {
    app.state.board.as_ref().is_some_and(|board| board.done() == board.cells.len())
}

fn cell(window: &mut Window, title: &str) {
    window.get_by_label_contains(&format!("Cell {title}, ")).click();
    window.run_steps(3);
}

#[test]
fn a_ready_made_board_is_one_click_away_and_fills_in() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    click(&mut window, "Board…");
    click(&mut window, "How strong?");
    wait(&mut window, "the board", all_done);
    let strengths: Vec<f64> = board(&window).cells.iter().map(|cell| cell.recipe.references[0].strength).collect();
    assert_eq!(strengths, [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0]);
    // Corners first, then the middles between them.
    let order: Vec<f64> = fake.seen().iter().map(|spec| spec.recipe.references[0].strength).collect();
    let wanted: Vec<f64> = drawing_order(7, 1).into_iter().map(|index| strengths[index]).collect();
    assert_eq!(order, wanted);
    // All cells begin from the same noise.
    assert!(fake.seen().windows(2).all(|pair| pair[0].recipe.seed == pair[1].recipe.seed));
    window.get_by_label_contains("7 of 7 painted");
    window.get_by_label_contains("Cell strength 0.25, ");
    // A board is no clutter: nothing of it is in the history until it is promoted.
    assert!(window.state().state.history.entries().is_empty());
}

#[test]
fn axes_of_one_s_own_are_typed() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    press(&mut window, Modifiers::COMMAND, Key::B);
    window.get_by_role_and_label(Role::TextInput, "Columns").focus();
    window.run_steps(2);
    press(&mut window, Modifiers::COMMAND, Key::A);
    window.event(egui::Event::Text("0.5, x".to_owned()));
    window.run_steps(2);
    click(&mut window, "Paint the board");
    let said = errors(&window, Place::Board);
    assert!(said.is_empty() || said[0].contains('x'), "{said:?}");
    let noted: Vec<String> = window.state().state.notes.at(Place::Board).map(|note| note.text.clone()).collect();
    assert!(noted[0].contains("'x'") && !noted[0].contains('\n'), "{noted:?}");
    assert!(window.state().state.board.is_none());
}

#[test]
fn cells_are_stopped_painted_again_and_fail_alone() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    fake.next(Script::Fail(EngineError::OutOfMemory("there is not enough memory".into())));
    for _ in 0..2 {
        fake.next(Script::Paint { steps: 1000, step: Duration::from_millis(5) });
    }
    paint(&mut window);
    wait(&mut window, "a cell at work", |app| {
        (0..10).any(|i| matches!(app.state.board.as_ref().unwrap().state(i), Some(CellState::Running(Some(_)))))
    });
    let first = drawing_order(5, 2)[0];
    assert!(matches!(board(&window).state(first), Some(CellState::Failed(_))));
    let running = (0..10).find(|i| matches!(board(&window).state(*i), Some(CellState::Running(_)))).unwrap();
    let title = board(&window).title(running);
    cell(&mut window, &title);
    click(&mut window, "Stop it");
    wait(&mut window, "the cell to stop", |app| {
        matches!(app.state.board.as_ref().unwrap().state(running), Some(CellState::Cancelled))
    });
    // Esc stops the rest, and all that is left can be painted later.
    press(&mut window, Modifiers::NONE, Key::Escape);
    wait(&mut window, "the board to stop", |app| !app.state.is_at_work());
    assert!(board(&window).done() < 10);
    click(&mut window, "Paint the rest");
    wait(&mut window, "all cells", all_done);
    // One alone, again.
    let before = fake.seen().len();
    cell(&mut window, &title);
    click(&mut window, "Paint again");
    wait(&mut window, "the cell", |app| all_done(app) && !app.state.is_at_work());
    assert_eq!(fake.seen().len(), before + 1);
}

#[test]
fn an_edit_paints_only_what_is_new() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    window.state_mut().state.recipe.seed = Some(7);
    let wish = |x: &str| Command::OpenBoard(BoardWish::Axes { x: x.to_owned(), y: String::new() });
    window.state_mut().state.execute(wish("strength=0, 0.5, 1"));
    wait(&mut window, "the board", all_done);
    window.state_mut().state.execute(Command::StarCell(1));
    window.state_mut().state.execute(wish("strength=0, 0.5, 0.75, 1"));
    wait(&mut window, "the wider board", all_done);
    assert_eq!(fake.seen().len(), 4);
    assert_eq!(
        board(&window).marks.iter().map(|mark| mark.is_favourite).collect::<Vec<_>>(),
        [false, true, false, false]
    );
}

#[test]
fn a_cell_is_promoted_with_its_settings() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    paint(&mut window);
    wait(&mut window, "the board", all_done);
    cell(&mut window, "strength 0.25, seed 2");
    click(&mut window, "Work on with it");
    wait(&mut window, "the picture to be kept", window::kept);
    let state = &window.state().state;
    assert_eq!((state.recipe.references[0].strength, state.recipe.seed), (0.25, Some(2)));
    let entry = &state.history.entries()[0];
    assert!(state.shown == Shown::Entry(entry.id) && state.shown_board().is_none());
    assert_eq!(entry.recipe.seed, Some(2));
    // The board is still there, and one undo takes the settings back.
    click(&mut window, "Board");
    assert!(window.state().state.shown_board().is_some());
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(window.state().state.recipe.references[0].strength, 1.0);
}

#[test]
fn cells_are_compared_starred_sorted_and_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    paint(&mut window);
    wait(&mut window, "the board", all_done);
    click(&mut window, "Favourite: strength 0.5, seed 1");
    assert!(board(&window).marks[2].is_favourite);
    // Two picked cells alone, then all again.
    for title in ["strength 0, seed 1", "strength 1, seed 2"] {
        cell(&mut window, title);
        window.get_by_role_and_label(Role::CheckBox, "Pick").click();
        window.run_steps(3);
    }
    click(&mut window, "Compare 2");
    assert!(window.query_by_label_contains("Cell strength 0.5, seed 1").is_none());
    window.get_by_label_contains("Cell strength 1, seed 2");
    click(&mut window, "Show all");
    window.get_by_label_contains("Cell strength 0.5, seed 1");
    // Differences to the chosen cell.
    cell(&mut window, "strength 0, seed 1");
    click(&mut window, "Show differences to it");
    wait(&mut window, "the differences", |app| {
        app.state.board.as_ref().unwrap().marks.iter().all(|mark| mark.difference.is_some())
    });
    // The fake engine paints by prompt and seed alone: seed 1 is the same everywhere, seed 2 is not.
    let is_black =
        |index: usize| board(&window).marks[index].difference.as_ref().unwrap().iter().all(|byte| *byte == 0);
    assert!((0..5).all(is_black) && !(5..10).any(is_black));
    click(&mut window, "Show pictures again");
    assert!(board(&window).marks.iter().all(|mark| mark.difference.is_none()));
    window.get_by_role_and_label(Role::ComboBox, "Order of the cells").click();
    window.run_steps(3);
    window.get_by_label("Favourites first").click();
    window.run_steps(3);
    let place = |window: &Window, title: &str| window.get_by_label_contains(title).rect().min;
    let (star, other) = (place(&window, "Cell strength 0.5, seed 1"), place(&window, "Cell strength 0, seed 1"));
    assert!(star.y < other.y || star.x < other.x);
}

#[test]
fn zoom_is_shared_and_the_sheet_is_written() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    paint(&mut window);
    wait(&mut window, "the board", all_done);
    window.get_by_role_and_label(Role::Slider, "Zoom of all cells").set_value_accesskit(4.0);
    window.run_steps(3);
    window.get_by_label("4.0 ×");
    click(&mut window, "Export sheet");
    let folder = home.path().join("pictures");
    // The message comes when the file is whole; before it, a button may still move under the pointer.
    wait(&mut window, "the sheet", |app| app.state.notes.at(Place::Picture).next().is_some());
    let sheet = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let text = instantstyle::pixels::read_png_text(&std::fs::read(&sheet).unwrap(), "sheet").unwrap();
    assert!(format!("{text:?}").contains("strength"));
    settle(&mut window);
    click(&mut window, "Close board");
    assert!(window.state().state.board.is_none());
    assert!(window.query_by_label_contains("Cell ").is_none());
    assert!(window.root().accesskit_node().is_root());
}
