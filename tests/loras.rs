//! LoRAs through the command line, against diffusers' `fuse_lora` (tests/golden/make_single_file.py): four dialects, several
//! at once, one half of a B-LoRA; and what cannot be merged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/by_rule.rs"]
mod by_rule;
#[path = "common/cases.rs"]
mod cases;

use std::path::Path;
use std::process::Command;

use by_rule::{ByRule, Tensors, write};
use cases::{bench, cases, latents, reference, relative_error, render};
use safetensors::Dtype;

fn with_loras(model: &ByRule) -> tempfile::TempDir {
    let folder = bench(model, &["adapter_s"]);
    model.write_folder(&folder.path().join("model_s"), Dtype::F16);
    write(&folder.path().join("single.safetensors"), &model.single(), Dtype::F16);
    for file in model.lora_files() {
        write(&folder.path().join(format!("{file}.safetensors")), &model.lora(file), Dtype::F32);
    }
    for (file, text) in &model.lora_settings {
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    folder
}

#[test]
fn merged_loras_equal_diffusers() {
    let model = ByRule::load("s");
    let folder = with_loras(&model);
    let cases: Vec<_> = cases("s").into_iter().filter(|case| case.flags.contains(&"--lora".to_owned())).collect();
    assert_eq!(cases.len(), 8);
    for case in &cases {
        // LDM's names on a diffusers folder, diffusers' names on a single file, and the other way round.
        for model in ["model_s", "single.safetensors"] {
            let error = relative_error(&latents(folder.path(), model, &case.flags), &reference(&case.name));
            println!("{} {model}: {error:.1e}", case.name);
            assert!(error < case.tolerance, "{} {model}: relative error {error:.2e}", case.name);
        }
    }
    // The picture holds its LoRA, and wants its file again.
    let flags: Vec<String> = ["--model", "model_s", "--from", "out.png"].map(str::to_owned).to_vec();
    let without = render(folder.path(), "model_s", &flags);
    let said = String::from_utf8_lossy(&without.stderr).into_owned();
    assert_eq!(without.status.code(), Some(2), "{said}");
    assert!(said.contains("LoRA 'lora_peft.safetensors' was not given"), "{said}");
    let case = cases.last().unwrap();
    assert_eq!(case.name, "s_style_half");
    let with: Vec<String> =
        flags.iter().cloned().chain(["--lora", "lora_peft.safetensors"].map(str::to_owned)).collect();
    assert_eq!(latents(folder.path(), "model_s", &with), latents(folder.path(), "model_s", &case.flags));
}

fn refusal(root: &Path, lora: &Tensors, more: &[&str]) -> String {
    write(&root.join("bad.safetensors"), lora, Dtype::F32);
    let mut flags = vec!["--model", "model_s", "--prompt", "x", "--steps", "1", "--width", "64", "--height", "64"];
    flags.extend(["--lora", "bad.safetensors"]);
    flags.extend(more);
    let flags: Vec<String> = flags.into_iter().map(str::to_owned).collect();
    let output = render(root, "model_s", &flags);
    let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("bad.safetensors"), "{said}");
    println!("{said}");
    said
}

#[test]
fn what_cannot_be_merged_is_named() {
    let model = ByRule::load("s");
    let folder = with_loras(&model);
    let root = folder.path();
    let good = model.lora("lora_kohya");
    let with =
        |name: &str| -> Tensors { good.iter().cloned().chain([(name.to_owned(), vec![1], vec![1.0])]).collect() };
    let first = good[0].0.split('.').next().unwrap().to_owned();
    for (lora, word) in [
        (with(&format!("{first}.dora_scale")), "is DoRA"),
        (with(&format!("{first}.hada_w1_a")), "is LyCORIS LoHa"),
        (with(&format!("{first}.lokr_w1")), "is LyCORIS LoKr"),
        (with(&format!("{first}.lora_mid.weight")), "core tensor"),
        (with("odd.tensor"), "'odd.tensor' is of a kind"),
        (with("unet.mid_block.attentions.0.proj_in.lora.down.weight"), "has only a half"),
        (good.iter().filter(|(name, ..)| !name.ends_with("lora_up.weight")).cloned().collect(), "has only a half"),
        (model.single().into_iter().take(3).collect(), "not a LoRA"),
        (
            good.iter()
                .cloned()
                .map(|(name, shape, values)| (name.replace("unet_", "unet_other_"), shape, values))
                .collect(),
            "have no place",
        ),
    ] {
        let said = refusal(root, &lora, &[]);
        assert!(said.contains(word), "no '{word}' in: {said}");
    }
    let mut wide = good.clone();
    let (_, shape, values) = wide.iter_mut().find(|(name, ..)| name.ends_with("attn2_to_k.lora_down.weight")).unwrap();
    shape[1] += 1;
    values.resize(shape.iter().product(), 0.0);
    assert!(refusal(root, &wide, &[]).contains("made for another model"));
    assert!(refusal(root, &good, &["--lora-blocks", "down_blocks.0.attentions.7"]).contains("has nothing in"));
}

#[test]
fn a_boards_axis_weighs_a_lora() {
    let model = ByRule::load("s");
    let folder = with_loras(&model);
    let root = folder.path();
    let common = "--model model_s --prompt x --seed 3 --steps 1 --width 64 --height 64 --lora lora_peft.safetensors";
    let board = |axis: &str| {
        Command::new(env!("CARGO_BIN_EXE_instantstyle"))
            .arg("board")
            .args(common.split(' '))
            .args(["--x", axis, "--cells", "cells", "--out", "sheet.png"])
            .current_dir(root)
            .env("INSTANTSTYLE_HOME", root.join("home"))
            .output()
            .unwrap()
    };
    // Told before the first cell.
    let said = board("lora-blocks=style,down_blocks.0.attentions.7");
    let line = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(2), "{line}");
    assert!(line.contains("the cell lora-blocks down_blocks.0.attentions.7: the LoRA"), "{line}");
    assert!(!root.join("cells").exists());
    let made = board("lora-strength=0.5,1");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let alone = format!("{common} --lora-strength 0.5");
    let alone = render(root, "model_s", &alone.split(' ').map(str::to_owned).collect::<Vec<_>>());
    assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stderr));
    let bytes = |name: &str| std::fs::read(root.join(name)).unwrap();
    assert_eq!(bytes("cells/cell-01.png"), bytes("out.png"));
    assert_ne!(bytes("cells/cell-01.png"), bytes("cells/cell-02.png"));
}
