//! The style library: kept, found, exchanged as files, and safe against files from strangers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::{Rgb, RgbImage};
use instantstyle::library::{LibraryError, Styles};
use instantstyle::recipe::{Crop, Recipe, Reference, Role, Subtraction};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn picture(colour: [u8; 3]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_pixel(40, 30, Rgb(colour)).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn reference(bytes: &[u8]) -> Reference {
    Reference {
        hash: blake3::hash(bytes).to_hex().to_string(),
        name: "ink.png".to_owned(),
        role: Role::Custom([("up_blocks.0.attentions.1".to_owned(), 0.75)].into()),
        strength: 0.8,
        layout_strength: -0.5,
        crop: Crop::Rect { x: 1, y: 2, width: 20, height: 21 },
        subtract: Some(Subtraction { words: "a bridge".to_owned(), strength: 0.4 }),
    }
}

fn names(styles: &Styles) -> Vec<String> {
    styles.list().0.into_iter().map(|style| style.name).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_style_is_kept_renamed_removed_and_brought_back() {
    let home = tempfile::tempdir().unwrap();
    let styles = Styles::of(home.path());
    assert_eq!(styles.list(), (Vec::new(), Vec::new()));
    let said = styles.find("ink").unwrap_err().to_string();
    assert!(said.contains("'ink'") && said.contains("none is saved yet"), "{said}");
    let bytes = picture([9, 8, 7]);
    let ink = styles.save("  Ink / Größe  ", &reference(&bytes), &bytes).unwrap();
    assert_eq!((ink.name.as_str(), &ink.reference), ("Ink / Größe", &reference(&bytes)));
    styles.save("猫", &reference(&bytes), &bytes).unwrap();
    styles.save("狐", &reference(&bytes), &bytes).unwrap();
    assert!(styles.find("INK / GRÖSSE").is_err());
    assert_eq!(styles.find("ink / größe").unwrap(), ink);
    assert!(matches!(styles.save("INK / größe", &reference(&bytes), &bytes), Err(LibraryError::StyleExists { .. })));
    for name in ["", " ", "a\nb", &"x".repeat(81)] {
        assert!(
            matches!(styles.save(name, &reference(&bytes), &bytes), Err(LibraryError::StyleName { .. })),
            "{name:?}"
        );
    }
    let small = styles.thumbnail(&ink).unwrap();
    assert_eq!((small.dimensions(), small.get_pixel(0, 0).0), ((40, 30), [9, 8, 7]));

    // The picture is found by recipes although the folder of references was cleared.
    let kept = styles.keep_reference(&ink).unwrap();
    assert_eq!(fs::read(&kept).unwrap(), bytes);
    fs::remove_file(&kept).unwrap();
    assert_eq!(fs::read(styles.keep_reference(&ink).unwrap()).unwrap(), bytes);

    let renamed = styles.rename("ink / größe", "Ink").unwrap();
    assert_eq!((renamed.reference, names(&styles)), (reference(&bytes), vec!["Ink".into(), "狐".into(), "猫".into()]));
    assert!(matches!(styles.rename("Ink", "猫"), Err(LibraryError::StyleExists { .. })));
    assert_eq!(styles.rename("ink", "INK").unwrap().name, "INK", "only its case changes");
    let removed = styles.remove("ink").unwrap();
    assert_eq!(names(&styles), ["狐", "猫"]);
    assert_eq!(styles.put_back(&removed).unwrap().name, "INK");
    assert_eq!(names(&styles), ["INK", "狐", "猫"]);
    assert!(styles.put_back(&removed).is_err(), "only once");
}

#[test]
fn a_style_travels_as_one_file() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes = picture([1, 2, 3]);
    let styles = Styles::of(one.path());
    styles.save("Ink", &reference(&bytes), &bytes).unwrap();
    let file = one.path().join("out.instantstyle-style");
    styles.export("ink", &file).unwrap();
    let theirs = Styles::of(other.path());
    let taken = theirs.import(&file).unwrap();
    assert_eq!((taken.name.as_str(), &taken.reference), ("Ink", &reference(&bytes)));
    assert_eq!(fs::read(theirs.keep_reference(&taken).unwrap()).unwrap(), bytes, "the original bytes");
    assert_eq!(fs::read(&taken.file).unwrap(), fs::read(&file).unwrap(), "the same style, the same file");
    assert_eq!(theirs.import(&file).unwrap(), taken, "the same again changes nothing");
    // Another style of that name gets a number.
    styles.remove("Ink").unwrap();
    styles.save("ink", &Reference { strength: 2.0, ..reference(&bytes) }, &bytes).unwrap();
    styles.export("ink", &file).unwrap();
    assert_eq!(theirs.import(&file).unwrap().name, "ink 2");
    assert_eq!(names(&theirs), ["Ink", "ink 2"]);
}

fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        archive
            .start_file(*name, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated))
            .unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn files_from_strangers_are_refused_and_leave_nothing() {
    let bytes = picture([1, 2, 3]);
    let manifest = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut value = serde_json::json!({ "format": 1, "name": "Ink", "reference": reference(&bytes) });
        edit(&mut value);
        serde_json::to_vec(&value).unwrap()
    };
    let good = manifest(&|_| {});
    let with = |manifest: &[u8]| archive(&[("manifest.json", manifest), ("reference", &bytes)]);
    let many: Vec<String> = (0..5000).map(|n| format!("n{n}")).collect();
    let mut crowd: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &[][..])).collect();
    crowd.push(("manifest.json", &good));
    let bomb = vec![0; 80 << 20];
    let deep = format!("{{\"format\": 1, \"name\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let of_bomb = manifest(&|value| value["reference"]["hash"] = blake3::hash(&bomb).to_hex().to_string().into());
    let of_text = manifest(&|value| value["reference"]["hash"] = blake3::hash(b"<svg/>").to_hex().to_string().into());
    let cut = {
        let whole = with(&good);
        whole[..whole.len() / 2].to_vec()
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("no archive", b"<!DOCTYPE html>".to_vec()),
        ("cut", cut),
        ("no manifest", archive(&[("reference", &bytes)])),
        ("no picture", archive(&[("manifest.json", &good)])),
        ("no JSON", with(b"{")),
        ("nested", with(deep.as_bytes())),
        ("a large manifest", with(&[b' '; 300 << 10])),
        ("newer", with(&manifest(&|value| value["format"] = 2.into()))),
        ("out of range", with(&manifest(&|value| value["reference"]["strength"] = 6.0.into()))),
        ("a number too large", with(&String::from_utf8(good.clone()).unwrap().replace("0.8", "1e999").into_bytes())),
        ("no name", with(&manifest(&|value| value["name"] = " ".into()))),
        ("two lines", with(&manifest(&|value| value["name"] = "a\nb".into()))),
        ("another picture", with(&manifest(&|value| value["reference"]["hash"] = "0".repeat(64).into()))),
        ("a path as hash", with(&manifest(&|value| value["reference"]["hash"] = "../../evil".into()))),
        ("a bomb", archive(&[("manifest.json", &of_bomb), ("reference", &bomb)])),
        ("no picture in it", archive(&[("manifest.json", &of_text), ("reference", b"<svg/>")])),
        ("a crowd", archive(&crowd)),
    ];
    let home = tempfile::tempdir().unwrap();
    let styles = Styles::of(&home.path().join("home"));
    for (what, content) in cases {
        let path = home.path().join("a.instantstyle-style");
        fs::write(&path, content).unwrap();
        let error = styles.import(&path).expect_err(what);
        let said = error.to_string();
        assert!(matches!(error, LibraryError::NotAStyle { .. } | LibraryError::Newer { .. }), "{what}: {error:?}");
        assert!(!said.contains('\n') && said.contains("a.instantstyle-style") && said.len() < 600, "{what}: {said}");
        assert_eq!(names(&styles), [""; 0], "{what}");
    }
    // Names of entries never become paths, and a path in the manifest is a name.
    let sly = manifest(&|value| value["reference"]["name"] = "../../etc/passwd".into());
    let path = home.path().join("sly.instantstyle-style");
    fs::write(&path, archive(&[("../../evil", b"x"), ("manifest.json", &sly), ("/evil", b"x"), ("reference", &bytes)]))
        .unwrap();
    let style = styles.import(&path).unwrap();
    assert_eq!(style.reference.name, "passwd");
    assert_eq!(files(&home.path().join("home/styles")), [style.file]);
    assert!(!home.path().join("evil").exists() && !home.path().parent().unwrap().join("evil").exists());
    assert!(!styles.import(home.path()).unwrap_err().to_string().contains('\n'), "a folder");
    // A damaged one among the kept is told, and hides no other.
    fs::write(home.path().join("home/styles/bad.instantstyle-style"), b"PK").unwrap();
    let (list, wrong) = styles.list();
    assert_eq!((list.len(), wrong.len()), (1, 1));
}

