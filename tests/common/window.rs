//! A window without a screen, on the fake engine, and the hands that use it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eframe::egui_wgpu::RenderState;
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use egui_kittest::wgpu::WgpuTestRenderer;
use egui_kittest::{Harness, HarnessBuilder};
use image::{Rgb, RgbImage};
use instantstyle::app::{Command, Dropped, NoteKind, Place, Session, Setup};
use instantstyle::engine::{Compute, Engine, EngineError, FakeEngine, JobHandle, JobSpec};
use instantstyle::library::Instance;
use instantstyle::ui::StudioApp;

pub type Window = Harness<'static, StudioApp>;

pub struct Shared(pub Arc<FakeEngine>);

impl Engine for Shared {
    fn submit(&self, spec: JobSpec) -> Result<JobHandle, EngineError> {
        self.0.submit(spec)
    }
}

/// A window on `home`, with the model described and the references open.
pub fn open(home: &Path) -> (Window, Arc<FakeEngine>) {
    open_with(home, Vec::new())
}

pub fn open_with(home: &Path, pictures: Vec<PathBuf>) -> (Window, Arc<FakeEngine>) {
    let fake = Arc::new(FakeEngine::start(None).unwrap());
    (open_on(home, pictures, Box::new(Shared(fake.clone()))), fake)
}

/// A window that computes so.
pub fn open_computing(home: &Path, compute: Compute) -> (Window, Arc<FakeEngine>) {
    let fake = Arc::new(FakeEngine::start(None).unwrap());
    let builder = Harness::builder().with_size([1280.0, 1400.0]);
    (build_computing(builder, home, Vec::new(), Box::new(Shared(fake.clone())), compute), fake)
}

/// A window on an engine of the caller's own.
pub fn open_on(home: &Path, pictures: Vec<PathBuf>, engine: Box<dyn Engine>) -> Window {
    build(Harness::builder().with_size([1280.0, 1400.0]), home, pictures, engine)
}

/// A window that is painted by `state`, of this size in points.
pub fn open_painted(home: &Path, size: [f32; 2], state: &RenderState) -> (Window, Arc<FakeEngine>) {
    let fake = Arc::new(FakeEngine::start(None).unwrap());
    (open_painted_on(home, size, state, Box::new(Shared(fake.clone()))), fake)
}

/// As [`open_painted`], on an engine of the caller's own.
pub fn open_painted_on(home: &Path, size: [f32; 2], state: &RenderState, engine: Box<dyn Engine>) -> Window {
    let renderer = WgpuTestRenderer::from_render_state(state.clone());
    build(Harness::builder().with_size(size).renderer(renderer), home, Vec::new(), engine)
}

fn build(builder: HarnessBuilder<StudioApp>, home: &Path, pictures: Vec<PathBuf>, engine: Box<dyn Engine>) -> Window {
    build_computing(builder, home, pictures, engine, Compute::default())
}

fn build_computing(
    builder: HarnessBuilder<StudioApp>,
    home: &Path,
    pictures: Vec<PathBuf>,
    engine: Box<dyn Engine>,
    compute: Compute,
) -> Window {
    let instance = Instance::of(home);
    let is_second = matches!(instance, Instance::Second);
    let (session, session_notice) = Session::load(home);
    let setup = Setup {
        engine,
        waker: Arc::new(|| {}),
        home: Some(home.to_owned()),
        session,
        session_notice,
        is_second,
        pictures,
        compute,
    };
    let mut window = builder.with_max_steps(60).build_eframe(move |cc| StudioApp::new(cc, setup).unwrap());
    wait(&mut window, "the model and the references to open", |app| {
        let state = &app.state;
        state.model_info().is_some() && state.recipe.references.iter().all(|r| state.picture(r).is_some())
    });
    window
}

/// Steps until `done`, for at most ten minutes: far more than a busy machine with a slow disk needs.
pub fn wait(window: &mut Window, what: &str, done: impl Fn(&StudioApp) -> bool) {
    let began = Instant::now();
    window.step();
    while !done(window.state()) {
        assert!(began.elapsed() < Duration::from_secs(600), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(4));
        window.step();
    }
    window.step();
}

