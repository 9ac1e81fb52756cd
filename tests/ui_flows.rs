//! The window's flows, driven through its real widgets by their accessible names, on the fake engine.
//!
//! egui_kittest also fails a test when an input widget has no accessible name, or a character no glyph.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/window.rs"]
mod window;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use instantstyle::app::{BoardWish, Command, Place, Shown};
use instantstyle::engine::{EngineError, Script};
use instantstyle::recipe::{Init, Lora, Role as UseAs, Subtraction};
use std::path::Path;
use std::sync::Arc;
use window::{Window, click, drop_file, errors, generate, kept, open, picture_file, press, settle, wait};

#[test]
fn one_press_of_generate_makes_and_keeps_a_picture() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    assert_eq!(window.state().state.recipe.references.len(), 1);
    generate(&mut window, 1);
    let entry = window.state().state.history.entries()[0].clone();
    let file = entry.file.unwrap();
    assert!(file.starts_with(home.path().join("pictures")) && file.is_file());
    // What lies on the disk makes the same picture again.
    let json = instantstyle::pixels::recipe_json(&file).unwrap();
    assert_eq!(serde_json::from_str::<instantstyle::recipe::Recipe>(&json).unwrap(), entry.recipe);
    let spec = &fake.seen()[0];
    assert_eq!(spec.references.len(), 1);
    assert_eq!(spec.recipe.references[0].subtract.as_ref().unwrap().words, "a house");
    assert_eq!(window.state().state.shown, Shown::Entry(entry.id));
    // The reference's file is kept, so that the picture can be made again.
    assert!(home.path().join("references").join(&spec.references[0].hash).is_file());
}

#[test]
fn several_pictures_have_consecutive_seeds() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    window.get_by_role_and_label(Role::SpinButton, "Number of pictures").set_value_accesskit(3.0);
    window.run_steps(3);
    assert_eq!(window.state().state.settings.count, 3);
    generate(&mut window, 3);
    let seeds: Vec<u64> = fake.seen().iter().map(|spec| spec.recipe.seed.unwrap()).collect();
    assert_eq!(seeds, [seeds[0], seeds[0] + 1, seeds[0] + 2]);
    assert_eq!(std::fs::read_dir(home.path().join("pictures")).unwrap().count(), 3);
}

#[test]
fn cancel_acts_at_once_and_the_next_picture_works() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    fake.next(Script::Hold(Arc::default()));
    click(&mut window, "Generate");
    wait(&mut window, "the first step", |app| app.state.jobs.front().is_some_and(|job| job.preview.is_some()));
    assert_eq!(window.state().state.shown, Shown::Live);
    // The engine would go on for ever.
    click(&mut window, "Cancel");
    assert!(window.state().state.jobs.is_empty());
    assert_eq!(window.state().state.shown, Shown::Nothing);
    assert!(window.query_by_role_and_label(Role::Button, "Cancel").is_none());
    generate(&mut window, 1);
}

#[test]
fn a_failure_and_a_panic_are_told_and_lose_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    fake.next(Script::Fail(EngineError::OutOfMemory("there is not enough memory; make the picture smaller".into())));
    click(&mut window, "Generate");
    wait(&mut window, "the failure", |app| app.state.jobs.is_empty());
    assert_eq!(errors(&window, Place::Picture), ["There is not enough memory; make the picture smaller"]);
    window.get_by_label("There is not enough memory; make the picture smaller");
    let before = window.state().state.recipe.clone();
    fake.next(Script::Panic);
    click(&mut window, "Generate");
    wait(&mut window, "the panic", |app| app.state.jobs.is_empty());
    assert!(errors(&window, Place::Picture)[0].contains("stopped unexpectedly"));
    assert_eq!(window.state().state.recipe, before);
    generate(&mut window, 1);
    assert!(errors(&window, Place::Picture).is_empty());
}

#[test]
fn one_drag_of_a_slider_is_one_undo() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    settle(&mut window);
    assert!(!window.state().state.can_undo());
    let strength = |window: &Window| window.state().state.recipe.references[0].strength;
    let drag = |window: &mut Window, to: f32| {
        let rect = window.get_by_role_and_label(Role::Slider, "Style strength").rect();
        window.drag_at(rect.center());
        window.step();
        for part in 1..=6 {
            // A drag that rests on its way is still one.
            window.run_steps(4);
            window.hover_at(rect.center() + egui::vec2(to * rect.width() * part as f32 / 6.0, 0.0));
            window.step();
        }
        window.drop_at(rect.center() + egui::vec2(to * rect.width(), 0.0));
        window.run_steps(2);
    };
    drag(&mut window, -0.4);
    let first = strength(&window);
    drag(&mut window, 0.3);
    let second = strength(&window);
    assert!(first < 0.4 && second > 1.0, "{first} {second}");
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(strength(&window), first);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(strength(&window), 1.0);
    assert!(!window.state().state.can_undo());
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(strength(&window), first);
    click(&mut window, "Redo");
    assert_eq!(strength(&window), second);
}

