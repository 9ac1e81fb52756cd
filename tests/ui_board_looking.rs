//! Looking at a board as it is painted: one zoom and one place for all cells, and the picked ones against each other.
//!
//! Needs a wgpu adapter, as tests/canvas.rs does.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/board_window.rs"]
mod board_window;
#[path = "common/headless.rs"]
mod headless;
#[path = "common/painter.rs"]
mod painter;
#[path = "common/window.rs"]
mod window;

use std::path::Path;

use board_window::{all_done, board, choose};
use eframe::egui_wgpu::RenderState;
use egui::accesskit::Role;
use egui::{Event, Key, Modifiers, Pos2, Rect, Vec2, vec2};
use egui_kittest::kittest::Queryable as _;
use image::{Rgb, RgbImage, RgbaImage};
use instantstyle::app::{BoardWish, Command};
use instantstyle::engine::{Engine, EngineError, FakeEngine, JobEvent, JobHandle, JobSpec};
use window::{Window, click, open_painted_on, press, settle, wait};

/// Of 255: a texel of a picture of 64 is four of them wide.
const NEAR: f32 = 8.0;
/// How far the blue of two seeds lies apart.
const BLUE: f32 = 20.0;

/// Pictures that tell by red and green where in them one looks, and by blue which seed they have.
struct Charts(FakeEngine);

impl Engine for Charts {
    fn submit(&self, spec: JobSpec) -> Result<JobHandle, EngineError> {
        let blue = spec.recipe.seed.unwrap() as u8 * BLUE as u8;
        let JobHandle { id, events, cancel } = self.0.submit(spec)?;
        let (sender, charts) = crossbeam_channel::unbounded();
        for event in events {
            let event = match event {
                JobEvent::Finished(mut made) => {
                    let (width, height) = made.image.dimensions();
                    let share = |at: u32, all: u32| (at * 255 / (all - 1)) as u8;
                    made.image =
                        RgbImage::from_fn(width, height, |x, y| Rgb([share(x, width), share(y, height), blue]));
                    JobEvent::Finished(made)
                }
                other => other,
            };
            sender.send(event).unwrap();
        }
        Ok(JobHandle { id, events: charts, cancel })
    }
}

fn open(home: &Path, state: &RenderState, x: &str, y: &str) -> Window {
    let engine = Charts(FakeEngine::start(None).unwrap());
    let mut window = open_painted_on(home, [1280.0, 900.0], state, Box::new(engine));
    let wish = BoardWish::Axes { x: x.to_owned(), y: y.to_owned() };
    window.state_mut().state.execute(Command::OpenBoard(wish));
    wait(&mut window, "the board", all_done);
    settle(&mut window);
    window
}

fn at(shown: &RgbaImage, point: Pos2) -> [f32; 3] {
    let pixel = shown.get_pixel(point.x as u32, point.y as u32).0;
    [0, 1, 2].map(|channel| f32::from(pixel[channel]))
}

fn near(a: [f32; 3], b: [f32; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= NEAR)
}

/// The squares of all cells.
fn cells(window: &Window) -> Vec<Rect> {
    let open = board(window);
    let rect = |index| window.get_by_label_contains(&format!("Cell {}, ", open.title(index))).rect();
    (0..open.cells.len()).map(rect).collect()
}

/// What is seen at this place of every area, from its middle.
fn seen(window: &mut Window, areas: &[Rect], aside: Vec2) -> Vec<[f32; 3]> {
    window.hover_at(Pos2::ZERO);
    settle(window);
    let shown = window.render().unwrap();
    areas.iter().map(|area| at(&shown, area.center() + aside)).collect()
}

fn drag(window: &mut Window, from: Pos2, by: Vec2) {
    window.hover_at(from);
    window.step();
    window.drag_at(from);
    window.step();
    window.hover_at(from + by);
    window.step();
    window.drop_at(from + by);
    window.run_steps(3);
}

fn zoom(window: &mut Window, pointer: Pos2, factor: f32) {
    window.hover_at(pointer);
    window.step();
    window.event(Event::Zoom(factor));
    window.run_steps(3);
}

