//! Cases of tests/golden/by_rule/cases.json run through the command line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::path::Path;
use std::process::{Command, Output};

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::by_rule::{ByRule, golden, write};

#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub model: String,
    pub flags: Vec<String>,
    pub tolerance: f64,
}

pub fn cases(model: &str) -> Vec<Case> {
    let all = std::fs::read(golden().join("by_rule/cases.json")).unwrap();
    let all: Vec<Case> = serde_json::from_slice(&all).unwrap();
    let cases: Vec<Case> = all.into_iter().filter(|case| case.model == model).collect();
    assert!(!cases.is_empty());
    cases
}

pub fn tensor(bytes: &[u8], name: &str) -> Vec<f32> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let data = file.tensor(name).unwrap().data().to_vec();
    data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

pub fn render(folder: &Path, model: &str, flags: &[String]) -> Output {
    let mut flags = flags.to_vec();
    let place = flags.iter().position(|flag| flag == "--model").unwrap() + 1;
    model.clone_into(&mut flags[place]);
    Command::new(env!("CARGO_BIN_EXE_instantstyle"))
        .arg("render")
        .args(flags)
        .args(["--save-latents", "latents.safetensors", "--out", "out.png"])
        .current_dir(folder)
        .env("INSTANTSTYLE_HOME", folder.join("home"))
        .output()
        .unwrap()
}

/// The final latents with the model at `model`, a path inside `folder`.
pub fn latents(folder: &Path, model: &str, flags: &[String]) -> Vec<f32> {
    let output = render(folder, model, flags);
    assert!(output.status.success(), "{model}: {}", String::from_utf8_lossy(&output.stderr));
    tensor(&std::fs::read(folder.join("latents.safetensors")).unwrap(), "latents")
}

/// ||a - b|| / ||b||
pub fn relative_error(ours: &[f32], theirs: &[f32]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut ours.iter().zip(theirs).map(|(a, b)| f64::from(a - b))) / norm(&mut theirs.iter().map(|b| f64::from(*b)))
}

/// A folder with the pictures, the image encoder and the adapter that the cases name.
pub fn bench(model: &ByRule, adapters: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["ref1.png", "ref2.png", "vision_a/config.json", "vision_a/model.safetensors"] {
        let to = folder.path().join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(golden().join(name), to).unwrap();
    }
    for adapter in adapters {
        let to = folder.path().join(format!("{adapter}.safetensors"));
        write(&to, &model.component(adapter), Dtype::F16);
    }
    folder
}

/// diffusers' latents of a case.
pub fn reference(name: &str) -> Vec<f32> {
    tensor(&std::fs::read(golden().join("by_rule/latents.safetensors")).unwrap(), name)
}
