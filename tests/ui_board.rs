//! The board in the window: laid out, painted corners first, stopped and painted again cell by cell, looked at and told
//! apart.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/board_window.rs"]
mod board_window;
#[path = "common/window.rs"]
mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use board_window::{all_done, board, cell, choose, paint};
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use instantstyle::app::{BoardWish, Command, Place, Shown};
use instantstyle::board::{Field, drawing_order};
use instantstyle::engine::{CellState, ClipMeasure, Compute, EngineError, Match, ModelPaths, Script};
use instantstyle::recipe::Subtraction;
use window::{Window, click, drop_file, errors, open, press, wait};

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
fn values_are_offered_for_every_axis_and_can_be_painted() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    let other = window::picture_file(home.path(), "sea, with \"sun\".png", [1, 90, 200]);
    drop_file(&mut window, &other, None);
    wait(&mut window, "the reference", |app| app.state.recipe.references.len() == 2);
    let content = window::picture_file(home.path(), "sketch.png", [90, 90, 90]);
    window.state_mut().state.execute(Command::SetContent(instantstyle::app::Dropped::File(content)));
    wait(&mut window, "the content picture", |app| app.state.recipe.init.is_some() && app.state.opening == 0);
    let words = Subtraction { words: "a house".to_owned(), ..Subtraction::default() };
    window.state_mut().state.recipe.references[0].subtract = Some(words);
    window.state_mut().state.recipe.prompt = "a boat, \"red\"".to_owned();
    let blocks = window.state().state.model_info().unwrap().blocks.names.clone();
    for field in Field::ALL.iter().map(|field| field.name().to_owned()).chain(blocks) {
        let state = &mut window.state_mut().state;
        let x = format!("{field}={}", state.example_values(&field));
        state.execute(Command::OpenBoard(BoardWish::Axes { x: x.clone(), y: String::new() }));
        let said: Vec<&str> = state.notes.at(Place::Board).map(|note| note.text.as_str()).collect();
        // The built-in model takes no LoRA; the values were read before that was found.
        if field.starts_with("lora-") {
            assert!(said[0].contains("add a LoRA"), "{x}: {said:?}");
            continue;
        }
        assert!(said.is_empty(), "{x}: {said:?}");
        let open = state.board.as_ref().unwrap();
        assert!(open.cells.len() >= 2 && open.board.x.name == field, "{x}");
    }
}

#[test]
fn pictures_are_added_to_an_axis_without_becoming_references() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    press(&mut window, Modifiers::COMMAND, Key::B);
    choose(&mut window, "What changes in the columns", "Reference");
    let other = window::picture_file(home.path(), "sea, blue.png", [1, 90, 200]);
    window.state_mut().state.add_board_pictures(vec![other.clone(), home.path().join("none.png")]);
    wait(&mut window, "the pictures", |app| app.state.opening == 0);
    assert!(errors(&window, Place::Board)[0].contains("none.png"));
    click(&mut window, "Paint the board");
    wait(&mut window, "the board", all_done);
    let hash = blake3::hash(&std::fs::read(&other).unwrap()).to_hex().to_string();
    let state = &window.state().state;
    assert_eq!(board(&window).cells.len(), 2);
    assert_eq!(board(&window).cells[1].recipe.references[0].hash, hash);
    assert!(fake.seen().iter().any(|spec| spec.references[0].hash == hash));
    assert!(state.recipe.references.len() == 1 && state.recipe.references[0].hash != hash);
}