pub fn settle(window: &mut Window) {
    window.run_steps(8);
}

/// A button is pressed and let go in one moment of the window's clock: a message that goes meanwhile would move what lies
/// below it and close its menu.
pub fn click(window: &mut Window, name: &str) {
    window.get_by_role_and_label(Role::Button, name).click();
    let now = window.ctx.input(|input| input.time);
    window.input_mut().time = Some(now);
    window.step();
    window.input_mut().time = None;
    window.run_steps(2);
}

/// Clicks a button until it has done what it does once; where it moved under the click, again.
pub fn click_until(window: &mut Window, name: &str, done: impl Fn(&StudioApp) -> bool) {
    let began = Instant::now();
    while !done(window.state()) {
        assert!(began.elapsed() < Duration::from_secs(120), "'{name}' does nothing");
        if window.query_by_role_and_label(Role::Button, name).is_some() {
            click(window, name);
        }
        for _ in 0..250 {
            if done(window.state()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(4));
            window.step();
        }
    }
    window.step();
}

pub fn press(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.key_press_modifiers(modifiers, key);
    window.run_steps(3);
}

pub fn history(window: &Window) -> usize {
    window.state().state.history.entries().len()
}

pub fn kept(app: &StudioApp) -> bool {
    let entries = app.state.history.entries();
    !entries.is_empty() && entries.iter().all(|entry| entry.file.is_some() && entry.thumbnail.is_some())
}

pub fn generate(window: &mut Window, pictures: usize) {
    click(window, "Generate");
    wait(window, "the pictures", |app| app.state.history.entries().len() == pictures && kept(app));
}

pub fn picture_file(folder: &Path, name: &str, colour: [u8; 3]) -> PathBuf {
    let path = folder.join(name);
    RgbImage::from_pixel(40, 30, Rgb(colour)).save(&path).unwrap();
    path
}

#[derive(Debug)]
struct Drop(PathBuf, Option<Vec<u8>>);

impl egui::DroppedFile for Drop {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        self.1.clone().ok_or_else(|| "it went away".to_owned())
    }
}

pub fn drop_file(window: &mut Window, path: &Path, bytes: Option<Vec<u8>>) {
    let_go(window, [Drop(path.to_owned(), bytes)]);
}

/// Files of the disk, all at once.
pub fn drop_files(window: &mut Window, paths: &[&Path]) {
    let_go(window, paths.iter().map(|path| Drop(path.to_path_buf(), None)));
}

fn let_go(window: &mut Window, files: impl IntoIterator<Item = Drop>) {
    window.input_mut().dropped_files.extend(files.into_iter().map(|file| Arc::new(file) as _));
    window.step();
    window.input_mut().dropped_files.clear();
    wait(window, "the dropped files", |app| app.state.opening == 0);
}

pub fn errors(window: &Window, place: Place) -> Vec<String> {
    let notes = window.state().state.notes.at(place);
    notes.filter(|note| note.kind == NoteKind::Error).map(|note| note.text.clone()).collect()
}

/// Keeps the files' thread from going on until the sender is dropped.
pub fn hold_files(window: &mut Window) -> Sender<()> {
    let (hold, held) = channel::<()>();
    let held = Mutex::new(held);
    let read = Arc::new(move || {
        let _ = held.lock().unwrap().recv();
        Err("it was only there to wait for".to_owned())
    });
    let name = "hold.png".to_owned();
    window.state_mut().state.execute(Command::AddReferences(vec![Dropped::Bytes { name, read }]));
    hold
}

pub fn files_are_done(window: &mut Window) {
    wait(window, "the files' thread", |app| app.state.opening == 0);
    // The held file was the first; what was asked for after it is answered before this one.
    let state = &mut window.state_mut().state;
    let read = Arc::new(|| Err("the last one".to_owned()));
    state.execute(Command::AddReferences(vec![Dropped::Bytes { name: "last.png".to_owned(), read }]));
    wait(window, "the files' thread", |app| app.state.opening == 0);
}
