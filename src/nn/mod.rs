//! The networks, one file a file of diffusers or transformers, with their names, on candle tensors.
//!
//! Every size comes from the config files. A network takes a `VarBuilder` and knows neither where its weights come from
//! nor what an artist asked for. Tensor shapes stand in the docs as `[batch, …]`.

pub mod activations;
pub mod attention;
pub mod attention_processor;
pub mod autoencoder_kl;
pub mod bounds;
pub mod cancel;
pub mod clip;
pub mod clip_text;
pub mod clip_vision;
pub mod embeddings;
pub mod ip_adapter;
pub mod judge;
pub mod layers;
pub mod maps;
pub mod normalization;
pub mod resampler;
pub mod resnet;
pub mod schedulers;
pub mod tokenizer;
pub mod torch_rng;
pub mod transformer_2d;
pub mod unet_2d_blocks;
pub mod unet_2d_condition;
pub mod unet_config;
pub mod vae;