#[test]
fn good_files_become_references_and_bad_ones_a_sentence() {
    let home = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    let good = picture_file(files.path(), "paint.png", [200, 30, 40]);
    drop_file(&mut window, &good, None);
    window.get_by_label("Reference 2: paint.png");
    assert_eq!(window.state().state.selected_reference(), Some(1));

    let bad = files.path().join("notes.png");
    std::fs::write(&bad, "<!DOCTYPE html>").unwrap();
    drop_file(&mut window, &bad, None);
    let said = errors(&window, Place::References);
    assert!(said.len() == 1 && said[0].contains("notes.png") && !said[0].contains('\n'), "{said:?}");
    window.get_by_label(&said[0]);
    assert_eq!(window.state().state.recipe.references.len(), 2);

    // From another program: bytes without a path, and one whose bytes never come.
    drop_file(
        &mut window,
        Path::new("web.png"),
        Some(std::fs::read(picture_file(files.path(), "w.png", [9; 3])).unwrap()),
    );
    window.get_by_label("Reference 3: web.png");
    drop_file(&mut window, Path::new("gone.png"), None);
    assert!(errors(&window, Place::References)[0].contains("it went away"));

    // The same picture twice is one reference.
    drop_file(&mut window, &good, None);
    assert_eq!(window.state().state.recipe.references.len(), 3);
    generate(&mut window, 1);
    assert_eq!(fake.seen()[0].references.len(), 3);
}

#[test]
fn references_are_set_one_by_one_moved_removed_and_brought_back() {
    let home = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let second = picture_file(files.path(), "second.png", [1, 2, 3]);
    let (mut window, _fake) = open(home.path());
    drop_file(&mut window, &second, None);
    window.get_by_role_and_label(Role::Slider, "Style strength").set_value_accesskit(0.25);
    window.run_steps(3);
    let strengths =
        |window: &Window| window.state().state.recipe.references.iter().map(|r| r.strength).collect::<Vec<_>>();
    assert_eq!(strengths(&window), [1.0, 0.25]);
    click(&mut window, "Reference 1: blueprint-house.png");
    window.get_by_role_and_label(Role::Slider, "Style strength").set_value_accesskit(0.75);
    window.run_steps(3);
    assert_eq!(strengths(&window), [0.75, 0.25]);
    click(&mut window, "Move reference 1 down");
    assert_eq!(strengths(&window), [0.25, 0.75]);
    click(&mut window, "Remove reference 2");
    assert_eq!(strengths(&window), [0.25]);
    click(&mut window, "Undo");
    assert_eq!(strengths(&window), [0.25, 0.75]);
}

#[test]
fn the_mode_and_the_blocks_shape_the_recipe() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    window.get_by_role_and_label(Role::ComboBox, "What to take").click();
    window.run_steps(3);
    window.get_by_label("Style and layout").click();
    window.run_steps(3);
    assert_eq!(window.state().state.recipe.references[0].role, instantstyle::recipe::Role::StyleLayout);
    click(&mut window, "Advanced");
    window.get_by_role_and_label(Role::Slider, "Middle").set_value_accesskit(0.5);
    window.run_steps(3);
    let instantstyle::recipe::Role::Custom(scales) = window.state().state.recipe.references[0].role.clone() else {
        panic!("moving a bar makes the mode a custom one");
    };
    let scales: Vec<f64> = scales.into_values().collect();
    assert_eq!(scales, [1.0, 0.5, 1.0], "layout, middle and style");
    window.get_by_role_and_label(Role::Slider, "Steps").set_value_accesskit(7.0);
    window.run_steps(3);
    generate(&mut window, 1);
    assert_eq!(fake.seen()[0].recipe.steps, Some(7));
}

