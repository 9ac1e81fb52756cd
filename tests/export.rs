//! Finished pictures as files: whatever the recipe, it comes back from every format, and the pixels from those without
//! loss.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Cursor;
use std::process::Command;

use image::{ImageDecoder, Rgb, RgbImage};
use instantstyle::board::{Axis, Board};
use instantstyle::pixels::{Carried, CarriedReference, Picture, PictureFormat, carried, export, export_sheet};
use instantstyle::recipe::{
    Crop, Init, Lora, ModelBlocks, ModelFiles, Recipe, Reference, Role, SchedulerName, Subtraction, VERSION,
    a1111_parameters,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

/// Any Unicode: line breaks, quotation marks, emoji, unassigned characters, NUL.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        vec(any::<char>(), 0..40).prop_map(|letters| letters.into_iter().collect()),
        Just("Steps: 3, Seed: 4\nNegative prompt: \"a\", b\r\n<x:xmpmeta> & ]]> \\u0041".to_owned()),
    ]
}

/// Any number of the range, to the last bit (serde_json's feature `float_roundtrip`), and its ends.
fn number(range: std::ops::RangeInclusive<f64>) -> impl Strategy<Value = f64> {
    prop_oneof![Just(*range.start()), Just(*range.end()), range]
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![
        Just(Role::Style),
        Just(Role::Layout),
        Just(Role::StyleLayout),
        Just(Role::Everything),
        Just(Role::Precise),
        Just(Role::Off),
        btree_map(text(), number(-1.0..=5.0), 0..4).prop_map(Role::Custom),
    ]
}

fn crop() -> impl Strategy<Value = Crop> {
    prop_oneof![
        Just(Crop::Fill),
        Just(Crop::Fit),
        Just(Crop::Stretch),
        any::<(u32, u32, u32, u32)>().prop_map(|(x, y, width, height)| Crop::Rect { x, y, width, height }),
    ]
}

fn reference() -> impl Strategy<Value = Reference> {
    let subtract = (text(), number(-1.0..=5.0)).prop_map(|(words, strength)| Subtraction { words, strength });
    (text(), text(), role(), number(-1.0..=5.0), number(-1.0..=5.0), crop(), option::of(subtract)).prop_map(
        |(hash, name, role, strength, layout_strength, crop, subtract)| Reference {
            hash,
            name,
            role,
            strength,
            layout_strength,
            crop,
            subtract,
        },
    )
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let init = (text(), text(), number(0.0..=1.0)).prop_map(|(hash, name, denoise)| Init { hash, name, denoise });
    let model = (text(), text(), text(), text());
    let model =
        model.prop_map(|(model, adapter, image_encoder, vae)| ModelFiles { model, adapter, image_encoder, vae });
    let lora = (text(), text(), number(-1.0..=5.0), vec(text(), 0..3));
    let lora = lora.prop_map(|(name, hash, strength, blocks)| Lora { name, hash, strength, blocks });
    let words = (text(), text(), vec(reference(), 0..3), number(0.0..=1.0), number(0.0..=1.0), option::of(init));
    let sampling = (
        option::of(proptest::sample::select(SchedulerName::ALL.to_vec())),
        option::of(any::<u32>()),
        option::of(number(0.0..=100.0)),
        option::of(any::<u64>()),
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        vec(lora, 0..3),
        model,
    );
    (words, sampling).prop_map(|(words, sampling)| {
        let (prompt, negative_prompt, references, start, end, init) = words;
        let (scheduler, steps, guidance, seed, width, height, loras, model) = sampling;
        Recipe {
            version: VERSION,
            prompt,
            negative_prompt,
            references,
            start,
            end,
            init,
            scheduler,
            steps,
            guidance,
            seed,
            width,
            height,
            loras,
            model,
        }
    })
}

fn picture() -> RgbImage {
    RgbImage::from_fn(23, 17, |x, y| Rgb([(x * 11) as u8, (y * 15) as u8, (x * y) as u8]))
}

