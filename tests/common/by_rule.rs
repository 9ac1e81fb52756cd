//! Models whose weights follow from a rule (tests/golden/maker/by_rule.py), written as folders or single files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use serde_json::Value;

/// Name, shape, values.
pub type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

#[derive(Deserialize)]
pub struct ByRule {
    /// Shape, and how values are drawn: around one, or odd numbers times a power of two.
    tensors: BTreeMap<String, (Vec<usize>, Option<i32>)>,
    /// LDM name, to the tensors that it is made of and how.
    single_file: BTreeMap<String, (Vec<String>, String)>,
    configs: BTreeMap<String, String>,
    /// LoRA files: name, to the tensor by rule and a factor, or to 0 and the value of alpha.
    #[serde(default)]
    loras: BTreeMap<String, BTreeMap<String, (Value, f32)>>,
    /// Settings beside LoRA files: path, text.
    #[serde(default)]
    pub lora_settings: BTreeMap<String, String>,
}

pub fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn draws(name: &str, count: usize) -> impl Iterator<Item = u64> {
    let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01B3));
    (1..=count as u64).map(move |i| {
        let z = hash.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

pub fn values(name: &str, count: usize, kind: Option<i32>) -> Vec<f32> {
    draws(name, count)
        .map(|z| match kind {
            None => 1.0 + ((z >> 61) as f32 - 4.0) / 8.0,
            Some(exponent) => (2.0 * (z >> 60) as f32 - 15.0) * 2f32.powi(exponent),
        })
        .collect()
}

/// What an e4m3 byte stands for (OCP 8-bit floating point, "FP8 E4M3": no infinities).
fn e4m3(byte: u8) -> f32 {
    let sign = if byte & 0x80 == 0 { 1.0 } else { -1.0 };
    let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
    sign * match (exponent, byte & 7) {
        (15, 7) => f32::NAN,
        (0, _) => mantissa / 8.0 * 2f32.powi(-6),
        _ => (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7),
    }
}

fn encode(values: &[f32], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Dtype::F16 => values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect(),
        Dtype::BF16 => values.iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect(),
        Dtype::F8_E4M3 => {
            let table: BTreeMap<u32, u8> = (0..=255).map(|b| (e4m3(b).to_bits(), b)).collect();
            values.iter().map(|v| table[&v.to_bits()]).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// Writes a safetensors file, with the folder above it.
pub fn write(path: &Path, tensors: &Tensors, dtype: Dtype) {
    let data: Vec<Vec<u8>> = tensors.iter().map(|(_, _, values)| encode(values, dtype)).collect();
    let views = tensors
        .iter()
        .zip(&data)
        .map(|((name, shape, _), data)| (name.clone(), TensorView::new(dtype, shape.clone(), data).unwrap()));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

impl ByRule {
    pub fn load(name: &str) -> Self {
        let text = std::fs::read(golden().join("by_rule").join(format!("{name}.json"))).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn tensor(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let (shape, kind) = &self.tensors[name];
        (shape.clone(), values(name, shape.iter().product(), *kind))
    }

    /// The tensors of a part, such as `unet` or `adapter_s`, without its name before theirs.
    pub fn component(&self, part: &str) -> Tensors {
        let start = format!("{part}.");
        let names = self.tensors.keys().filter_map(|name| Some((name, name.strip_prefix(&start)?)));
        let all: Tensors = names
            .map(|(name, rest)| {
                let (shape, values) = self.tensor(name);
                (rest.to_owned(), shape, values)
            })
            .collect();
        assert!(!all.is_empty(), "no tensors of {part}");
        all
    }

    /// The model as a diffusers folder.
    pub fn write_folder(&self, folder: &Path, dtype: Dtype) {
        for (name, text) in &self.configs {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let parts = [("unet", true), ("vae", true), ("text_encoder", false), ("text_encoder_2", false)];
        for (part, is_diffusers) in parts {
            if self.configs.contains_key(&format!("{part}/config.json")) {
                let stem = if is_diffusers { "diffusion_pytorch_model" } else { "model" };
                write(&folder.join(part).join(format!("{stem}.safetensors")), &self.component(part), dtype);
            }
        }
        for name in ["tokenizer", "tokenizer_2"] {
            if self.configs.contains_key(&name.replace("tokenizer", "text_encoder").add("/config.json")) {
                std::fs::create_dir_all(folder.join(name)).unwrap();
                for file in std::fs::read_dir(golden().join("model_b").join(name)).unwrap() {
                    let file = file.unwrap();
                    std::fs::copy(file.path(), folder.join(name).join(file.file_name())).unwrap();
                }
            }
        }
    }

    /// The names of the LoRA files.
    pub fn lora_files(&self) -> Vec<&str> {
        self.loras.keys().map(String::as_str).collect()
    }

    /// The tensors of a LoRA file.
    pub fn lora(&self, file: &str) -> Tensors {
        let one = |(name, (of, factor)): (&String, &(Value, f32))| match of.as_str() {
            Some(of) => {
                let (shape, values) = self.tensor(of);
                (name.clone(), shape, values.iter().map(|v| v * factor).collect())
            }
            None => (name.clone(), vec![], vec![*factor]),
        };
        self.loras[file].iter().map(one).collect()
    }

    /// The tensors of the model as a single file holds them.
    pub fn single(&self) -> Tensors {
        let one = |(name, (of, how)): (&String, &(Vec<String>, String))| {
            let parts: Vec<_> = of.iter().map(|part| self.tensor(part)).collect();
            let (mut shape, mut values) = parts[0].clone();
            match how.as_str() {
                "whole" => {}
                "pixel" => shape.extend([1, 1]),
                "transposed" => {
                    let (rows, columns) = (shape[0], shape[1]);
                    let from = values.clone();
                    values = (0..rows * columns).map(|i| from[i % rows * columns + i / rows]).collect();
                    shape.reverse();
                }
                "rows" => {
                    shape[0] *= parts.len();
                    values = parts.iter().flat_map(|(_, values)| values.clone()).collect();
                }
                other => panic!("{other}"),
            }
            (name.clone(), shape, values)
        };
        self.single_file.iter().map(one).collect()
    }
}

trait Add {
    fn add(self, end: &str) -> String;
}

impl Add for String {
    fn add(mut self, end: &str) -> String {
        self.push_str(end);
        self
    }
}
