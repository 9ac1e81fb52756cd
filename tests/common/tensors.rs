//! Small files of weights: headers alone, or with zeros for data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::path::{Path, PathBuf};

use instantstyle::weights::{Dtype, Weights, WeightsError};
use safetensors::tensor::TensorView;

/// Serialises tensors of zeros, but for the first element of each, which counts up.
pub fn safetensors(tensors: &[(&str, Dtype, &[usize])]) -> Vec<u8> {
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

pub fn tiny() -> Vec<u8> {
    safetensors(&[("a.weight", Dtype::F32, &[2, 3]), ("a.bias", Dtype::F16, &[3]), ("b.weight", Dtype::BF16, &[1, 4])])
}

pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

pub fn sentence(error: WeightsError, file: &str) -> String {
    let said = error.to_string();
    assert!(said.contains(file), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

pub fn header_only(tensors: &[(&str, &[usize])]) -> Weights {
    let about = tensors.iter().map(|(name, shape)| (name.to_string(), (Dtype::F16, shape.to_vec())));
    Weights::header_only("unet.safetensors", about.collect())
}