fn read(bytes: &[u8]) -> Carried {
    carried(bytes, "a picture").unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_recipe_comes_back_from_every_format(recipe in recipe(), names in vec(text(), 0..3)) {
        let references: Vec<CarriedReference> = names
            .into_iter()
            .map(|name| CarriedReference { hash: "0f".repeat(32), name, jpeg: "Zm9vYmFy".to_owned() })
            .collect();
        for format in PictureFormat::ALL {
            let bytes = export(&picture(), &recipe, &references, format).unwrap();
            let back = read(&bytes);
            let json = back.recipe_json.unwrap();
            prop_assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe.clone(), "{}", format.name());
            prop_assert_eq!(back.references, references.clone(), "{}", format.name());
            let parameters = match format {
                // NUL would end the text.
                PictureFormat::Png => Some(a1111_parameters(&recipe).replace('\0', "")),
                PictureFormat::Tiff => None,
                _ => Some(a1111_parameters(&recipe)),
            };
            prop_assert_eq!(back.parameters, parameters, "{}", format.name());
        }
    }
}

#[test]
fn a_sheet_keeps_its_axes_and_its_recipe_in_every_format() {
    let blocks = ModelBlocks::new(vec!["up_blocks.0.attentions.1".to_owned()], None, None);
    let board = |x: &str| Board {
        title: "Which \"mode\" <&> 猫?".to_owned(),
        base: Recipe { prompt: "a fish".to_owned(), seed: Some(u64::MAX), ..Recipe::default() },
        x: Axis::parse(x, &blocks).unwrap(),
        y: Some(Axis::parse("mode=style,everything", &blocks).unwrap()),
    };
    let small = [CarriedReference { hash: "0f".repeat(32), name: "sea.png".to_owned(), jpeg: "Zm9v".to_owned() }];
    let wanted = board("strength=0..1 step 0.125");
    for format in PictureFormat::ALL {
        let back = read(&export_sheet(&picture(), &wanted, &small, format).unwrap());
        assert_eq!(serde_json::from_str::<Board>(&back.board_json.unwrap()).unwrap(), wanted, "{}", format.name());
        assert_eq!(serde_json::from_str::<Recipe>(&back.recipe_json.unwrap()).unwrap(), wanted.base);
        assert_eq!(back.references, small);
    }
    // Axes that a JPEG cannot hold are left out rather than the whole sheet.
    let texts: Vec<String> = (0..100).map(|n| format!("{n} {}", "word ".repeat(200))).collect();
    let long = board(&format!("prompt={}", texts.join(",")));
    let back = read(&export_sheet(&picture(), &long, &small, PictureFormat::Jpeg).unwrap());
    assert_eq!((back.board_json, back.recipe_json.is_some()), (None, true));
    assert!(read(&export_sheet(&picture(), &long, &small, PictureFormat::Tiff).unwrap()).board_json.is_some());
}

