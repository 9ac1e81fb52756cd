//! The room `pixels` against Pillow, transformers and diffusers: tests/golden/make_pixels.py makes what is compared.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use image::RgbImage;
use instantstyle::pixels::{
    ClipImageProcessor, Filter, Picture, PngText, Region, Window, encode_png, init_pixels, init_size, read_png_text,
    recipe_json, resize, resize_region,
};
use instantstyle::recipe::Crop;
use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pixels").join(name)
}

fn cases(key: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(golden("cases.json")).unwrap();
    let cases: Value = serde_json::from_str(&text).unwrap();
    cases[key].as_array().unwrap().clone()
}

fn number(case: &Value, index: usize) -> u32 {
    u32::try_from(case[index].as_u64().unwrap()).unwrap()
}

/// The same picture as `source` in make_pixels.py.
fn source(width: u32, height: u32, seed: u32) -> RgbImage {
    let byte = |index: u32| {
        let mut x = index.wrapping_mul(0x9E37_79B1).wrapping_add(seed);
        x ^= x >> 15;
        x = x.wrapping_mul(0x85EB_CA77);
        x ^= x >> 13;
        match (x >> 8) % 6 {
            0 => 255,
            1 => 0,
            _ => (x & 255) as u8,
        }
    };
    RgbImage::from_raw(width, height, (0..width * height * 3).map(byte).collect()).unwrap()
}

