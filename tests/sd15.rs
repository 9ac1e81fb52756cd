//! SD 1.5 through the command line, against diffusers' StableDiffusionPipeline (tests/golden/make_single_file.py): as a folder
//! and as a single file, with its base, Plus and full-face adapters; and what does not fit it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/by_rule.rs"]
mod by_rule;
#[path = "common/cases.rs"]
mod cases;

use by_rule::{ByRule, golden, write};
use cases::{bench, cases, latents, reference, relative_error, render};
use safetensors::Dtype;

const ADAPTERS: &[&str] = &["adapter_d", "adapter_d_plus", "adapter_d_full"];

#[test]
fn folder_and_single_file_equal_diffusers() {
    let model = ByRule::load("d");
    let folder = bench(&model, ADAPTERS);
    let root = folder.path();
    std::fs::copy(golden().join("init_64x64.png"), root.join("init_64x64.png")).unwrap();
    model.write_folder(&root.join("model_d"), Dtype::F16);
    write(&root.join("single.safetensors"), &model.single(), Dtype::F16);
    let cases = cases("d");
    assert_eq!(cases.len(), 6);
    for case in cases {
        let ours = latents(root, "model_d", &case.flags);
        let error = relative_error(&ours, &reference(&case.name));
        println!("{}: {error:.1e}", case.name);
        assert!(error < case.tolerance, "{}: relative error {error:.2e}", case.name);
        assert_eq!(ours, latents(root, "single.safetensors", &case.flags), "{}", case.name);
    }
}

#[test]
fn what_does_not_fit_it_is_said() {
    let (model, sdxl) = (ByRule::load("d"), ByRule::load("s"));
    let folder = bench(&model, ADAPTERS);
    let root = folder.path();
    model.write_folder(&root.join("model_d"), Dtype::F16);
    sdxl.write_folder(&root.join("model_s"), Dtype::F16);
    write(&root.join("adapter_s.safetensors"), &sdxl.component("adapter_s"), Dtype::F16);
    let said = |model: &str, more: &[&str]| {
        let mut flags = vec!["--model", model, "--prompt", "x", "--steps", "1", "--width", "64", "--height", "64"];
        flags.extend(["--image-encoder", "vision_a", "--reference", "ref1.png", "--guidance", "3"]);
        flags.extend(more);
        let output = render(root, model, &flags.into_iter().map(str::to_owned).collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        println!("{said}");
        said
    };
    let base = ["--adapter", "adapter_d.safetensors"];
    assert!(
        said("model_d", &[&base[..], &["--subtract", "a rabbit"]].concat()).contains("no text encoder in the space")
    );
    assert!(said("model_s", &base).contains("made for another model"));
    assert!(said("model_d", &["--adapter", "adapter_s.safetensors"]).contains("made for another model"));
    let full = ["--adapter", "adapter_d_full.safetensors", "--subtract", "a rabbit"];
    assert!(said("model_d", &full).contains("full face adapter"));
    std::fs::remove_dir_all(root.join("model_s/text_encoder_2")).unwrap();
    assert!(said("model_s", &["--adapter", "adapter_s.safetensors"]).contains("has no text_encoder_2"));
}
