//! Boards as plain data: axes as text, ready-made boards, cells and their order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use instantstyle::board::{Axis, Board, BoardError, Change, Field, MOST_CELLS, Preset, drawing_order};
use instantstyle::recipe::{
    Crop, Init, Lora, ModelBlocks, ModelDefaults, Recipe, Reference, Role, SchedulerName, Subtraction,
};

fn blocks() -> ModelBlocks {
    let names = ["down_blocks.2.attentions.1", "up_blocks.0.attentions.0", "up_blocks.0.attentions.1"];
    ModelBlocks::new(names.map(str::to_owned).into(), None, None)
}

fn defaults() -> ModelDefaults {
    ModelDefaults { scheduler: SchedulerName::Euler, steps: 30, guidance: 5.0, width: 64, height: 64 }
}

fn axis(text: &str) -> Axis {
    Axis::parse(text, &blocks()).unwrap()
}

#[track_caller]
fn refused(text: &str, words: &[&str]) {
    let said = Axis::parse(text, &blocks()).unwrap_err().to_string();
    assert!(!said.contains('\n'), "{said}");
    for word in words {
        assert!(said.contains(word), "{text}: '{word}' is not in: {said}");
    }
}

fn base() -> Recipe {
    let subtract = Some(Subtraction { words: "a rabbit".to_owned(), strength: 0.5 });
    Recipe {
        references: vec![Reference { subtract, ..Reference::default() }],
        init: Some(Init::default()),
        loras: vec![Lora::default()],
        seed: Some(7),
        ..Recipe::default()
    }
}

fn recipes(x: &str, y: Option<&str>) -> Vec<Recipe> {
    let board = Board { title: String::new(), base: base(), x: axis(x), y: y.map(axis) };
    board.cells(&blocks(), 5.0).unwrap().into_iter().map(|cell| cell.recipe).collect()
}

#[test]
fn every_field_sets_its_place_in_the_recipe() {
    let with = |change: &dyn Fn(&mut Recipe)| {
        let mut recipe = base();
        change(&mut recipe);
        recipe
    };
    let reference = |change: &dyn Fn(&mut Reference)| with(&|recipe| change(&mut recipe.references[0]));
    let custom = |scales: &[(&str, f64)]| Role::Custom(scales.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect());
    let cases: Vec<(&str, Recipe)> = vec![
        ("mode=precise", reference(&|r| r.role = Role::Precise)),
        (
            "blocks=\"up_blocks.0.attentions.0=1,up_blocks.0.attentions.1=0.5\"",
            reference(&|r| r.role = custom(&[("up_blocks.0.attentions.0", 1.0), ("up_blocks.0.attentions.1", 0.5)])),
        ),
        ("strength=1.5", reference(&|r| r.strength = 1.5)),
        ("layout-strength=-1", reference(&|r| r.layout_strength = -1.0)),
        ("crop=fit", reference(&|r| r.crop = Crop::Fit)),
        ("crop=\"1,2,3,4\"", reference(&|r| r.crop = Crop::Rect { x: 1, y: 2, width: 3, height: 4 })),
        ("subtract=a dog", reference(&|r| r.subtract.as_mut().unwrap().words = "a dog".to_owned())),
        ("subtract=\"\"", reference(&|r| r.subtract = None)),
        ("subtract-strength=0", reference(&|r| r.subtract.as_mut().unwrap().strength = 0.0)),
        ("reference=sea.jpg", reference(&|r| r.name = "sea.jpg".to_owned())),
        ("lora-strength=0.5", with(&|r| r.loras[0].strength = 0.5)),
        (
            "lora-blocks=\"style,up_blocks.1.attentions.0\"",
            with(&|r| r.loras[0].blocks = ["style", "up_blocks.1.attentions.0"].map(str::to_owned).into()),
        ),
        ("prompt=\"a fish, red\"", with(&|r| r.prompt = "a fish, red".to_owned())),
        ("negative=blurry", with(&|r| r.negative_prompt = "blurry".to_owned())),
        ("start=0.25", with(&|r| r.start = 0.25)),
        ("end=0.75", with(&|r| r.end = 0.75)),
        ("init=plan.png", with(&|r| r.init.as_mut().unwrap().name = "plan.png".to_owned())),
        ("denoise=0.3", with(&|r| r.init.as_mut().unwrap().denoise = 0.3)),
        ("steps=12", with(&|r| r.steps = Some(12))),
        ("guidance=7", with(&|r| r.guidance = Some(7.0))),
        ("scheduler=lcm", with(&|r| r.scheduler = Some(SchedulerName::Lcm))),
        ("seed=18446744073709551615", with(&|r| r.seed = Some(u64::MAX))),
        ("width=128", with(&|r| r.width = Some(128))),
        ("height=256", with(&|r| r.height = Some(256))),
        ("size=128x256", with(&|r| (r.width, r.height) = (Some(128), Some(256)))),
        (
            "up_blocks.0.attentions.0=0.5",
            reference(&|r| r.role = custom(&[("up_blocks.0.attentions.0", 0.5), ("up_blocks.0.attentions.1", 1.0)])),
        ),
    ];
    for (text, wanted) in &cases {
        assert_eq!(recipes(text, None), std::slice::from_ref(wanted), "{text}");
    }
    for field in Field::ALL.map(Field::name) {
        let tried = cases.iter().any(|(text, _)| text.starts_with(&format!("{field}=")));
        assert!(tried, "the field {field} is tried nowhere");
    }
}

