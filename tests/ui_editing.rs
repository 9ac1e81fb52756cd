//! Around the picture: the crop editor, the content picture, the prompt's length, the palette, scale, and two windows.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/window.rs"]
mod window;

use egui::accesskit::Role as AccessRole;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use image::{Rgb, RgbImage};
use instantstyle::app::{Place, Prompt, Session, Shown};
use instantstyle::library::Instance;
use instantstyle::pixels::{ClipImageProcessor, Picture};
use instantstyle::recipe::{Crop, Init, Recipe, Role};
use window::{Window, click, drop_file, errors, generate, open, open_with, press, settle, wait};

/// 120 x 60, no two columns alike.
fn wide_picture(folder: &std::path::Path) -> std::path::PathBuf {
    let path = folder.join("wide.png");
    RgbImage::from_fn(120, 60, |x, y| Rgb([(x * 2) as u8, (y * 4) as u8, 90])).save(&path).unwrap();
    path
}

fn reference_opens(window: &mut Window) {
    wait(window, "the reference to open", |app| app.state.recipe.references.len() == 1);
    window.run_steps(2);
}

fn crop(window: &Window) -> Crop {
    window.state().state.recipe.references[0].crop
}

#[test]
fn the_crop_editor_shows_what_clip_sees_and_moves_it() {
    let files = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    let path = wide_picture(files.path());
    let (mut window, fake) = open_with(home.path(), vec![path.clone()]);
    reference_opens(&mut window);
    window.get_by_label("The left and right ends are not seen: 50 % of the picture");
    click(&mut window, "Crop reference 1");
    window.get_by_role_and_label(AccessRole::Image, "The square as the model gets it");
    window.get_by_label("What the model sees");
    assert_eq!(crop(&window), Crop::Fill, "opening changes nothing");

    // By keys alone: the square has the focus, arrows move it, plus and minus zoom.
    let square =
        |window: &Window| window.get_by_role_and_label(AccessRole::Image, "Part of the picture that is seen").rect();
    let middle = square(&window).center();
    window.drag_at(middle);
    window.step();
    for right in [-40.0, -60.0] {
        window.hover_at(middle + egui::vec2(right, 0.0));
        window.step();
    }
    window.drop_at(middle + egui::vec2(-60.0, 0.0));
    window.run_steps(3);
    // 380 points for 120 pixels: 60 points are 19 pixels, from the middle square at 30.
    let Crop::Rect { x, y, width, height } = crop(&window) else { panic!("{:?}", crop(&window)) };
    assert!((10..=12).contains(&x) && (y, width, height) == (0, 60, 60), "{:?}", crop(&window));

    window.get_by_role_and_label(AccessRole::Image, "Part of the picture that is seen").focus();
    window.run_steps(2);
    for key in [Key::Plus, Key::Plus, Key::ArrowDown, Key::ArrowRight] {
        press(&mut window, Modifiers::NONE, key);
    }
    let Crop::Rect { x: moved, y, width, .. } = crop(&window) else { panic!("still a part") };
    assert!(width < 55 && y > 0 && moved > x, "{:?}", crop(&window));

    // The square beside it is what the engine's own code makes of the picture.
    let picture = Picture::open(&path).unwrap();
    let processor: ClipImageProcessor = window.state().state.model_info().unwrap().image_processor.clone().unwrap();
    let wanted = processor.square(&picture.rgb, crop(&window)).unwrap();
    let (hash, shown) = (picture.hash, crop(&window));
    let began = std::time::Instant::now();
    while window.state_mut().state.seen(&hash, shown).as_deref() != Some(&wanted) {
        assert!(began.elapsed().as_secs() < 600, "what the model sees is not what the editor shows");
        std::thread::sleep(std::time::Duration::from_millis(4));
        window.step();
    }

    // The other ways, by their names; one undo each.
    for (name, choice) in [("All of it, on white", Crop::Fit), ("All of it, squeezed", Crop::Stretch)] {
        window.get_by_role_and_label(AccessRole::RadioButton, name).click();
        window.run_steps(3);
        assert_eq!(crop(&window), choice);
    }
    assert_eq!(window.get_all_by_label("Shapes become 2.0 times narrower").count(), 2);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.query_by_label("What the model sees").is_none());
    settle(&mut window);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_ne!(crop(&window), Crop::Stretch);
    let kept = crop(&window);
    generate(&mut window, 1);
    assert_eq!(fake.seen()[0].recipe.references[0].crop, kept);
}

