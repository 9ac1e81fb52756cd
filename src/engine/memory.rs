//! What a job needs and what the machine has.

use super::EngineError;
use super::device::{self, Place};
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
/// The same for the VAE, per pixel of its outermost level. SDXL's at 1024 x 1024, where a map takes 512 MiB, takes 7.5.
const LIVE_VAE_MAPS: u64 = 8;
/// Weights lie on large pages, which rounds each up: SDXL's UNet in f16 takes 1.09 of its bytes (`tests/full_size.py`).
const ON_PAGES: f64 = 1.09;

/// Bytes that a pass of the UNet needs beside its weights, for `latents` positions.
pub fn unet_bytes(config: &UNet2DConditionConfig, latents: u64, batch: usize) -> u64 {
    pass_bytes(first(&config.block_out_channels), latents, batch)
}

fn pass_bytes(width: u64, latents: u64, batch: usize) -> u64 {
    ATTENTION_BYTES + latents * width * 4 * batch as u64 * LIVE_MAPS
}

/// Bytes that decoding one picture of `pixels` needs beside the VAE's weights.
pub fn vae_bytes(config: &AutoencoderKlConfig, pixels: u64) -> u64 {
    decoding_bytes(first(&config.block_out_channels), pixels)
}

fn decoding_bytes(width: u64, pixels: u64) -> u64 {
    let whole = crate::nn::autoencoder_kl::MAX_WHOLE_SIDE as u64;
    ATTENTION_BYTES + pixels.min(whole * whole) * width * 4 * LIVE_VAE_MAPS
}

fn first(channels: &[usize]) -> u64 {
    channels.first().copied().unwrap_or(1) as u64
}

/// What a model takes of memory, known before any of its weights are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryNeed {
    weights: Weights,
    /// Channels of the outermost level of the UNet and of the VAE.
    unet_width: u64,
    vae_width: u64,
    /// Pixels a side that one latent stands for.
    factor: u64,
}

impl MemoryNeed {
    pub(super) fn of(model: &Model) -> Self {
        Self {
            weights: Weights::of(model),
            unet_width: first(&model.unet_config.block_out_channels),
            vae_width: first(&model.vae_config.block_out_channels),
            factor: model.vae_config.scale_factor() as u64,
        }
    }

    /// The most that a picture of this size takes at one time; `batch` is 2 with guidance, else 1.
    pub fn bytes(&self, width: u32, height: u32, batch: usize) -> u64 {
        let pixels = u64::from(width) * u64::from(height);
        let pass = pass_bytes(self.unet_width, pixels / (self.factor * self.factor), batch);
        // The picture itself, as floats and blended tiles.
        self.weights.peak(pass, decoding_bytes(self.vae_width, pixels) + pixels * 3 * 4 * 3)
    }

    /// Weights that stay in memory between two pictures.
    pub fn held_bytes(&self) -> u64 {
        self.weights.unet + self.weights.adapter + self.weights.vae
    }

    /// The sentence about a size that does not fit into `free` bytes: what it needs, and what would fit.
    pub fn refusal(&self, free: u64, width: u32, height: u32, batch: usize) -> Option<String> {
        refuse(self.weights, "memory", free, (width, height), |width, height| self.bytes(width, height, batch))
    }
}

/// Bytes of weights that lie in memory together. The encoders are read one after the other where memory is short, and are
/// gone before the UNet comes; the UNet stays while the VAE decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Weights {
    largest_encoder: u64,
    unet: u64,
    /// All keys and values, though a job takes those of the blocks that it uses.
    adapter: u64,
    vae: u64,
    /// The UNet takes as much again as it would in f16.
    is_wide: bool,
    /// LoRAs are merged in, which makes what they change wide.
    is_merged: bool,
}

impl Weights {
    fn of(model: &Model) -> Self {
        let image = model.image_prompt.as_ref();
        let held = |weights: &crate::weights::Weights| (weights.held_bytes() as f64 * ON_PAGES) as u64;
        let encoders = model.text.iter().map(|tower| held(&tower.weights));
        let encoders = encoders.chain(image.map(|parts| held(&parts.encoder)));
        let unet = held(&model.unet);
        Self {
            largest_encoder: encoders.max().unwrap_or(0),
            unet,
            adapter: image.map_or(0, |parts| held(&parts.adapter)),
            vae: held(&model.vae),
            is_wide: unet > 3 * model.unet.parameters(),
            is_merged: !model.loras.is_empty(),
        }
    }

    /// The most that is needed at one time, with what the UNet and the decoder take beside their weights.
    fn peak(self, pass: u64, decoding: u64) -> u64 {
        let sampling = self.unet + self.adapter;
        self.largest_encoder.max(sampling + pass).max(sampling + self.vae + decoding)
    }

