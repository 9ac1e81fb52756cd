//! Whether weights are what is wanted, from headers: lists of tensors, kinds, adapters and what they go with.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/tensors.rs"]
mod tensors;

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use instantstyle::weights::{
    AdapterInfo, AdapterKind, Dtype, Family, Kind, Weights, WeightsError, check, identify, pair,
};
use tensors::{header_only, sentence};

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
    assert_eq!((report.wanted, report.sentence("f"), report.notice("f")), (4, None, None));

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
    assert_eq!((report.sentence("f"), report.notice("f")), (None, None));
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
