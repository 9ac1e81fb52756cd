//! The library: what is entered is found, stars stay, and a damaged database is made again from the pictures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::{Rgb, RgbImage};
use instantstyle::library::{Catalogue, LibraryError, Order, Page, Query, Stop, Synced, keep_picture_in};
use instantstyle::pixels::{PictureFormat, export};
use instantstyle::recipe::{Recipe, Reference, Role};
use proptest::prelude::*;

fn open(home: &Path) -> Catalogue {
    Catalogue::open(home, &Stop::default()).unwrap()
}

fn recipe(prompt: &str, seed: u64) -> Recipe {
    Recipe { prompt: prompt.to_owned(), seed: Some(seed), ..Recipe::default() }
}

/// A picture of ours; no two are the same.
fn png(recipe: &Recipe) -> Vec<u8> {
    export(&RgbImage::from_pixel(24, 16, Rgb([40, 90, 160])), recipe, &[], PictureFormat::Png).unwrap()
}

/// Makes, keeps and enters a picture, as the window does.
fn paint(catalogue: &mut Catalogue, home: &Path, recipe: &Recipe) -> PathBuf {
    let bytes = png(recipe);
    let file = keep_picture_in(&home.join("pictures"), &bytes, &recipe.prompt, recipe.seed.unwrap()).unwrap();
    catalogue.record(&file, &bytes, recipe).unwrap();
    file
}

fn prompts(page: &Page) -> Vec<&str> {
    page.pictures.iter().map(|picture| picture.recipe.prompt.as_str()).collect()
}

fn find(catalogue: &mut Catalogue, text: &str) -> Vec<String> {
    let query = Query { text: text.to_owned(), order: Order::Prompt, ..Query::default() };
    prompts(&catalogue.search(&query).unwrap()).into_iter().map(str::to_owned).collect()
}

#[test]
fn words_of_the_prompt_find_it() {
    let home = tempfile::tempdir().unwrap();
    let mut catalogue = open(home.path());
    for (seed, prompt) in
        ["A red fox, in the snow", "a Fête at night", "猫と月の絵", "100% wool", "wool_100", "red"].iter().enumerate()
    {
        paint(&mut catalogue, home.path(), &recipe(prompt, seed as u64));
    }
    assert_eq!(find(&mut catalogue, "RED"), ["A red fox, in the snow", "red"]);
    assert_eq!(find(&mut catalogue, "sno fox"), ["A red fox, in the snow"], "begun words, in any order");
    assert_eq!(find(&mut catalogue, "fete"), ["a Fête at night"], "accents need not be typed");
    assert_eq!(find(&mut catalogue, "月"), ["猫と月の絵"], "scripts without spaces");
    assert_eq!(find(&mut catalogue, "%"), ["100% wool"], "a sign stands for itself");
    assert_eq!(find(&mut catalogue, "_"), ["wool_100"]);
    assert_eq!(find(&mut catalogue, "blue"), [""; 0]);
    assert_eq!(find(&mut catalogue, "  ").len(), 6);
}

