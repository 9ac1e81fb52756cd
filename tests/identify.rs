//! What files are, from their names and shapes: the published ones (`golden/headers/`) and what is derived from them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use candle_nn::VarBuilder;
use instantstyle::nn::autoencoder_kl::AutoencoderKl;
use instantstyle::nn::clip_text::ClipTextModel;
use instantstyle::nn::unet_2d_condition::UNet2DConditionModel;
use instantstyle::recipe::ModelBlocks;
use instantstyle::weights::{Dtype, Kind, ModelFolder, Weights, check, identify};

type Header = BTreeMap<String, (Dtype, Vec<usize>)>;

fn header(name: &str) -> Header {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/headers").join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn of(tensors: &[(&str, &[usize])]) -> Header {
    tensors.iter().map(|(name, shape)| (name.to_string(), (Dtype::F16, shape.to_vec()))).collect()
}

fn only(header: &Header, start: &str) -> Header {
    header
        .iter()
        .filter(|(name, _)| name.starts_with(start))
        .map(|(name, about)| (name.clone(), about.clone()))
        .collect()
}

fn with(header: &Header, name: &str, shape: &[usize]) -> Header {
    let mut out = header.clone();
    out.insert(name.to_owned(), (Dtype::F16, shape.to_vec()));
    out
}

/// A LoRA of rank 8 on every cross-attention's keys, with the names that `spell` makes of a module's.
fn lora(unet: &Header, spell: impl Fn(&str) -> [String; 2]) -> Header {
    let keys = unet.iter().filter(|(name, _)| name.ends_with("attn2.to_k.weight"));
    keys.flat_map(|(name, (dtype, shape))| {
        let [down, up] = spell(name.trim_end_matches(".weight"));
        [(down, (*dtype, vec![8, shape[1]])), (up, (*dtype, vec![shape[0], 8]))]
    })
    .collect()
}

