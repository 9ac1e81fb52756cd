//! What a config.json would say, read from the shapes of tensors under diffusers' and transformers' names.
//!
//! What shapes cannot tell is what every published model of the kind has: groups of norms (32, LDM's `GroupNorm32`),
//! activations, the width of a head. Sources: the configs of stabilityai/stable-diffusion-xl-base-1.0 and of
//! stable-diffusion-v1-5, and diffusers' `create_unet_diffusers_config_from_ldm`.

use serde_json::{Value, json};

use crate::weights::Weights;

/// LDM's norms have this many groups.
const GROUPS: usize = 32;
/// Width of one attention head in SDXL's UNet and in every CLIP text tower.
const HEAD: usize = 64;
/// More parts of one sort than any model has: a name may hold any number.
const MOST: usize = 256;
/// SD 1.5 has this many heads at every width.
const SD15_HEADS: usize = 8;

/// `unet/config.json`; `pooled` is the width of the pooled text, where the model has size conditioning.
pub fn unet(weights: &Weights, pooled: Option<usize>) -> Result<Value, String> {
    let size = |name: &str, axis: usize| size(weights, name, axis);
    let count = |part: &str| weights.count(&format!("{part}.")).min(MOST);
    let depths = |block: &str| -> Vec<usize> {
        let attentions = format!("{block}.attentions");
        let depth = |i| count(&format!("{attentions}.{i}.transformer_blocks"));
        (0..count(&attentions)).map(depth).collect()
    };
    let levels = count("down_blocks");
    if levels == 0 {
        return Err("its UNet has no levels".to_owned());
    }
    let mid = depths("mid_block");
    let (mut widths, mut layers, mut down, mut up) = (vec![], vec![], vec![], vec![]);
    for i in 0..levels {
        widths.push(size(&format!("down_blocks.{i}.resnets.0.conv1.weight"), 0)?);
        layers.push(count(&format!("down_blocks.{i}.resnets")));
        down.push(depths(&format!("down_blocks.{i}")));
        up.push(depths(&format!("up_blocks.{}", levels - 1 - i)));
    }
    whole_groups(&widths, "UNet")?;
    let proj_in = weights.entries().find(|(name, _)| name.ends_with(".proj_in.weight"));
    let linear = proj_in.is_none_or(|(_, entry)| entry.shape.len() == 2);
    let heads = |level: usize| -> Result<usize, String> {
        let width = widths.get(level).copied().unwrap_or_default();
        let attends = [&down, &up].iter().any(|side| side.get(level).is_some_and(|depths| !depths.is_empty()));
        let attends = attends || (level + 1 == levels && !mid.is_empty());
        match (attends, linear) {
            (false, true) => Ok(heads_of(width).unwrap_or(1)),
            (true, true) => heads_of(width),
            (_, false) => Ok(SD15_HEADS),
        }
    };
    let heads = (0..levels).map(heads).collect::<Result<Vec<_>, _>>()?;
    // A level without attention says nothing, but for the innermost, whose number is the middle's.
    let written = |depths: &[usize], level: usize| match depths {
        [] if level + 1 == levels => json!(mid.first().copied().unwrap_or(1)),
        [] => json!(1),
        [first, rest @ ..] if rest.iter().all(|depth| depth == first) => json!(first),
        uneven => json!(uneven),
    };
    let on_the_way = |side: &[Vec<usize>]| -> Vec<Value> {
        side.iter().enumerate().map(|(level, depths)| written(depths, level)).collect()
    };
    let (ways_down, mut ways_up) = (on_the_way(&down), on_the_way(&up));
    let is_mirrored = ways_down == ways_up;
    ways_up.reverse();
    let types = |side: &[Vec<usize>], with: &str, without: &str| -> Vec<String> {
        side.iter().map(|depths| if depths.is_empty() { without } else { with }.to_owned()).collect()
    };
    let (types_down, mut types_up) =
        (types(&down, "CrossAttnDownBlock2D", "DownBlock2D"), types(&up, "CrossAttnUpBlock2D", "UpBlock2D"));
    types_up.reverse();
    let cross_attention_dim = weights
        .entries()
        .find(|(name, _)| name.ends_with(".attn2.to_k.weight"))
        .and_then(|(_, entry)| entry.shape.get(1).copied())
        .ok_or("its UNet has no cross-attention")?;
    let mut config = json!({
        "_class_name": "UNet2DConditionModel",
        "in_channels": size("conv_in.weight", 1)?,
        "out_channels": size("conv_out.weight", 0)?,
        "block_out_channels": widths,
        "layers_per_block": layers,
        "down_block_types": types_down,
        "up_block_types": types_up,
        "mid_block_type": (!mid.is_empty()).then_some("UNetMidBlock2DCrossAttn"),
        "transformer_layers_per_block": ways_down,
        "attention_head_dim": heads,
        "cross_attention_dim": cross_attention_dim,
        "use_linear_projection": linear,
        "norm_num_groups": GROUPS,
        "time_embedding_dim": size("time_embedding.linear_1.weight", 0)?,
        "sample_size": 64,
    });
    let Some(fields) = config.as_object_mut() else { return Ok(config) };
    if !is_mirrored {
        fields.insert("reverse_transformer_layers_per_block".to_owned(), json!(ways_up));
    }
    if let Ok(input) = size("add_embedding.linear_1.weight", 1) {
        // The rest of the input is six numbers, each a sinusoid.
        let Some(time) = pooled.and_then(|pooled| input.checked_sub(pooled)).filter(|rest| rest % 6 == 0) else {
            return Err(format!("its add_embedding takes {input} numbers, which its text encoder does not give"));
        };
        fields.insert("addition_embed_type".to_owned(), json!("text_time"));
        fields.insert("addition_time_embed_dim".to_owned(), json!(time / 6));
        fields.insert("projection_class_embeddings_input_dim".to_owned(), json!(input));
        fields.insert("sample_size".to_owned(), json!(128));
    }
    Ok(config)
}