#[test]
fn values_are_lists_and_ranges() {
    let labels = |text: &str| axis(text).settings.into_iter().map(|s| s.label).collect::<Vec<_>>();
    assert_eq!(labels("strength=0..1 step 0.25"), ["0", "0.25", "0.5", "0.75", "1"]);
    assert_eq!(labels("strength=-1, 0..0.2 step 0.1,5"), ["-1", "0", "0.1", "0.2", "5"]);
    assert_eq!(labels("seed=1..4"), ["1", "2", "3", "4"]);
    assert_eq!(labels("seed=9007199254740993..9007199254740994"), ["9007199254740993", "9007199254740994"]);
    assert_eq!(labels("lora-blocks=\"\",style"), ["all blocks", "style"]);
    assert_eq!(labels("steps=30..10 step 10"), ["30", "20", "10"]);
    assert_eq!(labels("prompt=a fish..,b"), ["a fish..", "b"]);
    assert_eq!(labels("subtract=\"\",a rabbit"), ["nothing", "a rabbit"]);
}

#[test]
fn a_fault_names_axis_value_and_what_is_allowed() {
    refused("strength", &["'strength'", "AXIS=V1"]);
    refused("strenght=1", &["'strenght'", "layout-strength", "up_blocks.0.attentions.1"]);
    refused("strength=", &["'strength'", "no values"]);
    refused("strength=1,,2", &["'strength'", "empty value"]);
    for value in ["6", "nan", "inf", "x", "1e999", "-1.1"] {
        refused(&format!("strength={value}"), &["'strength'", &format!("'{value}'"), "a number from -1 to 5"]);
    }
    refused("up_blocks.0.attentions.1=9", &["'up_blocks.0.attentions.1'", "'9'", "from -1 to 5"]);
    refused("strength=0..1", &["'0..1'", "step 0.25"]);
    refused("strength=0..6 step 2", &["'strength'", "'6'", "-1 to 5"]);
    refused("steps=0", &["'steps'", "'0'", "1 to 1000"]);
    refused("steps=1.5", &["'1.5'", "whole number"]);
    refused("seed=-1", &["'-1'", "18446744073709551615"]);
    refused("width=65", &["'65'", "multiple of 8"]);
    refused("size=64", &["'64'", "WIDTHxHEIGHT"]);
    refused("size=64x65", &["'64x65'", "multiple of 8"]);
    refused("mode=styl", &["'styl'", "style-layout"]);
    refused("scheduler=heun", &["'heun'", "dpmpp-2m"]);
    refused("crop=mid", &["'mid'", "stretch"]);
    refused("blocks=a", &["'a'", "NAME=SCALE"]);
    refused("blocks=\"a=1,a=2\"", &["'blocks'", "'a'", "twice"]);
    refused("blocks=\"=1\"", &["'blocks'", "empty"]);
    refused("blocks=a=6", &["'blocks'", "'6'", "-1 to 5"]);
    refused("lora-strength=6", &["'lora-strength'", "'6'", "-1 to 5"]);
    for axis in ["prompt@2=a,b", "seed@1=1,2", "init@1=a.png", "size@2=64x64"] {
        refused(axis, &["no single reference", "without the number"]);
    }
    refused("steps=1..2.5", &["'1..2.5'", "whole numbers"]);
    refused("prompt=\"a", &["'prompt'", "does not end"]);
    refused("strength@0=1", &["strength@2"]);
    refused("reference=\"\"", &["picture"]);
    refused("seed=0..1000000000000", &["at most 400"]);
}

