//! Pictures that are none, or that would do harm: each is an error of one line, and none a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use instantstyle::pixels::{Picture, PixelsError, PngText, encode_png, read_png_text, recipe_json};
use proptest::prelude::*;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pixels").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(golden(name)).unwrap()
}

/// The error's text, after checking that it is one line that ends in the name.
fn refused(bytes: &[u8], name: &str) -> String {
    let said = Picture::from_bytes(bytes, name).unwrap_err().to_string();
    assert!(said.ends_with(name) && !said.contains('\n'), "{said}");
    said
}

#[test]
fn bombs_are_refused_by_their_headers() {
    let said = refused(&bytes("bomb.png"), "bomb.png");
    assert!(said.contains("60000 x 60000") && said.contains("make it smaller"), "{said}");
    let said = refused(&bytes("bomb-memory.png"), "bomb.png");
    assert!(said.contains("512 MiB"), "{said}");

    // Headers that promise more than the pixels that follow.
    let mut gif = bytes("still.gif");
    gif[6..10].copy_from_slice(&[0xff; 4]);
    assert!(refused(&gif, "a.gif").contains("65535 x 65535"));
    let mut bmp = bytes("plain.bmp");
    bmp[18..22].copy_from_slice(&200_000u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&200_000u32.to_le_bytes());
    refused(&bmp, "a.bmp");
    let mut jpeg = bytes("plain.jpg");
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    assert!(refused(&jpeg, "a.jpg").contains("65535 x 65535"));
}

#[test]
fn what_is_no_picture_is_named() {
    let safetensors = [&20u64.to_le_bytes()[..], b"{\"a\":{}}            "].concat();
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    for (bytes, words) in [
        (&b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"[..], "git lfs pull"),
        (b"\n<!DOCTYPE html>\n<html><body>404</body></html>", "web page"),
        (b"<HTML>", "web page"),
        (b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"/>", "SVG"),
        (&safetensors, "safetensors"),
        (b"%PDF-1.7", "PDF"),
        (heic, "HEIC"),
        (b"8BPS\0\x01", "Photoshop"),
        (b"P6 2 2 255 ", "PNM"),
        (b"hello\nworld", "text file"),
        (&[0; 100], "zeros"),
        (b"\x01\x02\x03\xff", "unknown kind"),
    ] {
        let said = refused(bytes, "a.png");
        assert!(said.contains(words), "{said}");
        assert!(said.contains("PNG"), "says what to do: {said}");
    }
    assert!(refused(b"", "a.png").contains("empty"));
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| Picture::open(path).unwrap_err();
    assert!(matches!(open(&folder.path().join("no.png")), PixelsError::Missing { .. }));
    assert!(matches!(open(Path::new("")), PixelsError::Missing { .. }));
    assert!(matches!(open(folder.path()), PixelsError::Folder { .. }));
    let file = folder.path().join("a.png");
    std::fs::write(&file, b"").unwrap();
    assert!(matches!(open(&file), PixelsError::Empty { .. }));
    assert!(matches!(open(&file.join("b.png")), PixelsError::Missing { .. }));
    let said = open(&folder.path().join("two\nlines.png")).to_string();
    assert!(!said.contains('\n'));
    let huge = folder.path().join("huge.png");
    std::fs::File::create(&huge).unwrap().set_len(600 << 20).unwrap();
    assert!(matches!(open(&huge), PixelsError::FileTooLarge { mib: 600, .. }));
    #[cfg(unix)]
    assert!(matches!(open(Path::new("/dev/zero")), PixelsError::NotAFile { .. }));
}

#[cfg(unix)]
#[test]
fn a_name_that_is_no_unicode_opens() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(std::ffi::OsStr::from_bytes(b"a\xff.png"));
    std::fs::copy(golden("plain.png"), &path).unwrap();
    assert_eq!(Picture::open(&path).unwrap().name, "a\u{fffd}.png");
}

#[test]
fn a_picture_that_breaks_off_is_refused() {
    let names = [
        "plain.png",
        "plain.jpg",
        "progressive.jpg",
        "lossy.webp",
        "lossless.webp",
        "still.gif",
        "plain.bmp",
        "lzw.tif",
    ];
    for name in names {
        let whole = bytes(name);
        // Formats with a trailer may be whole before it.
        for cut in [whole.len() / 10, whole.len() / 3, whole.len() / 2, whole.len() * 3 / 4, whole.len() * 9 / 10] {
            let said = match Picture::from_bytes(&whole[..cut], name) {
                Err(e) => e.to_string(),
                Ok(_) => panic!("{name} opened with {cut} of {} bytes", whole.len()),
            };
            println!("{name} {cut}/{}: {said}", whole.len());
            assert!(said.ends_with(name) && !said.contains('\n'), "{said}");
        }
    }
    let half = bytes("plain.png");
    assert!(matches!(Picture::from_bytes(&half[..half.len() / 2], "a"), Err(PixelsError::Truncated { .. })));
    let half = bytes("plain.jpg");
    assert!(matches!(Picture::from_bytes(&half[..half.len() / 2], "a"), Err(PixelsError::Truncated { .. })));
}

#[test]
fn a_recipe_is_not_found_where_there_is_none() {
    let said = |path: &Path| recipe_json(path).unwrap_err().to_string();
    assert!(said(&golden("plain.png")).contains("no recipe"));
    assert!(said(&golden("plain.jpg")).contains("no recipe"));
    assert!(said(&golden("none.png")).contains("no such picture"));
    let bomb = said(&golden("text-bomb.png"));
    assert!(bomb.contains("text cannot be read") && bomb.len() < 500, "{bomb}");
    // Plain text is capped as inflated text is.
    let text = PngText { recipe_json: Some("x".repeat((2 << 20) + 1)), ..PngText::default() };
    let long = encode_png(&image::RgbImage::new(1, 1), &text).unwrap();
    assert!(read_png_text(&long, "long.png").unwrap_err().to_string().contains("2 MiB"));
}

#[test]
fn damage_behind_the_text_does_not_hide_it() {
    let whole = bytes("text.png");
    let pixels = whole.windows(4).position(|w| w == b"IDAT").unwrap();
    let texts = read_png_text(&whole[..pixels + 30], "text.png").unwrap();
    assert!(texts.iter().any(|(key, _)| key == "instantstyle"));
}

proptest! {
    /// Whatever the damage: a picture or an error, within the limits, and never a panic out of the room.
    #[test]
    fn damaged_bytes_never_panic(
        which in 0usize..10,
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let names = [
            "plain.png", "plain.jpg", "progressive.jpg", "lossy.webp", "lossless.webp",
            "moving.gif", "plain.bmp", "lzw.tif", "wide.png", "text.png",
        ];
        let mut data = bytes(names[which]);
        for (place, byte) in places {
            let at = place.index(data.len());
            data[at] = byte;
        }
        if let Some(cut) = cut {
            data.truncate(cut.index(data.len()));
        }
        match Picture::from_bytes(&data, "damaged") {
            Ok(picture) => prop_assert!(picture.rgb.width() <= 16_384 && picture.rgb.height() <= 16_384),
            Err(e) => {
                let said = e.to_string();
                prop_assert!(said.ends_with("damaged") && !said.contains('\n'));
            }
        }
        let _ = read_png_text(&data, "damaged");
    }
}
