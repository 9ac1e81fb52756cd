//! The library, the styles and dropped pictures, driven through the window's widgets on the fake engine.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/window.rs"]
mod window;

use std::fs;
use std::path::{Path, PathBuf};

use egui::accesskit::Role;
use egui::{Key, Modifiers, PointerButton};
use egui_kittest::kittest::Queryable as _;
use image::{Rgb, RgbImage};
use instantstyle::app::{Place, Shown};
use instantstyle::library::{Catalogue, Query, Stop, Styles};
use instantstyle::pixels::{PictureFormat, PngText, carried_by, encode_png, export};
use instantstyle::recipe::{Crop, ModelFiles, Recipe, Reference, Role as Mode, SchedulerName, Subtraction};
use window::{Window, click, drop_file, errors, generate, open, picture_file, press, wait};

fn write_into(window: &mut Window, field: &str, text: &str) {
    window.get_by_role_and_label(Role::TextInput, field).focus();
    window.run_steps(2);
    window.event(egui::Event::Text(text.to_owned()));
    window.run_steps(3);
}

fn choose(window: &mut Window, list: &str, entry: &str) {
    window.get_by_role_and_label(Role::ComboBox, list).click();
    window.run_steps(3);
    window.get_by_role_and_label(Role::Button, entry).click();
    window.run_steps(3);
}

fn prompt(window: &mut Window, text: &str) {
    window.get_by_role_and_label(Role::MultilineTextInput, "Prompt").focus();
    window.run_steps(2);
    press(window, Modifiers::COMMAND, Key::A);
    window.event(egui::Event::Text(text.to_owned()));
    window.run_steps(3);
}

fn found(window: &Window) -> Vec<String> {
    window.state().state.shelf.page.pictures.iter().map(|picture| picture.recipe.prompt.clone()).collect()
}

fn wait_for_pictures(window: &mut Window, count: usize) {
    wait(window, "the library's answer", |app| {
        !app.state.shelf.is_searching && app.state.shelf.page.pictures.len() == count
    });
}

#[test]
fn every_picture_is_found_rated_and_taken_up_again() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    for (index, text) in ["a red fox", "a blue boat"].into_iter().enumerate() {
        prompt(&mut window, text);
        generate(&mut window, index + 1);
    }
    let seed = window.state().state.history.entries()[0].recipe.seed.unwrap();
    click(&mut window, "All pictures…");
    wait_for_pictures(&mut window, 2);
    window.get_by_label("2 pictures");
    assert_eq!(found(&window), ["a blue boat", "a red fox"], "the newest first");
    wait(&mut window, "the thumbnails", |app| app.state.shelf.thumbnails.len() == 2);

    write_into(&mut window, "Search the library", "fo red");
    wait_for_pictures(&mut window, 1);
    assert_eq!(window.state().state.shelf.thumbnails.len(), 1, "those of the page are in memory");
    click(&mut window, &format!("Library picture: a red fox, seed {seed}"));
    click(&mut window, "3 stars");
    assert_eq!(window.state().state.shelf.page.pictures[0].stars, 3);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.query_by_role_and_label(Role::Button, "Close the library").is_none());

    // What was asked stays asked; taken away, all are there again.
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::L);
    window.get_by_role_and_label(Role::TextInput, "Search the library").focus();
    window.run_steps(2);
    press(&mut window, Modifiers::COMMAND, Key::A);
    press(&mut window, Modifiers::NONE, Key::Backspace);
    wait_for_pictures(&mut window, 2);
    wait(&mut window, "the thumbnails", |app| app.state.shelf.thumbnails.len() == 2);
    choose(&mut window, "Stars", "3 stars and more");
    wait_for_pictures(&mut window, 1);
    assert_eq!(found(&window), ["a red fox"]);
    choose(&mut window, "Mode", "Layout");
    wait_for_pictures(&mut window, 0);
    window.get_by_label("No picture is like that; take away a word or a filter");
    choose(&mut window, "Mode", "Style");
    wait_for_pictures(&mut window, 1);

    click(&mut window, &format!("Library picture: a red fox, seed {seed}"));
    click(&mut window, "Restore its settings");
    let state = &window.state().state;
    assert_eq!((state.recipe.prompt.as_str(), state.recipe.seed), ("a red fox", Some(seed)));
    assert!(window.query_by_role_and_label(Role::Button, "Close the library").is_none(), "it gives way");

    // In a later session, out of the history, it is shown from the library.
    drop(window);
    fs::remove_file(home.path().join("session.json")).unwrap();
    let (mut window, _fake) = open(home.path());
    assert_eq!(window.state().state.history.entries().len(), 0);
    click(&mut window, "All pictures…");
    wait_for_pictures(&mut window, 2);
    assert_eq!(window.state().state.shelf.page.pictures[1].stars, 3, "stars stay");
    click(&mut window, &format!("Library picture: a red fox, seed {seed}"));
    click(&mut window, "Show");
    wait(&mut window, "the picture", |app| app.state.shown_entry().is_some_and(|entry| entry.image.is_some()));
    assert!(matches!(window.state().state.shown, Shown::Entry(_)));
    click(&mut window, "All pictures…");
    click(&mut window, "Use it as reference");
    wait(&mut window, "the reference", |app| app.state.recipe.references.len() == 2 && app.state.opening == 0);
}

