//! `instantstyle board` through the real program, on the built-in model with few steps.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output};

use image::RgbImage;
use instantstyle::board::Board;
use instantstyle::pixels::{BOARD_KEYWORD, carried_by, read_png_text};
use serde_json::Value;
use tempfile::TempDir;

/// A model without an adapter.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/model_a");

/// A folder with two pictures, which is also the program's home and working folder.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let picture = |name: &str, f: &dyn Fn(u32, u32) -> [u8; 3]| {
            RgbImage::from_fn(80, 64, |x, y| image::Rgb(f(x, y))).save(folder.path().join(name)).unwrap();
        };
        picture("stripes.png", &|x, _| if x / 8 % 2 == 0 { [20, 40, 160] } else { [240, 240, 250] });
        picture("warm, glow.png", &|x, y| [250, (x * 3) as u8, (y * 2) as u8]);
        Self(folder)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_instantstyle"))
            .args(arguments)
            .current_dir(self.0.path())
            .env("INSTANTSTYLE_HOME", self.path("home"))
            .output()
            .unwrap()
    }

    /// The JSON line of a board to o.png.
    #[track_caller]
    fn board(&self, arguments: &[&str]) -> Value {
        let output =
            self.run(&[&["board", "--out", "o.png", "--json", "--steps", "2", "--seed", "5"], arguments].concat());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The one line of stderr; nothing is written.
    #[track_caller]
    fn refused(&self, arguments: &[&str], words: &[&str]) {
        let output = self.run(&[&["board", "--out", "o.png"], arguments].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty());
        for word in words {
            assert!(stderr.contains(word), "{arguments:?}: '{word}' is not in: {stderr}");
        }
        for left in ["o.png", "cells", "page"] {
            assert!(!self.path(left).exists(), "{arguments:?} left {left}");
        }
    }
}

fn pixels(path: &Path) -> RgbImage {
    image::open(path).unwrap().to_rgb8()
}