#[test]
fn numbers_place_the_square_too() {
    let files = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open_with(home.path(), vec![wide_picture(files.path())]);
    reference_opens(&mut window);
    press(&mut window, Modifiers::ALT, Key::C);
    window.get_by_role_and_label(AccessRole::RadioButton, "A part of it").click();
    window.run_steps(3);
    window.get_by_role_and_label(AccessRole::SpinButton, "Side").set_value_accesskit(30.0);
    window.run_steps(3);
    window.get_by_role_and_label(AccessRole::SpinButton, "Left").set_value_accesskit(7.0);
    window.run_steps(3);
    assert_eq!(crop(&window), Crop::Rect { x: 7, y: 15, width: 30, height: 30 });
    // In the editor, and in the panel behind it.
    assert_eq!(window.get_all_by_label_contains("What lies around the square is not seen").count(), 2);
    window.get_by_role_and_label(AccessRole::Slider, "Zoom").set_value_accesskit(1.0);
    window.run_steps(3);
    let Crop::Rect { width: 60, height: 60, .. } = crop(&window) else { panic!("{:?}", crop(&window)) };
    click(&mut window, "Done");
    assert!(window.query_by_label("What the model sees").is_none());
}

#[test]
fn the_prompts_are_counted_in_the_model_s_own_tokens() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    let count = |window: &Window, prompt| window.state().state.prompt_count(prompt).map(|count| count.tokens);
    wait(&mut window, "the count", |app| app.state.prompt_count(Prompt::Positive).is_some());
    assert_eq!((count(&window, Prompt::Positive), count(&window, Prompt::Negative)), (Some(2), None));
    window.get_by_label("2 of 75 tokens");
    window.state_mut().state.recipe.prompt = "a ".repeat(80);
    wait(&mut window, "the new count", |app| app.state.prompt_count(Prompt::Positive).is_some_and(|c| c.tokens == 80));
    window.run_steps(2);
    window.get_by_label("80 tokens, 2 parts of 75");
}

#[test]
fn a_content_picture_is_dropped_set_and_removed() {
    let files = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    let sketch = wide_picture(files.path());
    // Let go over its place; elsewhere it would become a reference.
    let target = window.get_by_role_and_label(AccessRole::Button, "Open a content picture").rect().center();
    window.hover_at(target);
    window.step();
    drop_file(&mut window, &sketch, None);
    window.get_by_label("Content picture: wide.png");
    assert_eq!(window.state().state.recipe.references.len(), 1);
    window.get_by_role_and_label(AccessRole::Slider, "How much is repainted").set_value_accesskit(0.3);
    window.run_steps(3);
    let init = window.state().state.recipe.init.clone().unwrap();
    assert_eq!((init.name.as_str(), init.denoise), ("wide.png", 0.3));
    generate(&mut window, 1);
    let spec = &fake.seen()[0];
    assert_eq!(spec.init.as_ref().unwrap().rgb.dimensions(), (120, 60));
    assert_eq!(spec.recipe.init.as_ref(), Some(&init));

    click(&mut window, "Remove the content picture");
    assert_eq!(window.state().state.recipe.init, None);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(window.state().state.recipe.init.as_ref(), Some(&init));
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);

    // A bad file is told at its place, and changes nothing.
    let bad = files.path().join("bad.png");
    std::fs::write(&bad, b"no picture").unwrap();
    let target = window.get_by_role_and_label(AccessRole::Button, "Open a content picture").rect().center();
    window.hover_at(target);
    window.step();
    drop_file(&mut window, &bad, None);
    assert!(errors(&window, Place::Content)[0].contains("bad.png"));
    assert_eq!(window.state().state.recipe.init, None);
}

#[test]
fn a_content_picture_survives_a_restart() {
    let files = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    let target = window.get_by_role_and_label(AccessRole::Button, "Open a content picture").rect().center();
    window.hover_at(target);
    window.step();
    drop_file(&mut window, &wide_picture(files.path()), None);
    window.state_mut().state.save_now();
    drop(window);
    let (mut window, fake) = open(home.path());
    assert_eq!(window.state().state.recipe.init.as_ref().unwrap().denoise, Init::default().denoise);
    wait(&mut window, "the content picture", |app| app.state.content_picture().is_some());
    generate(&mut window, 1);
    assert!(fake.seen()[0].init.is_some());
}

