//! Bad files and pairings given to `render`: exit status 2, one line that says what, which and what to do, no picture.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::golden;
use serde_json::json;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A copy of the golden model with SDXL's blocks, to be damaged.
    fn model(&self) -> PathBuf {
        let to = self.path("model");
        copy_folder(&golden().join("model_a"), &to);
        to
    }

    /// Runs `render` with good flags, then `flags`; they must be refused with one line that holds every word.
    fn refuses(&self, flags: &[&str], words: &[&str]) {
        self.refuses_with(&golden().join("model_a"), flags, words);
    }

    fn refuses_with(&self, model: &Path, flags: &[&str], words: &[&str]) {
        let out = self.path("out.png");
        let output = Command::new(env!("CARGO_BIN_EXE_instantstyle"))
            .args(["render", "--prompt", "a house", "--steps", "1", "--device", "cpu", "--out"])
            .arg(&out)
            .arg("--model")
            .arg(model)
            .args(flags)
            .env("INSTANTSTYLE_HOME", self.path("home"))
            .current_dir(golden())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{flags:?}: {said}");
        assert!(said.starts_with("error: "), "{said}");
        for word in words {
            assert!(said.contains(word), "{flags:?}: no '{word}' in: {said}");
        }
        assert!(!out.exists(), "{flags:?} left a picture");
        println!("{}", said.trim_end());
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

const REFERENCE: [&str; 6] =
    ["--adapter", "adapter_a.safetensors", "--image-encoder", "vision_a", "--reference", "ref1.png"];

#[test]
fn models_that_are_missing_or_damaged() {
    let bench = Bench::new();
    bench.refuses_with(&bench.path("nowhere"), &[], &["nowhere", "does not exist"]);
    bench.refuses_with(&golden().join("vision_a"), &[], &["model_index.json"]);
    bench.refuses_with(&golden().join("adapter_a.safetensors"), &[], &["adapter_a.safetensors", "folder"]);

    let model = bench.model();
    let unet = model.join("unet/diffusion_pytorch_model.safetensors");
    let whole = std::fs::read(&unet).unwrap();
    std::fs::write(&unet, &whole[..whole.len() - 1000]).unwrap();
    bench.refuses_with(&model, &[], &["unet", "cut short", "1000"]);
    std::fs::write(&unet, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n").unwrap();
    bench.refuses_with(&model, &[], &["unet", "LFS"]);
    std::fs::write(&unet, "<!DOCTYPE html><html>404</html>").unwrap();
    bench.refuses_with(&model, &[], &["unet", "web page"]);
    std::fs::copy(model.join("vae/diffusion_pytorch_model.safetensors"), &unet).unwrap();
    bench.refuses_with(&model, &[], &["unet", "another model"]);
    std::fs::write(&unet, &whole).unwrap();

    let config = model.join("unet/config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("CrossAttnDownBlock2D", "AttnDownBlock2D")).unwrap();
    bench.refuses_with(&model, &[], &["AttnDownBlock2D", "cannot compute"]);
    std::fs::write(&config, &text[..text.len() / 2]).unwrap();
    bench.refuses_with(&model, &[], &["unet/config.json"]);
    std::fs::write(&config, &text).unwrap();

    let scheduler = model.join("scheduler/scheduler_config.json");
    let text = std::fs::read_to_string(&scheduler).unwrap();
    std::fs::remove_file(&scheduler).unwrap();
    bench.refuses_with(&model, &[], &["model", "scheduler/scheduler_config.json"]);
    std::fs::write(&scheduler, text).unwrap();

    std::fs::remove_file(model.join("tokenizer/vocab.json")).unwrap();
    bench.refuses_with(&model, &[], &["tokenizer"]);
}

#[test]
fn numbers_that_no_model_has_are_named_at_once() {
    let bench = Bench::new();
    let model = bench.model();
    copy_folder(&golden().join("vision_a"), &model.join("vision"));
    let encoder = model.join("vision");
    let with_reference =
        ["--adapter", "adapter_a.safetensors", "--image-encoder", encoder.to_str().unwrap(), "--reference", "ref1.png"];
    const MANY: u64 = 1_000_000_000;
    for (file, key, value, shown) in [
        ("unet/config.json", "layers_per_block", json!(MANY), "1000000000"),
        ("unet/config.json", "transformer_layers_per_block", json!([0, 1, MANY]), "1000000000"),
        ("unet/config.json", "block_out_channels", json!([MANY, 24, 36]), "1000000000"),
        ("unet/config.json", "conv_in_kernel", json!(0), "0"),
        ("vae/config.json", "layers_per_block", json!(MANY), "1000000000"),
        ("vae/config.json", "scaling_factor", json!(0), "above 0"),
        ("text_encoder/config.json", "num_hidden_layers", json!(MANY), "1000000000"),
        ("vision/config.json", "num_hidden_layers", json!(MANY), "1000000000"),
    ] {
        let path = model.join(file);
        let whole = std::fs::read(&path).unwrap();
        let mut config: serde_json::Value = serde_json::from_slice(&whole).unwrap();
        config[key] = value;
        std::fs::write(&path, config.to_string()).unwrap();
        bench.refuses_with(&model, &with_reference, &["model", key, shown]);
        std::fs::write(&path, whole).unwrap();
    }
    // Of what is within bounds, no more is asked for than tells that it is not there.
    let path = model.join("unet/config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["layers_per_block"] = json!(256);
    config["transformer_layers_per_block"] = json!(256);
    std::fs::write(&path, config.to_string()).unwrap();
    bench.refuses_with(&model, &[], &["unet", "another model"]);
}

#[test]
fn a_prompt_of_many_pages_is_refused() {
    let bench = Bench::new();
    for (words, said) in [(6_000, "pieces of 75 tokens long"), (60_000, "120000 characters")] {
        bench.refuses(&["--negative", &"a ".repeat(words)], &["the negative prompt", said, "64", "shorten"]);
    }
}

/// At f32 a wider dtype is no advice.
#[test]
fn weights_that_are_no_numbers_are_told_from_a_narrow_dtype() {
    let bench = Bench::new();
    let model = bench.model();
    let unet = model.join("unet/diffusion_pytorch_model.safetensors");
    let mut bytes = std::fs::read(&unet).unwrap();
    let data = bytes.len() - 4;
    bytes[data..].fill(0xff);
    std::fs::write(&unet, bytes).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_instantstyle"))
        .args([
            "render", "--prompt", "x", "--steps", "1", "--device", "cpu", "--width", "64", "--height", "64", "--model",
        ])
        .arg(&model)
        .arg("--out")
        .arg(bench.path("out.png"))
        .env("INSTANTSTYLE_HOME", bench.path("home"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not finite") && said.contains("damaged") && !said.contains("--dtype"), "{said}");
}

#[test]
fn adapters_and_encoders_that_do_not_fit() {
    let bench = Bench::new();
    let with = |adapter: &str, encoder: &str, words: &[&str]| {
        bench.refuses(&["--adapter", adapter, "--image-encoder", encoder, "--reference", "ref1.png"], words);
    };
    with("nowhere.safetensors", "vision_a", &["nowhere.safetensors", "does not exist"]);
    with("adapter_b.safetensors", "vision_b", &["adapter_b", "another model"]);
    with("adapter_a.safetensors", "vision_b", &["adapter_a", "encoder", "projection_dim"]);
    with("adapter_a_plus.safetensors", "vision_b", &["adapter_a_plus", "encoder", "hidden_size"]);
    with("model_a/vae/diffusion_pytorch_model.safetensors", "vision_a", &["not an IP-Adapter"]);
    with("adapter_a.safetensors", "nowhere", &["nowhere", "does not exist"]);
    bench.refuses(&["--reference", "ref1.png"], &["--adapter", "--image-encoder"]);
    // Looked at without a reference too.
    bench.refuses(&["--image-encoder", "nowhere"], &["nowhere", "does not exist"]);
    bench.refuses(&["--image-encoder", "model_a"], &["model_a", "image encoder"]);
    bench.refuses(&["--adapter", "adapter_a.safetensors", "--reference", "ref1.png"], &["--image-encoder"]);
    let pickle = bench.path("ip-adapter.bin");
    std::fs::write(&pickle, b"PK\x03\x04 and so on").unwrap();
    with(pickle.to_str().unwrap(), "vision_a", &["ip-adapter.bin", "safetensors"]);
}

#[test]
fn settings_that_cannot_work_with_this_model() {
    let bench = Bench::new();
    let with = |flags: &[&str], words: &[&str]| bench.refuses(&[&REFERENCE[..], flags].concat(), words);
    let plus = ["--adapter", "adapter_a_plus.safetensors", "--image-encoder", "vision_a", "--reference", "ref1.png"];
    bench.refuses(&[&plus[..], &["--subtract", "a cat"]].concat(), &["Plus", "subtract"]);
    with(
        &["--blocks", "up_blocks.9.attentions.0=1"],
        &["up_blocks.9.attentions.0", "up_blocks.0.attentions.1", "mid_block.attentions.0"],
    );
    with(&["--mode", "precise", "--guidance", "1"], &["precise", "guidance"]);
    with(&["--crop", "0,0,5000,10"], &["crop", "67 x 45"]);
    bench.refuses(&["--scheduler", "lcm", "--steps", "60"], &["lcm", "60", "50"]);
    bench.refuses(&["--init", "init_64x64.png", "--denoise", "0.1", "--steps", "4"], &["denoise", "0.1"]);
    bench.refuses(&["--device", "cpu", "--dtype", "bf16"], &["bf16", "f32"]);
    // model_c has no layout block.
    let c = ["--adapter", "adapter_c.safetensors", "--image-encoder", "vision_a", "--reference", "ref1.png"];
    let layout = [&c[..], &["--mode", "layout"]].concat();
    bench.refuses_with(&golden().join("model_c"), &layout, &["layout", "blocks"]);
}

#[test]
fn pictures_that_are_none() {
    let bench = Bench::new();
    let reference = |path: &Path, words: &[&str]| {
        let path = path.to_str().unwrap();
        let flags = ["--adapter", "adapter_a.safetensors", "--image-encoder", "vision_a", "--reference", path];
        bench.refuses(&flags, words);
        bench.refuses(&["--init", path], words);
    };
    reference(&bench.path("missing.png"), &["missing.png", "check the path"]);
    let empty = bench.path("empty.png");
    std::fs::write(&empty, b"").unwrap();
    reference(&empty, &["empty.png", "empty"]);
    let text = bench.path("text.png");
    std::fs::write(&text, "hello, this is no picture at all").unwrap();
    reference(&text, &["text.png", "not a picture"]);
    let cut = bench.path("cut.png");
    let whole = std::fs::read(golden().join("ref1.png")).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    reference(&cut, &["cut.png"]);
    reference(&golden(), &["folder"]);
}

#[test]
#[cfg(target_os = "linux")]
fn no_picture_is_left_where_the_latents_cannot_be_written() {
    let bench = Bench::new();
    let out = bench.path("out.png");
    let output = Command::new(env!("CARGO_BIN_EXE_instantstyle"))
        .args(["render", "--prompt", "a house", "--steps", "1", "--device", "cpu", "--save-latents", "/dev/full"])
        .arg("--model")
        .arg(golden().join("model_a"))
        .arg("--out")
        .arg(&out)
        .env("INSTANTSTYLE_HOME", bench.path("home"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("/dev/full") && !out.exists(), "{said}");
}

#[test]
#[cfg(target_os = "linux")]
fn sizes_beyond_the_memory_that_is_free_are_refused_before_work() {
    let bench = Bench::new();
    let out = bench.path("out.png");
    // 3 GB of address space: plenty for the built-in model, far too little for 67 megapixels of it.
    let output = Command::new("sh")
        .arg("-c")
        .arg("ulimit -v 3000000; exec \"$0\" render --prompt x --steps 1 --width 8192 --height 8192 --out \"$1\"")
        .arg(env!("CARGO_BIN_EXE_instantstyle"))
        .arg(&out)
        .env("INSTANTSTYLE_HOME", bench.path("home"))
        // Every thread takes 66 MiB of it.
        .env("RAYON_NUM_THREADS", "2")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("8192x8192") && said.contains("would fit"), "{said}");
    assert!(!out.exists());
}

#[test]
#[cfg(target_os = "linux")]
fn a_picture_beyond_the_memory_that_is_free_is_refused() {
    let bench = Bench::new();
    let path = bench.path("large.bmp");
    // The head says 10,000 x 10,000 pixels of 3 bytes, which take more than 880 MB while they are read.
    let mut head = b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x10\x27\0\0\x10\x27\0\0\x01\0\x18\0".to_vec();
    head.resize(100, 0);
    std::fs::write(&path, head).unwrap();
    let output = Command::new("sh")
        .arg("-c")
        .arg("ulimit -v 880000; exec \"$0\" inspect \"$1\"")
        .arg(env!("CARGO_BIN_EXE_instantstyle"))
        .arg(&path)
        .env("INSTANTSTYLE_HOME", bench.path("home"))
        .env("RAYON_NUM_THREADS", "2")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("not enough memory") && said.contains("10000 x 10000"), "{said}");
}
