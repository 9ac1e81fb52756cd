//! The networks that can be timed, their inputs, and what they take of memory.

use std::sync::atomic::Ordering;

use candle_core::{Device, Tensor};

use super::random_weights::{counting, random};
use super::{BenchModel, BenchNetwork, BenchSpec};
use crate::engine::device::Place;
use crate::engine::{EngineError, builtin, memory};
use crate::nn::autoencoder_kl::{AutoencoderKl, AutoencoderKlConfig, Cut, MOST_WHOLE_PIXELS};
use crate::nn::cancel::Cancel;
use crate::nn::torch_rng::TorchGenerator;
use crate::nn::unet_2d_condition::{AddedConditioning, Conditioning, UNet2DConditionModel};
use crate::nn::unet_config::{PerLevel, UNet2DConditionConfig};

/// Of weights and inputs.
const SEED: u64 = 0;
/// What CLIP gives.
const TEXT_TOKENS: usize = 77;
/// Somewhere in the middle of the schedule; any one costs the same.
const TIMESTEP: f64 = 500.0;
/// Numbers in SDXL's time ids.
const TIME_IDS: usize = 6;

/// A network with its input, ready to run.
pub enum Bench {
    Unet { network: Box<UNet2DConditionModel>, sample: Tensor, text: Tensor, pooled: Option<Tensor>, size: f64 },
    Vae { network: Box<AutoencoderKl>, latents: Tensor },
}

impl Bench {
    pub fn new(spec: BenchSpec, place: &Place) -> Result<Self, EngineError> {
        let vb = random(SEED, spec.half_weights, place.dtype, &place.device);
        let mut noise = TorchGenerator::manual_seed(SEED);
        let mut randn = |dims: &[usize]| -> Result<Tensor, EngineError> {
            let numbers = noise.randn(dims.iter().product());
            Ok(Tensor::from_vec(numbers, dims, &Device::Cpu)?.to_dtype(place.dtype)?.to_device(&place.device)?)
        };
        let vae = vae_config(spec.model)?;
        let side = spec.size as usize / vae.scale_factor();
        match spec.network {
            BenchNetwork::Unet => {
                let config = unet_config(spec.model)?;
                let width = config.down_level(config.block_out_channels.len() - 1)?.cross_attention_dim;
                let pooled = pooled_width(&config);
                Ok(Self::Unet {
                    network: Box::new(UNet2DConditionModel::new(&config, vb)?),
                    sample: randn(&[spec.batch, config.in_channels, side, side])?,
                    text: randn(&[spec.batch, TEXT_TOKENS, width])?,
                    pooled: pooled.map(|width| randn(&[spec.batch, width])).transpose()?,
                    size: f64::from(spec.size),
                })
            }
            BenchNetwork::Vae => Ok(Self::Vae {
                network: Box::new(AutoencoderKl::new(&vae, vb)?),
                latents: randn(&[spec.batch, vae.latent_channels, side, side])?,
            }),
        }
    }

    pub fn forward(&self) -> Result<Tensor, EngineError> {
        match self {
            Self::Unet { network, sample, text, pooled, size } => {
                let time_ids = [*size, *size, 0.0, 0.0, *size, *size];
                // Once a job in a render; timed all the same, since diffusers' forward projects the text each time.
                let text = network.text_key_values(text, Cancel::never())?;
                let conditioning = Conditioning {
                    text: &text,
                    added: pooled.as_ref().map(|text_embeds| AddedConditioning { text_embeds, time_ids }),
                    image_prompts: &[],
                    cancel: Cancel::never(),
                };
                Ok(network.forward(sample, TIMESTEP, None, &conditioning)?)
            }
            Self::Vae { network, latents } => {
                let pixels = latents.dim(2)? * latents.dim(3)? * network.config().scale_factor().pow(2);
                Ok(network.decode(latents, cut(pixels), Cancel::never())?)
            }
        }
    }
}

/// Number of weights.
pub fn parameters(spec: BenchSpec) -> Result<u64, EngineError> {
    let (vb, count) = counting();
    match spec.network {
        BenchNetwork::Unet => drop(UNet2DConditionModel::new(&unet_config(spec.model)?, vb)?),
        BenchNetwork::Vae => drop(AutoencoderKl::new(&vae_config(spec.model)?, vb)?),
    }
    Ok(count.load(Ordering::Relaxed))
}

/// As a picture is decoded where memory is plenty.
fn cut(pixels: usize) -> Cut {
    if pixels <= MOST_WHOLE_PIXELS { Cut::Whole } else { Cut::Tiles }
}

/// About how much a pass needs beside the weights.
pub fn work_bytes(spec: BenchSpec, size: u32, place: &Place) -> u64 {
    let pixels = u64::from(size) * u64::from(size);
    let (Ok(unet), Ok(vae)) = (unet_config(spec.model), vae_config(spec.model)) else { return 0 };
    let factor = vae.scale_factor() as u64;
    match spec.network {
        BenchNetwork::Unet => memory::unet_bytes(&unet, pixels / (factor * factor), spec.batch),
        BenchNetwork::Vae => {
            memory::vae_bytes(&vae, pixels, cut(size as usize * size as usize), place) * spec.batch as u64
        }
    }
}

/// What `add_embedding` takes beside the time ids.
fn pooled_width(config: &UNet2DConditionConfig) -> Option<usize> {
    let ids = TIME_IDS * config.addition_time_embed_dim?;
    config.projection_class_embeddings_input_dim?.checked_sub(ids)
}

fn unet_config(model: BenchModel) -> Result<UNet2DConditionConfig, EngineError> {
    if model == BenchModel::Mini {
        return Ok(builtin::folder().json("unet/config.json")?);
    }
    let words = |list: [&str; 3]| list.map(str::to_owned).to_vec();
    let each = |list: [usize; 3]| PerLevel::Each(list.map(PerLevel::One).to_vec());
    // stabilityai/stable-diffusion-xl-base-1.0, unet/config.json.
    Ok(UNet2DConditionConfig {
        block_out_channels: vec![320, 640, 1280],
        down_block_types: words(["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"]),
        up_block_types: words(["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]),
        transformer_layers_per_block: each([1, 2, 10]),
        attention_head_dim: each([5, 10, 20]),
        cross_attention_dim: PerLevel::One(2048),
        use_linear_projection: true,
        addition_embed_type: Some("text_time".to_owned()),
        addition_time_embed_dim: Some(256),
        projection_class_embeddings_input_dim: Some(2816),
        ..UNet2DConditionConfig::default()
    })
}

fn vae_config(model: BenchModel) -> Result<AutoencoderKlConfig, EngineError> {
    if model == BenchModel::Mini {
        return Ok(builtin::folder().json("vae/config.json")?);
    }
    // stabilityai/stable-diffusion-xl-base-1.0, vae/config.json.
    Ok(AutoencoderKlConfig {
        block_out_channels: vec![128, 256, 512, 512],
        down_block_types: vec!["DownEncoderBlock2D".to_owned(); 4],
        up_block_types: vec!["UpDecoderBlock2D".to_owned(); 4],
        layers_per_block: 2,
        scaling_factor: 0.13025,
        ..AutoencoderKlConfig::default()
    })
}
