//! Weights and settings as they lie in files and folders: read, converted, found in variants and shards, inspected.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/copy.rs"]
mod copying;
#[path = "common/tensors.rs"]
mod tensors;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use candle_core::{DType, Device};
use copying::copy;
use instantstyle::weights::{Dtype, ModelFolder, Weights, WeightsError, inspect};
use tensors::{header_only, safetensors, tiny, write};

#[test]
fn tensors_are_read_and_converted() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = safetensors(&[
        ("f32", Dtype::F32, &[2, 2]),
        ("f16", Dtype::F16, &[3]),
        ("bf16", Dtype::BF16, &[1]),
        ("f64", Dtype::F64, &[2]),
        ("ids", Dtype::I64, &[2]),
    ]);
    let path = write(folder.path(), "m.safetensors", &bytes);
    let from_file = Weights::open(&path).unwrap();
    let built_in = Weights::from_static("built-in", bytes.leak()).unwrap();
    assert_eq!(from_file.content_id().unwrap(), built_in.content_id().unwrap());
    for weights in [Arc::new(from_file), Arc::new(built_in)] {
        let vb = weights.var_builder(DType::F32, &Device::Cpu);
        // serialize() sorts by dtype, then name; the values tell which tensor is which.
        let first = |name: &str, shape: &[usize]| {
            vb.get(shape, name).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()[0]
        };
        assert_eq!(first("f32", &[2, 2]), 1.5);
        assert_eq!(first("f16", &[3]), 2.5);
        assert_eq!(first("bf16", &[1]), 3.5);
        assert_eq!(first("f64", &[2]), 4.5);
        assert!(vb.contains_tensor("ids") && !vb.contains_tensor("id"));
        assert_eq!(weights.failure(), None);
        assert!(vb.get(2, "ids").unwrap_err().to_string().contains("I64"));
        assert!(matches!(weights.failure(), Some(WeightsError::Dtype { .. })));
        let said = vb.get((2, 3), "f32").unwrap_err().to_string();
        assert!(said.contains("'f32'") && said.contains("[2, 2] where [2, 3]"), "{said}");
        assert!(vb.get(1, "none").unwrap_err().to_string().contains("lacks the tensor 'none'"));
        assert_eq!(vb.to_dtype(DType::F16).get(1, "bf16").unwrap().dtype(), DType::F16);
    }
}

/// Same header, other numbers: another identity, as for two fine-tunes of one model.
#[test]
fn identity_sees_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let id = |bytes: &[u8]| Weights::open(&write(folder.path(), "m.safetensors", bytes)).unwrap().content_id().unwrap();
    let one = tiny();
    let mut other = one.clone();
    *other.last_mut().unwrap() ^= 1;
    assert_ne!(id(&one), id(&other));
    assert_eq!(id(&one), id(&tiny()));
}

