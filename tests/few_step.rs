//! Models and LoRAs made for few steps bring their steps, guidance and sampler, and what the artist gives wins. Names as
//! published: ByteDance/SDXL-Lightning and Hyper-SD, stabilityai/sdxl-turbo, latent-consistency/lcm-lora-sdxl.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/by_rule.rs"]
mod by_rule;
#[path = "common/cases.rs"]
mod cases;

use std::path::Path;

use by_rule::{ByRule, write};
use cases::{latents, render};
use instantstyle::pixels::recipe_json;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

const LORA: &str = "lora_peft";

fn flags(more: &[&str]) -> Vec<String> {
    let mut flags = vec!["--model", "", "--prompt", "a boat", "--seed", "3", "--width", "64", "--height", "64"];
    flags.extend(more);
    flags.into_iter().map(str::to_owned).collect()
}

/// Steps, guidance and sampler of the picture that a render with these flags gives.
fn settings(root: &Path, model: &str, more: &[&str]) -> (u64, f64, String) {
    let output = render(root, model, &flags(more));
    assert!(output.status.success(), "{model} {more:?}: {}", String::from_utf8_lossy(&output.stderr));
    let recipe: Value = serde_json::from_str(&recipe_json(&root.join("out.png")).unwrap()).unwrap();
    let scheduler = recipe["scheduler"].as_str().unwrap().to_owned();
    (recipe["steps"].as_u64().unwrap(), recipe["guidance"].as_f64().unwrap(), scheduler)
}

/// The same tensors with a title in the header, as trainers write it.
fn entitle(path: &Path, key: &str, title: &str) {
    let bytes = std::fs::read(path).unwrap();
    let metadata = [(key.to_owned(), title.to_owned())].into();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    std::fs::write(path, safetensors::serialize(file.tensors(), Some(metadata)).unwrap()).unwrap();
}

fn with_model() -> (ByRule, tempfile::TempDir) {
    let model = ByRule::load("s");
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("plain.safetensors"), &model.single(), Dtype::F16);
    (model, folder)
}

