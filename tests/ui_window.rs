//! The real program in a real window: one key press makes a picture, and a killed window loses nothing.
//!
//! Needs Xvfb, xdotool and a wgpu adapter (mesa-vulkan-drivers brings a software one). Without them the test says
//! SKIPPED, or fails where INSTANTSTYLE_REQUIRE_WINDOW=1 asks for it.
#![cfg(all(feature = "ui", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ends with the test, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Display {
    name: String,
    _server: Running,
}

/// `None`, said plainly, where something is missing.
fn skipped<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("INSTANTSTYLE_REQUIRE_WINDOW").is_none(), "{why}");
    eprintln!("SKIPPED: {why}");
    None
}

fn display() -> Option<Display> {
    if Command::new("xdotool").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return skipped("no xdotool");
    }
    let server = Command::new("Xvfb")
        // Without -noreset the server starts afresh when the killed window was its last client, and refuses the next one.
        .args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-noreset"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut server) = server else { return skipped("no Xvfb") };
    let mut number = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
    Some(Display { name: format!(":{}", number.trim()), _server: Running(server) })
}

fn xdotool(display: &Display, arguments: &[&str]) -> Option<String> {
    let output = Command::new("xdotool").args(arguments).env("DISPLAY", &display.name).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// The program and its window's number.
fn window(display: &Display, home: &Path) -> Option<(Running, String)> {
    let runtime = home.join("runtime");
    std::fs::create_dir_all(&runtime).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_instantstyle"))
        .env("DISPLAY", &display.name)
        .env_remove("WAYLAND_DISPLAY")
        .env("XDG_RUNTIME_DIR", &runtime)
        .env("INSTANTSTYLE_HOME", home)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = program.stderr.take().unwrap();
    let mut program = Running(program);
    let began = Instant::now();
    loop {
        if program.0.try_wait().unwrap().is_some() {
            let mut said = String::new();
            stderr.read_to_string(&mut said).unwrap();
            assert!(said.to_lowercase().contains("adapter"), "the window did not open: {said}");
            return skipped("no wgpu adapter");
        }
        let found = xdotool(display, &["search", "--onlyvisible", "--name", "InstantStyle Studio"]);
        if let Some(id) = found.as_deref().and_then(|found| found.lines().next()) {
            return Some((program, id.to_owned()));
        }
        assert!(began.elapsed() < Duration::from_secs(180), "no window appeared");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(180), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn pictures(home: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.join("pictures")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "png")).collect()
}

/// How often a window has said that its model is open.
fn opened_models(home: &Path) -> usize {
    let log = std::fs::read_to_string(home.join("logs/instantstyle.log")).unwrap_or_default();
    log.lines().filter(|line| line.contains("the model ") && line.ends_with(" is open")).count()
}

fn session(home: &Path) -> Option<serde_json::Value> {
    serde_json::from_slice(&std::fs::read(home.join("session.json")).ok()?).ok()
}

#[test]
fn ctrl_enter_makes_a_picture_and_a_killed_window_loses_nothing() {
    let Some(display) = display() else { return };
    let home = tempfile::tempdir().unwrap();
    let Some((mut program, id)) = window(&display, home.path()) else { return };
    // The reference is kept once it is open, which is when a picture can be made.
    wait("the sample reference", || std::fs::read_dir(home.path().join("references")).ok()?.next()?.ok());
    wait("the model", || (opened_models(home.path()) == 1).then_some(()));
    xdotool(&display, &["windowfocus", "--sync", &id]).expect("the window takes the focus");
    xdotool(&display, &["key", "ctrl+Return"]);
    let picture = wait("the picture", || pictures(home.path()).pop());

    let recipe = instantstyle::pixels::recipe_json(&picture).unwrap();
    let recipe: instantstyle::recipe::Recipe = serde_json::from_str(&recipe).unwrap();
    assert_eq!(recipe.prompt, "a boat");
    assert_eq!(recipe.references.len(), 1);
    let opened = instantstyle::pixels::Picture::open(&picture).unwrap();
    assert_eq!(opened.rgb.dimensions(), (recipe.width.unwrap(), recipe.height.unwrap()));

    wait("the session", || session(home.path())?["history"].as_array().filter(|history| history.len() == 1).cloned());
    // As hard as kill -9.
    program.0.kill().unwrap();
    program.0.wait().unwrap();
    assert_eq!(pictures(home.path()), std::slice::from_ref(&picture));

    // The next window knows it all, and makes one more.
    let Some((_program, id)) = window(&display, home.path()) else { return };
    wait("the model", || (opened_models(home.path()) == 2).then_some(()));
    xdotool(&display, &["windowfocus", "--sync", &id]).expect("the window takes the focus");
    xdotool(&display, &["key", "ctrl+Return"]);
    wait("the second picture", || (pictures(home.path()).len() == 2).then_some(()));
    let history = wait("the session", || session(home.path())?["history"].as_array().filter(|h| h.len() == 2).cloned());
    assert_eq!(history[0]["file"].as_str().unwrap(), picture.to_str().unwrap());
}

#[test]
fn without_a_graphics_adapter_the_command_line_is_named() {
    let Some(display) = display() else { return };
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_instantstyle"))
        .env("DISPLAY", &display.name)
        .env_remove("WAYLAND_DISPLAY")
        .env("XDG_RUNTIME_DIR", home.path())
        .env("INSTANTSTYLE_HOME", home.path())
        // Vulkan alone, and no driver for it.
        .env("WGPU_BACKEND", "vulkan")
        .env("VK_DRIVER_FILES", "/dev/null")
        .env("VK_ICD_FILENAMES", "/dev/null")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("graphics driver") && said.contains("`instantstyle render`"), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "one line: {said}");
}
