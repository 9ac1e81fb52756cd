//! Which flag belongs to which reference, and what wins over what.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsString;
use std::path::PathBuf;

use super::args;
use super::compose::{Order, Source, compose, other_content};
use super::flags::{Base, Flags};
use crate::recipe::{Crop, Init, ModelFiles, Recipe, Reference, Role, SchedulerName, Subtraction};

fn flags(line: &str) -> Flags {
    let mut words: Vec<OsString> = ["instantstyle", "render", "--out", "o.png"].map(OsString::from).into();
    words.extend(line.split_whitespace().map(|word| OsString::from(word.replace('_', " "))));
    let matches = args::command().try_get_matches_from(words).unwrap();
    Flags::read(matches.subcommand_matches("render").unwrap()).unwrap()
}

fn fresh(line: &str) -> Order {
    compose(&flags(line), None, &[]).unwrap()
}

fn recalled(line: &str, base: Recipe, hashes: &[&str]) -> Order {
    let mut flags = flags(line);
    flags.base = Some(Base::Picture("old.png".into()));
    let hashes: Vec<String> = hashes.iter().map(|hash| hash.to_string()).collect();
    compose(&flags, Some(base), &hashes).unwrap()
}

fn two_references() -> Recipe {
    let reference = |hash: &str, role| Reference {
        hash: hash.to_owned(),
        name: format!("{hash}.png"),
        role,
        strength: 0.7,
        crop: Crop::Fit,
        subtract: Some(Subtraction { words: "a rabbit".to_owned(), strength: 0.9 }),
        ..Reference::default()
    };
    Recipe {
        prompt: "a fish".to_owned(),
        references: vec![reference("aa", Role::Style), reference("bb", Role::Layout)],
        steps: Some(12),
        seed: Some(5),
        ..Recipe::default()
    }
}

#[test]
fn nothing_but_out_is_the_default_recipe() {
    let order = fresh("");
    assert_eq!(
        order,
        Order { recipe: Recipe::default(), references: vec![], init: None, loras: vec![], notices: vec![] }
    );
}

#[test]
fn flags_before_the_first_reference_are_for_all_and_those_after_for_one() {
    let order = fresh(
        "--mode layout --strength 0.5 --reference a.png --strength 2 --crop 1,2,3,4 --reference b.png --mode everything",
    );
    let [a, b] = &order.recipe.references[..] else { panic!("two references") };
    assert_eq!((&a.role, a.strength, a.crop), (&Role::Layout, 2.0, Crop::Rect { x: 1, y: 2, width: 3, height: 4 }));
    assert_eq!((&b.role, b.strength, b.crop), (&Role::Everything, 0.5, Crop::Fill));
    assert_eq!(order.references, [Source::File("a.png".into()), Source::File("b.png".into())]);
}

#[test]
fn the_last_one_wins_within_a_scope() {
    let order = fresh(
        "--strength 1 --strength 3 --reference a.png --layout-strength 0.1 --layout-strength 0.2 --seed 1 --seed 2",
    );
    let a = &order.recipe.references[0];
    assert_eq!((a.strength, a.layout_strength, order.recipe.seed), (3.0, 0.2, Some(2)));
}

#[test]
fn blocks_win_over_a_mode_in_either_order() {
    let custom = Role::Custom([("mid_block.attentions.0".to_owned(), -0.5), ("x".to_owned(), 2.0)].into());
    // An underscore stands for a space in these lines, and so the name comes in by its own way.
    for line in ["--mode off --blocks B", "--blocks B --mode off"] {
        let mut words: Vec<String> =
            ["instantstyle", "render", "--out", "o.png", "--reference", "a.png"].map(String::from).into();
        words.extend(
            line.split(' ').map(|w| if w == "B" { "mid_block.attentions.0=-0.5, x=2".into() } else { w.into() }),
        );
        let matches = args::command().try_get_matches_from(words).unwrap();
        let flags = Flags::read(matches.subcommand_matches("render").unwrap()).unwrap();
        assert_eq!(compose(&flags, None, &[]).unwrap().recipe.references[0].role, custom, "{line}");
    }
    let order = fresh("--blocks x=1 --reference a.png --mode off --reference b.png");
    assert_eq!(order.recipe.references[0].role, Role::Off, "a reference's own flags win over those for all");
    assert_eq!(order.recipe.references[1].role.name(), "custom");
}