#[test]
fn filters_orders_and_pages() {
    let home = tempfile::tempdir().unwrap();
    let mut catalogue = open(home.path());
    let mut pictures = Vec::new();
    for seed in 0..6_u64 {
        let mut recipe = recipe(&format!("picture {seed}"), seed);
        recipe.model.model = if seed < 2 { "mini@aa".to_owned() } else { "sdxl@bb".to_owned() };
        let role = if seed % 2 == 0 { Role::Style } else { Role::Layout };
        recipe.references = vec![Reference { hash: format!("hash{}", seed / 3), role, ..Reference::default() }];
        paint(&mut catalogue, home.path(), &recipe);
        pictures.push(recipe);
    }
    let all = catalogue.search(&Query::default()).unwrap();
    assert_eq!((all.total, all.pictures.len()), (6, 6));
    assert_eq!(all.pictures[0].recipe, pictures[5], "the newest first, and the recipe whole");
    assert_eq!(catalogue.models().unwrap(), ["sdxl@bb", "mini@aa"]);
    for (picture, stars) in all.pictures.iter().zip([0, 3, 5, 3, 0, 1]) {
        catalogue.set_stars(&picture.hash, stars).unwrap();
    }
    let mut ask = |query: Query| {
        let page = catalogue.search(&query).unwrap();
        (page.total, page.pictures.iter().map(|p| p.recipe.seed.unwrap()).collect::<Vec<_>>())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(ask(Query { min_stars: 3, order: Order::Stars, ..Query::default() }), (3, vec![3, 4, 2]));
    assert_eq!(ask(Query { model: some("mini@aa"), ..Query::default() }), (2, vec![1, 0]));
    assert_eq!(ask(Query { reference: some("hash1"), ..Query::default() }), (3, vec![5, 4, 3]));
    assert_eq!(ask(Query { mode: some("layout"), order: Order::Oldest, ..Query::default() }), (3, vec![1, 3, 5]));
    assert_eq!(ask(Query { offset: 4, limit: 3, ..Query::default() }), (6, vec![1, 0]), "the total is of all pages");
    let (from, to) = (all.pictures[4].made, all.pictures[2].made);
    let (_, seeds) = ask(Query { made: from..=to, ..Query::default() });
    assert!(seeds.contains(&1) && seeds.contains(&3) && seeds.len() >= 3, "{seeds:?}");
    assert_eq!(ask(Query { made: 0..=1, ..Query::default() }), (0, Vec::new()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_typed_is_a_question_and_whatever_was_a_prompt_is_found(prompt in any::<String>(), asked in any::<String>()) {
        let home = tempfile::tempdir().unwrap();
        let mut catalogue = open(home.path());
        let file = home.path().join("a.png");
        let recipe = recipe(&prompt, 1);
        fs::write(&file, b"x").unwrap();
        catalogue.record(&file, b"x", &recipe).unwrap();
        catalogue.search(&Query { text: asked, ..Query::default() }).unwrap();
        let page = catalogue.search(&Query::default()).unwrap();
        prop_assert_eq!(&page.pictures[0].recipe, &recipe);
    }
}

#[test]
fn a_picture_that_replaces_another_takes_its_place() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("elsewhere.png");
    let mut catalogue = open(home.path());
    for seed in [1, 2] {
        let bytes = png(&recipe("a boat", seed));
        fs::write(&out, &bytes).unwrap();
        catalogue.record(&out, &bytes, &recipe("a boat", seed)).unwrap();
    }
    let page = catalogue.search(&Query::default()).unwrap();
    assert_eq!((page.total, page.pictures[0].recipe.seed), (1, Some(2)));
    assert_eq!(find(&mut catalogue, "boat").len(), 1, "the old prompt is out of the index");
}

#[test]
fn pictures_that_move_go_away_and_come_back_are_noticed() {
    let home = tempfile::tempdir().unwrap();
    let mut catalogue = open(home.path());
    let [moved, gone, stays] = [1, 2, 3].map(|seed| paint(&mut catalogue, home.path(), &recipe("a fish", seed)));
    let starred = catalogue.search(&Query::default()).unwrap().pictures.pop().unwrap();
    assert_eq!(starred.recipe.seed, Some(1));
    catalogue.set_stars(&starred.hash, 4).unwrap();
    assert_eq!(catalogue.sync().unwrap(), Synced::default(), "nothing has happened");

    let folder = home.path().join("pictures/of today");
    fs::create_dir(&folder).unwrap();
    let new_place = folder.join("renamed.PNG");
    fs::rename(&moved, &new_place).unwrap();
    let aside = home.path().join("aside.png");
    fs::rename(&gone, &aside).unwrap();
    // Not ours: a picture without a recipe, and no picture at all.
    RgbImage::new(8, 8).save(home.path().join("pictures/plain.png")).unwrap();
    fs::write(home.path().join("pictures/broken.png"), b"\x89PNG").unwrap();
    fs::write(home.path().join("pictures/put-there.png"), png(&recipe("a guest", 9))).unwrap();
    assert_eq!(catalogue.sync().unwrap(), Synced { added: 1, moved: 1, gone: 1, came_back: 0 });
    let page = catalogue.search(&Query { text: "fish".to_owned(), order: Order::Stars, ..Query::default() }).unwrap();
    let files: Vec<_> = page.pictures.iter().map(|p| (fs::canonicalize(&p.file).unwrap(), p.stars, p.made)).collect();
    assert_eq!(files[0], (fs::canonicalize(&new_place).unwrap(), 4, starred.made), "stars and date went along");
    assert_eq!(files[1].0, fs::canonicalize(stays).unwrap());
    assert_eq!(page.total, 2);

    fs::rename(&aside, &gone).unwrap();
    assert_eq!(catalogue.sync().unwrap(), Synced { came_back: 1, ..Synced::default() });
    assert_eq!(find(&mut catalogue, "fish").len(), 3);
}

type Ruin = fn(&Path);

#[test]
fn a_damaged_database_is_set_aside_and_made_again() {
    let ruins: [(&str, Ruin); 7] = [
        ("garbage", |path| fs::write(path, b"not a database, but long enough to be read as one").unwrap()),
        ("empty text", |path| fs::write(path, [b'\n'; 5000]).unwrap()),
        ("truncated", |path| {
            let length = fs::metadata(path).unwrap().len();
            fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length / 2).unwrap();
        }),
        ("flipped pages", |path| {
            let mut bytes = fs::read(path).unwrap();
            for at in (4096..bytes.len()).step_by(97) {
                bytes[at] ^= 0x5a;
            }
            fs::write(path, bytes).unwrap();
        }),
        ("another program's tables", |path| {
            fs::remove_file(path).unwrap();
            rusqlite::Connection::open(path).unwrap().execute_batch("CREATE TABLE notes (text)").unwrap();
        }),
        ("a table lacks", |path| {
            rusqlite::Connection::open(path).unwrap().execute_batch("DROP TABLE stars").unwrap();
        }),
        ("a column lacks", |path| {
            let sql = "DROP TRIGGER pictures_updated; ALTER TABLE picture_references DROP COLUMN mode";
            rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
        }),
    ];
    for (name, ruin) in ruins {
        let home = tempfile::tempdir().unwrap();
        let mut catalogue = open(home.path());
        for seed in 0..40 {
            paint(&mut catalogue, home.path(), &recipe(&format!("a castle by the sea, number {seed}"), seed));
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let out = elsewhere.path().join("out.png");
        let bytes = png(&recipe("a lighthouse", 7));
        fs::write(&out, &bytes).unwrap();
        catalogue.record(&out, &bytes, &recipe("a lighthouse", 7)).unwrap();
        let before = catalogue.search(&Query { order: Order::Prompt, ..Query::default() }).unwrap();
        for (picture, stars) in before.pictures.iter().zip([5, 1, 2]) {
            catalogue.set_stars(&picture.hash, stars).unwrap();
        }
        let before = catalogue.search(&Query { order: Order::Prompt, ..Query::default() }).unwrap();
        drop(catalogue);
        ruin(&home.path().join("library.sqlite"));

        let mut catalogue = open(home.path());
        catalogue.sync().unwrap();
        let after = catalogue.search(&Query { order: Order::Prompt, ..Query::default() }).unwrap();
        let facts = |page: &Page| -> Vec<_> {
            page.pictures.iter().map(|p| (p.file.clone(), p.hash.clone(), p.stars, p.recipe.clone())).collect()
        };
        assert_eq!(facts(&after), facts(&before), "{name}");
        let notices = catalogue.take_notices();
        assert!(
            notices.len() == 1 && notices[0].contains("41 pictures") && !notices[0].contains('\n'),
            "{name}: {notices:?}"
        );
        let aside = fs::read_dir(home.path()).unwrap().flatten().map(|e| e.file_name().into_string().unwrap());
        let aside: Vec<String> =
            aside.filter(|n| n.starts_with("library.broken-20") && n.ends_with(".sqlite")).collect();
        assert_eq!(aside.len(), 1, "{name}");
        assert!(notices[0].contains(&aside[0]));
        assert_eq!(find(&mut catalogue, "lighthouse").len(), 1, "{name}: words are found again");
        drop(catalogue);
        assert!(open(home.path()).take_notices().is_empty(), "{name}: only once");
    }
}

#[test]
fn damage_that_shows_while_the_library_is_open_is_mended_too() {
    let home = tempfile::tempdir().unwrap();
    let mut catalogue = open(home.path());
    for seed in 0..20 {
        paint(&mut catalogue, home.path(), &recipe("a hill", seed));
    }
    drop(catalogue);
    let mut catalogue = open(home.path());
    let path = home.path().join("library.sqlite");
    let length = fs::metadata(&path).unwrap().len();
    fs::write(&path, vec![0x5a; usize::try_from(length).unwrap()]).unwrap();
    assert_eq!(catalogue.search(&Query::default()).unwrap().total, 20);
    assert_eq!(catalogue.take_notices().len(), 1);
}

#[test]
fn a_newer_library_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    drop(open(home.path()));
    let path = home.path().join("library.sqlite");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 1000).unwrap();
    let before = fs::read(&path).unwrap();
    let error = Catalogue::open(home.path(), &Stop::default()).unwrap_err();
    assert!(matches!(error, LibraryError::Newer { .. }) && error.to_string().contains("update"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn rebuilding_by_hand_changes_nothing_that_is_sound() {
    let home = tempfile::tempdir().unwrap();
    let mut catalogue = open(home.path());
    for seed in 0..5 {
        paint(&mut catalogue, home.path(), &recipe("a fox", seed));
    }
    let before = catalogue.search(&Query::default()).unwrap().pictures;
    catalogue.set_stars(&before[2].hash, 2).unwrap();
    assert_eq!(catalogue.rebuild().unwrap().added, 5);
    let mut after = catalogue.search(&Query { order: Order::Stars, ..Query::default() }).unwrap().pictures;
    assert_eq!((after[0].hash.as_str(), after[0].stars), (before[2].hash.as_str(), 2));
    after.sort_by_key(|picture| picture.recipe.seed);
    assert_eq!(after.len(), 5);
    assert_eq!(find(&mut catalogue, "fox").len(), 5);
}

/// What a second program does in the test below; on its own it does nothing.
#[test]
fn as_a_second_program() {
    let Some(home) = std::env::var_os("TEST_LIBRARY_HOME").map(PathBuf::from) else { return };
    let first: u64 = std::env::var("TEST_LIBRARY_SEED").unwrap().parse().unwrap();
    // Both are ready before either begins.
    println!("ready");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_exact(&mut [0]).unwrap();
    let mut catalogue = open(&home);
    for seed in first..first + 200 {
        let file = paint(&mut catalogue, &home, &recipe("two at once", seed));
        if seed % 10 == 0 {
            let hash = blake3::hash(&fs::read(file).unwrap()).to_hex().to_string();
            catalogue.set_stars(&hash, 3).unwrap();
        }
        if seed % 50 == 0 {
            catalogue.sync().unwrap();
        }
    }
}

#[test]
fn two_programs_at_once_lose_nothing() {
    let home = tempfile::tempdir().unwrap();
    let start = |seed: u64| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["as_a_second_program", "--exact", "--nocapture", "--test-threads=1"]);
        command.env("TEST_LIBRARY_HOME", home.path()).env("TEST_LIBRARY_SEED", seed.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    };
    // The same prompt and the same seeds, so that they want the same names as well.
    let mut children = [start(0), start(0)];
    for child in &mut children {
        let mut said = Vec::new();
        while !said.ends_with(b"ready\n") {
            let mut byte = [0];
            child.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
            said.push(byte[0]);
        }
    }
    for child in &mut children {
        child.stdin.take().unwrap().write_all(b"g").unwrap();
    }
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let files = fs::read_dir(home.path().join("pictures")).unwrap().count() as u64;
    let mut catalogue = open(home.path());
    assert!(catalogue.take_notices().is_empty());
    let page = catalogue.search(&Query { limit: 1000, ..Query::default() }).unwrap();
    assert_eq!(page.total, files, "every file is entered once");
    assert!(page.pictures.iter().all(|picture| picture.file.is_file()));
    assert_eq!(files, 400, "and no picture has taken the place of another");
    assert_eq!(catalogue.search(&Query { min_stars: 3, limit: 1000, ..Query::default() }).unwrap().total, 40);
    assert_eq!(catalogue.sync().unwrap(), Synced::default());
}

#[cfg(unix)]
#[test]
fn a_home_that_takes_nothing_is_told_in_one_sentence() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o555)).unwrap();
    // Whoever may write everywhere cannot be refused by permissions.
    if fs::write(home.path().join("probe"), b"").is_err() {
        let error = Catalogue::open(home.path(), &Stop::default()).unwrap_err();
        assert!(matches!(error, LibraryError::FolderReadOnly { .. }), "{error:?}");
    }
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let blocked = home.path().join("file");
    fs::write(&blocked, b"").unwrap();
    let error = Catalogue::open(&blocked.join("home"), &Stop::default()).unwrap_err();
    assert!(matches!(error, LibraryError::NotAFolder { .. }) && !error.to_string().contains('\n'), "{error:?}");
}

