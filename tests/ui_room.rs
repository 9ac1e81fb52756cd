//! The window where there is little room, and without a mouse: long texts, small screens, the list of commands, menus.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/window.rs"]
mod window;

use egui::accesskit::Role as AccessRole;
use egui::{Key, Modifiers, Rect, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use instantstyle::app::Place;
use instantstyle::recipe::Role;
use window::{Window, click, generate, open, press, settle};

fn at(window: &Window, role: AccessRole, name: &str) -> Rect {
    window.get_by_role_and_label(role, name).rect()
}

/// Where the field of the palette is, and its first and last command in the order of the list.
fn commands(window: &Window) -> (Rect, Rect, Rect) {
    let field = at(window, AccessRole::TextInput, "All commands");
    let rows = window.root().children_recursive();
    // As wide as the list: nothing else below the field is.
    let rows = rows.filter(|node| node.accesskit_node().role() == AccessRole::Button);
    let is_row = |rect: &Rect| rect.width() > 460.0 && field.x_range().contains(rect.center().x);
    let mut rows: Vec<Rect> = rows.map(|node| node.rect()).filter(is_row).collect();
    rows.sort_by(|a, b| a.min.y.total_cmp(&b.min.y));
    (field, *rows.first().unwrap(), *rows.last().unwrap())
}

#[test]
fn the_palette_begins_at_its_top_and_is_high_again_after_a_short_list() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    window.set_size(vec2(1280.0, 800.0));
    let open_it = |window: &mut Window| {
        press(window, Modifiers::COMMAND, Key::K);
        settle(window);
    };
    let write = |window: &mut Window, text: &str| {
        window.event(egui::Event::Text(text.to_owned()));
        settle(window);
    };
    open_it(&mut window);
    let (field, first, last) = commands(&window);
    assert!(first.min.y >= field.max.y && last.max.y > 800.0, "more than fits: {first:?}, {last:?}");
    write(&mut window, "zzz");
    window.get_by_label("No command has these letters");
    press(&mut window, Modifiers::NONE, Key::Escape);
    open_it(&mut window);
    // The last command, at the lower end of a list of twelve rows.
    press(&mut window, Modifiers::NONE, Key::ArrowUp);
    settle(&mut window);
    let (field, first, last) = commands(&window);
    assert!(first.max.y < field.max.y, "scrolled: {first:?}");
    assert!(last.max.y - field.max.y > 300.0, "the list is low: {last:?} below {field:?}");
    // What is typed shows the best of what it finds.
    write(&mut window, "board");
    let (field, first, _) = commands(&window);
    assert!(first.min.y >= field.max.y, "{first:?} lies above {field:?}");
    // And the next time it begins at its top.
    press(&mut window, Modifiers::NONE, Key::Escape);
    open_it(&mut window);
    press(&mut window, Modifiers::NONE, Key::ArrowUp);
    press(&mut window, Modifiers::NONE, Key::Escape);
    open_it(&mut window);
    let (field, first, _) = commands(&window);
    assert!(first.min.y >= field.max.y, "{first:?} lies above {field:?}");
}

#[test]
fn a_long_prompt_pushes_nothing_out_of_sight() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    let before = at(&window, AccessRole::Slider, "Style strength").min.y;
    window.state_mut().state.recipe.prompt = "a red fish ".repeat(230);
    window.state_mut().state.recipe.negative_prompt = "blurry ".repeat(230);
    settle(&mut window);
    let after = at(&window, AccessRole::Slider, "Style strength").min.y;
    assert!(after > before && after < before + 250.0, "{before} → {after}");
}

#[test]
fn a_block_that_gets_a_strength_of_its_own_stays_where_it_is() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    press(&mut window, Modifiers::COMMAND, Key::E);
    settle(&mut window);
    let before = at(&window, AccessRole::Slider, "Layout");
    window.state_mut().state.recipe.references[0].role = Role::Custom([].into());
    settle(&mut window);
    assert_eq!(at(&window, AccessRole::Slider, "Layout"), before);
}

#[test]
fn the_crop_editor_fits_a_small_screen() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    // 1280 x 800 at 150 and at 200 %.
    for size in [vec2(1280.0, 800.0), vec2(853.0, 533.0), vec2(640.0, 400.0)] {
        window.set_size(size);
        press(&mut window, Modifiers::ALT, Key::C);
        settle(&mut window);
        let screen = Rect::from_min_size(egui::Pos2::ZERO, size).shrink(8.0);
        let title = window.get_by_label("What the model sees").rect();
        assert!(screen.contains_rect(title), "{size}: {title:?}");
        for (role, name) in [
            (AccessRole::Button, "Done"),
            (AccessRole::Image, "Part of the picture that is seen"),
            (AccessRole::Image, "The square as the model gets it"),
            (AccessRole::RadioButton, "A part of it"),
        ] {
            let rect = at(&window, role, name);
            assert!(screen.contains_rect(rect), "{size}: {name} at {rect:?}");
        }
        click(&mut window, "Done");
        assert!(window.query_by_label("What the model sees").is_none());
    }
}

#[test]
fn menus_open_by_keys() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    generate(&mut window, 1);
    generate(&mut window, 2);
    let first = window.state().state.history.entries()[0].id;
    for keys in [(Modifiers::SHIFT, Key::F10), (Modifiers::NONE, Key::Menu)] {
        // The newest comes first, and is shown.
        let is_picture = |name: Option<String>| name.is_some_and(|name| name.starts_with("Picture: "));
        let pictures = window.query_all_by_role(AccessRole::Button);
        pictures.filter(|node| is_picture(node.accesskit_node().label())).nth(1).unwrap().focus();
        window.run_steps(2);
        assert!(window.query_by_label("Compare with the shown picture").is_none());
        press(&mut window, keys.0, keys.1);
        settle(&mut window);
        window.get_by_label("Compare with the shown picture");
        press(&mut window, Modifiers::NONE, Key::ArrowDown);
        press(&mut window, Modifiers::NONE, Key::Enter);
        settle(&mut window);
        assert_eq!(window.state().state.compared, Some(first));
        click(&mut window, "Stop comparing");
        settle(&mut window);
    }
}

#[test]
fn a_click_is_not_lost_where_a_message_comes_meanwhile() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    let button = at(&window, AccessRole::Button, "Save as style…").center();
    window.drag_at(button);
    window.step();
    window.state_mut().state.notes.error(Place::References, "there is no such file; choose another: x.png");
    window.step();
    window.drop_at(button);
    window.run_steps(3);
    window.get_by_role_and_label(AccessRole::TextInput, "Name of the style");
}
