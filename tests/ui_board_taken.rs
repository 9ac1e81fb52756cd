//! Boards taken away: cells kept in the library, sheets, pages and pictures written, a sheet laid out again.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/board_window.rs"]
mod board_window;
#[path = "common/window.rs"]
mod window;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use board_window::{all_done, all_kept, board, choose, export, files, paint, recipe_of};
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use instantstyle::app::{BoardWish, Command, Kept, Place};
use instantstyle::board::Board;
use instantstyle::library::{Catalogue, Query, Stop};
use instantstyle::pixels::{PictureFormat, carried_by};
use instantstyle::recipe::{Lora, Recipe};
use window::{Window, click, drop_file, errors, open, press, settle, wait};

#[test]
fn finished_cells_are_pictures_of_the_library_like_any_other() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    paint(&mut window);
    // Starred before it is kept, and after.
    window.state_mut().state.execute(Command::StarCell(0));
    wait(&mut window, "the cells to be kept", all_kept);
    window.state_mut().state.execute(Command::StarCell(9));
    // What is worked on with is the kept file, not a second one.
    window.state_mut().state.execute(Command::PromoteCell(3));
    wait(&mut window, "the picture's thumbnail", window::kept);
    let promoted = window.state().state.history.entries()[0].file.clone().unwrap();
    let wanted: Vec<Recipe> = (0..10).map(|index| board(&window).finished(index).unwrap().recipe.clone()).collect();
    let pixels: Vec<_> = (0..10).map(|index| board(&window).finished(index).unwrap().image.clone()).collect();
    let kept: Vec<PathBuf> = board(&window)
        .marks
        .iter()
        .map(|mark| match &mark.kept {
            Kept::At { file, .. } => file.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(promoted, kept[3]);
    drop(window);

    assert_eq!(files(&home.path().join("pictures")), [home.path().join("pictures/boards")]);
    assert_eq!(files(&home.path().join("pictures/boards")).len(), 10);
    for (index, file) in kept.iter().enumerate() {
        assert_eq!(recipe_of(file), wanted[index]);
        assert_eq!(image::open(file).unwrap().to_rgb8(), pixels[index]);
        assert_eq!(carried_by(file).unwrap().references[0].hash, wanted[index].references[0].hash);
    }
    assert!(kept[3].file_name().unwrap().to_string_lossy().starts_with("strength-0-75-seed-1"), "{:?}", kept[3]);
    let mut catalogue = Catalogue::open(home.path(), &Stop::default()).unwrap();
    let found = catalogue.search(&Query { limit: 100, ..Query::default() }).unwrap();
    assert_eq!(found.total, 10);
    for picture in &found.pictures {
        let index = kept.iter().position(|file| file.file_name() == picture.file.file_name()).unwrap();
        assert_eq!(picture.recipe, wanted[index]);
        assert_eq!(picture.stars, if index == 0 || index == 9 { 5 } else { 0 }, "cell {index}");
    }
    // Made again from the disk alone, they are all there.
    assert_eq!(catalogue.rebuild().unwrap().added, 10);
}

#[test]
fn a_cell_that_is_promoted_before_it_is_kept_gets_its_file_later_and_no_cell_is_kept_twice() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    window.state_mut().state.recipe.seed = Some(7);
    // Two columns ask for one picture.
    let wish = |x: &str| Command::OpenBoard(BoardWish::Axes { x: x.to_owned(), y: String::new() });
    window.state_mut().state.execute(wish("strength=0.5, 1, 1"));
    wait(&mut window, "the cells to be kept", all_kept);
    window.state_mut().state.execute(Command::RunCell(0));
    window.state_mut().state.execute(wish("strength=0.5, 1, 2"));
    wait(&mut window, "the cells to be kept", |app| all_kept(app) && !app.state.is_at_work());
    assert_eq!(files(&home.path().join("pictures/boards")).len(), 3);
    finish_one(&mut window, "strength=3");
    window.state_mut().state.execute(Command::PromoteCell(0));
    wait(&mut window, "the picture to be kept", window::kept);
    let file = window.state().state.history.entries()[0].file.clone().unwrap();
    assert_eq!(recipe_of(&file).references[0].strength, 3.0);
    assert_eq!(files(&home.path().join("pictures/boards")).len(), 4);
    assert_eq!(files(&home.path().join("pictures")).len(), 1);
}