#[test]
fn pictures_of_every_format_are_found_again_after_the_database_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let pictures = home.path().join("pictures/kept");
    fs::create_dir_all(&pictures).unwrap();
    let pixels = RgbImage::from_pixel(24, 16, Rgb([40, 90, 160]));
    let mut wanted = Vec::new();
    for (seed, format) in (0..).zip(PictureFormat::ALL) {
        let recipe = recipe(&format!("a lake as {}", format.name()), seed);
        let file = pictures.join(format!("lake.{}", format.ending()));
        fs::write(&file, export(&pixels, &recipe, &[], format).unwrap()).unwrap();
        wanted.push((file.canonicalize().unwrap(), recipe));
    }
    // Pictures of others, in the same formats, are none of ours.
    for ending in ["png", "jpg", "webp", "tif"] {
        pixels.save(pictures.join(format!("other.{ending}"))).unwrap();
    }
    let mut catalogue = open(home.path());
    assert_eq!(catalogue.sync().unwrap().added, 4);
    let found = |catalogue: &mut Catalogue| -> Vec<(PathBuf, Recipe)> {
        let mut page = catalogue.search(&Query::default()).unwrap();
        page.pictures.sort_by_key(|picture| picture.recipe.seed);
        page.pictures.into_iter().map(|picture| (picture.file, picture.recipe)).collect()
    };
    assert_eq!(found(&mut catalogue), wanted);
    let hash =
        catalogue.search(&Query { text: "JPEG".to_owned(), ..Query::default() }).unwrap().pictures[0].hash.clone();
    catalogue.set_stars(&hash, 4).unwrap();
    drop(catalogue);
    fs::write(home.path().join("library.sqlite"), b"no database at all").unwrap();
    let mut catalogue = open(home.path());
    assert_eq!(found(&mut catalogue), wanted);
    assert_eq!(catalogue.search(&Query { min_stars: 4, ..Query::default() }).unwrap().pictures[0].hash, hash);
}
