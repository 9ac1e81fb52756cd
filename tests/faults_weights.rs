//! Broken, wrong and hostile files of weights: always one sentence, never a panic, never memory for what is not there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/tensors.rs"]
mod tensors;

#[cfg(unix)]
use std::path::Path;

use instantstyle::weights::{Weights, WeightsError, identify, inspect};
use proptest::prelude::*;
use tensors::{sentence, tiny, write};

/// The sentence about `bytes` under the name `m.safetensors`; checks that it is one line and names the file.
fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "m.safetensors", bytes);
    sentence(Weights::open(&path).unwrap_err(), "m.safetensors")
}

/// Prepends a length to a hand-written header, then appends `data` zero bytes.
fn by_hand(json: &str, data: usize) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &vec![0; data]].concat()
}

#[test]
fn cut_anywhere_is_a_sentence_that_counts_what_is_missing() {
    let whole = tiny();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for len in 0..whole.len() {
        let said = refused(&whole[..len]);
        if len >= header {
            assert!(said.contains(&format!("cut short: {} of its {} bytes", whole.len() - len, whole.len())), "{said}");
        } else if len >= 8 {
            assert!(said.contains(&format!("at least {} of its", header - len)), "{said}");
        }
    }
    let longer = [whole, vec![0; 5]].concat();
    assert!(refused(&longer).contains("it is 5 bytes too long"));
}

#[test]
fn what_is_not_safetensors_is_named() {
    let cases: &[(&[u8], &str)] = &[
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 6938078334\n", "git lfs pull"),
        (b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>", "web page"),
        (b"\n  <HTML><body>404 Not Found</body></HTML>", "web page"),
        (b"GGUF\x03\0\0\0\x10\0\0\0\0\0\0\0", "GGUF"),
        (
            b"PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0archive/data.pkl\x80\x02}q\0",
            "use the true .safetensors file in its place",
        ),
        (b"\x80\x02}q\x00X\x0a\0\0\0image_projq\x01", "never opened"),
        (b"{\"error\": \"Repository not found\"}", "JSON"),
        (b"Access denied. Please log in.", "text file"),
        (&[0; 4096], "zeros"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not safetensors"),
        (b"abc", "not safetensors"),
    ];
    for (bytes, word) in cases {
        let said = refused(bytes);
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn missing_files_and_folders_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let said = Weights::open(&folder.path().join("none.safetensors")).unwrap_err().to_string();
    assert!(said.contains("none.safetensors does not exist"), "{said}");
    assert!(matches!(Weights::open(folder.path()), Err(WeightsError::IsFolder { .. })));
    #[cfg(unix)]
    assert!(matches!(Weights::open(Path::new("/dev/zero")), Err(WeightsError::Io { .. })));
}

#[test]
fn hostile_headers_are_refused_without_memory_for_what_they_claim() {
    let cases = [
        // Data that is not there, a petabyte of it.
        (
            by_hand(r#"{"a":{"dtype":"F32","shape":[250000000000000],"data_offsets":[0,1000000000000000]}}"#, 4),
            "cut short",
        ),
        (by_hand(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 3), "cut short: 1 of"),
        (by_hand(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4), "'a' of shape [2] and dtype F32"),
        (by_hand(r#"{"a":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,4]}}"#, 4), "cannot have"),
        (by_hand(r#"{"a":{"dtype":"F32","shape":[0,18446744073709551615,2],"data_offsets":[0,0]}}"#, 0), "cannot have"),
        (by_hand(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8), "gap"),
        (by_hand(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4), "gap"),
        (
            by_hand(
                r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
                4,
            ),
            "overlaps",
        ),
        (
            by_hand(
                r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
                8,
            ),
            "listed twice",
        ),
        (by_hand(r#"{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}"#, 4), "tensor 'a': unknown variant `F33`"),
        (by_hand(r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4), "damaged"),
        (by_hand(r#"{"a\nb":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4), "damaged"),
        (by_hand(&format!("{}{}", "{\"a\":".repeat(5000), "}".repeat(5000)), 0), "damaged"),
        (by_hand("{not json", 0), "damaged"),
        (by_hand("{\"__metadata__\":7}", 0), "damaged"),
    ];
    for (bytes, word) in cases {
        let said = refused(&bytes);
        assert!(said.contains(word), "{word}: {said}");
        assert!(said.len() < 600, "{said}");
    }
    // A header longer than the limit is not read at all.
    let said = refused(&[&200_000_000u64.to_le_bytes()[..], b"{}"].concat());
    assert!(said.contains("not safetensors"), "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any few bytes of the file overwritten: it opens with tensors that lie inside it, or a sentence says why not.
    #[test]
    fn flipped_bytes_never_panic(flips in prop::collection::vec((0usize..400, any::<u8>()), 1..4)) {
        let mut bytes = tiny();
        for (at, value) in flips {
            let len = bytes.len();
            bytes[at % len] = value;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "m.safetensors", &bytes);
        match Weights::open(&path) {
            Ok(weights) => {
                prop_assert!(weights.entries().all(|(_, e)| e.start + e.bytes as u64 <= bytes.len() as u64));
                for name in weights.names().map(str::to_owned).collect::<Vec<_>>() {
                    let _ = weights.read(&name);
                }
                identify(&weights);
            }
            Err(error) => { sentence(error, "m.safetensors"); }
        }
        let _ = inspect(&path).map(|found| found.to_string());
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(!refused(&bytes).is_empty());
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_shrinks_or_is_rewritten_while_open_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "m.safetensors", &tiny());
    let weights = Weights::open(&path).unwrap();
    assert!(weights.read("a.weight").is_ok());
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(20).unwrap();
    assert!(matches!(weights.read("a.weight"), Err(WeightsError::Changed { .. })));

    let path = write(folder.path(), "n.safetensors", &tiny());
    let weights = Weights::open(&path).unwrap();
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().set_len(tiny().len() as u64 + 1).unwrap();
    assert!(matches!(weights.read("a.weight"), Err(WeightsError::Changed { .. })));
}