/// The engine does not hear of a LoRA that is off, so the pictures are the same.
#[test]
fn cells_that_are_taken_over_keep_stars_and_files_though_a_lora_that_is_off_has_come() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    paint(&mut window);
    wait(&mut window, "the cells to be kept", all_kept);
    window.state_mut().state.execute(Command::StarCell(3));
    let kept = |window: &Window| board(window).marks.iter().map(|mark| mark.kept.clone()).collect::<Vec<_>>();
    let (before, painted) = (kept(&window), fake.seen().len());
    let off = Lora { hash: "0".repeat(64), name: "brush".to_owned(), strength: 0.0, ..Lora::default() };
    window.state_mut().state.recipe.loras.push(off);
    paint(&mut window);
    assert_eq!(board(&window).done(), 10);
    let stars: Vec<usize> = (0..10).filter(|index| board(&window).marks[*index].is_favourite).collect();
    assert_eq!((kept(&window), stars, fake.seen().len()), (before, vec![3], painted));
    let shown: BTreeSet<u64> = board(&window).marks.iter().map(|mark| mark.shown_id).collect();
    assert_eq!(shown.len(), 10, "each pane of a comparison shows its own picture");

    // One whose file is still being written gets it, and is starred in the library.
    finish_one(&mut window, "seed=9");
    window.state_mut().state.recipe.loras.clear();
    let wish = BoardWish::Axes { x: "seed=9".to_owned(), y: String::new() };
    window.state_mut().state.execute(Command::OpenBoard(wish));
    assert_eq!(board(&window).marks[0].kept, Kept::Asked);
    wait(&mut window, "the cell to be kept", all_kept);
}

/// Paints a board of one cell up to the moment when it is finished, and nothing of the disk's answer is heard yet.
fn finish_one(window: &mut Window, x: &str) {
    let wish = BoardWish::Axes { x: x.to_owned(), y: String::new() };
    window.state_mut().state.execute(Command::OpenBoard(wish));
    let began = std::time::Instant::now();
    while board(window).finished(0).is_none() {
        assert!(began.elapsed() < Duration::from_secs(120));
        window.state_mut().state.logic(0.0, false);
    }
    assert_eq!(board(window).marks[0].kept, Kept::Asked);
}

#[test]
fn a_promoted_cell_and_a_favourite_keep_their_file_when_the_board_is_closed_at_once() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    finish_one(&mut window, "seed=3");
    window.state_mut().state.execute(Command::StarCell(0));
    window.state_mut().state.execute(Command::PromoteCell(0));
    window.state_mut().state.execute(Command::CloseBoard);
    wait(&mut window, "the picture to be kept", window::kept);
    let file = window.state().state.history.entries()[0].file.clone().unwrap();
    assert_eq!(recipe_of(&file).seed, Some(3));
    assert_eq!(files(&home.path().join("pictures/boards")), [file]);

    // Laid out anew, too: the cell is gone, and the picture that it has become is not.
    finish_one(&mut window, "seed=4");
    window.state_mut().state.execute(Command::PromoteCell(0));
    let wish = BoardWish::Axes { x: "seed=5".to_owned(), y: String::new() };
    window.state_mut().state.execute(Command::OpenBoard(wish));
    wait(&mut window, "the picture to be kept", |app| window::kept(app) && all_kept(app));
    let file = window.state().state.history.entries()[1].file.clone().unwrap();
    assert_eq!(recipe_of(&file).seed, Some(4));
    drop(window);
    let mut catalogue = Catalogue::open(home.path(), &Stop::default()).unwrap();
    let found = catalogue.search(&Query { min_stars: 5, limit: 10, ..Query::default() }).unwrap();
    assert_eq!(found.pictures.iter().map(|picture| picture.recipe.seed).collect::<Vec<_>>(), [Some(3)]);
}