struct Place(tempfile::TempDir);

impl Place {
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_instantstyle"))
            .args(arguments)
            .current_dir(self.0.path())
            .env("INSTANTSTYLE_HOME", self.0.path().join("home"))
            .output()
            .unwrap()
    }

    #[track_caller]
    fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], word: &str) {
        let output = self.run(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(2), 1), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(word), "{arguments:?}: {stderr}");
    }

    fn recipe(&self, name: &str) -> Recipe {
        let json = instantstyle::pixels::recipe_json(&self.0.path().join(name)).unwrap();
        serde_json::from_str(&json).unwrap()
    }
}

#[test]
fn styles_and_the_library_on_the_command_line() {
    let place = Place(tempfile::tempdir().unwrap());
    fs::write(place.0.path().join("ink.png"), picture([20, 40, 60])).unwrap();
    fs::write(place.0.path().join("oil.png"), picture([90, 40, 60])).unwrap();
    place.refused(&["styles", "save", "Ink"], "--reference");
    place.refused(&["styles", "save", "--reference", "ink.png"], "name the style");
    place.refused(&["styles", "save", "Ink", "--reference", "ink.png", "--crop", "0,0,500,5"], "500");
    place.refused(&["styles", "save", "Ink", "--reference", "none.png"], "none.png");
    place.refused(&["styles"], "styles list");
    place.refused(&["styles", "import"], "at least one file");
    place.said(&[
        "styles",
        "save",
        "Ink",
        "--strength",
        "0.25",
        "--reference",
        "ink.png",
        "--crop",
        "fit",
        "--subtract",
        "a bridge",
    ]);
    place.refused(&["styles", "save", "INK", "--reference", "ink.png"], "already");
    assert_eq!(place.said(&["styles", "list"]), "Ink  style  ink.png\n");
    let line: serde_json::Value = serde_json::from_str(&place.said(&["styles", "list", "--json"])).unwrap();
    assert_eq!((&line["name"], &line["reference"]["strength"]), (&"Ink".into(), &0.25.into()));
    place.said(&["styles", "export", "ink", "ink.instantstyle-style"]);
    place.said(&["styles", "remove", "ink"]);
    place.refused(&["render", "--style", "ink", "--prompt", "x", "--out", "o.png"], "none is saved yet");
    assert_eq!(place.said(&["styles", "import", "ink.instantstyle-style"]), "Ink\n");
    // The picture's own file is no longer needed.
    fs::remove_file(place.0.path().join("ink.png")).unwrap();

    let render = |more: &[&str]| {
        let fixed =
            ["render", "--prompt", "a red fox", "--steps", "1", "--width", "64", "--height", "64", "--seed", "3"];
        place.said(&[&fixed[..], more].concat())
    };
    render(&["--style", "INK", "--out", "a.png"]);
    let [only] = &place.recipe("a.png").references[..] else { panic!("one reference") };
    assert_eq!((only.name.as_str(), only.strength, only.crop), ("ink.png", 0.25, Crop::Fit));
    assert_eq!(only.subtract, Some(Subtraction { words: "a bridge".to_owned(), strength: 0.5 }));
    // Flags before it are for all; flags after a style are for it; other references keep their place.
    let order = ["--crop", "stretch", "--reference", "oil.png", "--style", "ink", "--strength", "2", "--out", "b.png"];
    render(&order);
    let [oil, ink] = &place.recipe("b.png").references[..] else { panic!("two references") };
    assert_eq!((oil.name.as_str(), oil.strength, oil.crop), ("oil.png", 1.0, Crop::Stretch));
    assert_eq!((ink.name.as_str(), ink.strength, ink.crop), ("ink.png", 2.0, Crop::Stretch));
    assert!(ink.subtract.is_some());
    // Once encoded, for good: the picture and the oil one, each in the crops that were used.
    assert_eq!(files(&place.0.path().join("home/cache/embeddings")).len(), 3);
    render(&["--from", "a.png", "--out", "c.png"]);
    assert_eq!(fs::read(place.0.path().join("c.png")).unwrap(), fs::read(place.0.path().join("a.png")).unwrap());

    let list = place.said(&["library", "list", "--search", "fox re"]);
    assert_eq!(list.lines().count(), 3, "{list}");
    assert!(list.lines().next().unwrap().ends_with("c.png") && list.contains("64 x 64  seed 3  a red fox"), "{list}");
    let json = place.said(&["library", "list", "--json", "--limit", "1"]);
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::from_value::<Recipe>(line["recipe"].clone()).unwrap(), place.recipe("c.png"));
    fs::remove_file(place.0.path().join("b.png")).unwrap();
    assert_eq!(place.said(&["library", "list"]).lines().count(), 2, "what was thrown away is not listed");
    assert_eq!(place.said(&["library", "list", "--stars", "1"]), "");
    assert_eq!(place.said(&["library", "rebuild"]), "the library was made again: 2 pictures\n");
    place.refused(&["library", "list", "--stars", "6"], "1 to 5");
    place.refused(&["library", "list", "--limit", "x"], "--limit");
    place.refused(&["library"], "library list");
}
