//! What a job needs and what the machine has.

use super::EngineError;
use super::model::Model;
use crate::nn::autoencoder_kl::AutoencoderKlConfig;
use crate::nn::unet_config::UNet2DConditionConfig;

/// Bytes that this process can still take: what is free, within its container's and its own limit. None where the system
/// does not say.
pub fn available_bytes() -> Option<u64> {
    let free = field("/proc/meminfo", "MemAvailable:").map(|kib| kib * 1024);
    let address_space = field("/proc/self/limits", "Max address space").zip(field("/proc/self/status", "VmSize:"));
    let own = address_space.map(|(limit, kib)| limit.saturating_sub(kib * 1024));
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    // What a container has used counts cached files, which the kernel gives back when they are in the way.
    let cached = |label: &str| field("/sys/fs/cgroup/memory.stat", label).unwrap_or(0);
    let container = number("/sys/fs/cgroup/memory.max").zip(number("/sys/fs/cgroup/memory.current"));
    let container = container.map(|(limit, used)| {
        limit.saturating_sub(used.saturating_sub(cached("inactive_file ") + cached("active_file ")))
    });
    [free, own, container].into_iter().flatten().min()
}

/// The first number behind `label` in one of Linux's text files; None also for "unlimited".
fn field(path: &str, label: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(label))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// About how many feature maps of the outermost level live at once: the skips of that level, the input and output of the
/// layer at work, and what candle's operations hold besides. Measured with `render --json` on large sizes.
const LIVE_MAPS: u64 = 12;
/// Attention holds its scores, their exponentials and the weights of one chunk of queries: 64 MiB each at most.
const ATTENTION_BYTES: u64 = 3 * (64 << 20);
/// The same for the VAE, per pixel of its outermost level.
const LIVE_VAE_MAPS: u64 = 6;

/// Bytes that one job needs beside the weights, for pictures of `width` x `height`.
pub fn estimate_bytes(model: &Model, width: u32, height: u32, batch: usize) -> u64 {
    let factor = model.vae_config.scale_factor() as u64;
    let pixels = u64::from(width) * u64::from(height);
    let latents = pixels / (factor * factor);
    let unet = unet_bytes(&model.unet_config, latents, batch);
    let decoded = vae_bytes(&model.vae_config, pixels);
    // The picture itself, as floats and blended tiles.
    unet.max(decoded + pixels * 3 * 4 * 3)
}

/// Bytes that a pass of the UNet needs beside its weights, for `latents` positions.
pub fn unet_bytes(config: &UNet2DConditionConfig, latents: u64, batch: usize) -> u64 {
    let width = config.block_out_channels.first().copied().unwrap_or(1) as u64;
    ATTENTION_BYTES + latents * width * 4 * batch as u64 * LIVE_MAPS
}

/// Bytes that decoding one picture of `pixels` needs beside the VAE's weights.
pub fn vae_bytes(config: &AutoencoderKlConfig, pixels: u64) -> u64 {
    let width = config.block_out_channels.first().copied().unwrap_or(1) as u64;
    let whole = crate::nn::autoencoder_kl::MAX_WHOLE_SIDE as u64;
    ATTENTION_BYTES + pixels.min(whole * whole) * width * 4 * LIVE_VAE_MAPS
}

/// Refuses a size that would not fit, and says which would.
pub fn ensure_fits(model: &Model, width: u32, height: u32, batch: usize) -> Result<(), EngineError> {
    let Some(available) = available_bytes() else { return Ok(()) };
    let fits = |w: u32, h: u32| estimate_bytes(model, w, h, batch) + model.bytes_to_load() <= available;
    if fits(width, height) {
        return Ok(());
    }
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let need = gib(estimate_bytes(model, width, height, batch) + model.bytes_to_load());
    let smaller = (1..=8)
        .map(|k| (width >> k) & !7)
        .find(|w| *w >= 8 && fits(*w, ((u64::from(*w) * u64::from(height) / u64::from(width)) as u32) & !7));
    let advice = match smaller {
        Some(w) => format!("about {w} pixels wide would fit"),
        None => "this model does not fit at any size; choose a smaller one".to_owned(),
    };
    Err(EngineError::OutOfMemory(format!(
        "size {width}x{height} needs about {need:.1} GiB of memory and {:.1} GiB are free; {advice}",
        gib(available)
    )))
}
