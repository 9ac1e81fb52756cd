//! What the window remembers: history, comparison, and what is there again after a restart.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/board_window.rs"]
mod board_window;
#[path = "common/window.rs"]
mod window;

use board_window::{choose, files, recipe_of};
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use instantstyle::app::{AppState, Command, ExportOf, Place, Session, Setup, Shown};
use instantstyle::engine::{Compute, FakeEngine};
use instantstyle::pixels::carried_by;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use window::{
    Shared, Window, click, drop_file, errors, generate, history, kept, open, open_with, picture_file, press, wait,
};

#[test]
fn everything_is_there_again_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    drop_file(&mut window, &picture_file(files.path(), "paint.png", [200, 30, 40]), None);
    window.get_by_role_and_label(Role::MultilineTextInput, "Prompt").focus();
    window.run_steps(2);
    window.get_by_role_and_label(Role::MultilineTextInput, "Prompt").type_text(" in the sea");
    window.run_steps(2);
    generate(&mut window, 1);
    click(&mut window, "Advanced");
    // The session is written by itself within a second or two, with no word of farewell.
    let recipe = window.state().state.recipe.clone();
    let began = Instant::now();
    while Session::load(home.path())
        .0
        .is_none_or(|s| s.recipe != recipe || s.history.len() != 1 || !s.settings.is_advanced_open)
    {
        assert!(began.elapsed() < Duration::from_secs(120), "the session was not written");
        window.step();
        std::thread::sleep(Duration::from_millis(5));
    }
    // As a killed program: nothing of the old window may run on.
    std::mem::forget(window);

    let (mut window, fake) = open(home.path());
    assert_eq!(window.state().state.recipe, recipe);
    assert!(recipe.prompt.contains("in the sea"), "{}", recipe.prompt);
    assert!(window.state().state.settings.is_advanced_open);
    wait(&mut window, "the old picture", |app| {
        kept(app) && app.state.shown_entry().is_some_and(|entry| entry.image.is_some())
    });
    generate(&mut window, 2);
    assert_eq!(fake.seen()[0].references.len(), 2);
}

#[test]
fn history_restores_shows_and_removes() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    generate(&mut window, 1);
    let first = window.state().state.history.entries()[0].clone();
    window.get_by_role_and_label(Role::Slider, "Style strength").set_value_accesskit(0.2);
    window.run_steps(3);
    generate(&mut window, 2);
    let title = format!("Picture: a boat, seed {}", first.recipe.seed.unwrap());
    click(&mut window, &title);
    assert_eq!(window.state().state.shown, Shown::Entry(first.id));
    click(&mut window, "Restore settings");
    assert_eq!(window.state().state.recipe, first.recipe);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(window.state().state.recipe.references[0].strength, 0.2);

    window.get_by_role_and_label(Role::Button, &title).click_secondary();
    window.run_steps(3);
    window.get_by_label("Remove from history").click();
    window.run_steps(3);
    assert_eq!(history(&window), 1);
    assert!(first.file.as_ref().unwrap().is_file(), "the file stays");
    click(&mut window, "Undo removal");
    assert_eq!(history(&window), 2);

    click(&mut window, "Use as reference");
    wait(&mut window, "the new reference", |app| app.state.recipe.references.len() == 2);
}

#[test]
fn pictures_of_the_command_line_are_references_instead_of_the_sample() {
    let home = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let named = picture_file(files.path(), "named.png", [4, 5, 6]);
    let (mut window, _fake) = open_with(home.path(), vec![named, files.path().join("missing.png")]);
    wait(&mut window, "the named pictures", |app| app.state.opening == 0);
    let names: Vec<_> = window.state().state.recipe.references.iter().map(|r| r.name.clone()).collect();
    assert_eq!(names, ["named.png"]);
    assert!(errors(&window, Place::References)[0].contains("missing.png"));
}

#[test]
fn a_missing_reference_is_named_and_healed_by_dropping_it_again() {
    let home = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let paint = picture_file(files.path(), "paint.png", [200, 30, 40]);
    let hash = instantstyle::pixels::Picture::open(&paint).unwrap().hash;
    let (mut window, fake) = open(home.path());
    let lost = instantstyle::recipe::Reference { hash, name: "paint.png".to_owned(), ..Default::default() };
    window.state_mut().state.recipe.references = vec![lost];
    window.run_steps(3);
    click(&mut window, "Generate");
    assert!(window.state().state.jobs.is_empty() && fake.seen().is_empty());
    assert!(errors(&window, Place::References)[0].contains("paint.png"));
    drop_file(&mut window, &paint, None);
    assert_eq!(window.state().state.recipe.references.len(), 1);
    generate(&mut window, 1);
}

