//! A program that is killed while it saves: every file is whole or absent, the library opens, and nothing piles up.
//!
//! The child says what it is about to do, and dies at a word that differs from round to round, wherever it is by then.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::{Rgb, RgbImage};
use instantstyle::library::{Catalogue, Query, Stop, Styles, keep_picture_in, keep_reference_in, write_atomically};
use instantstyle::pixels::{Picture, PictureFormat, export, recipe_json};
use instantstyle::recipe::{Recipe, Reference};

const ROUNDS: u64 = 30;

/// Large enough that writing it takes a while, and no two are the same.
fn png(recipe: &Recipe) -> Vec<u8> {
    let mut state = recipe.seed.unwrap() as u32 | 1;
    let noise = RgbImage::from_fn(256, 256, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [_, a, b, c] = state.to_be_bytes();
        Rgb([a, b, c])
    });
    export(&noise, recipe, &[], PictureFormat::Png).unwrap()
}

/// Saves until it is killed; on its own it does nothing.
#[test]
fn as_the_victim() {
    let Some(home) = std::env::var_os("TEST_VICTIM_HOME").map(PathBuf::from) else { return };
    let first: u64 = std::env::var("TEST_VICTIM_SEED").unwrap().parse().unwrap();
    let say = |word: &str| {
        println!("{word}");
        std::io::stdout().flush().unwrap();
    };
    let mut catalogue = Catalogue::open(&home, &Stop::default()).unwrap();
    let styles = Styles::of(&home);
    for seed in first.. {
        let recipe = Recipe { prompt: format!("picture {seed}"), seed: Some(seed), ..Recipe::default() };
        let bytes = png(&recipe);
        say("picture");
        let file = keep_picture_in(&home.join("pictures"), &bytes, &recipe.prompt, seed).unwrap();
        say("record");
        catalogue.record(&file, &bytes, &recipe).unwrap();
        let hash = blake3::hash(&bytes).to_hex().to_string();
        say("stars");
        catalogue.set_stars(&hash, 1 + (seed % 5) as u8).unwrap();
        say("reference");
        keep_reference_in(&home.join("references"), &bytes, &hash).unwrap();
        say("style");
        let reference = Reference { hash, name: "a.png".to_owned(), ..Reference::default() };
        styles.save(&format!("style {seed}"), &reference, &bytes).unwrap();
        say("settings");
        write_atomically(&home.join("settings.json"), &vec![b' '; 200_000 + seed as usize]).unwrap();
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

fn is_temporary(path: &Path) -> bool {
    path.file_name().unwrap().to_string_lossy().ends_with(".part")
}

#[test]
fn a_killed_program_leaves_whole_files_and_a_library_that_opens() {
    let home = tempfile::tempdir().unwrap();
    let (mut words, mut left_over) = (0, 0);
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["as_the_victim", "--exact", "--nocapture", "--test-threads=1"])
            .env("TEST_VICTIM_HOME", home.path())
            .env("TEST_VICTIM_SEED", (round * 1000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let known = ["picture", "record", "stars", "reference", "style", "settings"];
        let mut heard = 0;
        while heard < 1 + round {
            let line = lines.next().expect("the child speaks until it is killed").unwrap();
            heard += u64::from(known.contains(&line.as_str()));
        }
        // At once, or a little into what it said.
        for _ in 0..(round % 5) * 2000 {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        words += heard;

        left_over += ["", "pictures", "references", "styles"]
            .iter()
            .flat_map(|folder| files(&home.path().join(folder)))
            .filter(|path| is_temporary(path))
            .count();
        // The next start.
        let mut catalogue = Catalogue::open(home.path(), &Stop::default()).unwrap();
        catalogue.sync().unwrap();
        assert_eq!(catalogue.take_notices(), [""; 0], "round {round}");
        let mut pictures = 0;
        for path in files(&home.path().join("pictures")) {
            assert!(!is_temporary(&path), "{}", path.display());
            Picture::open(&path).unwrap();
            recipe_json(&path).unwrap();
            pictures += 1;
        }
        assert_eq!(catalogue.search(&Query::default()).unwrap().total, pictures, "every whole picture is known");
        for path in files(&home.path().join("references")) {
            assert_eq!(blake3::hash(&fs::read(&path).unwrap()).to_hex().as_str(), path.file_name().unwrap());
        }
        let (styles, wrong) = Styles::of(home.path()).list();
        assert_eq!((styles.len(), wrong), (files(&home.path().join("styles")).len(), Vec::new()));
        for style in &styles {
            Styles::of(home.path()).thumbnail(style).unwrap();
        }
        if let Ok(settings) = fs::read(home.path().join("settings.json")) {
            assert!(settings.len() >= 200_000 && settings.iter().all(|byte| *byte == b' '));
        }
        assert!(!files(home.path()).iter().any(|path| is_temporary(path)));
    }
    assert_eq!(words, (1..=ROUNDS).sum::<u64>());
    println!("{ROUNDS} kills after {words} words left {left_over} temporary files, all taken away at the next start");
}
