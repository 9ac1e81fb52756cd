//! A room knows only what the table in `src/lib.rs` allows it, and the table says no more than is so. Both are read from
//! the sources.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Crates that the table speaks of, and the words that show their use.
const CRATES: &[(&str, &[&str])] = &[("candle", &["candle"]), ("egui", &["egui", "eframe"]), ("wgpu", &["wgpu"])];

/// What is for a few rooms not to be used, though the table does not speak of it.
const WALLS: &[(&str, &[&str])] = &[
    ("recipe", &["image::", "std::fs"]),
    ("board", &["image::", "std::fs"]),
    ("kernels", &["std::fs"]),
    ("nn", &["std::fs"]),
];

/// What only the tests inside a room name: torch's random numbers.
const TESTS_KNOW: &[(&str, &str)] = &[("kernels", "nn")];

/// A row of the table.
struct Row {
    room: String,
    knows: BTreeSet<String>,
}

fn table() -> Vec<Row> {
    let lib = std::fs::read_to_string(src().join("lib.rs")).unwrap();
    let rows = lib.lines().filter_map(|line| line.strip_prefix("//! | ")).filter(|row| row.contains('`'));
    let row = |row: &str| {
        let [room, _, knows] = row.trim_end_matches(" |").split(" | ").collect::<Vec<_>>()[..] else {
            panic!("a row of three columns: {row}");
        };
        // Remarks in brackets are for people.
        let words = knows.split('(').map(|part| part.split_once(')').map_or(part, |(_, after)| after));
        let knows = words.collect::<String>().split(',').map(|name| name.trim().to_owned()).collect();
        Row { room: room.trim_matches(['[', ']', '`']).to_owned(), knows }
    };
    rows.map(row).collect()
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// One file of a room; comments are left out.
struct Source {
    /// From `src` on.
    path: PathBuf,
    code: String,
    /// Its test module, or all of it where it is one.
    tests: String,
}

fn sources(room: &str) -> Vec<Source> {
    let mut folders = vec![src().join(room)];
    let mut out = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                let text = lines.join("\n");
                let is_test = path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
                let (code, tests) = match text.split_once("\nmod tests {") {
                    _ if is_test => ("", text.as_str()),
                    Some(parts) => parts,
                    None => (text.as_str(), ""),
                };
                let path = path.strip_prefix(src()).unwrap().to_owned();
                out.push(Source { path, code: code.to_owned(), tests: tests.to_owned() });
            }
        }
    }
    assert!(!out.is_empty(), "the room {room} is empty");
    out
}

/// What stands after each `crate::`: rooms, if all is well.
fn named(code: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let uses = code.split("crate::").skip(1);
    uses.map(|after| after.chars().take_while(|c| is_word(*c)).collect()).collect()
}

#[test]
fn every_room_knows_what_the_table_says() {
    let table = table();
    for (place, Row { room, knows }) in table.iter().enumerate() {
        let mut used = BTreeSet::new();
        for source in sources(room) {
            let path = source.path.display();
            for name in named(&source.code).into_iter().filter(|name| name != room) {
                assert!(knows.contains(&name), "{path} names crate::{name}, which the row of {room} does not allow");
                used.insert(name);
            }
            for name in named(&source.tests).into_iter().filter(|name| name != room) {
                let is_known = knows.contains(&name) || TESTS_KNOW.contains(&(room, &name));
                assert!(is_known, "the tests of {path} name crate::{name}, which the row of {room} does not allow");
            }
            for (name, words) in CRATES {
                if words.iter().any(|word| source.code.contains(word)) {
                    assert!(knows.contains(*name), "{path} names {name}, which the row of {room} does not allow");
                    used.insert((*name).to_owned());
                }
            }
            // As many steps up as the file lies deep lead out of its room.
            let depth = source.path.iter().count() - usize::from(source.path.ends_with("mod.rs"));
            for (part, depth) in [(&source.code, depth), (&source.tests, depth + 1)] {
                assert!(!part.contains(&"super::".repeat(depth)), "{path} leaves its room by super::");
            }
            for word in WALLS.iter().filter(|(of, _)| of == room).flat_map(|(_, words)| *words) {
                assert!(!source.code.contains(word), "{path} names {word}");
            }
        }
        let above = table.get(..place).unwrap();
        let is_above = |name: &String| above.iter().any(|row| row.room == *name);
        for name in knows.iter().filter(|name| *name != "nothing") {
            assert!(used.contains(name), "the table says that {room} knows {name}, but nothing there names it");
            let is_crate = CRATES.iter().any(|(known, _)| known == name);
            assert!(is_crate || is_above(name), "{room} knows {name}, which stands below it in the table");
        }
    }
}

#[test]
fn every_room_has_a_row() {
    let in_table: BTreeSet<String> = table().into_iter().map(|row| row.room).collect();
    let folders = std::fs::read_dir(src()).unwrap().map(|entry| entry.unwrap());
    let folders = folders.filter(|entry| entry.path().is_dir());
    let rooms: BTreeSet<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(in_table, rooms);
}