#[test]
fn two_pictures_are_compared_and_their_differences_named() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    generate(&mut window, 1);
    window.get_by_role_and_label(Role::Slider, "Style strength").set_value_accesskit(0.2);
    window.run_steps(3);
    generate(&mut window, 2);
    click(&mut window, "Compare");
    let ids: Vec<u64> = window.state().state.history.entries().iter().map(|entry| entry.id).collect();
    let sides = |window: &Window| window.state().state.comparison().map(|(other, shown)| (other.id, shown.id));
    assert_eq!(sides(&window), Some((ids[0], ids[1])));
    window.get_by_label("Comparison, wipe");
    assert!(window.query_by_label_contains("reference 1 strength 1 → 0.2").is_some());
    click(&mut window, "Side by side");
    window.get_by_label("Comparison, side by side");
    click(&mut window, "Difference");
    window.get_by_label("Comparison, difference");
    press(&mut window, Modifiers::ALT, Key::X);
    assert_eq!(sides(&window), Some((ids[1], ids[0])));
    click(&mut window, "Stop comparing");
    window.get_by_label("Canvas, picture");
}

/// What a window on `home` is about, without the window.
fn state_of(home: &Path, fake: Arc<FakeEngine>) -> AppState {
    let (session, session_notice) = Session::load(home);
    let setup = Setup {
        engine: Box::new(Shared(fake)),
        waker: Arc::new(|| {}),
        home: Some(home.to_owned()),
        session,
        session_notice,
        is_second: false,
        pictures: Vec::new(),
        compute: Compute::default(),
    };
    AppState::new(setup).unwrap()
}

#[test]
fn generate_pressed_too_early_waits_for_the_reference() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    // The reference is known to the library, but not yet open in this recipe.
    let files = tempfile::tempdir().unwrap();
    drop_file(&mut window, &picture_file(files.path(), "paint.png", [200, 30, 40]), None);
    wait(&mut window, "the session", |_| Session::load(home.path()).0.is_some_and(|s| s.recipe.references.len() == 2));
    drop(window);
    let mut state = state_of(home.path(), fake.clone());
    state.execute(Command::Generate);
    let began = Instant::now();
    while state.history.entries().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(120), "the picture was not made");
        state.logic(began.elapsed().as_secs_f64(), false);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(fake.seen().last().unwrap().references.len(), 2);
}

fn seed_in(file: &std::path::Path) -> Option<u64> {
    recipe_of(file).seed
}

fn write_names(window: &mut Window, text: &str) {
    window.get_by_role_and_label(Role::TextInput, "Names").focus();
    window.run_steps(2);
    press(window, Modifiers::COMMAND, Key::A);
    window.event(egui::Event::Text(text.to_owned()));
    window.run_steps(3);
}

/// Presses the sheet's button and waits until what it says is said.
fn export(window: &mut Window) -> Vec<String> {
    window.state_mut().state.notes.clear(Place::Picture);
    // The canvas has a button of nearly that name below the sheet.
    click(window, "Export");
    wait(window, "the export", |app| {
        app.state.notes.at(Place::Picture).any(|note| note.text.contains(" saved") || note.text.contains("Saved"))
    });
    window.state().state.notes.at(Place::Picture).map(|note| note.text.clone()).collect()
}

