//! The program against diffusers: every case of `golden/cases.json` is run through `instantstyle render`, and its final
//! latents are compared with those of the real pipelines (`golden/make_golden.py`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;

use safetensors::SafeTensors;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    flags: Vec<String>,
    latents: String,
    tolerance: f64,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn tensor(bytes: &[u8], name: &str) -> (Vec<usize>, Vec<f64>) {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let view = file.tensor(name).unwrap();
    let values = view.data().chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())));
    (view.shape().to_vec(), values.collect())
}

/// ||a - b|| / ||b||
fn relative_error(ours: &[f64], reference: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut ours.iter().zip(reference).map(|(a, b)| a - b)) / norm(&mut reference.iter().copied())
}

fn run(case: &Case, folder: &Path) -> (Vec<usize>, Vec<f64>) {
    let latents = folder.join("latents.safetensors");
    let output = Command::new(env!("CARGO_BIN_EXE_instantstyle"))
        .arg("render")
        .args(&case.flags)
        .arg("--save-latents")
        .arg(&latents)
        .arg("--out")
        .arg(folder.join("out.png"))
        .current_dir(golden())
        .env("INSTANTSTYLE_HOME", folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", case.name, String::from_utf8_lossy(&output.stderr));
    tensor(&std::fs::read(latents).unwrap(), "latents")
}

#[test]
fn latents_equal_diffusers() {
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(golden().join("cases.json")).unwrap()).unwrap();
    assert!(cases.len() > 80, "the manifest has {} cases", cases.len());
    let reference = std::fs::read(golden().join("latents.safetensors")).unwrap();
    let mut worst = (0.0, String::new());
    let mut failures = Vec::new();
    for case in &cases {
        let folder = tempfile::tempdir().unwrap();
        let (shape, ours) = run(case, folder.path());
        let (wanted, theirs) = tensor(&reference, &case.latents);
        assert_eq!(shape, wanted, "{}", case.name);
        let error = relative_error(&ours, &theirs);
        if error.is_nan() || error >= case.tolerance {
            failures.push(format!("{}: relative error {error:.2e}, allowed {:.0e}", case.name, case.tolerance));
        }
        if error > worst.0 {
            worst = (error, case.name.clone());
        }
    }
    println!("{} cases, largest relative error {:.2e} ({})", cases.len(), worst.0, worst.1);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
