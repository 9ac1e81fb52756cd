//! Whoever has no mouse, or no eyes for the screen: every widget has a name, Tab reaches it, and the focus can be seen.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/headless.rs"]
mod headless;
#[path = "common/painter.rs"]
mod painter;
#[path = "common/window.rs"]
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use egui::accesskit::{Action, Role};
use egui::{Key, Modifiers, Rect};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use instantstyle::engine::{EngineError, Script};
use window::{Window, click, drop_file, generate, open, open_painted, picture_file, press, settle, wait};

/// A widget that takes the focus: its place in the tree, what it is and its name.
type Widget = (String, String, String);

/// Everything that would take the focus now.
fn focusable(window: &Window) -> BTreeMap<String, (Widget, Rect)> {
    let nodes = window.root().children_recursive();
    let takes = nodes.filter(|node| {
        let node = node.accesskit_node();
        node.data().supports_action(Action::Focus) && !node.is_disabled() && !node.is_hidden()
    });
    takes
        .map(|found| {
            let node = found.accesskit_node();
            let id = format!("{:?}", node.id());
            let widget = (id.clone(), format!("{:?}", node.role()), node.label().unwrap_or_default());
            (id, (widget, found.rect()))
        })
        .collect()
}

fn focused(window: &Window) -> Option<String> {
    let mut nodes = window.root().children_recursive();
    nodes.find(|node| node.accesskit_node().is_focused()).map(|node| format!("{:?}", node.accesskit_node().id()))
}

fn assert_named(window: &Window, what: &str, least: usize) {
    let widgets = focusable(window);
    assert!(widgets.len() >= least, "{what}: only {} widgets take the focus", widgets.len());
    let nameless: Vec<&Widget> = widgets.values().map(|(widget, _)| widget).filter(|w| w.2.trim().is_empty()).collect();
    assert!(nameless.is_empty(), "{what}: without a name: {nameless:?}");
    assert!(window.unnamed_widgets().is_empty(), "{what}: {:?}", window.unnamed_widgets());
}

/// Presses Tab until the focus comes round, and returns where it has been.
fn tour(window: &mut Window) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for _ in 0..400 {
        press(window, Modifiers::NONE, Key::Tab);
        if let Some(id) = focused(window)
            && !seen.insert(id)
        {
            break;
        }
    }
    seen
}

/// `below`: what lies under a sheet, where the focus need not go.
fn assert_reached(window: &mut Window, what: &str, below: &BTreeSet<String>) -> BTreeSet<String> {
    let mut wanted = focusable(window);
    wanted.retain(|id, _| !below.contains(id));
    assert!(!wanted.is_empty(), "{what}: nothing takes the focus");
    let seen = tour(window);
    let missed: Vec<&Widget> =
        wanted.iter().filter(|(id, _)| !seen.contains(*id)).map(|(_, (widget, _))| widget).collect();
    assert!(missed.is_empty(), "{what}: Tab does not reach {missed:?}");
    seen
}

/// By keys: the walk has scrolled, and a click would go to a place, whatever lies there now.
fn press_with_keys(window: &mut Window, begins: &str) {
    let named = |node: &egui_kittest::Node<'_>| {
        let node = node.accesskit_node();
        node.role() == Role::Button && node.label().is_some_and(|label| label.starts_with(begins))
    };
    let button = window.root().children_recursive().find(named);
    button.unwrap_or_else(|| panic!("no '{begins}'")).focus();
    window.run_steps(2);
    press(window, Modifiers::NONE, Key::Enter);
    settle(window);
}

fn two_references(window: &mut Window, files: &Path) {
    drop_file(window, &picture_file(files, "second.png", [20, 120, 60]), None);
    settle(window);
}