    /// What takes the most whatever the size, in words.
    fn largest(self) -> (&'static str, u64) {
        match self.largest_encoder > self.unet {
            true => ("its largest encoder", self.largest_encoder),
            false => ("its UNet", self.unet),
        }
    }
}

/// Refuses a size that would not fit beside `held` bytes of weights that are in the device's memory already, and says which
/// would. Where nobody says how much memory there is, nothing is refused.
pub fn ensure_fits(model: &Model, place: &Place, held: u64, size: (u32, u32), batch: usize) -> Result<(), EngineError> {
    let Some(free) = device::available_bytes(&place.device) else { return Ok(()) };
    // What is loaded can be used or dropped, so it counts as free.
    let memory = if place.device.is_cpu() { "memory" } else { "the GPU's memory" };
    let need = MemoryNeed::of(model);
    let said = refuse(need.weights, memory, free.saturating_add(held), size, |w, h| need.bytes(w, h, batch));
    said.map_or(Ok(()), |said| Err(EngineError::OutOfMemory(said)))
}

/// The sentence about a size that does not fit into `free` bytes of `memory`.
fn refuse(
    weights: Weights,
    memory: &str,
    free: u64,
    (width, height): (u32, u32),
    need: impl Fn(u32, u32) -> u64,
) -> Option<String> {
    let fits = |w: u32, h: u32| need(w, h) <= free;
    if fits(width, height) {
        return None;
    }
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    // The same shape, by steps that models are used to.
    let beside = |w: u32| (u64::from(w) * u64::from(height) / u64::from(width)).max(8) as u32 & !7;
    let smaller = (1..=width.saturating_sub(1) / 64).rev().map(|n| n * 64).chain([32, 8]);
    let smaller = smaller.map(|w| (w, beside(w))).find(|(w, h)| *w < width && fits(*w, *h));
    let advice = match smaller {
        Some((w, h)) => format!("{w}x{h} would fit"),
        None => {
            let (part, bytes) = weights.largest();
            let way = match (weights.is_wide, weights.is_merged) {
                (true, true) => "do without the LoRAs, for which it is held in f32",
                (true, false) => "get the model in f16, which takes half of it",
                (false, _) => "choose a smaller model",
            };
            format!("{part} alone takes {:.1} GiB at any size; end other programs, or {way}", gib(bytes))
        }
    };
    let need = gib(need(width, height));
    Some(format!(
        "size {width}x{height} needs about {need:.1} GiB of {memory} and {:.1} GiB are free; {advice}",
        gib(free)
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GIB: u64 = 1 << 30;

    fn said(weights: Weights, free: u64) -> Option<String> {
        // A GiB for a megapixel.
        let need = |w: u32, h: u32| weights.peak(u64::from(w) * u64::from(h) * 1024, 0);
        refuse(weights, "memory", free, (1024, 512), need)
    }

    #[test]
    fn a_refusal_says_what_would_fit() {
        let model = Weights {
            largest_encoder: 3 * GIB,
            unet: 5 * GIB,
            adapter: 0,
            vae: GIB / 4,
            is_wide: false,
            is_merged: false,
        };
        assert_eq!(said(model, 6 * GIB), None);
        // A quarter of the pixels is half of the width.
        let line = said(model, 5 * GIB + GIB / 4).unwrap();
        assert!(line.contains("1024x512 needs about 5.5 GiB") && line.ends_with("704x352 would fit"), "{line}");
        let line = said(model, 5 * GIB).unwrap();
        assert!(
            line.ends_with("its UNet alone takes 5.0 GiB at any size; end other programs, or choose a smaller model"),
            "{line}"
        );
        assert!(said(Weights { is_wide: true, ..model }, GIB).unwrap().contains("in f16"));
        assert!(said(Weights { is_wide: true, is_merged: true, ..model }, GIB).unwrap().contains("without the LoRAs"));
        let line = refuse(model, "the GPU's memory", GIB, (64, 64), |_, _| 6 * GIB).unwrap();
        assert!(line.starts_with("size 64x64 needs about 6.0 GiB of the GPU's memory and 1.0 GiB are free;"), "{line}");
        assert!(
            said(Weights { largest_encoder: 9 * GIB, ..model }, GIB)
                .unwrap()
                .contains("its largest encoder alone takes 9.0")
        );
    }

    #[test]
    fn only_what_lies_in_memory_together_is_added() {
        let model = Weights { largest_encoder: 7, unet: 5, adapter: 1, vae: 2, is_wide: false, is_merged: false };
        assert_eq!(model.peak(0, 0), 8);
        assert_eq!(model.peak(10, 0), 16);
        assert_eq!(model.peak(10, 20), 28);
        assert_eq!(Weights { largest_encoder: 99, ..model }.peak(10, 20), 99);
    }
}
