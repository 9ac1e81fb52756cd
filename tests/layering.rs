//! Arrows between the rooms point one way: what `src/lib.rs` promises, read from the sources.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

fn sources(room: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room)];
    let mut out = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                out.push((path, text));
            }
        }
    }
    assert!(!out.is_empty(), "the room {room} is empty");
    out
}

/// What a room must not name.
const WALLS: &[(&str, &[&str])] = &[
    ("recipe", &["crate::", "candle", "image::", "std::fs"]),
    (
        "board",
        &[
            "candle",
            "image::",
            "std::fs",
            "crate::nn",
            "crate::pixels",
            "crate::weights",
            "crate::library",
            "crate::engine",
            "crate::cli",
        ],
    ),
    ("pixels", &["candle", "crate::nn", "crate::weights", "crate::engine", "crate::cli", "crate::library"]),
    (
        "kernels",
        &["crate::recipe", "crate::nn", "crate::pixels", "crate::weights", "crate::engine", "crate::cli", "std::fs"],
    ),
    ("nn", &["crate::pixels", "crate::weights", "crate::engine", "crate::cli", "crate::library", "std::fs"]),
    ("weights", &["crate::nn", "crate::pixels", "crate::engine", "crate::cli", "crate::library", "crate::recipe"]),
    ("library", &["candle", "crate::nn", "crate::weights", "crate::engine", "crate::cli"]),
    (
        "models",
        &["candle", "crate::nn", "crate::pixels", "crate::recipe", "crate::engine", "crate::evaluation", "crate::cli"],
    ),
    ("engine", &["crate::evaluation", "crate::cli", "crate::app", "crate::ui"]),
    (
        "evaluation",
        &["candle", "crate::nn", "crate::weights", "crate::library", "crate::cli", "crate::app", "crate::ui"],
    ),
    ("cli", &["crate::app", "crate::ui", "crate::nn"]),
    ("gpu", &["crate::app", "crate::ui", "crate::cli", "crate::nn", "crate::weights"]),
    ("app", &["crate::ui", "crate::gpu", "crate::cli", "crate::nn", "crate::weights"]),
];

#[test]
fn no_room_names_what_lies_above_it() {
    for (room, forbidden) in WALLS {
        for (path, text) in sources(room) {
            // Tests inside a file may reach further.
            let code = text.split("#[cfg(test)]").next().unwrap();
            // `gpu` is the way to the screen, and `app` borrows egui's undo list.
            let screen: &[&str] = if matches!(*room, "gpu" | "app") { &[] } else { &["egui", "eframe", "wgpu"] };
            for word in forbidden.iter().chain(screen) {
                let found = code.lines().find(|line| !line.trim_start().starts_with("//") && line.contains(word));
                assert!(found.is_none(), "{} names {word}: {}", path.display(), found.unwrap());
            }
        }
    }
}