#[test]
fn pictures_of_one_name_are_columns_of_their_own() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    for (folder, colour) in [("a", [200, 10, 10]), ("b", [10, 10, 200]), ("c", [10, 200, 10])] {
        let folder = home.path().join(folder);
        std::fs::create_dir(&folder).unwrap();
        // A name that could be a counted one.
        let name = if colour[1] == 200 { "ref.png (2).png" } else { "ref.png" };
        drop_file(&mut window, &window::picture_file(&folder, name, colour), None);
    }
    let hashes: Vec<String> = window.state().state.recipe.references.iter().map(|r| r.hash.clone()).collect();
    assert!(hashes.len() == 4 && hashes[1] != hashes[2]);
    let names = window.state().state.example_values("reference");
    assert!(names.contains("ref.png, ref.png (2)"), "{names}");
    let wish = BoardWish::Axes { x: "reference=ref.png, ref.png (2)".to_owned(), y: String::new() };
    window.state_mut().state.execute(Command::OpenBoard(wish));
    wait(&mut window, "the board", all_done);
    let shown = |window: &Window| -> Vec<String> {
        board(window).cells.iter().map(|cell| cell.recipe.references[0].hash.clone()).collect()
    };
    assert_eq!(shown(&window), hashes[1..3]);
    assert_eq!((board(&window).title(0), board(&window).title(1)), ("ref.png".into(), "ref.png (2)".into()));
    assert_eq!(fake.seen().len(), 2);
    // A sheet's axes name their pictures by what is in them.
    let again = BoardWish::Again(Box::new(board(&window).board.clone()));
    window.state_mut().state.execute(Command::OpenBoard(again));
    wait(&mut window, "the board again", all_done);
    assert_eq!(shown(&window), hashes[1..3]);
    let told = instantstyle::app::differences(
        &board(&window).cells[0].recipe,
        &board(&window).cells[1].recipe,
        board(&window).blocks(),
    );
    assert_eq!(told, ["reference 1 picture ref.png → another ref.png"]);
}

#[test]
fn cells_and_axes_have_the_words_of_the_panels() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    click(&mut window, "Board…");
    click(&mut window, "Which block holds the style?");
    wait(&mut window, "the board", all_done);
    let open = board(&window);
    let titles: Vec<String> = (0..open.cells.len()).map(|index| open.title(index)).collect();
    assert!(titles.contains(&"Style".to_owned()) && titles.contains(&"Layout".to_owned()), "{titles:?}");
    assert!(titles.iter().all(|title| !title.contains("block")), "{titles:?}");
    assert!((0..titles.len()).all(|index| open.exact_title(index).unwrap().contains("attentions")));
    press(&mut window, Modifiers::COMMAND, Key::B);
    choose(&mut window, "What changes in the columns", "Layout strength");
    click(&mut window, "Paint the board");
    wait(&mut window, "the board", all_done);
    window.get_by_label_contains("Cell layout strength 0.25, ");
}

/// Whatever can be pressed to the right of the settings.
fn pressed(window: &Window) -> Vec<(String, egui::Rect)> {
    let roles = [Role::Button, Role::Slider, Role::ComboBox, Role::CheckBox];
    let nodes = window.root().children_recursive();
    let nodes = nodes.filter(|node| roles.contains(&node.accesskit_node().role()));
    let found = nodes.map(|node| (node.accesskit_node().label().unwrap_or_default(), node.rect()));
    found.filter(|(_, rect)| rect.max.x > 400.0 && rect.min.y > 56.0).collect()
}

#[test]
fn the_tools_of_a_board_have_room_in_a_small_window() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    let goes_on = Arc::<AtomicBool>::default();
    fake.next(Script::Hold(goes_on.clone()));
    click(&mut window, "Board…");
    click(&mut window, "Which block holds the style?");
    for size in [[1280.0, 800.0], [900.0, 600.0], [820.0, 560.0]] {
        window.set_size(size.into());
        window.run_steps(4);
        for is_chosen in [false, true] {
            if is_chosen {
                cell(&mut window, "Layout");
            }
            let found = pressed(&window);
            let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            for name in ["Picture", "Stop the board", "Order of the cells", "Zoom of all cells"] {
                assert!(names.contains(&name), "{size:?}: {names:?}");
            }
            for (index, (name, rect)) in found.iter().enumerate() {
                // The cells themselves may be scrolled.
                if name.starts_with("Cell ") || name.starts_with("Favourite") {
                    continue;
                }
                assert!(rect.min.x >= 344.0 && rect.max.x <= size[0], "{size:?}: {name} at {rect:?}");
                for (other, lies) in &found[..index] {
                    let shared = rect.shrink(1.0).intersect(*lies);
                    assert!(!shared.is_positive(), "{size:?}: '{name}' {rect:?} lies on '{other}' {lies:?}");
                }
            }
        }
    }
    goes_on.store(true, Ordering::Relaxed);
    wait(&mut window, "the board to end", |app| !app.state.is_at_work());
}

