//! The page of a board in a real browser: tests/board_page.py in headless Chromium.
//!
//! Needs Chromium, named by CHROMIUM or found in the path, and a Python, named by PYTHON or `python3`, with the package
//! playwright (PyPI). Without them the test says SKIPPED, or fails where INSTANTSTYLE_REQUIRE_BROWSER=1 asks for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::process::{Command, Stdio};

fn skipped(why: &str) {
    assert!(std::env::var_os("INSTANTSTYLE_REQUIRE_BROWSER").is_none(), "{why}");
    eprintln!("SKIPPED: {why}");
}

fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|file| file.is_file())
}

#[test]
fn the_page_zooms_all_cells_at_once_in_chromium() {
    let Some(chromium) = chromium() else { return skipped("no Chromium") };
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let has_playwright = Command::new(&python)
        .args(["-c", "import playwright.sync_api"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has_playwright {
        return skipped("no Python with playwright");
    }
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page");
    let made = Command::new(env!("CARGO_BIN_EXE_instantstyle"))
        .args(["board", "--reference"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/builtin/sample_reference.png"))
        .args(["--prompt", "a <b>boat</b> & 猫", "--subtract", "a house", "--steps", "2", "--seed", "5", "--numbers"])
        .args(["--x", "strength=0..1 step 0.5", "--y", "mode=style,everything", "--html"])
        .arg(&page)
        .arg("--out")
        .arg(folder.path().join("sheet.png"))
        .env("INSTANTSTYLE_HOME", folder.path().join("home"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let tried = Command::new(&python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/board_page.py"))
        .arg(&page)
        .env("CHROMIUM", chromium)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tried.stdout);
    eprintln!("{said}");
    assert!(tried.status.success(), "{}", String::from_utf8_lossy(&tried.stderr));
}
