//! Torch's pickled files: good ones are converted bit by bit, hostile ones do nothing and get one sentence.
//!
//! The golden pair is made by `tests/pickles/make_pickles.py` with PyTorch and safetensors' Python package.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/pickle.rs"]
mod pickle;

use std::path::{Path, PathBuf};
use std::process::Command;

use instantstyle::weights::{Weights, check_pickle, convert_pickle};
use pickle::{PROTO, Zip, global, int, program, tensor, text, tuple};
use safetensors::SafeTensors;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pickles")
}

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Converts within this process, which any memory bomb would end.
    fn converted(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        std::fs::write(self.path("m.bin"), bytes).unwrap();
        let mut out = std::fs::File::create(self.path("m.safetensors")).unwrap();
        convert_pickle(&self.path("m.bin"), &mut out).map_err(|error| error.to_string())?;
        Ok(std::fs::read(self.path("m.safetensors")).unwrap())
    }

    /// The sentence of the whole program, which leaves nothing behind.
    #[track_caller]
    fn refused(&self, bytes: &[u8], words: &[&str]) {
        std::fs::write(self.path("m.bin"), bytes).unwrap();
        let output = self.import("m.bin", "o.safetensors");
        let said = String::from_utf8(output.stderr).unwrap();
        println!("{}", said.trim_end());
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.starts_with("error: ") && said.contains("m.bin"), "{said}");
        for word in words {
            assert!(said.contains(word), "'{word}' is not in: {said}");
        }
        assert_eq!(self.names(), ["m.bin"], "{said}");
    }

    fn import(&self, from: &str, to: &str) -> std::process::Output {
        Command::new(env!("CARGO_BIN_EXE_instantstyle"))
            .args(["models", "import", from, "--out", to])
            .current_dir(self.0.path())
            .env("INSTANTSTYLE_HOME", self.path("home"))
            .output()
            .unwrap()
    }
}

#[track_caller]
fn same_tensors(ours: &[u8], theirs: &[u8]) {
    let (ours, theirs) = (SafeTensors::deserialize(ours).unwrap(), SafeTensors::deserialize(theirs).unwrap());
    let mut names = theirs.names();
    names.sort();
    let mut found = ours.names();
    found.sort();
    assert_eq!(found, names);
    for name in names {
        let (a, b) = (ours.tensor(name).unwrap(), theirs.tensor(name).unwrap());
        assert_eq!((a.dtype(), a.shape(), a.data()), (b.dtype(), b.shape(), b.data()), "{name}");
    }
}

#[test]
fn an_adapter_is_converted_bit_by_bit() {
    let bench = Bench::new();
    let theirs = std::fs::read(fixtures().join("adapter.safetensors")).unwrap();
    let bytes = std::fs::read(fixtures().join("adapter.bin")).unwrap();
    same_tensors(&bench.converted(&bytes).unwrap(), &theirs);

    let output = bench.import("m.bin", "out.safetensors");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("out.safetensors: an IP-Adapter") && said.contains("12 tensors"), "{said}");
    let ours = std::fs::read(bench.path("out.safetensors")).unwrap();
    same_tensors(&ours, &theirs);
    assert!(Weights::open(&bench.path("out.safetensors")).unwrap().contains("image_proj.proj.weight"));
    assert_eq!(bench.names(), ["m.bin", "m.safetensors", "out.safetensors"]);
}

#[test]
fn what_is_no_torch_file_is_named() {
    let bench = Bench::new();
    bench.refused(&std::fs::read(fixtures().join("legacy.bin")).unwrap(), &["before version 1.6"]);
    bench.refused(b"", &["empty"]);
    bench.refused(b"<!DOCTYPE html><html></html>", &["web page"]);
    bench.refused(b"version https://git-lfs.github.com/spec/v1\n", &["LFS"]);
    bench.refused(&program(&[]), &["bare pickle"]);
    let mut plain = ZipWriter::new(std::io::Cursor::new(vec![]));
    plain.start_file("a.txt", SimpleFileOptions::default().compression_method(CompressionMethod::Stored)).unwrap();
    bench.refused(&plain.finish().unwrap().into_inner(), &["no data.pkl"]);
    bench.refused(&Zip::new(&program(&[])).bytes(), &["no tensors"]);
    bench.refused(&Zip::new(b"\x80\x04}.").bytes(), &["protocol 4"]);
    let whole = std::fs::read(fixtures().join("adapter.bin")).unwrap();
    bench.refused(&whole[..whole.len() / 2], &["zip"]);
}