#[test]
fn words_and_their_strength_may_come_from_different_scopes() {
    let order = fresh("--subtract-strength 0.8 --reference a.png --subtract a_rabbit --reference b.png");
    let [a, b] = &order.recipe.references[..] else { panic!("two references") };
    assert_eq!(a.subtract, Some(Subtraction { words: "a rabbit".to_owned(), strength: 0.8 }));
    assert_eq!(b.subtract, None);
    assert!(order.notices.is_empty(), "{:?}", order.notices);
    let order = fresh("--subtract a_rabbit --reference a.png");
    assert_eq!(order.recipe.references[0].subtract.as_ref().unwrap().strength, 0.5);
}

#[test]
fn flags_without_effect_are_told() {
    for (line, word) in [
        ("--subtract-strength 0.8 --reference a.png", "--subtract"),
        ("--reference a.png --subtract-strength 0.8", "--subtract"),
        ("--strength 0.8", "--reference"),
        ("--denoise 0.5", "--init"),
    ] {
        let notices = fresh(line).notices;
        assert!(notices.len() == 1 && notices[0].contains(word), "{line}: {notices:?}");
    }
}

#[test]
fn flags_override_a_recalled_recipe_and_the_rest_stays() {
    let order = recalled("--steps 40 --scheduler ddim --prompt a_tree --start 0.25", two_references(), &[]);
    let mut wanted = two_references();
    wanted.steps = Some(40);
    wanted.scheduler = Some(SchedulerName::Ddim);
    wanted.prompt = "a tree".to_owned();
    wanted.start = 0.25;
    assert_eq!(order.recipe, wanted);
    assert_eq!(order.references, [Source::Library, Source::Library]);
}

#[test]
fn flags_for_all_reach_recalled_references() {
    let order = recalled("--strength 2 --subtract-strength 0.1", two_references(), &[]);
    for reference in &order.recipe.references {
        assert_eq!((reference.strength, reference.subtract.as_ref().unwrap().strength), (2.0, 0.1));
        assert_eq!(reference.crop, Crop::Fit);
    }
    let order = recalled("--subtract= ", two_references(), &[]);
    assert!(order.recipe.references.iter().all(|r| r.subtract.is_none()), "empty words end the subtraction");
}

#[test]
fn a_supplied_picture_goes_to_the_reference_with_its_hash() {
    let order = recalled("--reference moved.png --strength 3", two_references(), &["bb"]);
    assert_eq!(order.references, [Source::Library, Source::File("moved.png".into())]);
    let mut wanted = two_references();
    wanted.references[1].strength = 3.0;
    assert_eq!(order.recipe, wanted);
    assert!(order.notices.is_empty(), "{:?}", order.notices);
}

#[test]
fn a_supplied_picture_of_another_hash_goes_to_its_position_and_keeps_the_settings() {
    let order = recalled("--reference new.png", two_references(), &["cc"]);
    assert_eq!(order.references, [Source::File("new.png".into()), Source::Library]);
    let a = &order.recipe.references[0];
    assert_eq!((a.hash.as_str(), a.name.as_str(), a.strength, a.crop), ("", "new.png", 0.7, Crop::Fit));
    assert!(order.notices[0].contains("aa.png") && order.notices[0].contains("new.png"), "{:?}", order.notices);
}

#[test]
fn a_taken_position_leaves_the_first_free_one_and_more_pictures_are_new_references() {
    let order =
        recalled("--reference b.png --reference c.png --reference d.png", two_references(), &["bb", "cc", "dd"]);
    let file = |name: &str| Source::File(name.into());
    assert_eq!(order.references, [file("c.png"), file("b.png"), file("d.png")]);
    assert_eq!(order.recipe.references[1], two_references().references[1]);
    assert_eq!(order.recipe.references[2], Reference { name: "d.png".to_owned(), ..Reference::default() });
}

#[test]
fn one_picture_in_two_roles_is_recalled_in_both() {
    let mut base = two_references();
    base.references[1].hash = "aa".to_owned();
    let order = recalled("--reference a.png --reference a.png", base.clone(), &["aa", "aa"]);
    assert_eq!(order.recipe, base);
    assert_eq!(order.references, [Source::File("a.png".into()), Source::File("a.png".into())]);
}

#[test]
fn init_is_given_recalled_and_overridden() {
    let order = fresh("--init i.png --denoise 0.3");
    assert_eq!(order.recipe.init, Some(Init { hash: String::new(), name: "i.png".to_owned(), denoise: 0.3 }));
    assert_eq!(order.init, Some(Source::File("i.png".into())));

    let init = Init { hash: "ii".to_owned(), name: "i.png".to_owned(), denoise: 0.3 };
    let base = Recipe { init: Some(init.clone()), ..Recipe::default() };
    let order = recalled("--denoise 0.9", base, &[]);
    assert_eq!(order.recipe.init, Some(Init { denoise: 0.9, ..init }));
    assert_eq!(order.init, Some(Source::Library));
}