/// `vae/config.json`.
pub fn vae(weights: &Weights, scaling_factor: f64) -> Result<Value, String> {
    let width = |i| size(weights, &format!("encoder.down_blocks.{i}.resnets.0.conv1.weight"), 0);
    let widths = (0..weights.count("encoder.down_blocks.").min(MOST)).map(width).collect::<Result<Vec<_>, _>>()?;
    if widths.is_empty() {
        return Err("its VAE has no encoder".to_owned());
    }
    whole_groups(&widths, "VAE")?;
    Ok(json!({
        "_class_name": "AutoencoderKL",
        "in_channels": size(weights, "encoder.conv_in.weight", 1)?,
        "out_channels": size(weights, "decoder.conv_out.weight", 0)?,
        "latent_channels": size(weights, "decoder.conv_in.weight", 1)?,
        "down_block_types": vec!["DownEncoderBlock2D"; widths.len()],
        "up_block_types": vec!["UpDecoderBlock2D"; widths.len()],
        "layers_per_block": weights.count("encoder.down_blocks.0.resnets.").min(MOST),
        "block_out_channels": widths,
        "norm_num_groups": GROUPS,
        "use_quant_conv": weights.contains("quant_conv.weight"),
        "use_post_quant_conv": weights.contains("post_quant_conv.weight"),
        "mid_block_add_attention": weights.contains("encoder.mid_block.attentions.0.to_q.weight"),
        "scaling_factor": scaling_factor,
    }))
}

/// `text_encoder/config.json`. `activation` is `quick_gelu` for OpenAI's CLIP-L, `gelu` for OpenCLIP.
pub fn text(weights: &Weights, activation: &str) -> Result<Value, String> {
    let size = |name: &str, axis: usize| size(weights, &format!("text_model.{name}"), axis);
    let width = size("embeddings.token_embedding.weight", 1)?;
    let layers = ["text_model.encoder.layers.", "encoder.layers."].map(|prefix| weights.count(prefix));
    let projection = weights.shape("text_projection.weight").and_then(|shape| shape.first()).copied();
    Ok(json!({
        "vocab_size": size("embeddings.token_embedding.weight", 0)?,
        "hidden_size": width,
        "intermediate_size": size("encoder.layers.0.mlp.fc1.weight", 0)?,
        "projection_dim": projection.unwrap_or(width),
        "num_hidden_layers": layers.into_iter().max().unwrap_or(0).min(MOST),
        "num_attention_heads": heads_of(width)?,
        "max_position_embeddings": size("embeddings.position_embedding.weight", 0)?,
        "hidden_act": activation,
        // As in the published configs: the end of a text is its highest id.
        "eos_token_id": 2,
    }))
}

/// One head a 64 numbers; a small model has one.
fn heads_of(width: usize) -> Result<usize, String> {
    match width {
        1..HEAD => Ok(1),
        _ if width.is_multiple_of(HEAD) && width > 0 => Ok(width / HEAD),
        _ => Err(format!("its attention is {width} wide, no multiple of {HEAD}, so its number of heads is unknown")),
    }
}

fn whole_groups(widths: &[usize], part: &str) -> Result<(), String> {
    match widths.iter().find(|width| !width.is_multiple_of(GROUPS) || **width == 0) {
        Some(width) => Err(format!("a level of its {part} is {width} wide, no multiple of {GROUPS}")),
        None => Ok(()),
    }
}

fn size(weights: &Weights, name: &str, axis: usize) -> Result<usize, String> {
    let shape = weights.shape(name).ok_or_else(|| format!("it lacks the tensor that diffusers calls '{name}'"))?;
    shape.get(axis).copied().ok_or_else(|| format!("its tensor '{name}' has shape {shape:?}"))
}