#[test]
fn a_promoted_cell_whose_file_cannot_be_written_is_kept_as_a_picture() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("pictures")).unwrap();
    std::fs::write(home.path().join("pictures/boards"), b"").unwrap();
    let (mut window, _fake) = open(home.path());
    finish_one(&mut window, "seed=3");
    window.state_mut().state.execute(Command::PromoteCell(0));
    wait(&mut window, "the picture to be kept", window::kept);
    let file = window.state().state.history.entries()[0].file.clone().unwrap();
    assert_eq!((file.parent(), recipe_of(&file).seed), (Some(home.path().join("pictures").as_path()), Some(3)));
}

#[test]
fn a_disk_that_takes_no_cells_says_so_and_the_board_can_still_be_taken_away() {
    let home = tempfile::tempdir().unwrap();
    // A file where the folder must be: whoever runs the test, nothing can be written there.
    std::fs::create_dir(home.path().join("pictures")).unwrap();
    std::fs::write(home.path().join("pictures/boards"), b"").unwrap();
    let (mut window, _fake) = open(home.path());
    paint(&mut window);
    // Every cell has been asked for and answered.
    wait(&mut window, "the message", |app| {
        let is_answered = app.state.board.as_ref().is_some_and(|open| open.marks.iter().all(|m| m.kept == Kept::No));
        all_done(app) && is_answered && app.state.notes.at(Place::Board).next().is_some()
    });
    let said = errors(&window, Place::Board);
    assert!(said.len() == 1 && said[0].contains("export them"), "{said:?}");
    window.state_mut().state.notes.clear(Place::Board);
    window.run_steps(3);
    export(&mut window);
    assert_eq!(files(&home.path().join("exports")).len(), 1);
    // A promoted cell is kept like a picture of its own.
    window.state_mut().state.execute(Command::PromoteCell(0));
    wait(&mut window, "the picture to be kept", window::kept);
}

