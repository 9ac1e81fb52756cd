//! Bad files and pairings given to `render`: exit status 2, one line that says what, which and what to do, no picture.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::golden;

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

    std::fs::remove_file(model.join("tokenizer/vocab.json")).unwrap();
    bench.refuses_with(&model, &[], &["tokenizer"]);
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
