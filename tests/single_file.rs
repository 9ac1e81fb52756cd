//! Single-file checkpoints through the command line: a model as one file and as a folder gives the same latents, which are
//! those of diffusers (tests/golden/make_single_file.py).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/by_rule.rs"]
mod by_rule;
#[path = "common/cases.rs"]
mod cases;

use std::path::Path;

use by_rule::{ByRule, Tensors, write};
use cases::{bench, cases, latents, reference, relative_error, render};
use safetensors::Dtype;

#[test]
fn an_sdxl_file_equals_its_folder_and_diffusers() {
    let model = ByRule::load("s");
    let folder = bench(&model, &["adapter_s"]);
    let root = folder.path();
    model.write_folder(&root.join("model_s"), Dtype::F16);
    let single = model.single();
    for (name, dtype) in [("f16", Dtype::F16), ("f8", Dtype::F8_E4M3), ("bf16", Dtype::BF16)] {
        write(&root.join(format!("{name}.safetensors")), &single, dtype);
    }
    for (index, case) in cases("s").iter().filter(|case| !case.flags.contains(&"--lora".to_owned())).enumerate() {
        let ours = latents(root, "f16.safetensors", &case.flags);
        let error = relative_error(&ours, &reference(&case.name));
        println!("{}: {error:.1e}", case.name);
        assert!(error < case.tolerance, "{}: relative error {error:.2e}", case.name);
        assert_eq!(ours, latents(root, "model_s", &case.flags), "{}", case.name);
        // The rule's numbers are the same in every dtype.
        let other = ["f8.safetensors", "bf16.safetensors"][index % 2];
        assert_eq!(ours, latents(root, other, &case.flags), "{} {other}", case.name);
    }
}

fn refusal(root: &Path, tensors: &Tensors, flags: &[String]) -> String {
    write(&root.join("bad.safetensors"), tensors, Dtype::F16);
    let output = render(root, "bad.safetensors", flags);
    let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("bad.safetensors"), "{said}");
    said
}

#[test]
fn a_file_that_is_no_whole_model_says_why() {
    let model = ByRule::load("s");
    let folder = bench(&model, &["adapter_s"]);
    let single = model.single();
    let flags = &cases("s")[0].flags;
    let without = |part: &str| single.iter().filter(|(name, ..)| !name.contains(part)).cloned().collect::<Tensors>();
    let reshaped = |part: &str, change: &dyn Fn(&mut Vec<usize>)| -> Tensors {
        let mut out = single.clone();
        let (_, shape, values) = out.iter_mut().find(|(name, ..)| name.contains(part)).unwrap();
        change(shape);
        values.resize(shape.iter().product(), 0.5);
        out
    };
    let mut marked = single.clone();
    marked.push(("conditioner.embedders.0.model.token_embedding.weight".to_owned(), vec![1], vec![0.0]));
    for (tensors, word) in [
        (without("first_stage_model."), "holds no VAE"),
        (without("conditioner."), "its text encoders are missing"),
        (
            without("_").iter().cloned().chain(single.iter().filter(|t| t.0.starts_with("model.")).cloned()).collect(),
            "is a UNet",
        ),
        (without("embedders.1."), "its text encoders are missing"),
        (without("embedders.0."), "its text encoders are missing"),
        (without("output_blocks.1.1.proj_in.weight"), "up_blocks.0.attentions.1.proj_in.weight"),
        (without("decoder.up.2.block.1.conv1.weight"), "decoder.up_blocks.1.resnets.1.conv1.weight"),
        (without("resblocks.1.attn.in_proj_weight"), "text_model.encoder.layers.1.self_attn.q_proj.weight"),
        (without("input_blocks.0.0.weight"), "lacks the tensor that diffusers calls 'conv_in.weight'"),
        (reshaped("input_blocks.0.0.weight", &|s| s[1] = 9), "inpainting"),
        (reshaped("label_emb.0.0.weight", &|s| s[1] += 1), "add_embedding takes 109 numbers"),
        (reshaped("resblocks.1.attn.in_proj_weight", &|s| s[0] += 1), "cannot be split into 3 equal parts"),
        (reshaped("1.model.text_projection", &|s| s.push(1)), "cannot be transposed"),
        (reshaped("decoder.mid.attn_1.q.weight", &|s| s[3] = 2), "cannot be read as a matrix"),
        (reshaped("input_blocks.4.0.in_layers.2.weight", &|s| s[0] = 65), "65 wide, no multiple of 32"),
        (reshaped("0.transformer.text_model.embeddings.token_embedding.weight", &|s| s[0] = 300), "knows 300 tokens"),
        (marked, "refiner"),
    ] {
        let said = refusal(folder.path(), &tensors, flags);
        assert!(said.contains(word), "no '{word}' in: {said}");
        println!("{said}");
    }
}

/// The content picture is encoded by the VAE, so the latents tell one VAE from another.
#[test]
fn a_vae_of_its_own_takes_the_place_of_the_models() {
    let model = ByRule::load("s");
    let folder = bench(&model, &["adapter_s"]);
    let root = folder.path();
    model.write_folder(&root.join("model_s"), Dtype::F16);
    let single = model.single();
    let (vae, rest): (Tensors, Tensors) =
        single.iter().cloned().partition(|(name, ..)| name.starts_with("first_stage_model."));
    let bare: Tensors = vae
        .into_iter()
        .map(|(name, shape, values)| (name.replace("first_stage_model.", ""), shape, values))
        .chain([("loss.logvar".to_owned(), vec![], vec![0.5])])
        .collect();
    write(&root.join("whole.safetensors"), &single, Dtype::F16);
    write(&root.join("rest.safetensors"), &rest, Dtype::F16);
    write(&root.join("ldm.safetensors"), &bare, Dtype::F16);
    let with = |model: &str, vae: Option<&str>| {
        let mut flags = cases("s")[0].flags.clone();
        flags.extend(["--init", "ref1.png", "--steps", "2"].map(str::to_owned));
        flags.extend(vae.iter().flat_map(|vae| ["--vae".to_owned(), (*vae).to_owned()]));
        latents(root, model, &flags)
    };
    let whole = with("whole.safetensors", None);
    for vae in [
        "ldm.safetensors",
        "whole.safetensors",
        "model_s/vae/diffusion_pytorch_model.safetensors",
        "model_s/vae",
        "model_s",
    ] {
        assert_eq!(with("rest.safetensors", Some(vae)), whole, "{vae}");
    }
    // Another one is seen.
    let other: Tensors = bare
        .into_iter()
        .map(|(name, shape, values)| {
            let values =
                if name == "encoder.conv_out.weight" { values.iter().map(|v| v * 2.0).collect() } else { values };
            (name, shape, values)
        })
        .collect();
    write(&root.join("other.safetensors"), &other, Dtype::F16);
    assert_ne!(with("whole.safetensors", Some("other.safetensors")), whole);
    let mut flags = cases("s")[0].flags.clone();
    flags.extend(["--vae", "adapter_s.safetensors"].map(str::to_owned));
    let said = render(root, "whole.safetensors", &flags);
    assert_eq!(said.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&said.stderr).contains("adapter_s.safetensors is an IP-Adapter"));
}
