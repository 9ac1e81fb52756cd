//! Weights and settings as they lie in files and folders: read, converted, found in variants and shards, inspected.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/tensors.rs"]
mod tensors;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device};
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
    assert!(said(&write(root, "notes.txt", b"hello")).contains("is a file, not a folder"));

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
    let tower = golden.join("vision_a/model.safetensors");
    let needs = inspect(&tower).unwrap().needs;
    assert_eq!(needs, [format!("to be given as its folder, {}", golden.join("vision_a").display())]);
    let needs = inspect(&golden.join("adapter_a.safetensors")).unwrap().needs;
    assert_eq!(needs[0], "a model with cross-attention 48 wide");
}