#[test]
fn every_widget_of_every_panel_has_a_name() {
    let home = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    assert_named(&window, "the first start", 20);
    let before = focusable(&window).len();
    click(&mut window, "Advanced");
    assert_named(&window, "Advanced", before + 20);
    two_references(&mut window, files.path());
    assert_named(&window, "two references", before + 22);
    generate(&mut window, 1);
    generate(&mut window, 2);
    assert_named(&window, "two pictures", before + 25);
    click(&mut window, "Compare");
    assert_named(&window, "a comparison", before + 25);
    click(&mut window, "Stop comparing");
    click(&mut window, "Save as style…");
    assert_named(&window, "a style that is being named", before + 25);
    fake.next(Script::Fail(EngineError::OutOfMemory("there is not enough memory; make the picture smaller".into())));
    click(&mut window, "Generate");
    wait(&mut window, "the failure", |app| app.state.jobs.is_empty());
    window.get_by_label("Dismiss message");
    assert_named(&window, "a message", before + 25);
    for (button, least) in [("Menu", 5), ("Built-in model", 3), ("Crop reference 1", 8), ("All pictures…", 6)] {
        let shown: Vec<_> = window.query_all_by_label_contains(button).collect();
        shown.first().unwrap_or_else(|| panic!("no {button}")).click();
        drop(shown);
        window.run_steps(4);
        assert_named(&window, button, least);
        press(&mut window, Modifiers::NONE, Key::Escape);
        settle(&mut window);
    }
    for (name, modifiers, key) in [
        ("the help sheet", Modifiers::NONE, Key::F1),
        ("the palette", Modifiers::COMMAND, Key::K),
        ("the board chooser", Modifiers::COMMAND, Key::B),
    ] {
        press(&mut window, modifiers, key);
        assert_named(&window, name, 1);
        press(&mut window, Modifiers::NONE, Key::Escape);
        settle(&mut window);
    }
}

#[test]
fn tab_reaches_every_widget() {
    let home = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    generate(&mut window, 1);
    generate(&mut window, 2);
    two_references(&mut window, files.path());
    click(&mut window, "Advanced");
    // A message on its way out would be a stop that goes while we walk.
    wait(&mut window, "the messages to go", |app| {
        app.state.notes.at(instantstyle::app::Place::Picture).next().is_none()
    });
    assert_reached(&mut window, "the window", &BTreeSet::new());
    click(&mut window, "Compare");
    window.get_by_label("Stop comparing");
    assert_reached(&mut window, "a comparison", &BTreeSet::new());
    click(&mut window, "Stop comparing");
    // The editor selects its reference, whose settings then lie below it.
    press_with_keys(&mut window, "Reference 1:");
    let below: BTreeSet<String> = focusable(&window).into_keys().collect();
    press_with_keys(&mut window, "Crop reference 1");
    window.get_by_label("What the model sees");
    let seen = assert_reached(&mut window, "the crop editor", &below);
    let out: Vec<&String> = seen.intersection(&below).collect();
    assert!(out.is_empty(), "Tab leaves the crop editor for {out:?}");
}

#[test]
fn the_focus_can_be_seen() {
    let Some(state) = painter::painter(headless::device) else { return };
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open_painted(home.path(), [1280.0, 1400.0], &state);
    generate(&mut window, 1);
    click(&mut window, "Advanced");
    window.hover_at(egui::pos2(640.0, 1398.0));
    settle(&mut window);
    let plain = window.render().unwrap();
    let widgets = focusable(&window);
    let mut invisible = Vec::new();
    let mut seen = BTreeSet::new();
    for _ in 0..400 {
        press(&mut window, Modifiers::NONE, Key::Tab);
        settle(&mut window);
        let Some(id) = focused(&window) else { continue };
        if !seen.insert(id.clone()) {
            break;
        }
        // Where it is now: what was out of sight has been scrolled to.
        let now = focusable(&window);
        let Some((widget, rect)) = now.get(&id).filter(|_| widgets.contains_key(&id)) else { continue };
        let painted = window.render().unwrap();
        let inside = rect.expand(4.0);
        let changed = painted.enumerate_pixels().zip(plain.pixels()).filter(|((x, y, now), before)| {
            inside.contains(egui::pos2(*x as f32, *y as f32))
                && now.0.iter().zip(before.0).any(|(now, before)| now.abs_diff(before) > 40)
        });
        // The shortest ring is around a slider's handle.
        if changed.take(20).count() < 20 {
            invisible.push(widget.clone());
        }
    }
    assert!(seen.len() > 40, "only {} stops", seen.len());
    assert!(invisible.is_empty(), "the focus cannot be seen on {invisible:?}");
}