#[test]
fn pictures_are_exported_one_or_many_in_any_format_under_names_that_are_shown_before() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    press(&mut window, Modifiers { shift: true, ..Modifiers::COMMAND }, Key::E);
    assert!(window.query_by_label("Export pictures").is_none(), "there is nothing to export yet");
    window.state_mut().state.recipe.prompt = "a red fish".to_owned();
    for (count, seed) in [4, 5, 6].into_iter().enumerate() {
        window.state_mut().state.recipe.seed = Some(seed);
        generate(&mut window, count + 1);
    }
    let exports = home.path().join("exports");

    // One, as it is called without being asked.
    let newest = window.get_by_label("Picture: a red fish, seed 6");
    newest.click_secondary();
    window.run_steps(3);
    click(&mut window, "Export…");
    window.get_by_label("Such as a-red-fish-6.png");
    let said = export(&mut window);
    assert!(said.iter().any(|said| said.contains("a-red-fish-6.png")), "{said:?}");
    assert_eq!(files(&exports), [exports.join("a-red-fish-6.png")]);
    assert!(window.query_by_label("Export pictures").is_none(), "the sheet has gone");

    // All of the strip, oldest first; a wrong template is told and writes nothing. The window remembers how.
    for (format, ending) in [("JPEG", "jpg"), ("TIFF", "tif"), ("WebP", "webp")] {
        press(&mut window, Modifiers { shift: true, ..Modifiers::COMMAND }, Key::E);
        click(&mut window, "3 of the strip");
        choose(&mut window, "Format of the export", format);
        write_names(&mut window, "{n} {wish}");
        window.get_by_label_contains("no field {wish}");
        assert!(window.get_by_role_and_label(Role::Button, "Export").accesskit_node().is_disabled());
        write_names(&mut window, "{n} {prompt} of {seed}");
        window.get_by_label(&format!("Such as 001 a-red-fish of 4.{ending}, and 2 more"));
        let said = export(&mut window);
        assert!(said.iter().any(|said| said.contains("3 pictures saved")), "{said:?}");
        for (number, seed) in [(1, 4), (2, 5), (3, 6)] {
            let file = exports.join(format!("00{number} a-red-fish of {seed}.{ending}"));
            assert_eq!(seed_in(&file), Some(seed));
            let carried = carried_by(&file).unwrap();
            assert_eq!(carried.references.len(), 1, "the reference's small copy travels along");
        }
    }

    // Never over another, and a picture whose file is gone keeps no other from being written.
    let before = std::fs::read(exports.join("001 a-red-fish of 4.webp")).unwrap();
    let first = window.state().state.history.entries()[1].id;
    let entry = window.state_mut().state.history.get_mut(first).unwrap();
    entry.image = None;
    std::fs::remove_file(entry.file.as_ref().unwrap()).unwrap();
    press(&mut window, Modifiers { shift: true, ..Modifiers::COMMAND }, Key::E);
    let said = export(&mut window);
    assert!(said.iter().any(|said| said.contains("2 of 3 pictures saved")), "{said:?}");
    assert_eq!(std::fs::read(exports.join("001 a-red-fish of 4.webp")).unwrap(), before);
    assert_eq!(seed_in(&exports.join("001 a-red-fish of 4-2.webp")), Some(4));
    assert_eq!(seed_in(&exports.join("003 a-red-fish of 6-2.webp")), Some(6));
    assert_eq!(files(&exports).len(), 1 + 9 + 2);
}

#[test]
fn what_the_library_shows_is_exported() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    for (count, seed) in [4, 5].into_iter().enumerate() {
        window.state_mut().state.recipe.seed = Some(seed);
        generate(&mut window, count + 1);
    }
    // Those that have left the strip are still in the library.
    let first = window.state().state.history.entries()[0].id;
    window.state_mut().state.execute(Command::RemoveFromHistory(first));
    click(&mut window, "All pictures…");
    wait(&mut window, "the library", |app| !app.state.shelf.is_searching && app.state.shelf.page.pictures.len() == 2);
    click(&mut window, "Export what the library shows");
    window.get_by_label_contains(", and 1 more");
    write_names(&mut window, "{seed}");
    let said = export(&mut window);
    assert!(said.iter().any(|said| said.contains("2 pictures saved")), "{said:?}");
    let exports = home.path().join("exports");
    assert_eq!(files(&exports), [exports.join("4.png"), exports.join("5.png")]);
    assert_eq!(seed_in(&exports.join("4.png")), Some(4));
}

#[test]
fn what_is_exported_is_all_written_though_the_window_closes_at_once() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    for (count, seed) in [4, 5, 6].into_iter().enumerate() {
        window.state_mut().state.recipe.seed = Some(seed);
        generate(&mut window, count + 1);
    }
    // Large and without order, so that they are not written in a moment.
    let large =
        image::RgbImage::from_fn(1536, 1536, |x, y| image::Rgb([x * y / 7, x * x + y, y * y + 3 * x].map(|v| v as u8)));
    let large = Arc::new(large);
    let ids: Vec<u64> = window.state().state.history.entries().iter().map(|entry| entry.id).collect();
    for id in ids {
        window.state_mut().state.history.get_mut(id).unwrap().image = Some(large.clone());
    }
    window.state_mut().state.settings.picture_export.names = "{seed}".to_owned();
    window.state_mut().state.execute(Command::ExportPictures(ExportOf::History));
    drop(window);
    let exports = home.path().join("exports");
    assert_eq!(files(&exports), ["4.png", "5.png", "6.png"].map(|name| exports.join(name)));
    assert_eq!(image::open(exports.join("6.png")).unwrap().to_rgb8(), *large);
}