#[test]
fn other_weights_than_the_recorded_ones_are_told() {
    let files = ModelFiles {
        model: "sdxl@0123".to_owned(),
        adapter: "ip.safetensors@4567".to_owned(),
        ..ModelFiles::default()
    };
    let base = Recipe { model: files.clone(), ..Recipe::default() };
    let notices = recalled("--model /x/sdxl/ --adapter other.safetensors", base.clone(), &[]).notices;
    assert!(
        notices.len() == 1 && notices[0].contains("other.safetensors") && !notices[0].contains("sdxl"),
        "{notices:?}"
    );
    assert!(recalled("--model /x/sdxl --adapter y/ip.safetensors", base.clone(), &[]).notices.is_empty());
    assert!(recalled("", base, &[]).notices[0].contains("built-in"));
    let vae = ModelFiles { vae: "fix.safetensors@89ab".to_owned(), ..ModelFiles::default() };
    let base = Recipe { model: vae, ..Recipe::default() };
    assert!(recalled("", base.clone(), &[]).notices[0].contains("the model's own"));
    assert!(recalled("--vae /y/fix.safetensors", base, &[]).notices.is_empty());

    assert_eq!(other_content(&files, &files), None);
    let changed = ModelFiles { model: "sdxl@9999".to_owned(), ..files.clone() };
    assert!(other_content(&files, &changed).unwrap().contains("'sdxl'"));
    assert_eq!(other_content(&ModelFiles::default(), &changed), None);
}

#[test]
fn loras_find_their_place_and_their_flags() {
    let order =
        fresh("--lora-strength 0.5 --lora a/x.safetensors --lora y.safetensors --lora-strength 2 --lora-blocks style");
    let found: Vec<_> = order.recipe.loras.iter().map(|l| (l.name.as_str(), l.strength, l.blocks.join(","))).collect();
    assert_eq!(found, [("x.safetensors", 0.5, String::new()), ("y.safetensors", 2.0, "style".to_owned())]);
    assert_eq!(order.loras, ["a/x.safetensors", "y.safetensors"].map(PathBuf::from));

    // A recipe's own keep their settings, by name and then by place; one without a file is named.
    let base = order.recipe;
    let order = recalled("--lora y.safetensors --lora b/other.safetensors --lora new.safetensors", base.clone(), &[]);
    assert_eq!(order.loras, ["b/other.safetensors", "y.safetensors", "new.safetensors"].map(PathBuf::from));
    assert_eq!(order.recipe.loras.iter().map(|l| l.strength).collect::<Vec<_>>(), [0.5, 2.0, 1.0]);
    let said = compose(&flags("--lora x.safetensors"), Some(base.clone()), &[]).unwrap_err().to_string();
    assert!(said.contains("'y.safetensors' was not given"), "{said}");

    // Recipes without LoRAs read and write as before them.
    let json = serde_json::to_string(&Recipe::default()).unwrap();
    assert!(!json.contains("lora") && !json.contains("vae"), "{json}");
    assert_eq!(serde_json::from_str::<Recipe>(&serde_json::to_string(&base).unwrap()).unwrap(), base);
}

#[test]
fn flags_of_loras_without_one_are_told() {
    for line in ["--lora-strength 0.5", "--lora-blocks style"] {
        assert!(fresh(line).notices[0].contains("add --lora PATH"), "{line}");
    }
    assert!(fresh("--lora-strength 0.5 --lora x.safetensors").notices.is_empty());
}

#[test]
fn a_recipe_out_of_range_is_refused_with_its_file() {
    let mut base = two_references();
    base.references[0].strength = 9.0;
    let mut given = flags("");
    given.base = Some(Base::Recipe("bad.json".into()));
    let said = compose(&given, Some(base.clone()), &[]).unwrap_err().to_string();
    assert!(said.contains("strength is 9") && said.contains("bad.json"), "{said}");
    given.all.strength = Some(1.0);
    compose(&given, Some(base), &[]).expect("a flag mends it");
}

#[test]
fn minus_zero_is_zero() {
    let strength = fresh("--strength -0 --reference a.png").recipe.references[0].strength;
    assert!(strength == 0.0 && strength.is_sign_positive());
}