#[test]
fn pixels_come_back_and_the_same_input_gives_the_same_bytes() {
    let recipe = Recipe { prompt: "a fish".to_owned(), ..Recipe::default() };
    for format in PictureFormat::ALL {
        let bytes = export(&picture(), &recipe, &[], format).unwrap();
        assert_eq!(bytes, export(&picture(), &recipe, &[], format).unwrap());
        let opened = Picture::from_bytes(&bytes, "a").unwrap();
        assert_eq!(opened.notices.len(), 0, "{:?}", opened.notices);
        match format {
            PictureFormat::Jpeg => {
                let off = opened.rgb.iter().zip(picture().iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
                assert!(off < 30, "{off}");
            }
            _ => assert_eq!(opened.rgb, picture(), "{}", format.name()),
        }
        let path = format!("a.{}", format.ending());
        assert_eq!(PictureFormat::of(path.as_ref()), Some(format));
        assert_eq!(PictureFormat::of(path.to_uppercase().as_ref()), Some(format));
        assert!(PictureFormat::ENDINGS.contains(&format.ending()));
    }
}

#[test]
fn every_format_is_marked_as_made_by_a_model() {
    let recipe = Recipe { prompt: "猫".to_owned(), ..Recipe::default() };
    let bytes = |format| Cursor::new(export(&picture(), &recipe, &[], format).unwrap());
    let packets = [
        image::codecs::png::PngDecoder::new(bytes(PictureFormat::Png)).unwrap().xmp_metadata(),
        image::codecs::jpeg::JpegDecoder::new(bytes(PictureFormat::Jpeg)).unwrap().xmp_metadata(),
        image::codecs::webp::WebPDecoder::new(bytes(PictureFormat::WebP)).unwrap().xmp_metadata(),
        image::codecs::tiff::TiffDecoder::new(bytes(PictureFormat::Tiff)).unwrap().xmp_metadata(),
    ];
    for packet in packets {
        let packet = String::from_utf8(packet.unwrap().unwrap()).unwrap();
        assert!(packet.contains("digitalsourcetype/trainedAlgorithmicMedia<"), "{packet}");
    }
}

#[test]
fn what_a_jpeg_cannot_hold_is_left_out_or_told() {
    let reference =
        |letter: &str| CarriedReference { hash: letter.repeat(64), name: "r.png".to_owned(), jpeg: "A".repeat(24_000) };
    let references: Vec<_> = ["a", "b", "c", "d"].map(reference).into();
    let bytes = export(&picture(), &Recipe::default(), &references, PictureFormat::Jpeg).unwrap();
    assert_eq!(read(&bytes).references, references[..2]);
    let bytes = export(&picture(), &Recipe::default(), &references, PictureFormat::WebP).unwrap();
    assert_eq!(read(&bytes).references, references);
    let long = Recipe { prompt: "ü".repeat(20_000), ..Recipe::default() };
    let said = export(&picture(), &long, &[], PictureFormat::Jpeg).unwrap_err().to_string();
    assert!(said.contains("PNG or WebP") && !said.contains('\n'), "{said}");
    // The settings for others alone are too long here.
    let most = Recipe { prompt: "u".repeat(40_000), ..Recipe::default() };
    let back = read(&export(&picture(), &most, &[], PictureFormat::Jpeg).unwrap());
    assert_eq!((back.parameters, back.recipe_json.is_some()), (None, true));
    assert!(export(&RgbImage::new(0, 3), &Recipe::default(), &[], PictureFormat::Png).is_err());
    assert!(export(&RgbImage::new(16_384, 1), &Recipe::default(), &[], PictureFormat::WebP).is_err());
}

#[test]
fn cut_and_damaged_files_are_errors_or_carry_less() {
    let recipe = Recipe { prompt: "a fish".to_owned(), ..Recipe::default() };
    for format in PictureFormat::ALL {
        let whole = export(&picture(), &recipe, &[], format).unwrap();
        for end in 0..whole.len() {
            drop(carried(&whole[..end], "cut"));
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x81;
            drop(carried(&damaged, "damaged"));
        }
    }
}

#[test]
fn a_small_copy_of_each_reference_travels_with_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_instantstyle"))
            .args(arguments)
            .current_dir(folder.path())
            .env("INSTANTSTYLE_HOME", path("home"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let source = RgbImage::from_fn(400, 200, |x, y| Rgb([(x / 2) as u8, y as u8, 90]));
    source.save(path("sea.png")).unwrap();
    let hash = blake3::hash(&std::fs::read(path("sea.png")).unwrap()).to_hex().to_string();
    run(&["render", "--reference", "sea.png", "--prompt", "a fish", "--steps", "2", "--out", "o.png"]);
    let made = image::open(path("o.png")).unwrap().to_rgb8();
    for name in ["o.jpg", "o.webp", "o.tif", "again.png"] {
        // Recalled from the format before it, whichever that is.
        run(&["render", "--from", "o.png", "--out", name]);
        let back = read(&std::fs::read(path(name)).unwrap());
        let small = &back.references[0];
        assert_eq!((small.hash.as_str(), small.name.as_str()), (hash.as_str(), "sea.png"));
        let small = image::load_from_memory(&small.bytes().unwrap()).unwrap().to_rgb8();
        assert_eq!(small.dimensions(), (96, 48));
        let off = small.get_pixel(48, 24).0.iter().zip(source.get_pixel(202, 102).0).map(|(a, b)| a.abs_diff(b)).max();
        assert!(off < Some(12), "{off:?}");
        run(&["render", "--from", name, "--out", "twice.png"]);
        assert_eq!(image::open(path("twice.png")).unwrap().to_rgb8(), made, "{name}");
    }
}