#[test]
fn a_board_is_taken_away_as_a_page_and_as_pictures_under_names_that_are_shown_before() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    paint(&mut window);
    wait(&mut window, "the board", all_done);
    window.state_mut().state.execute(Command::StarCell(7));
    click(&mut window, "Export…");
    window.get_by_role_and_label(Role::RadioButton, "A page for a browser").click();
    window.run_steps(3);
    click(&mut window, "Export");
    wait(&mut window, "the page", |app| app.state.notes.at(Place::Board).next().is_some());
    let page = files(&home.path().join("exports"))[0].clone();
    let is_whole = |window: &Window, page: &Path, ending: &str| {
        let html = std::fs::read_to_string(page.join("index.html")).unwrap();
        for (row, column) in [(1, 1), (2, 5)] {
            let name = format!("cell-r0{row}-c0{column}.{ending}");
            assert!(html.contains(&name));
            let cell = board(window).finished((row - 1) * 5 + column - 1).unwrap();
            assert_eq!(recipe_of(&page.join(&name)), cell.recipe);
        }
        assert_eq!(files(page).len(), 11);
    };
    is_whole(&window, &page, "png");

    // In another format that browsers show; one that they do not show is not offered.
    window.state_mut().state.notes.clear(Place::Board);
    window.state_mut().state.settings.board_export.format = PictureFormat::Tiff;
    window.run_steps(3);
    click(&mut window, "Export…");
    assert_eq!(window.state().state.settings.board_export.format(), PictureFormat::Png);
    window.get_by_role_and_label(Role::ComboBox, "Format of the export").click();
    window.run_steps(3);
    assert!(window.query_by_role_and_label(Role::Button, "TIFF").is_none());
    window.get_by_role_and_label(Role::Button, "JPEG").click();
    window.run_steps(3);
    click(&mut window, "Export");
    wait(&mut window, "the second page", |app| app.state.notes.at(Place::Board).next().is_some());
    let second = files(&home.path().join("exports")).into_iter().find(|found| *found != page).unwrap();
    is_whole(&window, &second, "jpg");

    // Favourites only, in another format, under names of one's own.
    window.state_mut().state.notes.clear(Place::Board);
    window.run_steps(3);
    click(&mut window, "Export…");
    window.get_by_role_and_label(Role::RadioButton, "Every picture").click();
    window.run_steps(3);
    click(&mut window, "1 favourites");
    choose(&mut window, "Format of the export", "WebP");
    let names = |window: &mut Window, text: &str| {
        window.get_by_role_and_label(Role::TextInput, "Names").focus();
        window.run_steps(2);
        press(window, Modifiers::COMMAND, Key::A);
        window.event(egui::Event::Text(text.to_owned()));
        window.run_steps(3);
    };
    names(&mut window, "{wish}");
    window.get_by_label_contains("no field {wish}");
    assert!(window.get_by_role_and_label(Role::Button, "Export").accesskit_node().is_disabled());
    names(&mut window, "fish {strength}_{seed}");
    window.get_by_label("Such as fish 0.5_2.webp");
    click(&mut window, "Export");
    wait(&mut window, "the picture", |app| app.state.notes.at(Place::Board).next().is_some());
    let file = home.path().join("exports/fish 0.5_2.webp");
    assert_eq!(recipe_of(&file), board(&window).finished(7).unwrap().recipe);
    assert_eq!(files(&home.path().join("exports")).len(), 3);
    // Never over another: the second gets a number.
    let before = std::fs::read(&file).unwrap();
    window.state_mut().state.execute(Command::ExportBoard(vec![7]));
    wait(&mut window, "the second", |_| home.path().join("exports/fish 0.5_2-2.webp").is_file());
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_dropped_sheet_lays_out_its_board_again() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    paint(&mut window);
    wait(&mut window, "the board", all_done);
    window.state_mut().state.settings.board_export.format = PictureFormat::Jpeg;
    export(&mut window);
    let sheet = files(&home.path().join("exports"))[0].clone();
    let wanted: Vec<Recipe> = board(&window).cells.iter().map(|cell| cell.recipe.clone()).collect();
    drop(window);
    // Another day, with other settings.
    let (mut window, _) = open(home.path());
    window.state_mut().state.recipe = Recipe { prompt: "something else".to_owned(), ..Recipe::default() };
    drop_file(&mut window, &sheet, None);
    click(&mut window, "Lay out its board");
    wait(&mut window, "the board", all_done);
    let open = board(&window);
    assert_eq!((open.board.columns(), open.board.rows()), (5, 2));
    for (cell, wanted) in open.cells.iter().zip(&wanted) {
        assert_eq!(cell.recipe.references, wanted.references);
        assert_eq!((&cell.recipe.prompt, cell.recipe.seed), (&wanted.prompt, wanted.seed));
    }
    assert!(fake.seen().len() == 10);
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
    export(&mut window);
    let sheet = files(&home.path().join("exports"))[0].clone();
    let carried = carried_by(&sheet).unwrap();
    let sheet: Board = serde_json::from_str(&carried.board_json.unwrap()).unwrap();
    assert_eq!((&sheet.x, &sheet.y), (&board(&window).board.x, &board(&window).board.y));
    assert_eq!(carried.references[0].hash, board(&window).board.base.references[0].hash);
    assert!(sheet.base.steps.is_some() && sheet.base.width.is_some(), "nothing is left open");
    settle(&mut window);
    click(&mut window, "Close board");
    assert!(window.state().state.board.is_none());
    assert!(window.query_by_label_contains("Cell ").is_none());
    assert!(window.root().accesskit_node().is_root());
}