#[test]
fn all_cells_are_zoomed_and_moved_at_once() {
    let Some(state) = painter::painter(headless::device) else { return };
    let home = tempfile::tempdir().unwrap();
    // The second row is twice as wide as high.
    let mut window = open(home.path(), &state, "seed=1, 2, 3", "size=64x64, 128x64");
    let areas = cells(&window);
    let blue = |index: usize| (index % 3 + 1) as f32 * BLUE;
    let all = |window: &mut Window, aside: Vec2, wanted: [f32; 2], what: &str| {
        for (index, colour) in seen(window, &areas, aside).into_iter().enumerate() {
            let wanted = [wanted[0], wanted[1], blue(index)];
            assert!(near(colour, wanted), "{what}, cell {index}: {colour:?} instead of {wanted:?}");
        }
    };
    all(&mut window, Vec2::ZERO, [127.5, 127.5], "whole");

    // Four times about a point of one cell, which stays under the pointer there and in the others of its size.
    let side = areas[0].width();
    let aside = vec2(0.25, -0.25) * side;
    zoom(&mut window, areas[1].center() + aside, 4.0);
    window.get_by_label("4.0 ×");
    let under = [0.75 * 255.0, 0.25 * 255.0];
    for (index, colour) in seen(&mut window, &areas, aside).into_iter().enumerate().take(3) {
        assert!(near(colour, [under[0], under[1], blue(index)]), "cell {index}: {colour:?}");
    }
    let middle = [(0.75 - 0.25 / 4.0) * 255.0, (0.25 + 0.25 / 4.0) * 255.0];
    all(&mut window, Vec2::ZERO, middle, "zoomed");

    // What is dragged follows the pointer: a quarter of a cell to the right is a sixteenth of the picture to the left.
    drag(&mut window, areas[2].center(), vec2(0.25, 0.125) * side);
    let moved = [middle[0] - 255.0 / 16.0, middle[1] - 255.0 / 32.0];
    all(&mut window, Vec2::ZERO, moved, "dragged");
    // A wide picture is half as high on the screen, so that the same way is twice as much of it.
    drag(&mut window, areas[4].center(), vec2(0.0, -0.125) * side);
    all(&mut window, Vec2::ZERO, [moved[0], moved[1] + 255.0 / 16.0], "dragged in a wide cell");
    // Never beyond the edge, and whole again by a key.
    drag(&mut window, areas[0].center(), vec2(3.0, 3.0) * side);
    all(&mut window, Vec2::ZERO, [255.0 / 8.0, 255.0 / 8.0], "at the edge");
    press(&mut window, Modifiers::COMMAND, Key::Num2);
    all(&mut window, Vec2::ZERO, [127.5, 127.5], "whole again");
}

fn pick(window: &mut Window, indices: &[usize]) {
    for index in indices {
        let title = board(window).title(*index);
        window.get_by_label_contains(&format!("Cell {title}, ")).click();
        window.run_steps(3);
        window.get_by_role_and_label(Role::CheckBox, "Pick").click();
        window.run_steps(3);
    }
}

fn panes(window: &Window, names: &[&str]) -> Vec<Rect> {
    names.iter().map(|name| window.get_by_role_and_label(Role::Image, name).rect()).collect()
}

