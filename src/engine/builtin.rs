//! The built-in model: its files lie in the program itself.

use crate::weights::ModelFolder;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/builtin/model/", $name)).as_slice())),*]
    };
}

/// A diffusers folder, with the image encoder and the adapter in it.
static FILES: &[(&str, &[u8])] = files![
    "model_index.json",
    "instantstyle.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "text_encoder_2/config.json",
    "text_encoder_2/model.safetensors",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
    "tokenizer/tokenizer_config.json",
    "tokenizer/special_tokens_map.json",
    "tokenizer_2/vocab.json",
    "tokenizer_2/merges.txt",
    "tokenizer_2/tokenizer_config.json",
    "tokenizer_2/special_tokens_map.json",
    "scheduler/scheduler_config.json",
    "image_encoder/config.json",
    "image_encoder/model.safetensors",
    "ip_adapter.safetensors",
];

pub fn folder() -> ModelFolder {
    ModelFolder::built_in("the built-in model", FILES)
}