#[test]
fn a_table_of_files() {
    let (sdxl, sd15, unet) = (header("sd_xl_base_1.0"), header("v1-5-pruned-emaonly"), header("unet"));
    let first = "model.diffusion_model.input_blocks.0.0.weight";
    let kohya = |module: &str| {
        let word = format!("lora_unet_{}", module.replace('.', "_"));
        [format!("{word}.lora_down.weight"), format!("{word}.lora_up.weight")]
    };
    let plain = lora(&unet, kohya);
    let mut with_text = plain.clone();
    with_text
        .insert("lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight".into(), (Dtype::F16, vec![8, 768]));
    let files: Vec<(&str, Header)> = vec![
        ("sd_xl_base_1.0.safetensors", sdxl.clone()),
        ("sdxl_lightning_4step.safetensors", sdxl.clone()),
        ("sd_xl_turbo_1.0.safetensors", sdxl.clone()),
        ("Hyper-SDXL-8steps.safetensors", sdxl.clone()),
        ("noob_vpred.safetensors", with(&sdxl, "v_pred", &[])),
        ("sdxl_inpainting.safetensors", with(&sdxl, first, &[320, 9, 3, 3])),
        ("v1-5-pruned-emaonly.safetensors", sd15.clone()),
        ("v1-5-inpainting.safetensors", with(&sd15, first, &[320, 9, 3, 3])),
        ("sd_xl_refiner_1.0.safetensors", header("sd_xl_refiner_1.0")),
        ("sdxl_lcm_merge.safetensors", sdxl.clone()),
        ("unet_only.safetensors", only(&sdxl, "model.diffusion_model.")),
        ("unet/diffusion_pytorch_model.safetensors", unet.clone()),
        ("vae_only.safetensors", only(&sdxl, "first_stage_model.")),
        ("vae/diffusion_pytorch_model.safetensors", header("vae")),
        ("taesdxl_decoder.safetensors", of(&[("1.weight", &[64, 4, 3, 3]), ("3.conv.0.weight", &[64, 64, 3, 3])])),
        ("taesdxl/diffusion_pytorch_model.safetensors", header("taesdxl")),
        ("text_encoder/model.safetensors", header("text_encoder")),
        ("text_encoder_2/model.safetensors", header("text_encoder_2")),
        ("sdxl_models/image_encoder/model.safetensors", header("image_encoder_bigg")),
        ("models/image_encoder/model.safetensors", header("image_encoder_vit_h")),
        ("open_clip_model.safetensors", of(&[("visual.conv1.weight", &[1280, 3, 14, 14])])),
        ("ip-adapter_sdxl.safetensors", header("ip-adapter_sdxl")),
        ("ip-adapter_sdxl_vit-h.safetensors", header("ip-adapter_sdxl_vit-h")),
        ("ip-adapter-plus_sdxl_vit-h.safetensors", header("ip-adapter-plus_sdxl_vit-h")),
        ("ip-adapter_sd15.safetensors", header("ip-adapter_sd15")),
        ("ip-adapter-plus_sd15.safetensors", header("ip-adapter-plus_sd15")),
        ("ip-adapter-full-face_sd15.safetensors", header("ip-adapter-full-face_sd15")),
        ("ip-adapter-faceid_sdxl.safetensors", header("ip-adapter-faceid_sdxl")),
        ("ip-adapter-faceid-plusv2_sd15.safetensors", header("ip-adapter-faceid-plusv2_sd15")),
        ("instantid.safetensors", {
            let keys: &[(&str, &[usize])] = &[("ip_adapter.1.to_k_ip.weight", &[640, 2048])];
            let body = with(&of(keys), "image_proj.latents", &[1, 16, 1280]);
            with(&body, "image_proj.proj_in.weight", &[1280, 512])
        }),
        ("lora_kohya.safetensors", with_text),
        (
            "lora_ldm.safetensors",
            of(&[
                ("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight", &[16, 2048]),
                ("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_up.weight", &[640, 16]),
            ]),
        ),
        (
            "lora_peft.safetensors",
            lora(&unet, |m| [format!("unet.{m}.lora_A.weight"), format!("unet.{m}.lora_B.weight")]),
        ),
        (
            "lora_old.safetensors",
            lora(&unet, |m| [format!("unet.{m}.lora.down.weight"), format!("unet.{m}.lora.up.weight")]),
        ),
        ("lora_sd15.safetensors", of(&[("lora_unet_mid_block_attentions_0_attn2_to_k.lora_down.weight", &[4, 768])])),
        ("dora.safetensors", with(&plain, "lora_unet_x.dora_scale", &[1])),
        ("loha.safetensors", of(&[("lora_unet_x.hada_w1_a", &[640, 8]), ("lora_unet_x.hada_w1_b", &[8, 640])])),
        ("lokr.safetensors", of(&[("lora_unet_x.lokr_w1", &[8, 8])])),
        ("controlnet-canny-sdxl-1.0/diffusion_pytorch_model.safetensors", header("controlnet-canny-sdxl-1.0")),
        (
            "control_sd15_canny.safetensors",
            of(&[
                ("control_model.input_blocks.0.0.weight", &[320, 4, 3, 3]),
                ("control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", &[320, 768]),
            ]),
        ),
        (
            "control-lora-canny-rank128.safetensors",
            of(&[("lora_controlnet", &[]), ("input_blocks.0.0.weight", &[320, 4, 3, 3])]),
        ),
        ("t2i-adapter-canny-sdxl.safetensors", of(&[("adapter.body.0.resnets.0.block1.weight", &[320, 320, 3, 3])])),
        ("flux1-dev.safetensors", of(&[("double_blocks.0.img_attn.qkv.weight", &[9216, 3072])])),
        (
            "sd3_medium.safetensors",
            of(&[("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", &[4608, 1536])]),
        ),
        ("t5xxl_fp16.safetensors", of(&[("encoder.block.0.layer.0.SelfAttention.q.weight", &[4096, 4096])])),
        ("mm_sdxl_v10.safetensors", of(&[("down_blocks.0.motion_modules.0.temporal_transformer.norm.weight", &[320])])),
        ("bad_hands.safetensors", of(&[("emb_params", &[8, 768])])),
        ("style_xl.safetensors", of(&[("clip_g", &[4, 1280]), ("clip_l", &[4, 768])])),
        (
            "4x_ultrasharp.safetensors",
            of(&[("model.0.weight", &[64, 3, 3, 3]), ("model.1.sub.0.RDB1.conv1.0.weight", &[32, 64, 3, 3])]),
        ),
        ("anything.safetensors", of(&[("x", &[1])])),
    ];
    let mut table = String::new();
    for (name, header) in files {
        let kind = identify(&Weights::header_only(name, header));
        write!(table, "{name}: {kind}").unwrap();
        if let Kind::Adapter { needs, .. } = kind {
            let needs = needs.map_or("no image encoder of CLIP's".to_owned(), |needs| needs.to_string());
            write!(table, "; needs {needs}").unwrap();
        }
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}

#[test]
fn mutated_checkpoints_get_the_right_sentence() {
    let sdxl = header("sd_xl_base_1.0");
    let unet = "model.diffusion_model.";
    let without =
        |part: &str| -> Header { sdxl.clone().into_iter().filter(|(name, _)| !name.contains(part)).collect() };
    let first = format!("{unet}input_blocks.0.0.weight");
    let label = format!("{unet}label_emb.0.0.weight");
    let in_proj = "conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_weight";
    let mut table = String::new();
    for (what, header) in [
        ("whole", sdxl.clone()),
        ("no text encoders", without("conditioner.")),
        ("one text encoder", without("embedders.1.")),
        ("no VAE's middle", without("first_stage_model.decoder.mid.")),
        ("no first convolution", without("input_blocks.0.0.weight")),
        ("no time embedding", without("time_embed.")),
        ("nine channels", with(&sdxl, &first, &[320, 9, 3, 3])),
        ("odd size conditioning", with(&sdxl, &label, &[1280, 2817])),
        ("in_proj of two and a half", with(&sdxl, in_proj, &[3200, 1280])),
        ("width of a level", with(&sdxl, &format!("{unet}input_blocks.4.0.in_layers.2.weight"), &[641, 320, 3, 3])),
        ("stray tensor", with(&sdxl, "stray\ntensor", &[1])),
        ("huge number", with(&sdxl, &format!("{unet}input_blocks.99999999999.0.op.weight"), &[1])),
    ] {
        let said = match ModelFolder::of_checkpoint(&Weights::header_only("m.safetensors", header)) {
            Ok(folder) => format!("opens {:?}", folder.notices()),
            Err(error) => error.to_string(),
        };
        assert_eq!(said.lines().count(), 1, "{said}");
        writeln!(table, "{what}: {said}").unwrap();
    }
    insta::assert_snapshot!(table);
}

/// Every tensor of the published SD 1.5 file finds its place, and none is left over.
#[test]
fn the_sd15_file() {
    let weights = Weights::header_only("v1-5", header("v1-5-pruned-emaonly"));
    let model = ModelFolder::of_checkpoint(&weights).unwrap();
    assert_eq!(model.notices(), [""; 0]);
    let exact = |part: &str, build: &mut dyn FnMut(VarBuilder) -> candle_core::Result<()>| {
        let weights = model.weights(part).unwrap();
        let report = check(&weights, |vb| build(vb));
        assert_eq!((report.sentence("it"), report.notice("it")), (None, None), "{part}");
    };
    let mut names = Vec::new();
    exact("unet", &mut |vb| {
        let unet = UNet2DConditionModel::new(&model.json("unet/config.json").unwrap(), vb)?;
        names = unet.blocks().iter().map(|block| block.name.clone()).collect();
        Ok(())
    });
    exact("vae", &mut |vb| AutoencoderKl::new(&model.json("vae/config.json").unwrap(), vb).map(drop));
    exact("text_encoder", &mut |vb| {
        ClipTextModel::new(&model.json("text_encoder/config.json").unwrap(), false, vb).map(drop)
    });
    assert_eq!(names.len(), 16);
    let blocks = ModelBlocks::new(names, None, None);
    assert_eq!((blocks.style.len(), blocks.layout.len()), (3, 3));
}