#[test]
fn a_reference_can_be_named_by_its_number() {
    let two = Recipe { references: vec![Reference::default(); 2], ..base() };
    let board = |x: &str| Board { title: String::new(), base: two.clone(), x: axis(x), y: None };
    let strengths = |x: &str| {
        let cells = board(x).cells(&blocks(), 5.0)?;
        Ok::<_, BoardError>(cells[0].recipe.references.iter().map(|r| r.strength).collect::<Vec<_>>())
    };
    assert_eq!(strengths("strength=0.2").unwrap(), [0.2, 0.2]);
    assert_eq!(strengths("strength@2=0.2").unwrap(), [1.0, 0.2]);
    let said = strengths("strength@3=0.2").unwrap_err().to_string();
    assert!(said.contains("reference 3") && said.contains("from 1 to 2"), "{said}");
    let loras = vec![Lora::default(); 2];
    let board = Board { title: String::new(), base: Recipe { loras, ..base() }, x: axis("lora-strength@2=0"), y: None };
    let cells = board.cells(&blocks(), 5.0).unwrap();
    assert_eq!(cells[0].recipe.loras.iter().map(|lora| lora.strength).collect::<Vec<_>>(), [1.0, 0.0]);
}

#[test]
fn two_blocks_are_two_axes() {
    let cells = recipes("up_blocks.0.attentions.1=0,1", Some("down_blocks.2.attentions.1=0.5"));
    let roles: Vec<_> = cells.into_iter().map(|r| r.references[0].role.clone()).collect();
    let custom = |layout: f64, style: f64| {
        Role::Custom(
            [("down_blocks.2.attentions.1".to_owned(), layout), ("up_blocks.0.attentions.1".to_owned(), style)].into(),
        )
    };
    assert_eq!(roles, [custom(0.5, 0.0), custom(0.5, 1.0)]);
    // A block builds on the mode, whichever axis is which.
    let one = recipes("mode=layout", Some("up_blocks.0.attentions.1=0.3"));
    let other = recipes("up_blocks.0.attentions.1=0.3", Some("mode=layout"));
    assert_eq!(one, other);
    assert_eq!(one[0].references[0].role, custom(1.0, 0.3));
}

#[test]
fn boards_that_make_no_sense_are_refused() {
    let refused = |base: Recipe, x: &str, y: Option<&str>, word: &str| {
        let board = Board { title: String::new(), base, x: axis(x), y: y.map(axis) };
        let said = board.cells(&blocks(), 5.0).unwrap_err().to_string();
        assert!(said.contains(word) && !said.contains('\n'), "{x}: {said}");
    };
    refused(base(), "strength=1,2", Some("strength=3"), "'strength'");
    refused(Recipe::default(), "strength=1,2", None, "there is none");
    refused(Recipe::default(), "lora-strength=1,2", None, "add a LoRA");
    refused(Recipe::default(), "denoise=0.5", None, "begin from");
    refused(Recipe { references: vec![Reference::default()], ..base() }, "subtract-strength=1,2", None, "words");
    refused(base(), "mode=style,precise", Some("guidance=1,5"), "mode precise, guidance 1");
    refused(base(), "mode=precise", Some("up_blocks.0.attentions.1=1"), "precise");
    refused(base(), "seed=1..21", Some("steps=1..20"), "420 cells");
    refused(base(), "start=0.8", Some("end=0.5,1"), "start 0.8, end 0.5");
    let most = recipes("seed=1..20", Some("steps=1..20"));
    assert_eq!(most.len(), MOST_CELLS);
}