#[test]
fn a_full_or_locked_home_loses_no_picture_and_says_so_once() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    // A file in the way, as a disk that takes nothing.
    fs::write(home.path().join("pictures"), b"").unwrap();
    click(&mut window, "Generate");
    wait(&mut window, "the message", |app| app.state.notes.at(Place::Picture).count() > 0);
    assert_eq!(errors(&window, Place::Picture).len(), 1, "{:?}", errors(&window, Place::Picture));
    let entry = &window.state().state.history.entries()[0];
    assert!(entry.image.is_some() && entry.file.is_none(), "the picture is in memory, to be saved by hand");
}

#[test]
fn a_damaged_library_is_made_again_behind_the_window() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    generate(&mut window, 1);
    drop(window);
    fs::write(home.path().join("library.sqlite"), b"garbage that is no database at all").unwrap();
    let (mut window, _fake) = open(home.path());
    click(&mut window, "All pictures…");
    wait_for_pictures(&mut window, 1);
    let said = errors(&window, Place::Picture);
    assert!(said.len() == 1 && said[0].contains("made again from 1 pictures"), "{said:?}");
}

fn settle_styles(window: &mut Window, count: usize) {
    wait(window, "the styles", |app| app.state.shelf.styles.len() == count);
}

#[test]
fn a_style_is_kept_applied_renamed_removed_and_brought_back() {
    let home = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    window.get_by_role_and_label(Role::Slider, "Style strength").set_value_accesskit(0.75);
    window.run_steps(3);
    let kept = window.state().state.recipe.references[0].clone();
    click(&mut window, "Save as style…");
    assert!(window.get_by_role_and_label(Role::TextInput, "Name of the style").is_focused(), "typing goes there");
    write_into(&mut window, "Name of the style", "Blueprint");
    click(&mut window, "Keep the style");
    settle_styles(&mut window, 1);

    // Another reference, with other settings; one click brings the style back in its place.
    click(&mut window, "Remove reference 1");
    drop_file(&mut window, &picture_file(files.path(), "red.png", [200, 10, 10]), None);
    click(&mut window, "Style: Blueprint");
    wait(&mut window, "the style", |app| app.state.recipe.references[0].name == "blueprint-house.png");
    assert_eq!(window.state().state.recipe.references, std::slice::from_ref(&kept));
    click(&mut window, "Undo");
    assert_eq!(window.state().state.recipe.references[0].name, "red.png");

    let menu = |window: &mut Window, style: &str, entry: &str| {
        // Again where it moved under the click: what is still being opened comes in above it.
        for _ in 0..20 {
            window.get_by_role_and_label(Role::Button, style).click_button(PointerButton::Secondary);
            window.run_steps(3);
            if window.query_by_role_and_label(Role::Button, entry).is_some() {
                break;
            }
        }
        click(window, entry);
    };
    menu(&mut window, "Style: Blueprint", "Add beside the others");
    wait(&mut window, "the style", |app| app.state.recipe.references.len() == 2);
    assert_eq!(window.state().state.recipe.references[1], kept);
    generate(&mut window, 1);
    assert_eq!(fake.seen()[0].references.len(), 2);

    menu(&mut window, "Style: Blueprint", "Rename…");
    window.get_by_role_and_label(Role::TextInput, "New name of the style").focus();
    window.run_steps(2);
    press(&mut window, Modifiers::COMMAND, Key::A);
    window.event(egui::Event::Text("Plans".to_owned()));
    window.run_steps(3);
    click(&mut window, "Rename");
    wait(&mut window, "the new name", |app| app.state.shelf.styles.iter().any(|(style, _)| style.name == "Plans"));
    menu(&mut window, "Style: Plans", "Remove");
    settle_styles(&mut window, 0);
    click(&mut window, "Bring the removed style back");
    settle_styles(&mut window, 1);

    // A name that is taken is told, and nothing is replaced.
    click(&mut window, "Save as style…");
    write_into(&mut window, "Name of the style", "plans");
    click(&mut window, "Keep the style");
    // Other messages may still be there.
    wait(&mut window, "the answer", |app| app.state.notes.at(Place::Styles).any(|note| note.text.contains("already")));
    assert!(errors(&window, Place::Styles).iter().any(|said| said.contains("already")));
    assert_eq!(Styles::of(home.path()).list().0.len(), 1);
}