#[test]
fn a_board_is_a_sheet_its_cells_and_a_page() {
    let place = Place::new();
    let report = place.board(&[
        "--reference",
        "stripes.png",
        "--subtract",
        "stripes",
        "--prompt",
        "a fish <b>&</b>",
        "--x",
        "strength=0..1 step 0.5",
        "--y",
        "mode=style,everything",
        "--cells",
        "cells",
        "--html",
        "page",
        "--numbers",
    ]);
    for (field, wanted) in [("cells", 6), ("columns", 3), ("rows", 2), ("failed", 0), ("seed", 5)] {
        assert_eq!(report[field], wanted, "{field}: {report}");
    }
    // The prompt, the picture and the words, once for all cells; and at strength 0 a cell is the other's twin but for its
    // recipe, so that its steps are taken over.
    assert_eq!(report["encoder_runs"], 3);
    assert_eq!((&report["steps"], &report["shared_steps"]), (&10.into(), &2.into()));
    assert!(report["seconds_per_cell"].as_f64().unwrap() > 0.0 && report["seconds"]["total"].as_f64().unwrap() > 0.0);
    // As `render --json` has them.
    assert!(report["device"].is_string() && !report["device"].as_str().unwrap().contains(','), "{report}");
    assert!(report["dtype"].is_string(), "{report}");

    // The sheet holds its board, and can be begun from.
    let sheet = std::fs::read(place.path("o.png")).unwrap();
    let texts = read_png_text(&sheet, "o.png").unwrap();
    let json = &texts.iter().find(|(keyword, _)| keyword == BOARD_KEYWORD).unwrap().1;
    let board: Board = serde_json::from_str(json).unwrap();
    assert_eq!((board.columns(), board.rows(), board.base.seed), (3, 2, Some(5)));
    let size = pixels(&place.path("o.png")).dimensions();
    assert!(size.0 > 3 * 256 && size.1 > 2 * 256, "{size:?}");

    // Every cell is a picture of ours that makes itself again.
    let cell = place.path("cells/cell-r02-c03.png");
    let again = place.run(&["render", "--from", cell.to_str().unwrap(), "--out", "again.png"]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(pixels(&cell), pixels(&place.path("again.png")));
    assert_eq!(std::fs::read_dir(place.path("cells")).unwrap().count(), 6);
    // Strength 0 is plain in both modes, and strength 1 is not.
    let cells = |name: &str| pixels(&place.path(&format!("cells/cell-{name}.png")));
    assert_eq!(cells("r01-c01"), cells("r02-c01"));
    assert_ne!(cells("r01-c03"), cells("r02-c03"));

    // The page stands alone, beside its pictures.
    let page = std::fs::read_to_string(place.path("page/index.html")).unwrap();
    assert!(!page.contains("http") && !page.contains("<b>&</b>") && page.contains("cell-r02-c03.png"));
    assert!(place.path("page/cell-r02-c03.png").is_file());
    let sheet = place.run(&["render", "--from", "o.png", "--steps", "1", "--out", "base.png"]);
    assert!(sheet.status.success(), "{}", String::from_utf8_lossy(&sheet.stderr));
}

#[test]
fn cells_are_in_the_library_and_a_sheet_of_any_format_is_a_board_again() {
    let place = Place::new();
    let x = "reference=stripes.png,\"warm, glow.png\"";
    place.board(&["--prompt", "a fish", "--x", x, "--y", "strength=0.5,1", "--cells", "cells", "--html", "page"]);
    let listed = |place: &Place| -> Vec<Value> {
        let output = place.run(&["library", "list", "--json"]);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    // Each once, although the page has a copy.
    let found = listed(&place);
    assert_eq!(found.len(), 4);
    let strengths = |row: usize| if row == 1 { 0.5 } else { 1.0 };
    for (row, column) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
        let file = place.path(&format!("cells/cell-r0{row}-c0{column}.png")).canonicalize().unwrap();
        let line = found.iter().find(|line| line["file"] == file.to_str().unwrap()).unwrap();
        let json = carried_by(&file).unwrap().recipe_json.unwrap();
        assert_eq!(line["recipe"], serde_json::from_str::<Value>(&json).unwrap());
        assert_eq!(line["recipe"]["references"][0]["strength"], strengths(row));
        assert_eq!(line["blake3"], blake3::hash(&std::fs::read(&file).unwrap()).to_hex().as_str());
    }
    // They lie outside of the home, and are there again when the database is made anew.
    assert!(place.run(&["library", "rebuild"]).status.success());
    assert_eq!(listed(&place).len(), 4);

    // The sheet alone says what its board was; the pictures come from the library, the format does not matter.
    let cells = |folder: &str| -> Vec<RgbImage> {
        ["r01-c01", "r01-c02", "r02-c01", "r02-c02"]
            .map(|cell| pixels(&place.path(&format!("{folder}/cell-{cell}.png"))))
            .into()
    };
    let wanted = cells("cells");
    assert_ne!(wanted[0], wanted[1]);
    std::fs::remove_file(place.path("stripes.png")).unwrap();
    let mut from = "o.png".to_owned();
    for ending in ["jpg", "webp", "tif"] {
        let (out, folder) = (format!("again.{ending}"), format!("cells-{ending}"));
        let made = place.run(&["board", "--from", &from, "--out", &out, "--cells", &folder]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        assert_eq!(cells(&folder), wanted, "{ending}");
        let carried = carried_by(&place.path(&out)).unwrap();
        let names: Vec<&str> = carried.references.iter().map(|small| small.name.as_str()).collect();
        assert_eq!(names, ["stripes.png", "warm, glow.png"]);
        from = out;
    }
    // Another axis takes the place of the columns, and brings its own rows or none.
    let other = place.run(&["board", "--from", &from, "--x", "seed=1,2", "--out", "seeds.png", "--json"]);
    let report: Value = serde_json::from_slice(&other.stdout).unwrap();
    assert_eq!((&report["columns"], &report["rows"]), (&2.into(), &1.into()));
}

#[test]
fn ready_made_boards_and_pictures_as_an_axis() {
    let place = Place::new();
    let report = place.board(&["--reference", "stripes.png", "--prompt", "a fish", "--preset", "which-mode"]);
    assert_eq!(report["cells"], 6);
    // The pictures come from the axis alone; each is encoded once for both prompts. In a new home nothing is known yet.
    let place = Place::new();
    let x = "reference=stripes.png,\"warm, glow.png\"";
    let report = place.board(&["--x", x, "--y", "prompt=a fish,a cat", "--cells", "cells"]);
    assert_eq!((&report["cells"], &report["encoder_runs"]), (&4.into(), &4.into()));
    let cell = place.path("cells/cell-r02-c02.png");
    let again = place.run(&["render", "--from", cell.to_str().unwrap(), "--out", "again.png"]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(pixels(&cell), pixels(&place.path("again.png")));
}

#[test]
fn flags_are_for_the_pictures_and_words_that_axes_bring() {
    let place = Place::new();
    let made = |flags: &[&str]| -> Value {
        let common = ["board", "--out", "o.png", "--steps", "2", "--seed", "5", "--width", "64", "--height", "64"];
        let output = place.run(&[&common, flags, &["--cells", "cells"]].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        // Nothing is said to change nothing.
        assert!(output.status.success() && stderr.is_empty(), "{flags:?}: {stderr}");
        let json = carried_by(&place.path("cells/cell-r02-c02.png")).unwrap().recipe_json.unwrap();
        serde_json::from_str(&json).unwrap()
    };
    let pictures = "stripes.png,\"warm, glow.png\"";
    let reference = format!("reference={pictures}");
    let flags = ["--mode", "everything", "--strength", "0.4", "--crop", "fit", "--subtract-strength", "0.9"];
    let wanted = |recipe: &Value, words: &Value| {
        let reference = &recipe["references"][0];
        let found = ["name", "role", "strength", "crop"].map(|field| reference[field].clone());
        let asked: [Value; 4] = ["warm, glow.png".into(), "everything".into(), 0.4.into(), "fit".into()];
        assert_eq!(found, asked, "{recipe}");
        assert_eq!(&reference["subtract"], words, "{recipe}");
    };
    let rabbit = serde_json::json!({"words": "a rabbit", "strength": 0.9});
    wanted(&made(&[&flags[..], &["--x", &reference, "--y", "subtract=\"\",a rabbit"]].concat()), &rabbit);
    // The sheet knows it all.
    assert!(place.run(&["board", "--from", "o.png", "--out", "again.png"]).status.success());
    assert_eq!(pixels(&place.path("o.png")), pixels(&place.path("again.png")));
    wanted(&made(&[&flags[..], &["--x", &reference, "--y", "subtract=a rabbit,\"\""]].concat()), &Value::Null);
    let given = ["--reference", "warm, glow.png", "--x", "seed=1,2", "--y", "subtract=\"\",a rabbit"];
    wanted(&made(&[&flags[..], &given].concat()), &rabbit);

    let init = format!("init={pictures}");
    let recipe = made(&["--denoise", "0.5", "--x", &init, "--y", "seed=1,2"]);
    assert_eq!(recipe["init"]["name"], "warm, glow.png");
    assert_eq!(recipe["init"]["denoise"], 0.5);
}

#[test]
fn a_sheet_says_where_its_axes_have_no_room() {
    let place = Place::new();
    // Spaces cost no tokens.
    let x = format!("negative=a{}b,c", " ".repeat(40_000));
    let flags = ["board", "--x", &x, "--steps", "1", "--seed", "5", "--width", "64", "--height", "64"];
    let output = place.run(&[&flags[..], &["--out", "o.jpg"]].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.contains("axes") && stderr.contains("64 KiB"), "{stderr}");
    let carried = carried_by(&place.path("o.jpg")).unwrap();
    assert!(carried.recipe_json.is_some() && carried.board_json.is_none());
    let output = place.run(&[&flags[..], &["--out", "o.webp"]].concat());
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(carried_by(&place.path("o.webp")).unwrap().board_json.is_some());
}

#[test]
fn a_cell_is_the_file_that_a_single_render_writes() {
    let place = Place::new();
    let common = ["--reference", "stripes.png", "--prompt", "a fish"];
    place.board(&[&common[..], &["--x", "mode=style,off", "--cells", "cells"]].concat());
    for (mode, cell) in [("style", "cell-01"), ("off", "cell-02")] {
        let alone = ["render", "--steps", "2", "--seed", "5", "--mode", mode, "--out", "alone.png"];
        let output = place.run(&[&alone[..], &common].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let recipe = |path: std::path::PathBuf| carried_by(&path).unwrap().recipe_json.unwrap();
        assert_eq!(recipe(place.path(&format!("cells/{cell}.png"))), recipe(place.path("alone.png")), "{mode}");
    }
}

#[test]
fn numbers_are_absent_where_no_tower_gives_them() {
    let place = Place::new();
    let numbers = |flags: &[&str]| {
        let common = ["board", "--out", "o.png", "--steps", "2", "--seed", "5", "--prompt", "a fish"];
        let output =
            place.run(&[&common, ["--x", "guidance=3,5", "--numbers", "--html", "page"].as_slice(), flags].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        (stderr, std::fs::read_to_string(place.path("page/index.html")).unwrap())
    };
    // It brings no image encoder.
    let (said, page) = numbers(&["--model", MODEL]);
    assert!(said.contains("no joint space of pictures and texts"), "{said}");
    assert!(page.contains("\"numbers\":[]") && !page.contains("prompt match"));
    // Without a reference there is nothing to match but the prompt.
    let (said, page) = numbers(&[]);
    assert!(said.is_empty(), "{said}");
    assert!(page.contains("prompt match") && !page.contains("reference match") && !page.contains("\"leak\""));
}

#[test]
fn a_board_replaces_nothing_that_it_reads() {
    let place = Place::new();
    for folder in ["own", "pages"] {
        std::fs::create_dir(place.path(folder)).unwrap();
    }
    for copy in ["own/cell-01.png", "pages/index.html", "own/other.png"] {
        std::fs::copy(place.path("stripes.png"), place.path(copy)).unwrap();
    }
    let before = std::fs::read(place.path("stripes.png")).unwrap();
    for (arguments, words) in [
        (&["--reference", "own/cell-01.png", "--x", "seed=1,2", "--cells", "own"][..], &["--cells", "--reference"][..]),
        (&["--init", "own/cell-01.png", "--x", "seed=1,2", "--cells", "./own"], &["--cells", "--init"]),
        (&["--x", "reference=stripes.png,own/cell-01.png", "--cells", "own"], &["--cells", "an axis"]),
        (&["--init", "pages/index.html", "--x", "seed=1,2", "--html", "pages"], &["--html", "--init"]),
        (&["--x", "reference=own/other.png,stripes.png", "--out", "own/other.png"], &["--out", "an axis"]),
        (&["--x", "seed=1,2", "--cells", "own", "--out", "own/cell-02.png"], &["--out", "--cells"]),
    ] {
        place.refused(arguments, words);
    }
    for copy in ["own/cell-01.png", "pages/index.html", "own/other.png"] {
        assert_eq!(std::fs::read(place.path(copy)).unwrap(), before, "{copy}");
    }
    // A cell that is begun from stays too; the sheet may be made anew in its place.
    place.board(&["--x", "seed=1,2", "--cells", "cells"]);
    let cell = std::fs::read(place.path("cells/cell-01.png")).unwrap();
    let again =
        place.run(&["board", "--from", "cells/cell-01.png", "--x", "seed=3,4", "--cells", "cells", "--out", "n.png"]);
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(std::fs::read(place.path("cells/cell-01.png")).unwrap(), cell);
    assert!(place.run(&["board", "--from", "o.png", "--out", "o.png"]).status.success());
}

#[test]
fn bad_boards_are_refused_before_any_work() {
    let place = Place::new();
    std::fs::write(place.path("file"), "x").unwrap();
    let with = |more: &[&'static str]| [&["--reference", "stripes.png"], more].concat();
    for (arguments, words) in [
        (with(&[]), &["--x", "--preset"][..]),
        (with(&["--x", "strength=1", "--preset", "which-mode"]), &["--x", "--preset"]),
        (with(&["--preset", "best"]), &["'best'", "which-mode"]),
        (with(&["--preset", "subtract-how-much"]), &["words to subtract"]),
        (with(&["--x", "strenght=1"]), &["--x", "'strenght'", "up_blocks.0.attentions.1"]),
        (with(&["--x", "strength=6"]), &["--x", "'6'", "-1 to 5"]),
        (with(&["--x", "strength=1", "--y", "mode=bold"]), &["--y", "'bold'", "precise"]),
        (with(&["--x", "strength=1", "--y", "strength=2"]), &["'strength'"]),
        (with(&["--x", "blocks=\"a=1\""]), &["'a'", "up_blocks.0.attentions.1"]),
        (with(&["--x", "seed=1..401"]), &["400"]),
        (with(&["--x", "reference=missing.png"]), &["missing.png"]),
        (with(&["--x", "crop=\"0,0,90,90\""]), &["0,0,90,90", "80 x 64"]),
        (with(&["--x", "strength=1", "--steps", "0"]), &["--steps"]),
        // Known from headers and configs: no cell is begun.
        (with(&["--x", "mode=style,off", "--model", MODEL, "--cells", "cells"]), &["the cell mode style", "--adapter"]),
        (vec!["--x", "steps=1,60", "--scheduler", "lcm", "--cells", "cells"], &["the cell steps 60", "lcm", "50"]),
        (vec!["--x", "denoise=1,0", "--init", "stripes.png", "--html", "page"], &["the cell denoise 0", "no step"]),
        (vec!["--x", "seed=1,2", "--image-encoder", "nowhere"], &["nowhere", "does not exist"]),
        (with(&["--x", "strength=1", "--cells", "file"]), &["--cells", "file"]),
        (with(&["--x", "strength=1", "--html", "missing/page"]), &["--html", "missing"]),
        (with(&["--x", "strength=1", "--save-latents", "l"]), &["--save-latents"]),
        (with(&["--x", "--y", "strength=1"]), &["--x", "no value"]),
        (vec!["--x", "strength=1"], &["reference"]),
        (vec!["--out", "missing/o.png", "--x", "strength=1"], &["--out"]),
    ] {
        place.refused(&arguments, words);
    }
    assert!(place.run(&["board", "--help"]).status.success());
}