#[test]
fn ready_made_boards_follow_model_and_recipe() {
    let labels = |preset: Preset, recipe: &Recipe, blocks: &ModelBlocks| {
        let axis = preset.axis(recipe, blocks, &defaults()).unwrap();
        let board = Board { title: String::new(), base: recipe.clone(), x: axis.clone(), y: None };
        assert_eq!(board.cells(blocks, 5.0).unwrap().len(), axis.settings.len());
        axis.settings.into_iter().map(|s| s.label).collect::<Vec<_>>()
    };
    let all = ["off", "everything", "layout", "style", "style and layout", "style, layout pushed away"];
    assert_eq!(labels(Preset::WhichMode, &base(), &blocks()), all);
    let unguided = Recipe { guidance: Some(1.0), ..base() };
    assert_eq!(labels(Preset::WhichMode, &unguided, &blocks()), all[..5]);
    let style_only = ModelBlocks::new(vec!["up_blocks.0.attentions.1".to_owned()], None, None);
    assert_eq!(labels(Preset::WhichMode, &base(), &style_only), ["off", "everything", "style"]);
    assert_eq!(labels(Preset::WhichBlock, &base(), &blocks()), blocks().names);
    assert!(labels(Preset::WeakOrLeaking, &base(), &blocks()).iter().any(|l| l.contains("minus words")));
    let no_words = Recipe { references: vec![Reference::default()], ..base() };
    assert!(!labels(Preset::WeakOrLeaking, &no_words, &blocks()).iter().any(|l| l.contains("minus")));
    let said = Preset::SubtractHowMuch.axis(&no_words, &blocks(), &defaults()).unwrap_err().to_string();
    assert!(said.contains("words to subtract"), "{said}");
    for preset in Preset::ALL {
        assert_eq!(Preset::named(preset.name()), Ok(preset));
        labels(preset, &base(), &blocks());
        // No two of its cells are the same picture.
        let axis = preset.axis(&base(), &blocks(), &defaults()).unwrap();
        let board = Board { title: preset.question().to_owned(), base: base(), x: axis, y: None };
        let cells = board.cells(&blocks(), 5.0).unwrap();
        for (index, cell) in cells.iter().enumerate() {
            assert!(cells[..index].iter().all(|other| other.recipe != cell.recipe), "{preset:?}: {:?}", cell.recipe);
        }
        // What the axis changes is not said of the whole board.
        let is_subtracted = |recipe: &Recipe| recipe.references[0].subtract.as_ref().unwrap().strength == 0.5;
        let are_all = cells.iter().all(|cell| is_subtracted(&cell.recipe));
        let details = board.words("Model", &base()).details;
        assert_eq!(details.contains("minus a rabbit × 0.5"), are_all, "{preset:?}: {details}");
        assert!(details.contains("minus a rabbit"), "{preset:?}: {details}");
    }
    assert!(Preset::named("best").unwrap_err().to_string().contains("which-mode"));
}

#[test]
fn corners_come_first_and_every_cell_once() {
    assert_eq!(drawing_order(5, 1), [0, 4, 2, 1, 3]);
    assert_eq!(drawing_order(3, 3), [0, 2, 6, 8, 1, 3, 5, 7, 4]);
    for (columns, rows) in [(1, 1), (1, 2), (2, 7), (5, 5), (20, 20), (400, 1)] {
        let order = drawing_order(columns, rows);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..columns * rows).collect::<Vec<_>>());
        let corners = [0, columns - 1, (rows - 1) * columns, rows * columns - 1];
        let distinct = corners.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert!(order[..distinct].iter().all(|cell| corners.contains(cell)), "{columns} x {rows}: {order:?}");
    }
    assert!(drawing_order(0, 3).is_empty());
}

#[test]
fn a_board_is_stored_and_read_back() {
    let mut x = axis("reference=sea.jpg,\"a, b.png\"");
    x.resolve_pictures(|picture| {
        Ok::<_, ()>(instantstyle::board::PictureName { hash: "0f".to_owned(), name: format!("x/{}", picture.name) })
    })
    .unwrap();
    assert_eq!(x.settings[1].label, "x/a, b.png");
    assert!(matches!(&x.settings[0].changes[..], [Change::Reference(p)] if p.hash == "0f"));
    let board = Board { title: "T".to_owned(), base: base(), x, y: Some(axis("mode=style,precise")) };
    let json = serde_json::to_string(&board).unwrap();
    assert_eq!(serde_json::from_str::<Board>(&json).unwrap(), board);
    for preset in Preset::ALL {
        let axis = preset.axis(&base(), &blocks(), &defaults()).unwrap();
        let json = serde_json::to_string(&axis).unwrap();
        assert_eq!(serde_json::from_str::<Axis>(&json).unwrap(), axis, "{json}");
    }
}