#[test]
fn code_is_refused_and_not_run() {
    let bench = Bench::new();
    let good = tensor("0", 1, 0, &[1], &[1]);
    let mark = bench.path("mark");
    let touch = format!("touch {}", mark.display());
    let call = |module: &str, name: &str, argument: &str| {
        [global(module, name), tuple(&[text(argument)]), b"R".to_vec()].concat()
    };
    let open = format!("open({:?}, 'w')", mark.display().to_string());
    for (module, name, argument) in [
        ("os", "system", touch.as_str()),
        ("posix", "system", &touch),
        ("nt", "system", &touch),
        ("subprocess", "Popen", &touch),
        ("builtins", "eval", &open),
        ("__builtin__", "exec", &open),
        ("runpy", "_run_code", &open),
        ("torch", "load", &touch),
        ("torch.storage", "_load_from_bytes", &touch),
        ("torch._utils", "_rebuild_tensor", &touch),
        ("numpy.core.multiarray", "_reconstruct", &touch),
        ("operator", "attrgetter", &touch),
        ("codecs", "encode", &touch),
    ] {
        let pickle = program(&[("a", good.clone()), ("b", call(module, name, argument))]);
        let bytes = Zip::new(&pickle).with("m/data/0", &[0; 4]).bytes();
        bench.refused(&bytes, &[&format!("'{module}.{name}'"), "do not use it"]);
    }
    // Named and not called: Python would import the module all the same.
    let pickle = program(&[("a", good.clone()), ("b", global("evil_module", "x"))]);
    bench.refused(&Zip::new(&pickle).with("m/data/0", &[0; 4]).bytes(), &["evil_module.x"]);
    for op in [&b"\x81"[..], b"i", b"o", b"\x93", b"\x82\x01", b"\x92"] {
        let pickle = [PROTO, b"(", op, b"."].concat();
        bench.refused(&Zip::new(&pickle).bytes(), &["pickle instruction 0x"]);
    }
    assert!(!mark.exists());
}

#[test]
fn bombs_end_in_a_sentence() {
    let bench = Bench::new();
    let stored = |pickle: &[u8]| Zip::new(pickle).with("m/data/0", &[0; 4]).bytes();
    // One number spread over a terabyte, and sizes that overflow.
    let spread = tensor("0", 1, 0, &[1 << 20, 1 << 20], &[0, 0]);
    bench.refused(&stored(&program(&[("a", spread)])), &["claims to hold"]);
    let huge = tensor("0", 1, 0, &[i32::MAX; 5], &[i32::MAX; 5]);
    bench.refused(&stored(&program(&[("a", huge)])), &["'a' is larger than its storage"]);
    bench.refused(&stored(&program(&[("a", tensor("0", 1, -1, &[1], &[1]))])), &["impossible shape"]);
    bench.refused(&stored(&program(&[("a", tensor("0", 1, 0, &[-1], &[1]))])), &["impossible shape"]);
    bench.refused(&stored(&program(&[("a", tensor("0", 1, 1, &[1], &[1]))])), &["larger than its storage"]);
    bench.refused(&stored(&program(&[("a", tensor("0", 9, 0, &[9], &[1]))])), &["header says otherwise"]);
    bench.refused(&stored(&program(&[("a", tensor("0", 1, 0, &[1; 40], &[1; 40]))])), &["impossible shape"]);
    // Billion laughs: each list holds the one before ten times.
    let mut laughs = [PROTO, b"]q\x00"].concat();
    for level in 0..200u8 {
        laughs.extend([b"]".to_vec(), vec![b'q', level + 1], b"(".to_vec()].concat());
        laughs.extend([b'h', level].repeat(10));
        laughs.push(b'e');
    }
    laughs.push(b'.');
    bench.refused(&stored(&laughs), &["no dictionary of tensors"]);
    // A dictionary that holds itself, and one hidden 100,000 tuples deep.
    let circle = [PROTO, b"}q\x00", &text("a"), b"h\x00s."].concat();
    bench.refused(&stored(&circle), &["too deep"]);
    let deep = [PROTO, b"}", &text("a"), b")", &b"\x85".repeat(100_000), b"s."].concat();
    bench.refused(&stored(&deep), &["no tensors"]);
    let dicts: Vec<u8> = (0..50).flat_map(|_| [b"}".to_vec(), text("a")].concat()).collect();
    let nested = [PROTO, &dicts, b"}", &b"s".repeat(50), b"."].concat();
    bench.refused(&stored(&nested), &["too deep"]);
    // Shared dictionaries, which a walk would visit 10^8 times.
    let mut shared = [PROTO, b"}q\x00"].concat();
    for level in 0..8u8 {
        shared.extend([b"}".to_vec(), vec![b'q', level + 1], b"(".to_vec()].concat());
        for n in 0..10 {
            shared.extend([text(&format!("k{n}")), vec![b'h', level]].concat());
        }
        shared.push(b'u');
    }
    shared.push(b'.');
    bench.refused(&stored(&shared), &["too deep"]);
    // One list, of which every few bytes would make a dictionary.
    let list = [&b"]q\x00("[..], &[text("k"), b"N\x86".to_vec()].concat().repeat(1000), b"e0"].concat();
    let callee = [global("collections", "OrderedDict"), b"q\x010".to_vec()].concat();
    let copies = [PROTO, &list, &callee, &b"h\x01h\x00\x85R0".repeat(1000), b"}."].concat();
    bench.refused(&stored(&copies), &["calls torch in a way"]);
    // Endless: a memo of a million values.
    let many: Vec<u8> = (0..200_000u32).flat_map(|n| [&b"]r"[..], &n.to_le_bytes()].concat()).collect();
    bench.refused(&stored(&[PROTO, &many, b"."].concat()), &["no dictionary"]);
    bench.refused(&stored(&[PROTO, &b"N".repeat(4_100_000), b"."].concat()), &["too long"]);
}