#[test]
fn cells_are_stopped_painted_again_and_fail_alone() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    fake.next(Script::Fail(EngineError::OutOfMemory("there is not enough memory".into())));
    let goes_on = Arc::<AtomicBool>::default();
    for _ in 0..2 {
        fake.next(Script::Hold(goes_on.clone()));
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
    goes_on.store(true, Ordering::Relaxed);
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
fn cells_are_starred_sorted_and_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    paint(&mut window);
    wait(&mut window, "the board", all_done);
    click(&mut window, "Favourite: strength 0.5, seed 1");
    assert!(board(&window).marks[2].is_favourite);
    // Differences to the chosen cell.
    cell(&mut window, "strength 0, seed 1");
    let shown = |window: &Window| board(window).marks.iter().map(|mark| mark.shown_id).collect::<Vec<_>>();
    let before = shown(&window);
    click(&mut window, "Show differences to it");
    wait(&mut window, "the differences", |app| {
        app.state.board.as_ref().unwrap().marks.iter().all(|mark| mark.difference.is_some())
    });
    // The fake engine paints by prompt and seed alone: seed 1 is the same everywhere, seed 2 is not.
    let is_black =
        |index: usize| board(&window).marks[index].difference.as_ref().unwrap().iter().all(|byte| *byte == 0);
    assert!((0..5).all(is_black) && !(5..10).any(is_black));
    assert!(shown(&window).iter().all(|id| !before.contains(id)), "what is made of the cells is made anew");
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
fn numbers_are_those_of_the_towers_and_sort_the_cells() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    let wish = BoardWish::Axes { x: "prompt=a fish, a house, a tree, a cat".to_owned(), y: "seed=1, 2".to_owned() };
    window.state_mut().state.recipe.references[0].subtract =
        Some(Subtraction { words: "a fish".to_owned(), strength: 0.5 });
    window.state_mut().state.execute(Command::OpenBoard(wish));
    wait(&mut window, "the board", all_done);
    click(&mut window, "Numbers");
    wait(&mut window, "the numbers", |app| {
        app.state.board.as_ref().unwrap().marks.iter().all(|mark| mark.numbers.is_some())
    });
    let mut towers = ClipMeasure::open(&ModelPaths::default(), Compute::default()).unwrap().unwrap();
    let open = board(&window);
    let reference = window.state().state.picture(&open.cells[5].recipe.references[0]).unwrap().picture.clone();
    let crop = open.cells[5].recipe.references[0].crop;
    let finished = open.finished(5).unwrap();
    let alone =
        towers.compare(&finished.image, &finished.recipe.prompt, Some((&reference, crop)), Some("a fish")).unwrap();
    assert_eq!(open.marks[5].numbers, Some(alone));
    window.get_by_label_contains(&format!("Cell {}, prompt {:.2} · style", open.title(5), alone.prompt));
    let numbers: Vec<_> = open.marks.iter().map(|mark| mark.numbers.unwrap()).collect();
    let titles: Vec<String> = (0..8).map(|index| format!("Cell {}, ", open.title(index))).collect();
    for (order, key) in [
        ("Prompt first", (|m| -m.prompt) as fn(&Match) -> f64),
        ("Style first", |m| -m.reference.unwrap()),
        ("Least leak first", |m| m.leak.unwrap()),
    ] {
        choose(&mut window, "Order of the cells", order);
        let place = |index: &usize| {
            let min = window.get_by_label_contains(&titles[*index]).rect().min;
            (min.y.round() as i64, min.x.round() as i64)
        };
        let mut wanted: Vec<usize> = (0..8).collect();
        wanted.sort_by(|a, b| key(&numbers[*a]).total_cmp(&key(&numbers[*b])));
        let mut shown: Vec<usize> = (0..8).collect();
        shown.sort_by_key(place);
        let values = |order: &[usize]| order.iter().map(|index| key(&numbers[*index])).collect::<Vec<f64>>();
        assert_eq!(values(&shown), values(&wanted), "{order}");
        assert!(values(&shown).windows(2).any(|pair| pair[0] != pair[1]), "{order}: all alike shows nothing");
    }
}
