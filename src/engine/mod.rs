//! A recipe turned into pixels: no window, no command line, any device.
//!
//! [`Engine`] is what others see. [`CandleEngine`] computes on a thread of its own; [`FakeEngine`] plays a script, for
//! tests of what stands above. Arrows: engine -> nn, kernels, weights, models, library, pixels, recipe.

mod bench;
mod board_run;
mod builtin;
mod cache;
mod candle_engine;
mod check_files;
mod check_jobs;
mod decoding;
mod describe;
mod device;
mod embedding_cache;
mod encoding;
mod error;
mod fake_engine;
mod free_memory;
mod handle;
mod image_prompt_parts;
mod job;
mod judge;
mod latent_rgb;
mod loras;
mod measure;
mod memory;
mod memory_advice;
mod model;
mod networks;
mod pipeline;
mod prefix;
mod prompt_count;
mod references;
mod sampling;
mod settings;
mod text;
mod threads;
mod together;
mod worker;

pub use bench::{BenchModel, BenchNetwork, BenchParts, BenchReport, BenchSpec, bench};
pub use board_run::{BoardRun, CellRun, CellState};
pub use candle_engine::CandleEngine;
pub use check_files::check_files;
pub use check_jobs::check_jobs;
pub use describe::{LoraInfo, ModelInfo, can_subtract, describe, describe_lora};
pub use device::{built_in_devices, ensure_built_in};
pub use error::EngineError;
pub use fake_engine::{FakeEngine, Script};
pub use handle::{CancelToken, Engine, JobHandle};
pub use image_prompt_parts::projection_shape;
pub use job::{
    Compute, DTypeChoice, DeviceChoice, Finished, JobEvent, JobSpec, Latents, ModelPaths, Preview, Step, Timings,
};
pub use judge::{BuiltInJudge, Verdict};
pub use latent_rgb::LatentRgb;
pub use measure::{ClipMeasure, Embedding, Match};
pub use memory::{MemoryFit, MemoryNeed};
pub use prompt_count::{PromptCount, PromptCounter};
pub use settings::random_seed;
pub use worker::Waker;
