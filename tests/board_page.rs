//! The page of a board in a real browser: tests/board_page.js tries it in headless Chromium.
//!
//! Needs Chromium, named by CHROMIUM or found in the path. Without it the test says SKIPPED, or fails where
//! INSTANTSTYLE_REQUIRE_WINDOW=1 asks for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A browser that has not answered by then hangs; a busy machine takes a tenth of it.
const LONGEST: Duration = Duration::from_secs(240);

fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|file| file.is_file())
}

/// The page as the browser has it in the end, with all that its scripts have made of it.
fn opened(chromium: &Path, page: &Path, place: &Path) -> String {
    let (out, err) = (place.join("page.out"), place.join("page.err"));
    let mut browser = Command::new(chromium)
        // As root, in a container without much shared memory, there is no sandbox; what it opens is our own page.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--window-size=1280,900", "--dump-dom"])
        .arg(format!("--user-data-dir={}", place.join("profile").display()))
        .arg(format!("file://{}", page.display()))
        // Its crash handler ends it where it may not write below HOME.
        .env("XDG_CONFIG_HOME", place.join("config"))
        .env("XDG_CACHE_HOME", place.join("cache"))
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out).unwrap())
        .stderr(fs::File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let status = loop {
        if let Some(status) = browser.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > LONGEST {
            browser.kill().unwrap();
            panic!("the browser hangs: {}", fs::read_to_string(&err).unwrap());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{}", fs::read_to_string(&err).unwrap());
    fs::read_to_string(out).unwrap()
}

#[test]
fn the_page_zooms_and_moves_all_cells_at_once_in_chromium() {
    let Some(chromium) = chromium() else {
        assert!(std::env::var_os("INSTANTSTYLE_REQUIRE_WINDOW").is_none(), "no Chromium");
        eprintln!("SKIPPED: no Chromium");
        return;
    };
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

    // The page as it is, but for a trap before it, which also keeps it from every network, and a trial behind it.
    let trap = r#"<head><meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src file:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<script>var faults = [];
addEventListener("error", event => faults.push(event.message || `${event.target.src} is not there`), true);
addEventListener("securitypolicyviolation", event => faults.push(event.blockedURI));</script>"#;
    let trial = format!("<script>{}</script>\n</body>", include_str!("board_page.js"));
    let html = fs::read_to_string(page.join("index.html")).unwrap();
    let tried = html.replacen("<head>", trap, 1).replacen("</body>", &trial, 1);
    assert!(tried.contains(trap) && tried.contains(&trial));
    let tried_page = page.join("tried.html");
    fs::write(&tried_page, tried).unwrap();

    let dumped = opened(&chromium, &tried_page, folder.path());
    let (_, verdict) = dumped.split_once(r#"<pre id="verdict">"#).expect("no verdict");
    let (verdict, _) = verdict.split_once("</pre>").unwrap();
    eprintln!("{verdict}");
    assert!(verdict.ends_with("\ndone") && !verdict.contains("FAILED"), "{verdict}");
}