#[test]
fn picked_cells_are_compared_side_by_side_wiped_and_as_differences() {
    let Some(state) = painter::painter(headless::device) else { return };
    let home = tempfile::tempdir().unwrap();
    let mut window = open(home.path(), &state, "seed=1, 2, 3, 4", "strength=0.5, 1");
    pick(&mut window, &[0, 5, 2]);
    click(&mut window, "Compare 3");
    assert!(window.query_by_label_contains("Cell seed 4").is_none());

    // Each picked cell by itself, at one zoom and place. The one that was chosen is what the others are held against.
    let names = ["seed 1, strength 0.5", "seed 3, strength 0.5", "seed 2, strength 1"];
    let areas = panes(&window, &names.map(|name| format!("Compared: {name}")).each_ref().map(String::as_str));
    let blues = [1.0, 3.0, 2.0].map(|seed| seed * BLUE);
    let all = |window: &mut Window, aside: Vec2| {
        let colours = seen(window, &areas, aside);
        for (colour, blue) in colours.iter().zip(blues) {
            assert!(near(*colour, [colours[0][0], colours[0][1], blue]), "{colours:?}");
        }
        colours[0]
    };
    let whole = all(&mut window, vec2(20.0, 10.0));
    let under = vec2(-40.0, 30.0);
    let before = all(&mut window, under);
    zoom(&mut window, areas[2].center() + under, 3.0);
    let zoomed = all(&mut window, under);
    assert!(near(zoomed, before), "it stays under the pointer: {zoomed:?} instead of {before:?}");
    assert!(!near(all(&mut window, vec2(20.0, 10.0)), whole));
    drag(&mut window, areas[1].center(), vec2(60.0, -24.0));
    let dragged = all(&mut window, under + vec2(60.0, -24.0));
    assert!(near(dragged, zoomed), "it follows the pointer: {dragged:?} instead of {zoomed:?}");
    press(&mut window, Modifiers::COMMAND, Key::Num2);
    assert!(near(all(&mut window, vec2(20.0, 10.0)), whole), "whole again");

    // Only what differs is said.
    window.get_by_label("The others are held against this");
    window.get_by_label("seed 3 → 1");
    window.get_by_label("reference 1 strength 0.5 → 1 · seed 3 → 2");
    choose(&mut window, "The cell that the others are held against", "seed 2, strength 1");
    window.get_by_label("reference 1 strength 1 → 0.5 · seed 2 → 1");

    // Wiped over the chosen one: it lies to the left in each.
    click(&mut window, "Wipe");
    let names = ["seed 1, strength 0.5", "seed 3, strength 0.5"];
    let wiped = names.map(|name| format!("Compared: {name}, wiped over seed 2, strength 1"));
    let areas = panes(&window, &wiped.each_ref().map(String::as_str));
    let blue = |window: &mut Window, aside: f32| -> Vec<f32> {
        seen(window, &areas, vec2(aside, 30.0)).iter().map(|colour| colour[2]).collect()
    };
    let is = |found: Vec<f32>, wanted: [f32; 2]| {
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() <= 4.0), "{found:?} instead of {wanted:?}");
    };
    is(blue(&mut window, -30.0), [2.0 * BLUE; 2]);
    is(blue(&mut window, 30.0), [BLUE, 3.0 * BLUE]);
    // One line for all.
    drag(&mut window, areas[0].center(), vec2(60.0, 0.0));
    is(blue(&mut window, 30.0), [2.0 * BLUE; 2]);

    // Eight times the difference, which is in blue alone.
    click(&mut window, "Difference");
    let names = names.map(|name| format!("Difference of {name} from seed 2, strength 1"));
    let areas = panes(&window, &names.each_ref().map(String::as_str));
    for colour in seen(&mut window, &areas, vec2(20.0, 30.0)) {
        assert!(near(colour, [0.0, 0.0, 8.0 * BLUE]), "{colour:?}");
    }

    // While the key is held, every picture is the chosen one; and the keys lead back to all cells.
    window.key_down(Key::X);
    settle(&mut window);
    window.get_all_by_role_and_label(Role::Image, "Compared: seed 2, strength 1").for_each(drop);
    let shown = window.render().unwrap();
    assert!(areas.iter().all(|area| (at(&shown, area.center())[2] - 2.0 * BLUE).abs() <= 4.0));
    window.key_up(Key::X);
    settle(&mut window);
    assert!(window.query_by_label("Compared: seed 2, strength 1").is_none());
    press(&mut window, Modifiers { shift: true, ..Modifiers::COMMAND }, Key::X);
    assert_eq!(cells(&window).len(), 8);
    press(&mut window, Modifiers { shift: true, ..Modifiers::COMMAND }, Key::X);
    assert_eq!(panes(&window, &names.each_ref().map(String::as_str)), areas);
    click(&mut window, "Show all");
    cells(&window);
}

#[test]
fn what_is_not_painted_yet_can_be_compared_as_it_forms() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = window::open(home.path());
    for _ in 0..2 {
        fake.next(instantstyle::engine::Script::Hold(std::sync::Arc::default()));
    }
    let wish = BoardWish::Axes { x: "seed=1, 2, 3".to_owned(), y: String::new() };
    window.state_mut().state.execute(Command::OpenBoard(wish));
    wait(&mut window, "the first step", |app| {
        use instantstyle::engine::CellState::Running;
        (0..3).any(|index| matches!(app.state.board.as_ref().unwrap().state(index), Some(Running(Some(_)))))
    });
    pick(&mut window, &[0, 1]);
    click(&mut window, "Compare 2");
    window.get_by_role_and_label(Role::Image, "Compared: seed 1");
    window.get_by_role_and_label(Role::Image, "Compared: seed 2");
    // A board laid out anew has other cells: those that are gone are not compared any more.
    let wish = BoardWish::Axes { x: "seed=1".to_owned(), y: String::new() };
    window.state_mut().state.execute(Command::OpenBoard(wish));
    window.run_steps(3);
    window.get_by_label_contains("Cell seed 1, ");
    window.state_mut().state.execute(Command::CloseBoard);
    wait(&mut window, "the engine", |app| !app.state.is_at_work());
}
