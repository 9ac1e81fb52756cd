//! What goes into the engine and what comes out of it.

use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;
use serde::Serialize;

use super::EngineError;
use super::latent_rgb::LatentRgb;
use crate::pixels::Picture;
use crate::recipe::Recipe;

/// One picture to make. The recipe may leave settings open; the engine fills them in from the model.
#[derive(Debug, Clone)]
pub struct JobSpec {
    pub recipe: Arc<Recipe>,
    /// The decoded pictures of `recipe.references`, in the same order.
    pub references: Vec<Arc<Picture>>,
    /// The decoded picture of `recipe.init`.
    pub init: Option<Arc<Picture>>,
    pub model: ModelPaths,
    pub compute: Compute,
}

/// Where the weights lie; `None` is the built-in model's own part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ModelPaths {
    /// A diffusers folder or a single-file checkpoint.
    pub model: Option<PathBuf>,
    /// Another VAE than the model's: its folder, or a file under diffusers' or LDM's names.
    pub vae: Option<PathBuf>,
    /// The LoRAs of the recipe, in its order.
    pub loras: Vec<PathBuf>,
    /// IP-Adapter weights.
    pub adapter: Option<PathBuf>,
    /// CLIP vision folder: config.json and model.safetensors.
    pub image_encoder: Option<PathBuf>,
}

/// Where and how precisely to compute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Compute {
    pub device: DeviceChoice,
    pub dtype: DTypeChoice,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    #[default]
    Auto,
    Cpu,
    Cuda,
    Metal,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DTypeChoice {
    /// f32 on the CPU, f16 elsewhere.
    #[default]
    Auto,
    F32,
    F16,
    Bf16,
}

/// What the worker says about a job, in this order; exactly one of the last three ends it.
#[derive(Debug, Clone)]
pub enum JobEvent {
    Queued,
    /// A part is being read, such as "UNet".
    Loading(&'static str),
    /// Text or pictures are being encoded, such as "prompt".
    Encoding(&'static str),
    /// A step has been computed. Under load only the newest unread step is kept.
    Step(Step),
    Decoding,
    Finished(Box<Finished>),
    Failed(EngineError),
    Cancelled,
}

/// One finished step of the sampler.
#[derive(Debug, Clone)]
pub struct Step {
    /// 1 to `count`.
    pub index: usize,
    pub count: usize,
    /// Seconds that this step took.
    pub seconds: f64,
    /// The predicted x0, for the preview.
    pub preview: Arc<Preview>,
}

/// Latents and what it takes to show them.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    pub latents: Latents,
    /// Per latent channel: its red, green and blue; then the bias. None where the model brings none.
    pub factors: Option<Arc<LatentRgb>>,
    /// Side of the square of picture pixels that one latent stands for: the VAE's factor.
    pub pixels_per_latent: usize,
}

/// Latents in the scaled space of the UNet: [1, channels, height, width], row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Latents {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub values: Vec<f32>,
}

/// A picture, and everything that is known about how it was made.
#[derive(Debug, Clone)]
pub struct Finished {
    pub image: RgbImage,
    /// The recipe with nothing left open: it makes this picture again.
    pub recipe: Recipe,
    /// The final latents, as diffusers' `output_type="latent"`.
    pub latents: Latents,
    pub timings: Timings,
    /// Where the engine did something worth knowing, one sentence each.
    pub notices: Vec<String>,
    /// The device and dtype in words, such as "cpu, f32".
    pub device: String,
}

impl Finished {
    /// The device and the dtype apart, such as "cpu" and "f32".
    pub fn device_and_dtype(&self) -> (&str, &str) {
        self.device.rsplit_once(", ").unwrap_or((&self.device, ""))
    }
}

/// Seconds per stage, and what else was counted; a stage answered from a cache takes none.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Timings {
    pub loading_secs: f64,
    pub encoding_secs: f64,
    pub sampling_secs: f64,
    pub decoding_secs: f64,
    pub step_secs: Vec<f64>,
    /// Prompts and pictures that had to be encoded; 0 when all came from the caches.
    pub encoder_runs: usize,
    /// Blocks of the UNet for which keys and values of image tokens had to be computed.
    pub key_value_runs: usize,
    /// Steps that were taken over from an earlier picture; `step_secs` does not hold them.
    pub shared_steps: usize,
    /// Pictures that went through the network with this one, itself included; each has its share of the steps' seconds.
    pub together: usize,
    /// The memory that the picture was estimated to take.
    pub estimated_bytes: u64,
}

impl Timings {
    /// Seconds that the picture took.
    pub fn total(&self) -> f64 {
        self.loading_secs + self.encoding_secs + self.sampling_secs + self.decoding_secs
    }
}