#[test]
fn keys_alone_are_enough() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    let mut tabs = 0;
    while !window.get_by_role_and_label(Role::MultilineTextInput, "Prompt").is_focused() {
        tabs += 1;
        assert!(tabs < 60, "Tab does not reach the prompt");
        press(&mut window, Modifiers::NONE, Key::Tab);
    }
    press(&mut window, Modifiers::COMMAND, Key::A);
    window.event(egui::Event::Text("a boat".to_owned()));
    window.run_steps(2);
    press(&mut window, Modifiers::COMMAND, Key::Enter);
    wait(&mut window, "the picture", kept);
    assert_eq!(fake.seen()[0].recipe.prompt, "a boat");
    fake.next(Script::Hold(Arc::default()));
    press(&mut window, Modifiers::COMMAND, Key::Enter);
    assert_eq!(window.state().state.jobs.len(), 1);
    // The first leaves the prompt.
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().state.jobs.len(), 1);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.state().state.jobs.is_empty());
    press(&mut window, Modifiers::COMMAND, Key::D);
    assert!(window.state().state.recipe.seed.is_some());
    press(&mut window, Modifiers::COMMAND, Key::R);
    assert_eq!(window.state().state.recipe.seed, fake.seen()[0].recipe.seed);
    press(&mut window, Modifiers::NONE, Key::F1);
    window.get_by_label("Picture before");
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.query_by_label("Picture before").is_none());
}

#[test]
fn small_and_dense_windows_hold_together() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    generate(&mut window, 1);
    for (size, density) in [([820.0, 560.0], 1.0), ([1280.0, 720.0], 2.0), ([1.0, 1.0], 1.0), ([2560.0, 1440.0], 0.5)] {
        window.set_size(size.into()).set_pixels_per_point(density);
        window.run_steps(3);
        let root = window.root();
        assert!(root.accesskit_node().is_root());
    }
}

/// Writes into the field that has the focus, one sign at a time, as a person does.
fn write_anew(window: &mut Window, text: &str) {
    press(window, Modifiers::COMMAND, Key::A);
    for sign in text.chars() {
        window.event(egui::Event::Text(sign.to_string()));
        window.run_steps(2);
    }
}

#[test]
fn panels_that_are_only_drawn_change_no_setting() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    click(&mut window, "Advanced");
    let defaults = window.state().state.model_info().unwrap().defaults.clone();
    let recipe = &mut window.state_mut().state.recipe;
    let hash = recipe.references[0].hash.clone();
    recipe.negative_prompt = "text".to_owned();
    (recipe.seed, recipe.steps, recipe.guidance) = (Some(u64::MAX), Some(defaults.steps), Some(defaults.guidance));
    (recipe.width, recipe.height) = (Some(defaults.width), Some(8192));
    recipe.scheduler = Some(defaults.scheduler);
    recipe.init = Some(Init { hash, ..Init::default() });
    recipe.loras = vec![Lora { name: "ink".to_owned(), strength: 1.234567, ..Lora::default() }];
    recipe.references[0].subtract = Some(Subtraction::default());
    for role in [UseAs::Style, UseAs::Everything, UseAs::StyleLayout, UseAs::Off, UseAs::Custom([].into())] {
        let recipe = &mut window.state_mut().state.recipe;
        recipe.references[0].role = role;
        let before = recipe.clone();
        window.run_steps(4);
        assert_eq!(window.state().state.recipe, before);
    }
}

#[test]
fn undo_goes_on_behind_restored_settings_with_every_panel_open() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    generate(&mut window, 1);
    press(&mut window, Modifiers::COMMAND, Key::E);
    let first = window.state().state.recipe.clone();
    window.get_by_role_and_label(Role::MultilineTextInput, "Prompt").focus();
    window.run_steps(2);
    press(&mut window, Modifiers::COMMAND, Key::A);
    window.event(egui::Event::Text("a lamp".to_owned()));
    // Half a second without a change makes it one undo.
    settle(&mut window);
    let typed = window.state().state.recipe.clone();
    assert_eq!(typed.prompt, "a lamp");
    press(&mut window, Modifiers::COMMAND, Key::R);
    settle(&mut window);
    let restored = window.state().state.recipe.clone();
    assert_eq!(restored, window.state().state.history.entries()[0].recipe);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    settle(&mut window);
    assert_eq!(window.state().state.recipe, typed);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    settle(&mut window);
    assert_eq!(window.state().state.recipe, first);
    for later in [typed, restored] {
        press(&mut window, Modifiers::COMMAND, Key::Y);
        settle(&mut window);
        assert_eq!(window.state().state.recipe, later);
    }
}