fn fnv(bytes: impl IntoIterator<Item = u8>) -> String {
    let hash =
        bytes.into_iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

fn fnv_f32(values: &[f32]) -> String {
    fnv(values.iter().flat_map(|v| v.to_le_bytes()))
}

#[test]
fn resampling_equals_pillow_to_the_last_bit() {
    let cases = cases("resample");
    assert!(cases.len() > 200);
    for case in cases {
        let filter = if case[0] == "bicubic" { Filter::Bicubic } else { Filter::Lanczos };
        let picture = source(number(&case, 1), number(&case, 2), number(&case, 3));
        let out = resize(&picture, number(&case, 4), number(&case, 5), filter);
        assert_eq!(fnv(out.into_raw()), case[6].as_str().unwrap(), "{case}");
    }
}

#[test]
fn a_window_is_a_part_of_the_whole() {
    let picture = source(50, 70, 3);
    let all = Region::whole(&picture);
    for (width, height) in [(33, 90), (50, 40), (20, 70), (50, 70)] {
        let whole = resize(&picture, width, height, Filter::Bicubic);
        for window in [(0, 0, 10, 10), (5, 31, 15, 9), (3, 0, 1, 40)] {
            let (x, y, w, h) = window;
            let window = Window { x, y, width: w, height: h };
            let part = resize_region(&picture, all, (width, height), Filter::Bicubic, window).unwrap();
            assert_eq!(part, image::imageops::crop_imm(&whole, x, y, w, h).to_image(), "{width}x{height} {window:?}");
        }
    }
    // Beyond the result there is black, and nothing fails.
    let outside = Window { x: 30, y: 0, width: 10, height: 4 };
    let part = resize_region(&picture, all, (33, 40), Filter::Bicubic, outside).unwrap();
    assert_eq!(part.get_pixel(3, 0).0, [0; 3]);
    assert_ne!(part.get_pixel(2, 0).0, [0; 3]);
    assert_eq!(resize(&RgbImage::new(0, 0), 4, 4, Filter::Lanczos).dimensions(), (4, 4));
}

#[test]
fn clip_values_equal_transformers_to_the_last_bit() {
    for case in cases("clip") {
        let json = case[0].as_str().unwrap();
        let processor = ClipImageProcessor::from_json(json).unwrap();
        let picture = source(number(&case, 1), number(&case, 2), number(&case, 3));
        let values = processor.pixel_values(&picture, Crop::Fill).unwrap();
        assert_eq!(fnv_f32(&values), case[4].as_str().unwrap(), "{case}");
    }
}

#[test]
fn the_other_crops() {
    let processor = ClipImageProcessor::new(32);
    let picture = source(64, 48, 5);
    let stretched = processor.square(&picture, Crop::Stretch).unwrap();
    assert_eq!(stretched, resize(&picture, 32, 32, Filter::Bicubic));

    let fitted = processor.square(&picture, Crop::Fit).unwrap();
    let mut padded = image::RgbImage::from_pixel(64, 64, image::Rgb([255; 3]));
    image::imageops::replace(&mut padded, &picture, 0, 8);
    assert_eq!(fitted, resize(&padded, 32, 32, Filter::Bicubic));
    let white = |y: u32| (0..32).all(|x| fitted.get_pixel(x, y).0 == [255; 3]);
    assert!([0, 1, 30, 31].into_iter().all(white));

    let rect = Crop::Rect { x: 10, y: 3, width: 40, height: 45 };
    let cut = image::imageops::crop_imm(&picture, 10, 3, 40, 45).to_image();
    assert_eq!(processor.square(&picture, rect).unwrap(), processor.square(&cut, Crop::Fill).unwrap());
    for outside in [(60, 0, 5, 5), (0, 44, 1, 5), (0, 0, 0, 3), (u32::MAX, 0, 2, 2)] {
        let (x, y, width, height) = outside;
        let said = processor.square(&picture, Crop::Rect { x, y, width, height }).unwrap_err().to_string();
        assert!(said.contains("64 x 48"), "{said}");
    }
    // As tall as wide, wide as tall: the white is above and below, or to the left and right.
    let tall = source(30, 64, 6);
    let mut padded = image::RgbImage::from_pixel(64, 64, image::Rgb([255; 3]));
    image::imageops::replace(&mut padded, &tall, 17, 0);
    assert_eq!(processor.square(&tall, Crop::Fit).unwrap(), resize(&padded, 32, 32, Filter::Bicubic));
    // A strip as long as a picture may be costs no more than what the centre shows.
    let strip = source(16_384, 1, 1);
    for crop in [Crop::Fill, Crop::Fit, Crop::Stretch] {
        assert_eq!(processor.square(&strip, crop).unwrap().dimensions(), (32, 32));
    }
}

#[test]
fn init_pictures_equal_diffusers_to_the_last_bit() {
    for case in cases("init") {
        let picture = source(number(&case, 0), number(&case, 1), number(&case, 2));
        let (width, height) = (number(&case, 3), number(&case, 4));
        let values = init_pixels(&picture, width, height).unwrap();
        assert_eq!(fnv_f32(&values), case[5].as_str().unwrap(), "{case}");
        if picture.width() - picture.width() % 8 == width {
            assert_eq!(init_size(&picture, 1024), (width, height));
        }
    }
}

#[test]
fn every_kind_of_picture_opens_as_pillow_shows_it() {
    let mut wrong = Vec::new();
    for case in cases("pictures") {
        let name = case["file"].as_str().unwrap();
        let picture = Picture::open(&golden(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let expected = image::open(golden(&format!("{name}.expected.png"))).unwrap().into_rgb8();
        assert_eq!(picture.rgb.dimensions(), expected.dimensions(), "{name}");
        let off = picture.rgb.as_raw().iter().zip(expected.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        if u64::from(off) > case["tolerance"].as_u64().unwrap() {
            wrong.push(format!("{name} is off by {off}"));
        }
        assert_eq!(picture.name, name);
        assert_eq!(picture.hash, blake3::hash(&std::fs::read(golden(name)).unwrap()).to_hex().to_string());
        assert_eq!(picture.notices.len() as u64, case["notices"].as_u64().unwrap(), "{name}: {:?}", picture.notices);
        assert!(picture.notices.iter().all(|n| n.ends_with(name) && !n.contains('\n')));
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn bytes_and_files_are_the_same() {
    let bytes = std::fs::read(golden("wide.jpg")).unwrap();
    assert_eq!(Picture::from_bytes(&bytes, "wide.jpg").unwrap(), Picture::open(&golden("wide.jpg")).unwrap());
}

#[test]
fn a_very_large_picture_keeps_every_pixel() {
    let whole = source(8192, 40, 4);
    let picture = Picture::from_bytes(&encode_png(&whole, &PngText::default()).unwrap(), "long.png").unwrap();
    assert_eq!((&picture.rgb, picture.notices.len()), (&whole, 0));
    // Crops count in its own pixels.
    let processor = ClipImageProcessor::new(32);
    let rect = Crop::Rect { x: 8000, y: 0, width: 192, height: 40 };
    let cut = image::imageops::crop_imm(&whole, 8000, 0, 192, 40).to_image();
    assert_eq!(processor.square(&picture.rgb, rect).unwrap(), processor.square(&cut, Crop::Fill).unwrap());
}

#[test]
fn a_png_holds_its_texts_and_is_the_same_twice() {
    let picture = source(19, 11, 2);
    let text = PngText {
        recipe_json: Some("{\"prompt\":\"ein Fisch, 魚\\nzwei\"}".to_owned()),
        parameters: Some("ein süßer Fisch\nSteps: 4".to_owned()),
        made_by_model: true,
        ..PngText::default()
    };
    let bytes = encode_png(&picture, &text).unwrap();
    assert_eq!(bytes, encode_png(&picture, &text).unwrap());
    assert_eq!(Picture::from_bytes(&bytes, "a.png").unwrap().rgb, picture);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fish.png");
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(Some(recipe_json(&path).unwrap()), text.recipe_json);
    let texts = read_png_text(&bytes, "fish.png").unwrap();
    let find = |key: &str| texts.iter().find(|(k, _)| k == key).map(|(_, text)| text.clone());
    assert_eq!(find("parameters"), text.parameters);
    assert!(find("XML:com.adobe.xmp").unwrap().contains("digitalsourcetype/trainedAlgorithmicMedia<"));

    let has = |bytes: &[u8], kind: &[u8]| bytes.windows(kind.len()).any(|w| w == kind);
    assert!(has(&bytes, b"tEXtparameters") && has(&bytes, b"sRGB"));
    let text = PngText { parameters: Some("魚".to_owned()), ..PngText::default() };
    let bytes = encode_png(&picture, &text).unwrap();
    assert!(has(&bytes, b"iTXtparameters") && !has(&bytes, b"xmp") && !has(&bytes, b"instantstyle"));
    assert_eq!(read_png_text(&bytes, "").unwrap(), [("parameters".to_owned(), "魚".to_owned())]);
}

#[test]
fn texts_of_other_programs_are_read() {
    let texts = read_png_text(&std::fs::read(golden("text.png")).unwrap(), "text.png").unwrap();
    let find = |key: &str| texts.iter().find(|(k, _)| k == key).map(|(_, text)| text.as_str());
    assert_eq!(find("plain"), Some("café"));
    assert_eq!(find("squeezed"), Some("long ".repeat(100).as_str()));
    assert_eq!(find("instantstyle"), Some("{\"prompt\":\"魚\"}"));
}