#[test]
fn the_palette_does_what_its_letters_say() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    let type_in = |window: &mut Window, text: &str| {
        press(window, Modifiers::COMMAND, Key::K);
        window.get_by_role_and_label(AccessRole::TextInput, "All commands");
        window.event(egui::Event::Text(text.to_owned()));
        window.run_steps(2);
        press(window, Modifiers::NONE, Key::Enter);
    };
    type_in(&mut window, "roll");
    assert!(window.state().state.recipe.seed.is_some());
    assert!(window.query_by_role_and_label(AccessRole::TextInput, "All commands").is_none());
    type_in(&mut window, "keybsh");
    window.get_by_label("Picture before");
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.query_by_label("Picture before").is_none());

    // Arrows choose, and what cannot be done now stays where it is.
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::P);
    press(&mut window, Modifiers::NONE, Key::ArrowDown);
    press(&mut window, Modifiers::NONE, Key::Enter);
    window.get_by_role_and_label(AccessRole::TextInput, "All commands");
    assert!(window.state().state.jobs.is_empty() && window.state().state.history.entries().is_empty());
    press(&mut window, Modifiers::NONE, Key::ArrowUp);
    press(&mut window, Modifiers::NONE, Key::Enter);
    wait(&mut window, "the picture", window::kept);
    // The keys of the settings behind it sleep while it is open.
    press(&mut window, Modifiers::COMMAND, Key::K);
    press(&mut window, Modifiers::COMMAND, Key::Enter);
    assert!(window.state().state.jobs.is_empty());
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.query_by_role_and_label(AccessRole::TextInput, "All commands").is_none());
}

#[test]
fn everything_can_be_larger_and_stays_so() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    press(&mut window, Modifiers::COMMAND, Key::Plus);
    press(&mut window, Modifiers::COMMAND, Key::Plus);
    settle(&mut window);
    assert_eq!(window.ctx.zoom_factor(), 1.2);
    window.state_mut().state.save_now();
    drop(window);
    let (session, _) = Session::load(home.path());
    assert_eq!(session.unwrap().settings.ui_scale, 1.2);
    let (mut window, _fake) = open(home.path());
    assert_eq!(window.ctx.zoom_factor(), 1.2);
    press(&mut window, Modifiers::COMMAND, Key::Num0);
    settle(&mut window);
    assert_eq!(window.ctx.zoom_factor(), 1.0);
}

#[test]
fn a_held_key_shows_the_other_picture() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    generate(&mut window, 1);
    generate(&mut window, 2);
    let ids: Vec<u64> = window.state().state.history.entries().iter().map(|entry| entry.id).collect();
    let title = window.state().state.history.get(ids[0]).unwrap().recipe.title();
    let caption = format!("Other picture: {title}");
    window.key_down(Key::X);
    window.run_steps(2);
    window.get_by_label(&caption);
    window.key_up(Key::X);
    window.run_steps(2);
    assert!(window.query_by_label(&caption).is_none());
    assert_eq!(window.state().state.shown, Shown::Entry(ids[1]));
    // Someone who types an x wants an x.
    window.get_by_role_and_label(AccessRole::MultilineTextInput, "Prompt").focus();
    window.run_steps(2);
    window.key_down(Key::X);
    window.run_steps(2);
    assert!(window.query_by_label(&caption).is_none());
}

#[test]
fn a_picture_is_dragged_from_the_strip_to_the_references() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    generate(&mut window, 1);
    let title = format!("Picture: {}", window.state().state.history.entries()[0].recipe.title());
    let carry = |window: &mut Window, to: egui::Pos2| {
        let from = window.get_by_label(&title).rect().center();
        window.drag_at(from);
        window.step();
        window.hover_at(from + egui::vec2(0.0, -20.0));
        window.step();
        window.hover_at(to);
        window.run_steps(2);
        window.drop_at(to);
        window.run_steps(3);
        wait(window, "the picture to be opened", |app| app.state.opening == 0);
    };
    let references = window.get_by_label("Reference 1: blueprint-house.png").rect().center();
    carry(&mut window, references);
    assert_eq!(window.state().state.recipe.references.len(), 2);
    let content = window.get_by_role_and_label(AccessRole::Button, "Open a content picture").rect().center();
    carry(&mut window, content);
    assert!(window.state().state.recipe.init.is_some());
    // Let go elsewhere, it does nothing.
    carry(&mut window, egui::pos2(900.0, 500.0));
    assert_eq!(window.state().state.recipe.references.len(), 2);
}