#[test]
fn a_checkpoint_brings_its_settings() {
    let (model, folder) = with_model();
    let root = folder.path();
    let called = |name: &str| {
        std::fs::copy(root.join("plain.safetensors"), root.join(name)).unwrap();
        name.to_owned()
    };
    assert_eq!(settings(root, "plain.safetensors", &[]), (30, 5.0, "euler".to_owned()));
    for (name, steps, guidance, scheduler) in [
        ("sdxl_lightning_2step.safetensors", 2, 1.0, "euler-trailing"),
        ("sd_xl_turbo_1.0_fp16.safetensors", 4, 1.0, "euler-ancestral"),
        ("Hyper-SDXL-1step.safetensors", 1, 1.0, "ddim"),
        ("somebodys_LCM_v2.safetensors", 4, 1.5, "lcm"),
    ] {
        assert_eq!(settings(root, &called(name), &[]), (steps, guidance, scheduler.to_owned()), "{name}");
    }
    let titled = called("titled.safetensors");
    entitle(&root.join(&titled), "modelspec.title", "Fast Lightning 8 steps");
    assert_eq!(settings(root, &titled, &[]), (8, 1.0, "euler-trailing".to_owned()));
    let own = ["--steps", "3", "--guidance", "2.5", "--scheduler", "euler"];
    assert_eq!(settings(root, &titled, &own), (3, 2.5, "euler".to_owned()));

    // The sampler's spacing too is that of the model's page.
    let lightning = called("sdxl_lightning_4step.safetensors");
    let said = flags(&["--steps", "4", "--guidance", "1", "--scheduler", "euler-trailing"]);
    assert_eq!(latents(root, &lightning, &flags(&[])), latents(root, "plain.safetensors", &said));
    model.write_folder(&root.join("plain_folder"), Dtype::F16);
    let path = root.join("plain_folder/scheduler/scheduler_config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["_class_name"] = json!("DDIMScheduler");
    config["timestep_spacing"] = json!("trailing");
    std::fs::write(&path, config.to_string()).unwrap();
    let hyper = called("Hyper-SDXL-4steps.safetensors");
    let said = flags(&["--steps", "4", "--guidance", "1"]);
    assert_eq!(latents(root, &hyper, &flags(&[])), latents(root, "plain_folder", &said));
    // Its spacing is that of its own sampler, also where a picture's recipe names that one; another is as it always is.
    assert_eq!(latents(root, &hyper, &flags(&["--scheduler", "ddim"])), latents(root, "plain_folder", &said));
    for (model, scheduler) in [(&hyper, "euler"), (&lightning, "euler"), (&lightning, "ddim")] {
        let said = flags(&["--steps", "4", "--guidance", "1", "--scheduler", scheduler]);
        let own = latents(root, model, &flags(&["--scheduler", scheduler]));
        assert_eq!(own, latents(root, "plain.safetensors", &said), "{model} {scheduler}");
    }

    // A folder has its own scheduler, and its name tells the rest.
    std::fs::rename(root.join("plain_folder"), root.join("sdxl-turbo")).unwrap();
    assert_eq!(settings(root, "sdxl-turbo", &[]), (4, 1.0, "ddim".to_owned()));
}

#[test]
fn a_lora_brings_its_settings() {
    let (model, folder) = with_model();
    let root = folder.path();
    let plain = "plain.safetensors";
    let called = |name: &str| {
        write(&root.join(name), &model.lora(LORA), Dtype::F32);
        name.to_owned()
    };
    let named = called("whatever.safetensors");
    assert_eq!(settings(root, plain, &["--lora", &named]), (30, 5.0, "euler".to_owned()));
    // The word alone, without a number of steps, may be what it draws.
    let drawn = called("lightning_effects_xl.safetensors");
    assert_eq!(settings(root, plain, &["--lora", &drawn]), (30, 5.0, "euler".to_owned()));
    for (name, steps, guidance, scheduler) in [
        ("sdxl_lightning_4step_lora.safetensors", 4, 1.0, "euler-trailing"),
        ("Hyper-SDXL-8steps-lora.safetensors", 8, 1.0, "ddim"),
        ("Hyper-SDXL-12steps-CFG-lora.safetensors", 12, 5.0, "ddim"),
        ("lcm-lora-sdxl/pytorch_lora_weights.safetensors", 4, 1.5, "lcm"),
        ("models--latent-consistency--lcm-lora-sdxl/snapshots/a18e/pytorch_lora_weights.safetensors", 4, 1.5, "lcm"),
    ] {
        assert_eq!(
            settings(root, plain, &["--lora", &called(name)]),
            (steps, guidance, scheduler.to_owned()),
            "{name}"
        );
    }
    entitle(&root.join(&named), "ss_output_name", "my_turbo_6steps");
    assert_eq!(settings(root, plain, &["--lora", &named]), (6, 1.0, "euler-ancestral".to_owned()));

    let lightning = "sdxl_lightning_4step_lora.safetensors";
    let whole = ["--lora", lightning, "--lora", "whatever.safetensors", "--lora-strength", "0.5"];
    assert_eq!(settings(root, plain, &whole), (4, 1.0, "euler-trailing".to_owned()), "the first of two");
    let own = ["--lora", lightning, "--steps", "2", "--guidance", "2.5", "--scheduler", "euler"];
    assert_eq!(settings(root, plain, &own), (2, 2.5, "euler".to_owned()));
    // A LoRA that is off, turned round or kept to some blocks makes no fast model.
    for off in [["--lora-strength", "0"], ["--lora-strength", "-1"], ["--lora-blocks", "style"]] {
        let mut flags = vec!["--lora", lightning];
        flags.extend(off);
        assert_eq!(settings(root, plain, &flags), (30, 5.0, "euler".to_owned()), "{off:?}");
    }
    let by_name = latents(root, plain, &flags(&["--lora", lightning]));
    std::fs::copy(root.join(lightning), root.join("renamed.safetensors")).unwrap();
    let said = ["--lora", "renamed.safetensors", "--steps", "4", "--guidance", "1", "--scheduler", "euler-trailing"];
    assert_eq!(by_name, latents(root, plain, &flags(&said)));
    for scheduler in ["euler", "ddim"] {
        let of = |lora: &str| {
            let said = ["--lora", lora, "--steps", "4", "--guidance", "1", "--scheduler", scheduler];
            latents(root, plain, &flags(&said))
        };
        let chosen = of(lightning);
        assert_eq!(chosen, of("renamed.safetensors"), "{scheduler}");
        assert_ne!(chosen, by_name, "{scheduler}");
    }
    // A picture keeps the settings, whatever its LoRA is called by then.
    let picture = root.join("fast.png");
    assert_eq!(settings(root, plain, &["--lora", lightning]).0, 4);
    std::fs::rename(root.join("out.png"), &picture).unwrap();
    let again: Vec<String> =
        ["--model", "", "--from", "fast.png", "--lora", "renamed.safetensors"].map(str::to_owned).to_vec();
    assert_eq!(latents(root, plain, &again), by_name);
}