#[test]
fn the_sheet_of_the_export_says_how_many_of_the_library_and_means_the_picture_that_it_was_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    for (count, seed) in [4, 5].into_iter().enumerate() {
        window.state_mut().state.recipe.seed = Some(seed);
        generate(&mut window, count + 1);
    }
    let export_sheet = Modifiers { shift: true, ..Modifiers::COMMAND };
    press(&mut window, export_sheet, Key::E);
    click(&mut window, "2 of the strip");
    click(&mut window, "Close");

    // One thumbnail's own menu means that picture, whatever was chosen before.
    window.get_by_label("Picture: a boat, seed 4").click_secondary();
    window.run_steps(3);
    click(&mut window, "Export…");
    write_names(&mut window, "{seed}");
    window.get_by_label("Such as 4.png");
    click(&mut window, "Close");
    for id in window.state().state.history.entries().iter().map(|entry| entry.id).collect::<Vec<_>>() {
        window.state_mut().state.execute(Command::RemoveFromHistory(id));
    }
    window.state_mut().state.save_now();
    drop(window);

    // With an empty strip and a library that was never on the screen.
    let (mut window, _fake) = open(home.path());
    assert_eq!(history(&window), 0);
    wait(&mut window, "the library", |app| app.state.shelf.page.pictures.len() == 2);
    press(&mut window, export_sheet, Key::E);
    window.get_by_label("Such as 5.png, and 1 more");
    window.get_by_label("2 of the library");
    window.state_mut().state.shelf.page.pictures.truncate(1);
    window.run_steps(3);
    window.get_by_label("1 shown of 2 in the library");
}

#[test]
fn removals_are_undone_in_their_turn() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    window.state_mut().state.settings.count = 3;
    generate(&mut window, 3);
    let ids = |window: &Window| window.state().state.history.entries().iter().map(|entry| entry.id).collect::<Vec<_>>();
    let all = ids(&window);
    let slide = |window: &mut Window, value: f64| {
        window.get_by_role_and_label(Role::Slider, "Style strength").set_value_accesskit(value);
        window.run_steps(8);
    };
    let strength = |window: &Window| window.state().state.recipe.references[0].strength;
    slide(&mut window, 0.2);
    for id in &all[..2] {
        window.state_mut().state.execute(Command::RemoveFromHistory(*id));
    }
    slide(&mut window, 0.6);
    let undo = |window: &mut Window| press(window, Modifiers::COMMAND, Key::Z);
    undo(&mut window);
    assert_eq!((strength(&window), history(&window)), (0.2, 1));
    undo(&mut window);
    assert_eq!((strength(&window), ids(&window)), (0.2, all[1..].to_vec()));
    undo(&mut window);
    assert_eq!((strength(&window), ids(&window)), (0.2, all));
    undo(&mut window);
    assert_eq!((strength(&window), history(&window)), (1.0, 3));
    assert!(!window.state().state.can_undo());
}

#[test]
fn pictures_that_are_away_stay_in_the_history_and_come_back() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    window.state_mut().state.settings.count = 2;
    generate(&mut window, 2);
    window.state_mut().state.save_now();
    drop(window);
    let (pictures, away) = (home.path().join("pictures"), home.path().join("away"));
    std::fs::rename(&pictures, &away).unwrap();

    let (mut window, _fake) = open(home.path());
    wait(&mut window, "the pictures to be missed", |app| {
        let entries = app.state.history.entries();
        entries.len() == 2 && entries.iter().all(|entry| entry.trouble.is_some())
    });
    window.get_by_label("The picture cannot be shown now");
    window.state_mut().state.save_now();
    std::fs::rename(&away, &pictures).unwrap();
    let title = format!("Picture: {}", window.state().state.history.entries()[0].recipe.title());
    click(&mut window, &title);
    wait(&mut window, "the picture to be tried again", |app| {
        app.state.shown_entry().is_some_and(|entry| entry.image.is_some() && entry.trouble.is_none())
    });
    drop(window);
    let (mut window, _fake) = open(home.path());
    assert_eq!(history(&window), 2);
    wait(&mut window, "both pictures", kept);
}

#[test]
fn a_full_strip_keeps_no_reference_waiting_and_fills_from_the_newest() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    window.state_mut().state.settings.count = 12;
    generate(&mut window, 12);
    window.state_mut().state.save_now();
    drop(window);
    let mut state = state_of(home.path(), fake);
    let reference = state.recipe.references[0].clone();
    assert!(state.is_opening(&reference.hash));
    let began = Instant::now();
    loop {
        state.logic(began.elapsed().as_secs_f64(), false);
        let small: Vec<bool> = state.history.entries().iter().map(|entry| entry.thumbnail.is_some()).collect();
        assert!(small.is_sorted(), "the newest first: {small:?}");
        assert!(!small.contains(&true) || state.picture(&reference).is_some(), "the reference before all of them");
        if !small.contains(&false) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(600), "the strip stays empty: {small:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