#[test]
fn zips_that_lie_are_refused() {
    let bench = Bench::new();
    let good = program(&[("a", tensor("0", 1, 0, &[1], &[1]))]);
    let bomb = vec![0; 50_000_000];
    let bytes = Zip::new(&good).packed("m/data/0", &bomb, CompressionMethod::Deflated).bytes();
    bench.refused(&bytes, &["compressed"]);
    bench.refused(&Zip::new(&good).bytes(), &["'a' are missing"]);
    bench.refused(&Zip::new(&good).with("n/data.pkl", &good).bytes(), &["two pickles"]);
    bench.refused(&Zip::new(&good).with("m/data/0", &[0; 4]).with("m/byteorder", b"big").bytes(), &["big-endian"]);
    // Names that lead elsewhere: a storage key is a number, and entries are never unpacked.
    for key in ["../../etc/passwd", "/etc/passwd", "0/../0", "", "C:\\x"] {
        let pickle = program(&[("a", tensor(key, 1, 0, &[1], &[1]))]);
        bench.refused(&Zip::new(&pickle).with("m/data/0", &[0; 4]).bytes(), &["storage"]);
    }
    let bytes = Zip::new(&good).with("m/data/0", &[0; 4]).with("../evil", b"x").with("/tmp/evil", b"x").bytes();
    assert!(bench.converted(&bytes).is_ok());
    assert!(!bench.path("../evil").exists() && bench.names() == ["m.bin", "m.safetensors"]);
    std::fs::remove_file(bench.path("m.safetensors")).unwrap();
    let pickle = program(&[("a\nb", tensor("0", 1, 0, &[1], &[1]))]);
    bench.refused(&Zip::new(&pickle).with("m/data/0", &[0; 4]).bytes(), &["impossible name"]);
    // A flipped bit of a number is found by the zip's checksum.
    let mut bytes = Zip::new(&good).with("m/data/0", b"wxyz").bytes();
    let at = bytes.windows(4).position(|four| four == b"wxyz").unwrap();
    bytes[at] ^= 1;
    bench.refused(&bytes, &["damaged"]);
}

#[test]
fn short_arguments_and_misused_calls_are_refused() {
    let torch = global("torch._utils", "_rebuild_tensor_v2");
    let storage = global("torch", "FloatStorage");
    for body in [
        [torch.clone(), b")R.".to_vec()].concat(),
        [torch.clone(), b"R.".to_vec()].concat(),
        [torch.clone(), b"NR.".to_vec()].concat(),
        [storage.clone(), b")R.".to_vec()].concat(),
        [global("torch._utils", "_rebuild_parameter"), tuple(&[int(1)]), b"R.".to_vec()].concat(),
        [global("collections", "OrderedDict"), tuple(&[int(1)]), b"R.".to_vec()].concat(),
        [tuple(&[text("storage"), storage.clone()]), b"Q.".to_vec()].concat(),
        [tuple(&[text("module"), storage, text("0"), text("cpu"), int(1)]), b"Q.".to_vec()].concat(),
        b"NQ.".to_vec(),
        b"Nb.".to_vec(),
        b"h\x07.".to_vec(),
        b"t.".to_vec(),
        b"(N0.".to_vec(),
        b"}Ns.".to_vec(),
        b"}(Nu.".to_vec(),
        b"Na.".to_vec(),
        b"\x8a\x09123456789.".to_vec(),
        b"X\xff\xff\xff\xff.".to_vec(),
        b"cno end".to_vec(),
        vec![],
    ] {
        let said = check_pickle("m.bin", &[PROTO, &body].concat()).unwrap_err().to_string();
        assert!(said.lines().count() == 1 && said.starts_with("m.bin cannot be converted"), "{body:?}: {said}");
    }
}

#[test]
fn the_place_of_the_result_is_checked_first() {
    let bench = Bench::new();
    std::fs::copy(fixtures().join("adapter.bin"), bench.path("m.bin")).unwrap();
    for (from, to, word) in [
        ("m.bin", "o.bin", "must end in .safetensors"),
        ("m.bin", "nowhere/o.safetensors", "--out"),
        ("none.bin", "o.safetensors", "no file"),
        (".", "o.safetensors", "no file"),
    ] {
        let output = bench.import(from, to);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(word) && said.lines().count() == 1, "{said}");
    }
    std::fs::write(bench.path("o.safetensors"), b"old").unwrap();
    assert_eq!(bench.import("m.bin", "o.safetensors").status.code(), Some(0));
    assert!(Weights::open(&bench.path("o.safetensors")).is_ok());
    assert_eq!(bench.names(), ["m.bin", "o.safetensors"]);
}