#[test]
fn the_second_window_of_a_home_says_so_and_leaves_the_session_alone() {
    let home = tempfile::tempdir().unwrap();
    let first = Instance::of(home.path());
    assert!(matches!(first, Instance::First(_)));
    let session = Session { recipe: Recipe { prompt: "a star".to_owned(), ..Recipe::default() }, ..Session::default() };
    std::fs::write(home.path().join("session.json"), serde_json::to_vec(&session).unwrap()).unwrap();
    let (mut window, _fake) = open(home.path());
    assert!(errors(&window, Place::Picture)[0].starts_with("Another window is open already"));
    window.state_mut().state.recipe.prompt = "a moon".to_owned();
    generate(&mut window, 1);
    settle(&mut window);
    window.state_mut().state.save_now();
    drop(window);
    assert_eq!(Session::load(home.path()).0.unwrap(), session);
    assert_eq!(std::fs::read_dir(home.path().join("pictures")).unwrap().count(), 1, "its picture is kept");
}

#[test]
fn the_new_widgets_are_read_out_by_name() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    for name in ["Live mode", "Open a content picture", "Crop reference 1", "Adjust…"] {
        let node = window.get_by_role_and_label(AccessRole::Button, name);
        assert!(!node.accesskit_node().is_disabled(), "{name}");
    }
    click(&mut window, "Menu");
    click(&mut window, "Make everything larger");
    assert_eq!(window.state().state.settings.ui_scale, 1.1);
}

#[test]
fn a_reference_is_switched_off_and_goes_back_to_what_it_was_used_for() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    let role = |window: &Window| window.state().state.recipe.references[0].role.clone();
    window.state_mut().state.recipe.references[0].role = Role::StyleLayout;
    settle(&mut window);
    let switch = |window: &mut Window| {
        window.get_by_role_and_label(AccessRole::CheckBox, "Use reference 1").click();
        window.run_steps(3);
    };
    switch(&mut window);
    assert_eq!(role(&window), Role::Off);
    window.get_by_label("Off, otherwise style and layout");
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(role(&window), Role::StyleLayout, "one press of undo");
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(role(&window), Role::Off);
    // Undone, it is off again, and on again the same once more.
    switch(&mut window);
    assert_eq!(role(&window), Role::StyleLayout);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(role(&window), Role::Off);
    switch(&mut window);
    assert_eq!(role(&window), Role::StyleLayout);
    switch(&mut window);
    assert_eq!(role(&window), Role::Off);

    // The next session knows it too, and so does the list of what can be taken.
    drop(window);
    let (mut window, _fake) = open(home.path());
    assert_eq!(role(&window), Role::Off);
    switch(&mut window);
    assert_eq!(role(&window), Role::StyleLayout);
    window.get_by_role_and_label(AccessRole::ComboBox, "What to take").click();
    window.run_steps(3);
    window.get_by_role_and_label(AccessRole::Button, "Off").click();
    window.run_steps(3);
    assert_eq!(role(&window), Role::Off);
    switch(&mut window);
    assert_eq!(role(&window), Role::StyleLayout);
}

#[test]
fn a_second_window_takes_the_session_over_when_the_first_has_closed() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    generate(&mut window, 1);
    window.state_mut().state.save_now();
    drop(window);
    let first = Instance::of(home.path());
    let made_by_first = Session::load(home.path()).0.unwrap();
    // As it was before the first one made its picture.
    let earlier = Session { history: Vec::new(), ..made_by_first.clone() };
    let file = home.path().join("session.json");
    std::fs::write(&file, serde_json::to_vec(&earlier).unwrap()).unwrap();
    let (mut window, _fake) = open(home.path());
    assert!(errors(&window, Place::Picture)[0].starts_with("Another window is open already"));
    window.state_mut().state.recipe.prompt = "a moon".to_owned();
    generate(&mut window, 1);
    std::fs::write(&file, serde_json::to_vec(&made_by_first).unwrap()).unwrap();
    drop(first);
    wait(&mut window, "the session to be taken over", |app| app.state.history.entries().len() == 2);
    assert!(errors(&window, Place::Picture).is_empty());
    let prompts = |window: &Window| {
        window.state().state.history.entries().iter().map(|entry| entry.recipe.prompt.clone()).collect::<Vec<_>>()
    };
    assert_eq!(prompts(&window), ["a boat", "a moon"]);
    wait(&mut window, "the session to be written", |_| {
        Session::load(home.path())
            .0
            .is_some_and(|session| session.recipe.prompt == "a moon" && session.history.len() == 2)
    });
    assert!(matches!(Instance::of(home.path()), Instance::Second));
    drop(window);
    assert!(matches!(Instance::of(home.path()), Instance::First(_)));
}