#[test]
fn a_dropped_style_is_taken_in() {
    let (home, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes = fs::read(picture_file(other.path(), "ink.png", [1, 2, 3])).unwrap();
    let hash = blake3::hash(&bytes).to_hex().to_string();
    let reference =
        Reference { hash, name: "ink.png".to_owned(), strength: 0.5, crop: Crop::Fit, ..Reference::default() };
    let file = other.path().join("ink.instantstyle-style");
    let theirs = Styles::of(other.path());
    theirs.save("Ink", &reference, &bytes).unwrap();
    theirs.export("Ink", &file).unwrap();
    let (mut window, _fake) = open(home.path());
    drop_file(&mut window, &file, None);
    settle_styles(&mut window, 1);
    click(&mut window, "Style: Ink");
    wait(&mut window, "the style", |app| app.state.recipe.references == [reference.clone()]);
    let bad = other.path().join("bad.instantstyle-style");
    fs::write(&bad, b"PK").unwrap();
    drop_file(&mut window, &bad, None);
    wait(&mut window, "the message", |app| {
        app.state.notes.at(Place::Styles).any(|note| note.text.contains("bad.instantstyle"))
    });
}

fn our_picture(folder: &Path, recipe: &Recipe) -> PathBuf {
    let path = folder.join("theirs.png");
    let picture = RgbImage::from_pixel(32, 24, Rgb([9, 9, 90]));
    fs::write(&path, export(&picture, recipe, &[], PictureFormat::Png).unwrap()).unwrap();
    path
}

#[test]
fn a_dropped_picture_of_ours_is_asked_about_and_restores_itself_whole() {
    let home = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let recipe = Recipe {
        prompt: "a castle".to_owned(),
        steps: Some(7),
        guidance: Some(2.5),
        seed: Some(11),
        scheduler: Some(SchedulerName::Ddim),
        width: Some(64),
        height: Some(72),
        model: ModelFiles { model: "grand@0011".to_owned(), ..ModelFiles::default() },
        references: vec![Reference {
            hash: "ab".repeat(32),
            name: "lost.png".to_owned(),
            role: Mode::Layout,
            subtract: Some(Subtraction { words: "a house".to_owned(), strength: 0.4 }),
            ..Reference::default()
        }],
        ..Recipe::default()
    };
    let file = our_picture(files.path(), &recipe);
    let (mut window, _fake) = open(home.path());
    window.state_mut().state.recipe.negative_prompt = "blurry".to_owned();
    window.state_mut().state.recipe.start = 0.25;
    window.run_steps(20);
    let before = window.state().state.recipe.clone();
    drop_file(&mut window, &file, None);
    assert_eq!(window.state().state.recipe, before, "nothing happens before the answer");
    window.get_by_label("theirs.png carries its settings");
    click(&mut window, "Restore its settings");
    assert_eq!(window.state().state.recipe, recipe, "whole: what it did not use is cleared");
    wait(&mut window, "the missing reference", |app| app.state.notes.at(Place::References).count() > 0);
    assert!(errors(&window, Place::References)[0].contains("'lost.png'"));
    let said = errors(&window, Place::Picture);
    assert!(said.len() == 1 && said[0].contains("'grand'"), "{said:?}");
    assert!(window.query_by_label("theirs.png carries its settings").is_none());
    click(&mut window, "Undo");
    assert_eq!(window.state().state.recipe, before);

    drop_file(&mut window, &file, None);
    click(&mut window, "Use it as reference");
    wait(&mut window, "the reference", |app| app.state.recipe.references.len() == 2);
    drop_file(&mut window, &file, None);
    click(&mut window, "Do nothing with the dropped picture");
    assert_eq!(window.state().state.recipe.references.len(), 2);
}

#[test]
fn pictures_of_every_format_restore_themselves() {
    let home = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    for format in PictureFormat::ALL {
        let recipe = Recipe { prompt: format!("a boat as {}", format.name()), seed: Some(3), ..Recipe::default() };
        let path = files.path().join(format!("boat.{}", format.ending()));
        fs::write(&path, export(&RgbImage::new(32, 24), &recipe, &[], format).unwrap()).unwrap();
        drop_file(&mut window, &path, None);
        click(&mut window, "Restore its settings");
        assert_eq!(window.state().state.recipe, recipe);
    }
    // JPEG of the web UI: its settings stand in EXIF.
    let recipe = Recipe { prompt: "of another program".to_owned(), seed: Some(9), steps: Some(5), ..Recipe::default() };
    let bytes = export(&RgbImage::new(32, 24), &recipe, &[], PictureFormat::Jpeg).unwrap();
    let ours = b"http://ns.adobe.com/xap/1.0/";
    let at = bytes.windows(ours.len()).position(|window| window == ours).unwrap();
    let mut bytes = bytes;
    bytes[at] = b'x';
    let path = files.path().join("web.jpg");
    fs::write(&path, bytes).unwrap();
    drop_file(&mut window, &path, None);
    click(&mut window, "Restore its settings");
    let restored = &window.state().state.recipe;
    assert_eq!((restored.prompt.as_str(), restored.seed, restored.steps), ("of another program", Some(9), Some(5)));
}

#[test]
fn kept_and_saved_pictures_carry_small_copies_of_their_references() {
    let home = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    generate(&mut window, 1);
    let entry = window.state().state.history.entries()[0].clone();
    let hash = entry.recipe.references[0].hash.clone();
    let kept = carried_by(entry.file.as_ref().unwrap()).unwrap();
    assert_eq!(kept.references.len(), 1);
    assert_eq!(kept.references[0].hash, hash);
    assert!(image::load_from_memory(&kept.references[0].bytes().unwrap()).unwrap().width() <= 96);
    // The reference is gone from the machine; what the kept file holds goes along.
    drop(window);
    fs::remove_dir_all(home.path().join("references")).unwrap();
    let (mut window, _) = {
        let fake = std::sync::Arc::new(instantstyle::engine::FakeEngine::start(None).unwrap());
        let session = fs::read_to_string(home.path().join("session.json")).unwrap();
        let without: serde_json::Value = {
            let mut value: serde_json::Value = serde_json::from_str(&session).unwrap();
            value["recipe"]["references"] = serde_json::json!([]);
            value
        };
        fs::write(home.path().join("session.json"), without.to_string()).unwrap();
        (window::open_on(home.path(), Vec::new(), Box::new(window::Shared(fake.clone()))), fake)
    };
    wait(&mut window, "the history", |app| app.state.history.entries().iter().all(|entry| entry.thumbnail.is_some()));
    let id = window.state().state.history.entries()[0].id;
    let path = elsewhere.path().join("out.jpg");
    window.state_mut().state.save_to(id, path.clone());
    wait(&mut window, "the file", |_| path.is_file());
    assert_eq!(carried_by(&path).unwrap().references, kept.references);
}

#[test]
fn a_dropped_picture_of_the_web_ui_restores_what_there_is_a_place_for() {
    let home = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("web.png");
    let parameters = "a red fox\nNegative prompt: blurry\nSteps: 30, Sampler: DPM++ 2M Karras, CFG scale: 6.5, Seed: 42, \
                      Size: 832x1216, Model: sd_xl_base_1.0, Clip skip: 2, Version: v1.10.1";
    let text = PngText { parameters: Some(parameters.to_owned()), ..PngText::default() };
    fs::write(&path, encode_png(&RgbImage::new(16, 16), &text).unwrap()).unwrap();
    let (mut window, _fake) = open(home.path());
    drop_file(&mut window, &path, None);
    click(&mut window, "Restore its settings");
    let recipe = &window.state().state.recipe;
    assert_eq!((recipe.prompt.as_str(), recipe.negative_prompt.as_str()), ("a red fox", "blurry"));
    assert_eq!((recipe.steps, recipe.guidance, recipe.seed), (Some(30), Some(6.5), Some(42)));
    assert_eq!(
        (recipe.width, recipe.height, recipe.scheduler),
        (Some(832), Some(1216), Some(SchedulerName::Dpmpp2mKarras))
    );
    assert!(recipe.references.is_empty(), "what it did not use is cleared");
    let said = errors(&window, Place::Picture);
    assert!(said.iter().any(|said| said.contains("sd_xl_base_1.0")), "{said:?}");
    assert!(said.iter().any(|said| said.contains("Clip skip 2") && !said.contains("Version")), "{said:?}");
}

#[test]
fn pictures_made_by_the_window_are_in_the_library_of_the_command_line() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    generate(&mut window, 1);
    let recipe = window.state().state.history.entries()[0].recipe.clone();
    drop(window);
    let mut catalogue = Catalogue::open(home.path(), &Stop::default()).unwrap();
    let page = catalogue.search(&Query::default()).unwrap();
    assert_eq!((page.total, &page.pictures[0].recipe), (1, &recipe));
}