#[test]
fn esc_closes_a_list_or_leaves_a_field_before_it_cancels() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    for _ in 0..2 {
        fake.next(Script::Hold(Arc::default()));
    }
    window.state_mut().state.settings.count = 2;
    click(&mut window, "Generate");
    let esc = |window: &mut Window| {
        press(window, Modifiers::NONE, Key::Escape);
        window.state().state.jobs.len()
    };
    window.get_by_role_and_label(Role::ComboBox, "What to take").click();
    window.run_steps(3);
    window.get_by_label("Style and layout");
    assert_eq!(esc(&mut window), 2);
    assert!(window.query_by_label("Style and layout").is_none(), "the list has closed");
    click(&mut window, "Menu");
    window.get_by_label("Open the pictures folder");
    assert_eq!(esc(&mut window), 2);
    assert!(window.query_by_label("Open the pictures folder").is_none(), "the menu has closed");
    for (role, name) in [(Role::MultilineTextInput, "Prompt"), (Role::SpinButton, "Number of pictures")] {
        window.get_by_role_and_label(role, name).focus();
        window.run_steps(2);
        assert_eq!(esc(&mut window), 2, "{name}");
    }
    assert_eq!(esc(&mut window), 0, "nothing else takes it now");
}

#[test]
fn every_seed_can_be_typed_and_sizes_are_typed_digit_by_digit() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    click(&mut window, "Advanced");
    click(&mut window, "Lock the seed");
    let seed = |window: &Window| window.state().state.recipe.seed;
    window.get_by_role_and_label(Role::TextInput, "Seed").focus();
    window.run_steps(2);
    write_anew(&mut window, "9007199254740993");
    assert_eq!(seed(&window), Some(9_007_199_254_740_993));
    press(&mut window, Modifiers::NONE, Key::ArrowDown);
    assert_eq!(seed(&window), Some(9_007_199_254_740_992));
    write_anew(&mut window, "18446744073709551615");
    press(&mut window, Modifiers::NONE, Key::ArrowUp);
    assert_eq!(seed(&window), Some(u64::MAX));
    assert_eq!(window.get_by_role_and_label(Role::TextInput, "Seed").value().as_deref(), Some("18446744073709551615"));
    let row = ["Lock the seed", "Roll a new seed"].map(|name| window.get_by_role_and_label(Role::Button, name).rect());
    let panel = window.get_by_role_and_label(Role::MultilineTextInput, "Prompt").rect();
    assert!(row.iter().all(|button| button.right() <= panel.right() + 1.0), "{row:?} in {panel:?}");
    // What is no seed is said, and changes nothing.
    write_anew(&mut window, "18446744073709551616");
    window.get_by_label_contains("A seed is a whole number");
    let last_good = seed(&window);
    assert_eq!(last_good, Some(1_844_674_407_370_955_161), "the digits before the last");
    click(&mut window, "Roll a new seed");
    assert!(window.query_by_label_contains("A seed is a whole number").is_none());
    assert_ne!(seed(&window), last_good);
    let shown = window.get_by_role_and_label(Role::TextInput, "Seed").value();
    assert_eq!(shown, seed(&window).map(|seed| seed.to_string()));

    let step = window.state().state.model_info().unwrap().size_step;
    window.get_by_role_and_label(Role::SpinButton, "Width").focus();
    window.run_steps(2);
    write_anew(&mut window, "1000");
    press(&mut window, Modifiers::NONE, Key::Tab);
    assert_eq!(window.state().state.recipe.width, Some(1000 / step * step));
}

#[test]
fn an_error_goes_when_its_cause_is_undone_or_a_board_is_laid_out() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    let fail = |window: &mut Window| {
        fake.next(Script::Fail(EngineError::OutOfMemory("there is not enough memory".into())));
        click(window, "Generate");
        wait(window, "the failure", |app| app.state.jobs.is_empty());
        assert_eq!(errors(window, Place::Picture).len(), 1);
    };
    window.get_by_role_and_label(Role::Slider, "Style strength").set_value_accesskit(0.2);
    settle(&mut window);
    fail(&mut window);
    window.state_mut().state.notes.error(Place::Picture, "something else");
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(errors(&window, Place::Picture), ["Something else"], "only what the settings caused");
    fail(&mut window);
    let wish = BoardWish::Axes { x: "strength=0, 1".to_owned(), y: String::new() };
    window.state_mut().state.execute(Command::OpenBoard(wish));
    assert!(errors(&window, Place::Picture).is_empty());
}

#[test]
fn the_wheel_moves_the_strip() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    window.state_mut().state.settings.count = 16;
    generate(&mut window, 16);
    let newest = format!("Picture: {}", window.state().state.history.entries()[15].recipe.title());
    let left = |window: &Window| window.get_by_label(&newest).rect().left();
    let before = left(&window);
    let place = window.get_by_label(&newest).rect().center();
    window.hover_at(place);
    window.step();
    window.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, -60.0),
        phase: egui::TouchPhase::Move,
        modifiers: Modifiers::NONE,
        source: egui::MouseWheelSource::Unknown,
    });
    settle(&mut window);
    assert!(left(&window) < before - 20.0, "{} {before}", left(&window));
}
