//! Broken, wrong and hostile files of weights: always one sentence, never a panic, never memory for what is not there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use instantstyle::weights::{
    AdapterInfo, AdapterKind, Dtype, Family, Kind, ModelFolder, Weights, WeightsError, check, identify, inspect, pair,
};
use proptest::prelude::*;
use safetensors::tensor::TensorView;

/// Serialises tensors of zeros, but for the first element of each, which counts up.
fn safetensors(tensors: &[(&str, Dtype, &[usize])]) -> Vec<u8> {
    let data: Vec<Vec<u8>> = tensors
        .iter()
        .enumerate()
        .map(|(i, (_, dtype, shape))| {
            let mut bytes = vec![0u8; shape.iter().product::<usize>() * dtype.bitsize() / 8];
            let value = i as f32 + 1.5;
            let first = match dtype {
                Dtype::F32 => value.to_le_bytes().to_vec(),
                Dtype::F16 => half::f16::from_f32(value).to_le_bytes().to_vec(),
                Dtype::BF16 => half::bf16::from_f32(value).to_le_bytes().to_vec(),
                Dtype::F64 => (value as f64).to_le_bytes().to_vec(),
                _ => vec![],
            };
            bytes[..first.len()].copy_from_slice(&first);
            bytes
        })
        .collect();
    let views = tensors
        .iter()
        .zip(&data)
        .map(|((name, dtype, shape), data)| (name.to_string(), TensorView::new(*dtype, shape.to_vec(), data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

fn tiny() -> Vec<u8> {
    safetensors(&[("a.weight", Dtype::F32, &[2, 3]), ("a.bias", Dtype::F16, &[3]), ("b.weight", Dtype::BF16, &[1, 4])])
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The sentence about `bytes` under the name `m.safetensors`; checks that it is one line and names the file.
fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "m.safetensors", bytes);
    sentence(Weights::open(&path).unwrap_err(), "m.safetensors")
}

fn sentence(error: WeightsError, file: &str) -> String {
    let said = error.to_string();
    assert!(said.contains(file), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

/// Prepends a length to a hand-written header, then appends `data` zero bytes.
fn by_hand(json: &str, data: usize) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &vec![0; data]].concat()
}

fn header_only(tensors: &[(&str, &[usize])]) -> Weights {
    let about = tensors.iter().map(|(name, shape)| (name.to_string(), (Dtype::F16, shape.to_vec())));
    Weights::header_only("unet.safetensors", about.collect())
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
        (b"PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0archive/data.pkl\x80\x02}q\0", ".safetensors file of the same name"),
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
    assert!(names("pickle").unwrap_err().contains(".safetensors file of the same name"));
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

fn two_layers(vb: VarBuilder) -> candle_core::Result<()> {
    candle_nn::linear(1280, 2816, vb.pp("add"))?;
    candle_nn::layer_norm(1280, 1e-5, vb.pp("norm"))?;
    Ok(())
}

#[test]
fn a_check_names_what_is_missing_wrong_and_left_over() {
    let exact: &[(&str, &[usize])] = &[
        ("add.weight", &[2816, 1280]),
        ("add.bias", &[2816]),
        ("norm.weight", &[1280]),
        ("norm.bias", &[1280]),
        ("embeddings.position_ids", &[1, 77]),
    ];
    let report = check(&header_only(exact), two_layers);
    assert!(report.is_exact(), "{report:?}");
    assert_eq!((report.wanted, report.notice("f")), (4, None));

    let report = check(&header_only(&[exact[0], exact[2], exact[3]]), two_layers);
    assert_eq!(report.missing, [("add.bias".to_owned(), vec![2816])]);
    assert_eq!(
        report.sentence("unet/m.safetensors").unwrap(),
        "unet/m.safetensors lacks the tensor 'add.bias', of shape [2816]; download the file again"
    );

    let wrong = header_only(&[("add.weight", &[1280, 1280]), exact[1], exact[2], exact[3]]);
    let said = check(&wrong, two_layers).sentence("m").unwrap();
    assert_eq!(
        said,
        "m belongs to another model: 'add.weight' has shape [1280, 1280] where [2816, 1280] is wanted; download it again, or choose the file that belongs here"
    );

    let said = check(&header_only(&[("other", &[1])]), two_layers).sentence("m").unwrap();
    assert!(
        said.starts_with("m belongs to another model: it lacks 4 of 4 tensors, the first is 'add.weight'"),
        "{said}"
    );

    let more = header_only(&[exact[0], exact[1], exact[2], exact[3], ("ema.weight", &[1])]);
    let report = check(&more, two_layers);
    assert_eq!((report.sentence("m"), report.left_over.clone()), (None, vec!["ema.weight".to_owned()]));
    assert!(!report.is_exact());
    assert!(report.notice("m").unwrap().contains("holds more than this model uses: the tensor 'ema.weight'"));

    let report = check(&more, |_| candle_core::bail!("no such activation"));
    assert!(report.sentence("m").unwrap().contains("no such activation"));
}

/// A network of a petabyte is checked without memory, and header-only weights cannot be read.
#[test]
fn a_check_takes_no_memory() {
    let big: &[usize] = &[1 << 25, 1 << 25];
    let weights = Arc::new(header_only(&[("w", big)]));
    let report = check(&weights, |vb| vb.get(big, "w").map(drop));
    assert!(report.is_exact(), "{report:?}");
    assert!(matches!(weights.read("w"), Err(WeightsError::HeaderOnly { .. })));
    let _: Option<Tensor> = weights.var_builder(DType::F32, &Device::Cpu).get(big, "w").ok();
    assert!(matches!(weights.failure(), Some(WeightsError::HeaderOnly { .. })));
}

/// An adapter's header for SDXL-like layers, as published files lay it out.
fn adapter(projection: &[(&str, &[usize])], layers: usize, width: usize) -> Weights {
    let mut tensors: BTreeMap<String, (Dtype, Vec<usize>)> = BTreeMap::new();
    for (name, shape) in projection {
        tensors.insert(format!("image_proj.{name}"), (Dtype::F16, shape.to_vec()));
    }
    for i in 0..layers {
        for part in ["k", "v"] {
            tensors.insert(format!("ip_adapter.{}.to_{part}_ip.weight", 2 * i + 1), (Dtype::F16, vec![640, width]));
        }
    }
    Weights::header_only("ip.safetensors", tensors)
}

fn base(tokens_width: usize, embedding: usize, layers: usize) -> AdapterInfo {
    let projection: &[(&str, &[usize])] =
        &[("proj.weight", &[4 * tokens_width, embedding]), ("norm.weight", &[tokens_width])];
    AdapterInfo::read(&adapter(projection, layers, tokens_width)).unwrap()
}

#[test]
fn adapters_are_described_and_paired() {
    let sdxl = base(2048, 1280, 70);
    assert_eq!((sdxl.kind, sdxl.tokens, sdxl.embedding_width, sdxl.layers), (AdapterKind::Base, 4, 1280, 70));
    pair(&sdxl, 2048, 70, 1280, 1664).unwrap();

    let said = sentence(pair(&sdxl, 2048, 70, 1024, 1280).unwrap_err(), "ip.safetensors");
    assert!(
        said.contains("needs projection_dim 1280, the encoder has 1024") && said.contains("sdxl_models/image_encoder")
    );
    let said = sentence(pair(&base(2048, 1024, 70), 2048, 70, 1280, 1664).unwrap_err(), "ip.safetensors");
    assert!(said.contains("ViT-H") && said.contains("folder models/image_encoder"), "{said}");
    let said = sentence(pair(&base(768, 1024, 16), 2048, 70, 1024, 1280).unwrap_err(), "ip.safetensors");
    assert!(
        said.contains("another model") && said.contains("768 wide (SD 1.5)") && said.contains("2048 (SDXL)"),
        "{said}"
    );
    let said = sentence(pair(&base(2048, 1280, 16), 2048, 70, 1280, 1664).unwrap_err(), "ip.safetensors");
    assert!(said.contains("16 cross-attention layers, the model 70"), "{said}");

    let resampler: &[(&str, &[usize])] =
        &[("latents", &[1, 16, 1280]), ("proj_in.weight", &[1280, 1280]), ("norm_out.weight", &[2048])];
    let plus = AdapterInfo::read(&adapter(resampler, 70, 2048)).unwrap();
    assert_eq!((plus.kind, plus.tokens), (AdapterKind::Plus, 16));
    pair(&plus, 2048, 70, 1024, 1280).unwrap();
    let said = pair(&plus, 2048, 70, 1280, 1664).unwrap_err().to_string();
    assert!(said.contains("needs hidden_size 1280, the encoder has 1664") && said.contains("ViT-H"), "{said}");
}

#[test]
fn other_adapters_are_named() {
    type Tensors<'a> = &'a [(&'a str, &'a [usize])];
    let cases: [(Tensors, &str); 3] = [
        (&[("latents", &[1, 16, 1280]), ("proj_in.weight", &[1280, 512])], "InstantID"),
        (&[("proj.0.weight", &[1024, 512]), ("norm.weight", &[2048])], "FaceID adapter"),
        (&[("perceiver_resampler.proj_in.weight", &[2048, 1280]), ("norm.weight", &[2048])], "FaceID Plus"),
    ];
    for (projection, word) in cases {
        let said = AdapterInfo::read(&adapter(projection, 70, 2048)).unwrap_err().to_string();
        assert!(said.contains(word) && said.contains("not supported"), "{said}");
    }
    let said = AdapterInfo::read(&header_only(&[("x.lora_down.weight", &[4, 4])])).unwrap_err().to_string();
    assert!(said.contains("is a LoRA (kohya names, rank 4), not an IP-Adapter"), "{said}");
    let projection: &[(&str, &[usize])] = &[("proj.weight", &[8192, 1280]), ("norm.weight", &[2048])];
    let said = AdapterInfo::read(&adapter(projection, 0, 2048)).unwrap_err().to_string();
    assert!(said.contains("0 key layers"), "{said}");
}

#[test]
fn kinds_are_told_from_headers() {
    let unet = |width: usize, added: &[(&str, &[usize])]| {
        let attention: &[usize] = &[640, width];
        let mut all: Vec<(&str, &[usize])> = vec![
            ("conv_in.weight", &[320, 4, 3, 3]),
            ("time_embedding.linear_1.weight", &[1280, 320]),
            ("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight", attention),
        ];
        all.extend_from_slice(added);
        match identify(&header_only(&all)) {
            Kind::Unet { family, cross_attentions: 1, in_channels: 4, .. } => family,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(unet(2048, &[("add_embedding.linear_1.weight", &[1280, 2816])]), Family::Sdxl);
    assert_eq!(unet(768, &[]), Family::Sd15);
    assert_eq!(unet(64, &[("add_embedding.linear_1.weight", &[128, 96])]), Family::SdxlShaped);

    let kind = |tensors: &[(&str, &[usize])]| identify(&header_only(tensors)).to_string();
    assert!(
        kind(&[("decoder.conv_in.weight", &[512, 4, 3, 3]), ("decoder.conv_out.weight", &[3, 128, 3, 3])])
            .contains("VAE")
    );
    let q: (&str, &[usize]) = ("encoder.layers.0.self_attn.q_proj.weight", &[768, 768]);
    let text = kind(&[("embeddings.token_embedding.weight", &[49408, 768]), q]);
    assert_eq!(text, "a CLIP text encoder (1 layer, width 768, no projection)");
    let vision = kind(&[
        ("vision_model.embeddings.patch_embedding.weight", &[1664, 3, 14, 14]),
        ("visual_projection.weight", &[1280, 1664]),
    ]);
    assert_eq!(vision, "a CLIP image encoder (0 layers, width 1664, projection 1280)");
    let checkpoint = kind(&[
        ("model.diffusion_model.input_blocks.0.0.weight", &[320, 4, 3, 3]),
        ("model.diffusion_model.label_emb.0.0.weight", &[1280, 2816]),
        ("model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", &[640, 2048]),
        ("conditioner.embedders.0.transformer.text_model.final_layer_norm.weight", &[768]),
    ]);
    assert_eq!(checkpoint, "a single-file checkpoint (SDXL, cross-attention 2048 wide)");
    assert!(kind(&[("unet.down.lora_A.weight", &[4, 4])]).contains("PEFT"));
    assert!(kind(&[("controlnet_cond_embedding.conv_in.weight", &[4, 4])]).contains("ControlNet"));
    assert_eq!(identify(&header_only(&[("x", &[1])])), Kind::Unknown);
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