#[test]
fn components_are_found_plain_variant_and_sharded() {
    let stem = "diffusion_pytorch_model";
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let names = |sub: &str| -> Result<Vec<String>, String> {
        let weights = Weights::open_component(&root.join(sub), stem).map_err(|e| e.to_string())?;
        Ok(weights.names().map(str::to_owned).collect())
    };
    let one = |name: &str| safetensors(&[(name, Dtype::F32, &[1])]);

    write(root, "variant/diffusion_pytorch_model.fp16.safetensors", &one("half"));
    assert_eq!(names("variant").unwrap(), ["half"]);
    write(root, "variant/diffusion_pytorch_model.safetensors", &one("full"));
    assert_eq!(names("variant").unwrap(), ["full"]);

    let index = |map: &str| format!(r#"{{"metadata":{{"total_size":8}},"weight_map":{map}}}"#);
    let json = index(r#"{"a":"s-1.safetensors","b":"s-2.safetensors"}"#);
    write(root, "shards/s-1.safetensors", &one("a"));
    write(root, "shards/diffusion_pytorch_model.safetensors.index.json", json.as_bytes());
    assert!(names("shards").unwrap_err().contains("'s-2.safetensors' is not beside it"));
    write(root, "shards/s-2.safetensors", &one("x"));
    assert!(names("shards").unwrap_err().contains("tensor 'b' is in none of its files"));
    write(root, "shards/s-2.safetensors", &one("a"));
    assert!(names("shards").unwrap_err().contains("tensor 'a' lies in"));
    write(root, "shards/s-2.safetensors", &one("b"));
    assert_eq!(names("shards").unwrap(), ["a", "b"]);

    for outside in ["../shards/s-1.safetensors", "/etc/passwd", "..", "", "c\\\\d"] {
        let json = index(&format!(r#"{{"a":"{outside}"}}"#));
        write(root, "evil/diffusion_pytorch_model.safetensors.index.json", json.as_bytes());
        let said = names("evil").unwrap_err();
        assert!(said.contains("not a plain file name"), "{said}");
    }

    write(root, "pickle/diffusion_pytorch_model.bin", b"PK\x03\x04");
    assert!(names("pickle").unwrap_err().contains("use diffusion_pytorch_model.safetensors in its place"));
    std::fs::create_dir(root.join("empty")).unwrap();
    assert!(names("empty").unwrap_err().contains("holds no diffusion_pytorch_model.safetensors"));
    assert!(names("nowhere").unwrap_err().contains("does not exist"));
}

#[test]
fn prefixes_may_be_there_or_not() {
    let bare = header_only(&[("embeddings.token_embedding.weight", &[9, 4]), ("text_projection.weight", &[4, 4])]);
    let full = header_only(&[("text_model.embeddings.token_embedding.weight", &[9, 4])]);
    for weights in [&bare, &full] {
        assert_eq!(weights.shape("text_model.embeddings.token_embedding.weight"), Some(&[9, 4][..]));
    }
    assert!(bare.contains("text_projection.weight") && !full.contains("text_projection.weight"));
    let vae = header_only(&[("encoder.mid_block.attentions.0.proj_attn.weight", &[4, 4])]);
    assert!(vae.contains("encoder.mid_block.attentions.0.to_out.0.weight"));
    assert!(!vae.contains("encoder.mid_block.attentions.0.to_q.weight"));
    let adapter = header_only(&[("adapter_modules.1.to_k_ip.weight", &[4, 4])]);
    assert!(adapter.contains("ip_adapter.1.to_k_ip.weight"));
}

#[test]
fn model_folders_say_what_they_lack() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let said = |path: &Path| ModelFolder::open(path).unwrap_err().to_string();
    assert!(said(&root.join("none")).contains("does not exist"));
    assert!(said(root).contains("holds no model_index.json"));

    let checkpoint = safetensors(&[
        ("model.diffusion_model.input_blocks.0.0.weight", Dtype::F16, &[1, 4, 3, 3]),
        ("model.diffusion_model.input_blocks.1.1.attn2.to_k.weight", Dtype::F16, &[1, 4]),
        ("first_stage_model.decoder.conv_in.bias", Dtype::F16, &[1]),
    ]);
    let path = write(root, "sd.safetensors", &checkpoint);
    assert!(matches!(ModelFolder::open(&path), Err(WeightsError::SingleFile { .. })));
    assert!(said(&write(root, "old.ckpt", b"\x80\x02}q\0X\x0a")).contains("PyTorch pickle"));
    assert!(said(&write(root, "lone.safetensors", &tiny())).contains("no known kind, not a model"));
    assert!(said(&write(root, "cut.safetensors", &checkpoint[..40])).contains("cut short"));
    assert!(said(&write(root, "notes.txt", b"gr\xc3\xbcn")).contains("notes.txt is a text file"));
    assert!(said(&write(root, "p.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")).contains("p.png is a picture"));

    write(
        root,
        "model_index.json",
        br#"{"_class_name":"StableDiffusionXLPipeline","unet":["diffusers","UNet2DConditionModel"]}"#,
    );
    write(root, "unet/config.json", b"{\"sample_size\": ");
    assert!(said(&root.join("unet")).contains("give the folder above it"));
    let model = ModelFolder::open(root).unwrap();
    assert!(model.has("unet/config.json") && !model.has("vae/config.json"));
    assert_eq!(model.text("vae/config.json").unwrap(), None);
    assert!(model.json::<serde_json::Value>("unet/config.json").unwrap_err().to_string().contains("unet/config.json"));
    assert!(model.json::<serde_json::Value>("vae/config.json").unwrap_err().to_string().contains("vae/config.json"));
    assert!(model.weights("vae").unwrap_err().to_string().contains("holds no folder vae"));
    assert!(model.weights("unet").unwrap_err().to_string().contains("diffusion_pytorch_model.safetensors"));

    let found = inspect(root).unwrap();
    assert!(found.wrong.iter().any(|w| w.contains("no vae")), "{found}");
    assert!(found.to_string().contains("StableDiffusionXLPipeline"), "{found}");
    assert!(serde_json::to_string(&found).unwrap().contains("wrong"));
}

#[test]
fn built_in_folders_read_like_those_on_disk() {
    static FILES: &[(&str, &[u8])] = &[("model_index.json", b"{\"a\": 1}"), ("unet/config.json", b"\xff\xfe")];
    let model = ModelFolder::built_in("built-in model", FILES);
    assert_eq!(model.json::<BTreeMap<String, u32>>("model_index.json").unwrap()["a"], 1);
    assert!(model.text("unet/config.json").unwrap_err().to_string().contains("built-in model/unet/config.json"));
    assert!(matches!(model.weights("unet"), Err(WeightsError::NotFound { .. })));

    let bytes: &'static [u8] = tiny().leak();
    let files: &'static [(&str, &[u8])] = vec![("unet/diffusion_pytorch_model.safetensors", bytes)].leak();
    assert_eq!(ModelFolder::built_in("b", files).weights("unet").unwrap().len(), 3);
}

#[test]
fn an_image_encoder_folder_is_inspected() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = safetensors(&[
        ("vision_model.embeddings.patch_embedding.weight", Dtype::F32, &[8, 3, 2, 2]),
        ("visual_projection.weight", Dtype::F32, &[4, 8]),
    ]);
    write(folder.path(), "model.safetensors", &bytes);
    write(
        folder.path(),
        "config.json",
        br#"{"architectures":["CLIPVisionModelWithProjection"],"hidden_size":8,"projection_dim":6}"#,
    );
    let found = inspect(folder.path()).unwrap();
    assert!(found.what.contains("CLIP image encoder"), "{found}");
    assert_eq!(
        found.wrong,
        ["config.json says projection_dim 6, but the weights have 4; they belong to different models"]
    );
    assert_eq!(found.lines()[1], "  128 weights in 2 tensors, F32, 712 B (CLIPVisionModelWithProjection)");
}

#[test]
fn parts_of_models_are_inspected_where_they_lie() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    // In shards, under diffusers' own name.
    let found = inspect(&golden.join("model_b/unet")).unwrap();
    assert!(found.what.starts_with("the folder of a UNet (") && found.wrong.is_empty(), "{found}");
    // An encoder's settings lie beside it; another part is given with the whole model.
    assert!(inspect(&golden.join("vision_a/model.safetensors")).unwrap().needs.is_empty());
    let needs = inspect(&golden.join("model_a/text_encoder/model.safetensors")).unwrap().needs;
    assert_eq!(
        needs,
        [format!("the rest of its model, to be given as the folder {}", golden.join("model_a").display())]
    );
    let needs = inspect(&golden.join("adapter_a.safetensors")).unwrap().needs;
    assert_eq!(needs[0], "a model with cross-attention 48 wide");
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn program(home: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_instantstyle"));
    program.args(arguments).current_dir(home).env("INSTANTSTYLE_HOME", home.join("home")).output().unwrap()
}

/// One step of a small picture with more flags; the latents, or the line of the error.
fn render(home: &Path, flags: &[&str]) -> Result<Vec<u8>, String> {
    let fixed = ["render", "--prompt", "x", "--steps", "1", "--width", "64", "--height", "64", "--seed", "1"];
    let out = ["--out", "o.png", "--save-latents", "l.safetensors"];
    let output = program(home, &[&fixed[..], &out, flags].concat());
    match output.status.code() {
        Some(0) => Ok(std::fs::read(home.join("l.safetensors")).unwrap()),
        Some(2) => Err(String::from_utf8(output.stderr).unwrap()),
        other => panic!("{other:?}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// serde would take a list for an index without a name.
#[test]
fn an_index_that_is_a_list_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    copy(&golden().join("model_a"), &home.join("m"));
    write(&home.join("m"), "model_index.json", b" []");
    for words in [&["inspect", "m"][..], &["render", "--prompt", "x", "--model", "m", "--out", "o.png"]] {
        let output = program(home, words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains("cannot be read as settings (a list"), "{said}");
    }
}

/// What opening a model refuses, a look at it calls wrong, with the same status; what is never opened is no fault.
#[test]
fn inspect_and_render_agree_on_a_folder() {
    let model = golden().join("model_a");
    let vae = std::fs::read(model.join("vae/diffusion_pytorch_model.safetensors")).unwrap();
    let scheduler = r#"{"_class_name": "EulerDiscreteScheduler", "beta_schedule": "wavy"}"#;
    let unet = "unet/diffusion_pytorch_model.safetensors";
    let checker = r#"{"_class_name": "StableDiffusionXLPipeline", "safety_checker": ["x", "Checker"]}"#;
    // The file that is replaced, by what (nothing: removed), and a word of the complaint.
    let faults: &[(&str, Option<&[u8]>, &str)] = &[
        (unet, Some(&vae), "a VAE (4 latent channels), not a UNet"),
        (unet, Some(&tiny()), "no known kind, not a UNet"),
        ("vae/config.json", Some(b"{\"latent_channels\": "), "vae/config.json cannot be read"),
        ("unet/config.json", Some(b"{}"), unet),
        ("unet/config.json", Some(b"[]"), "unet/config.json cannot be read as settings (a list"),
        ("scheduler/scheduler_config.json", Some(scheduler.as_bytes()), "beta_schedule"),
        ("scheduler/scheduler_config.json", None, "scheduler/scheduler_config.json"),
        ("text_encoder_2", None, "holds no folder text_encoder_2"),
        ("tokenizer/vocab.json", Some(b"[]"), "vocab.json"),
        ("instantstyle.json", Some(b"{\"steps\": 0}"), "steps is 0"),
        ("model_index.json", Some(checker.as_bytes()), ""),
    ];
    for (file, content, word) in faults {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        copy(&model, &home.join("m"));
        match content {
            Some(content) => drop(write(&home.join("m"), file, content)),
            None => std::fs::rename(home.join("m").join(file), home.join("elsewhere")).unwrap(),
        }
        let output = program(home, &["inspect", "m"]);
        let said = String::from_utf8(output.stdout).unwrap();
        let status = if word.is_empty() { 0 } else { 2 };
        assert_eq!(output.status.code(), Some(status), "{file}: {said}");
        let wrong: Vec<&str> = said.lines().filter(|line| line.contains("wrong: ")).collect();
        assert_eq!(wrong.len(), status as usize / 2, "{file}: {said}");
        assert!(wrong.iter().all(|line| line.contains(word)), "{file}: {said}");
        // The model's own defaults are asked for: flags would stand in for them.
        let painted = match *file {
            "instantstyle.json" => program(home, &["render", "--prompt", "x", "--model", "m", "--out", "o.png"]),
            _ => program(
                home,
                &["render", "--steps", "1", "--width", "64", "--height", "64", "--model", "m", "--out", "o.png"],
            ),
        };
        assert_eq!(painted.status.code(), Some(status), "{file}: {}", String::from_utf8_lossy(&painted.stderr));
    }
}

#[test]
fn the_file_of_a_part_serves_with_the_settings_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let [model, vae, encoder, adapter, reference] =
        ["model_a", "model_a/vae", "vision_a", "adapter_a.safetensors", "ref1.png"]
            .map(|name| golden().join(name).to_str().unwrap().to_owned());
    let painted = |vae: &str, encoder: &str| {
        let references = ["--reference", &reference, "--adapter", &adapter, "--image-encoder", encoder];
        render(home, &[&["--model", &model, "--vae", vae], &references[..]].concat())
    };
    let files = (format!("{vae}/diffusion_pytorch_model.safetensors"), format!("{encoder}/model.safetensors"));
    assert_eq!(painted(&files.0, &files.1).unwrap(), painted(&vae, &encoder).unwrap());
    let said = program(home, &["inspect", "l.safetensors", &files.0, &files.1]);
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("l.safetensors: the latents of a picture (4 channels, "), "{said}");

    // Without them the sentence asks for them.
    std::fs::copy(&files.0, home.join("vae.safetensors")).unwrap();
    std::fs::copy(&files.1, home.join("tower.safetensors")).unwrap();
    let said = painted("vae.safetensors", &encoder).unwrap_err();
    assert!(said.contains("cannot be used as a VAE") && said.contains("config.json beside it"), "{said}");
    let said = painted(&vae, "tower.safetensors").unwrap_err();
    assert!(said.contains("config.json") && said.contains("beside tower.safetensors"), "{said}");
}
