//! What a job needs and what the machine has.

use candle_core::DType;

use super::device::{self, Place};
use super::model::Model;
use super::{Compute, EngineError, memory_advice};
use crate::nn::autoencoder_kl::{AutoencoderKlConfig, Cut, MAX_WHOLE_PIXELS, MOST_WHOLE_PIXELS};
use crate::nn::layers::uses_kernels;
use crate::nn::unet_config::UNet2DConditionConfig;
use crate::weights::Weights;

/// About how many feature maps of the outermost level live at once: the skips of that level, the input and output of the
/// layer at work, and what candle's operations hold besides. Measured with `render --json` on large sizes.
const LIVE_MAPS: u64 = 12;
/// Attention holds its scores, their exponentials and the weights of one chunk of queries: 64 MiB each at most.
const ATTENTION_BYTES: u64 = 3 * (64 << 20);
/// The same for the VAE, per pixel of its outermost level. SDXL's at 1024 x 1024, where a map takes 512 MiB, takes 3 (the one
/// that was enlarged last has twice the channels).
const LIVE_VAE_MAPS: u64 = 4;
/// Of few channels, for which the kernels do not convolve in place, 6 by count: picture, shortcut, norm and both results.
const LIVE_NARROW_VAE_MAPS: u64 = 7;
const NARROW_VAE: u64 = 96;
/// Candle's own norm holds every step of itself: by count 10 maps in f32, and in half precision, where it widens, 20 of half
/// the size. Not measured: no GPU was there.
const CANDLES_VAE_MAPS: u64 = 11;
const CANDLES_HALF_VAE_MAPS: u64 = 22;
/// Without cuDNN candle copies the nine taps of each pixel of the widest convolution, of twice the channels.
const COPIED_VAE_MAPS: u64 = if cfg!(feature = "cudnn") { 0 } else { 18 };
/// The kernels' weights lie on large pages, which rounds each up: SDXL's UNet in f16 takes 1.09 of its bytes (`tests/full_size.py`).
const ON_PAGES: f64 = 1.09;

/// Bytes of a number of the CPU's kernels.
const F32: u64 = 4;

/// Bytes that a pass of the UNet needs beside its weights, for `latents` positions in f32.
pub fn unet_bytes(config: &UNet2DConditionConfig, latents: u64, batch: usize) -> u64 {
    pass_bytes(first(&config.block_out_channels), latents, batch, F32)
}

fn pass_bytes(width: u64, latents: u64, batch: usize, element: u64) -> u64 {
    ATTENTION_BYTES + latents * width * element * batch as u64 * LIVE_MAPS
}

/// Bytes that decoding one picture of `pixels` needs beside the VAE's weights.
pub fn vae_bytes(config: &AutoencoderKlConfig, pixels: u64, cut: Cut, place: &Place) -> u64 {
    decoding_bytes(first(&config.block_out_channels), pixels, cut, Storage::of(place))
}

/// Encoding needs no more: its outermost level has fewer channels.
fn decoding_bytes(width: u64, pixels: u64, cut: Cut, decoder: Storage) -> u64 {
    let maps = match (decoder.is_as_stored, decoder.element()) {
        (true, _) if width < NARROW_VAE => LIVE_NARROW_VAE_MAPS,
        (true, _) => LIVE_VAE_MAPS,
        (false, F32) => CANDLES_VAE_MAPS,
        (false, _) => CANDLES_HALF_VAE_MAPS,
    };
    let copied = if decoder.is_gpu { COPIED_VAE_MAPS } else { 0 };
    let at_once = match cut {
        Cut::Whole => pixels,
        Cut::Tiles => pixels.min(MAX_WHOLE_PIXELS as u64),
    };
    ATTENTION_BYTES + at_once * width * decoder.element() * (maps + copied)
}

fn first(channels: &[usize]) -> u64 {
    channels.first().copied().unwrap_or(1) as u64
}

/// How weights lie in the memory of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage {
    /// The networks' dtype.
    pub(super) dtype: DType,
    /// The CPU's kernels keep weights as their file has them; everywhere else they are in the networks' dtype.
    pub(super) is_as_stored: bool,
    pub(super) is_gpu: bool,
}

impl Storage {
    pub fn of(place: &Place) -> Self {
        let is_as_stored = uses_kernels(&place.device, place.dtype);
        Self { dtype: place.dtype, is_as_stored, is_gpu: !place.device.is_cpu() }
    }

    fn element(self) -> u64 {
        self.dtype.size_in_bytes() as u64
    }
}

/// The weights of one part, by which their bytes follow for any place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Part {
    pub(super) parameters: u64,
    /// As their file has them, and what LoRAs change in f32.
    pub(super) stored: u64,
    /// The same without the LoRAs.
    pub(super) plain: u64,
    /// Those that LoRAs change.
    pub(super) changed: u64,
}

impl Part {
    fn of(weights: &Weights) -> Self {
        let (stored, plain) = (weights.held_bytes(), weights.held_bytes_without_loras());
        Self { parameters: weights.parameters(), stored, plain, changed: weights.changed_parameters() }
    }

    /// Bytes in the memory of a place.
    pub(super) fn on(self, storage: Storage) -> u64 {
        match storage.is_as_stored {
            true => on_pages(self.stored),
            false => self.parameters.saturating_mul(storage.element()),
        }
    }
}

pub(super) fn on_pages(bytes: u64) -> u64 {
    (bytes as f64 * ON_PAGES) as u64
}

/// Bytes that `weights` take in the memory of a place.
pub fn held_bytes(weights: &Weights, place: &Place) -> u64 {
    Part::of(weights).on(Storage::of(place))
}

/// What a model takes of memory, known before any of its weights are read; how much follows from the place.
///
/// The encoders are read one after the other where memory is short, and are gone before the UNet comes; the UNet stays
/// while the VAE decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryNeed {
    pub(super) largest_encoder: Part,
    pub(super) unet: Part,
    /// All keys and values, though a job takes those of the blocks that it uses.
    pub(super) adapter: Part,
    pub(super) vae: Part,
    /// SDXL's own VAE, which overflows in f16 and is then used in f32.
    pub(super) has_wide_vae: bool,
    /// Channels of the outermost level of the UNet and of the VAE.
    pub(super) unet_width: u64,
    pub(super) vae_width: u64,
    /// Pixels a side that one latent stands for.
    pub(super) factor: u64,
    /// Numbers that one chunk of a prompt takes: its keys and values in every cross-attention, and while it is encoded.
    pub(super) chunk_kept: u64,
    pub(super) chunk_encoding: u64,
}

/// What memory is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub size: (u32, u32),
    /// Rows that go through the UNet at once: 2 a picture with guidance, else 1.
    pub batch: usize,
    /// Of the prompts.
    pub chunks: usize,
}

/// What a job takes, and how the VAE works for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fitting {
    pub bytes: u64,
    pub cut: Cut,
}

/// Keys and values of a chunk's tokens, and the tokens themselves.
fn chunk_kept(model: &Model) -> u64 {
    let widths = model.block_infos.iter().map(|block| 2 * block.inner_dim * block.cross_attentions.len());
    let embeds = model.text.iter().map(|tower| tower.config.hidden_size);
    let tokens = model.text.iter().map(|tower| tower.tokenizer.max_length()).max();
    (tokens.unwrap_or(0) * (widths.sum::<usize>() + embeds.sum::<usize>())) as u64
}

/// By count, the maps of a layer of the wider tower that live at once: its states, queries, keys, values and results, and
/// twice the inner ones.
fn chunk_encoding(model: &Model) -> u64 {
    let tower = |tower: &super::model::TextTower| {
        let tokens = tower.tokenizer.max_length();
        tokens * (8 * tower.config.hidden_size + 2 * tower.config.intermediate_size)
    };
    model.text.iter().map(tower).max().unwrap_or(0) as u64
}

/// A picture's need beside what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryFit {
    pub needed: u64,
    /// None where nobody says.
    pub free: Option<u64>,
    /// Whose memory: "memory" or "the GPU's memory".
    pub whose: &'static str,
    /// The sentence where it is too much: what would fit.
    pub refusal: Option<String>,
    /// The VAE overflows here, so that every picture is decoded once more in f32; another would not.
    pub decodes_twice: bool,
}

impl MemoryNeed {
    pub(super) fn of(model: &Model) -> Self {
        let image = model.image_prompt.as_ref();
        let encoders = model.text.iter().map(|tower| Part::of(&tower.weights));
        let encoders = encoders.chain(image.map(|parts| Part::of(&parts.encoder)));
        Self {
            largest_encoder: encoders.max_by_key(|part| part.stored).unwrap_or_default(),
            unet: Part::of(&model.unet),
            adapter: image.map_or(Part::default(), |parts| Part::of(&parts.adapter)),
            vae: Part::of(&model.vae),
            has_wide_vae: model.has_overflowing_vae(),
            unet_width: first(&model.unet_config.block_out_channels),
            vae_width: first(&model.vae_config.block_out_channels),
            factor: model.vae_config.scale_factor() as u64,
            chunk_kept: chunk_kept(model),
            chunk_encoding: chunk_encoding(model),
        }
    }

    /// Whether a picture of this size fits on a device, beside the weights of `open`, which can be used or dropped;
    /// `batch` is 2 with guidance, else 1. Asks the device: not for a thread that paints.
    ///
    /// # Errors
    /// A device that does not answer.
    pub fn fit(
        &self,
        compute: Compute,
        open: Option<&Self>,
        size: (u32, u32),
        batch: usize,
    ) -> Result<MemoryFit, EngineError> {
        let place = device::open(compute)?;
        let storage = Storage::of(&place);
        let held = open.map_or(0, |open| open.held_bytes(storage));
        let free = device::available_bytes(&place.device).map(|free| free.saturating_add(held));
        Ok(MemoryFit {
            needed: self.fitting(storage, free, Wish { size, batch, chunks: 1 }).bytes,
            free,
            whose: memory_advice::whose(storage),
            refusal: free.and_then(|free| memory_advice::refusal(self, storage, free, size, batch)),
            decodes_twice: self.overflows(storage),
        })
    }

    /// The most that a picture of this size takes at one time, in tiles where it may be cut: with less it is refused.
    pub(super) fn bytes(&self, storage: Storage, size: (u32, u32), batch: usize) -> u64 {
        self.wish_bytes(storage, Wish { size, batch, chunks: 1 }, Cut::Tiles)
    }

    /// Whole wherever that fits. Where nobody says how much memory is free, only what is never cut.
    fn fitting(&self, storage: Storage, free: Option<u64>, wish: Wish) -> Fitting {
        let pixels = u64::from(wish.size.0) * u64::from(wish.size.1);
        let whole = self.wish_bytes(storage, wish, Cut::Whole);
        let fits = pixels <= MOST_WHOLE_PIXELS as u64 && free.is_some_and(|free| whole <= free);
        match pixels <= MAX_WHOLE_PIXELS as u64 || fits {
            true => Fitting { bytes: whole, cut: Cut::Whole },
            false => Fitting { bytes: self.wish_bytes(storage, wish, Cut::Tiles), cut: Cut::Tiles },
        }
    }

    /// The same with long prompts; the first chunk is part of what was measured.
    fn wish_bytes(&self, storage: Storage, wish: Wish, cut: Cut) -> u64 {
        let Wish { size: (width, height), batch, chunks } = wish;
        let more_chunks = chunks.saturating_sub(1) as u64 * storage.element();
        let encoding = self.largest_encoder.on(storage) + more_chunks * self.chunk_encoding;
        let kept = more_chunks * self.chunk_kept * batch as u64;
        let pixels = u64::from(width) * u64::from(height);
        let latents = pixels / (self.factor * self.factor);
        let sampling = self.unet.on(storage) + self.adapter.on(storage);
        let pass = pass_bytes(self.unet_width, latents, batch, storage.element());
        let decoder = self.decoder_storage(storage);
        // The picture itself, as floats and blended tiles.
        let decoding = decoding_bytes(self.vae_width, pixels, cut, decoder) + pixels * 3 * 4 * 3;
        let decoding = sampling + self.vae.on(decoder) + decoding;
        encoding.max(sampling + pass + kept).max(decoding)
    }

    /// Both sides of guidance are counted.
    fn fitting_together(&self, storage: Storage, free: u64, size: (u32, u32), most: usize) -> usize {
        (2..=most).rev().find(|pictures| self.bytes(storage, size, 2 * pictures) <= free).unwrap_or(1)
    }

    /// As the VAE is used in the end.
    fn decoder_storage(&self, storage: Storage) -> Storage {
        Storage { dtype: if self.overflows(storage) { DType::F32 } else { storage.dtype }, ..storage }
    }

    fn overflows(&self, storage: Storage) -> bool {
        self.has_wide_vae && storage.dtype == DType::F16
    }

    /// Weights that stay in memory between two pictures; of an adapter only the blocks in use do, so it is not counted on.
    fn held_bytes(&self, storage: Storage) -> u64 {
        self.unet.on(storage) + self.vae.on(storage)
    }
}

/// Refuses what would not fit beside `held` bytes of weights that are in the device's memory already, and says what would;
/// else returns what the picture needs. Where nobody says how much memory there is, nothing is refused.
pub(super) fn ensure_fits(model: &Model, place: &Place, held: u64, wish: Wish) -> Result<Fitting, EngineError> {
    let (need, storage) = (MemoryNeed::of(model), Storage::of(place));
    let free = free_beside(place, held);
    let fitting = need.fitting(storage, free, wish);
    let Some(free) = free else { return Ok(fitting) };
    let needed = fitting.bytes;
    let refusal = memory_advice::refusal(&need, storage, free, wish.size, wish.batch);
    match refusal.or_else(|| (needed > free).then(|| memory_advice::long_prompt(storage, needed, free, wish.chunks))) {
        Some(said) => Err(EngineError::OutOfMemory(said)),
        None => Ok(fitting),
    }
}

/// What is loaded can be used or dropped, so it counts as free.
fn free_beside(place: &Place, held: u64) -> Option<u64> {
    device::available_bytes(&place.device).map(|free| free.saturating_add(held))
}

/// How many pictures of `size`, up to `most`, may go through the UNet at once; at least 1, which may be refused.
pub fn fitting_together(model: &Model, place: &Place, held: u64, size: (u32, u32), most: usize) -> usize {
    let Some(free) = free_beside(place, held) else { return most };
    MemoryNeed::of(model).fitting_together(Storage::of(place), free, size, most)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::weights::Dtype;

    const KERNELS: Storage = Storage { dtype: DType::F32, is_as_stored: true, is_gpu: false };
    const GPU: Storage = Storage { dtype: DType::F16, is_as_stored: false, is_gpu: true };

    fn published(name: &str, dtype: Dtype) -> Part {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/headers").join(format!("{name}.json"));
        let header: BTreeMap<String, (Dtype, Vec<usize>)> =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let header = header.into_iter().map(|(name, (_, shape))| (name, (dtype, shape))).collect();
        Part::of(&Weights::header_only(name, header))
    }

    fn sdxl(dtype: Dtype) -> MemoryNeed {
        MemoryNeed {
            largest_encoder: published("text_encoder_2", dtype),
            unet: published("unet", dtype),
            adapter: Part::default(),
            vae: published("vae", dtype),
            has_wide_vae: true,
            unet_width: 320,
            vae_width: 128,
            factor: 8,
            chunk_kept: 77 * 2 * (10 * 640 + 60 * 1280),
            chunk_encoding: 77 * (8 * 1280 + 2 * 5120),
        }
    }

    /// 100 MB a chunk of both sides' keys and values, and what is encoded counts where the encoder is the largest.
    #[test]
    fn long_prompts_are_counted() {
        let (size, need) = ((1024, 1024), sdxl(Dtype::F16));
        let at = |need: &MemoryNeed, chunks| need.wish_bytes(KERNELS, Wish { size, batch: 2, chunks }, Cut::Whole);
        assert_eq!(at(&need, 1), need.bytes(KERNELS, size, 2));
        let more = at(&need, 64) - (need.unet.on(KERNELS) + pass_bytes(320, 128 * 128, 2, F32));
        assert_eq!(more, 63 * 2 * 4 * need.chunk_kept);
        let encoder = MemoryNeed { largest_encoder: need.unet, unet: need.vae, chunk_kept: 0, ..need };
        assert_eq!(at(&encoder, 64) - encoder.largest_encoder.on(KERNELS), 63 * 4 * need.chunk_encoding);
    }

    /// Above SDXL's own sizes a picture is whole, as diffusers computes it, where there is room, and refused only where its
    /// tiles have none.
    #[test]
    fn a_picture_is_cut_only_where_it_must_be() {
        let need = sdxl(Dtype::F16);
        let cut = |size, free| need.fitting(KERNELS, free, Wish { size, batch: 2, chunks: 1 });
        for (long, short) in [(1024, 1024), (1152, 896), (1216, 832), (1344, 768), (1536, 640), (2048, 512)] {
            assert_eq!(cut((long, short), None).cut, Cut::Whole, "{long} x {short}");
            assert_eq!(cut((short, long), Some(0)).cut, Cut::Whole, "{short} x {long}");
        }
        for size in [(1152, 1024), (2048, 2048)] {
            let whole = need.wish_bytes(KERNELS, Wish { size, batch: 2, chunks: 1 }, Cut::Whole);
            assert_eq!(cut(size, Some(whole)), Fitting { bytes: whole, cut: Cut::Whole });
            let tiles = Fitting { bytes: need.bytes(KERNELS, size, 2), cut: Cut::Tiles };
            assert!(tiles.bytes < whole);
            assert_eq!([cut(size, Some(whole - 1)), cut(size, None)], [tiles; 2]);
            assert_eq!(memory_advice::refusal(&need, KERNELS, tiles.bytes, size, 2), None);
        }
        assert_eq!(cut((2048, 2056), Some(u64::MAX)).cut, Cut::Tiles);
    }

    #[test]
    fn no_more_go_together_than_fit() {
        // Of a VAE that takes little, so that the steps decide.
        let (size, need) = ((1024, 1024), MemoryNeed { vae_width: 1, ..sdxl(Dtype::F16) });
        let three = need.bytes(KERNELS, size, 6);
        let together = |free| need.fitting_together(KERNELS, free, size, 8);
        assert_eq!([u64::MAX, three, three - 1, 0].map(together), [8, 3, 2, 1]);
    }

    /// A GPU holds every weight in the networks' dtype, whatever the file has; the CPU's kernels as the file has it.
    #[test]
    fn weights_lie_otherwise_on_a_gpu() {
        const UNET: u64 = 2_567_463_684;
        let (half, full) = (published("unet", Dtype::F16), published("unet", Dtype::F32));
        assert_eq!([half.on(GPU), full.on(GPU)], [2 * UNET; 2]);
        assert_eq!([half.on(KERNELS), full.on(KERNELS)], [on_pages(2 * UNET), on_pages(4 * UNET)]);
        // Candle's own operations on the CPU, in f16.
        assert_eq!(full.on(Storage { is_gpu: false, ..GPU }), 2 * UNET);
        assert_eq!(half.on(Storage { dtype: DType::F32, ..GPU }), 4 * UNET);
    }

    #[test]
    fn an_overflowing_vae_is_counted_in_f32() {
        let (size, own) = ((1024, 1024), sdxl(Dtype::F16));
        let fixed = MemoryNeed { has_wide_vae: false, ..own };
        let maps = |dtype| decoding_bytes(128, 1024 * 1024, Cut::Whole, Storage { dtype, ..GPU });
        let more = 2 * own.vae.parameters + maps(DType::F32) - maps(DType::F16);
        assert_eq!(own.bytes(GPU, size, 2) - fixed.bytes(GPU, size, 2), more);
        assert_eq!(own.bytes(KERNELS, size, 2), fixed.bytes(KERNELS, size, 2));
        // bf16 has f32's range.
        let bf16 = Storage { dtype: DType::BF16, ..GPU };
        assert_eq!(own.bytes(bf16, size, 2), fixed.bytes(bf16, size, 2));
    }

    #[test]
    fn only_what_lies_in_memory_together_is_added() {
        let part = |parameters| Part { parameters, stored: 2 * parameters, plain: 2 * parameters, changed: 0 };
        let gib = 1 << 29;
        let model =
            MemoryNeed { largest_encoder: part(gib), unet: part(3 * gib), adapter: part(0), ..sdxl(Dtype::F16) };
        let at = |need: MemoryNeed| need.bytes(GPU, (64, 64), 2);
        assert_eq!(at(MemoryNeed { largest_encoder: part(2 * gib), ..model }), at(model));
        assert_eq!(at(MemoryNeed { adapter: part(gib), ..model }), at(model) + 2 * gib);
        assert_eq!(at(MemoryNeed { largest_encoder: part(9 * gib), ..model }), 18 * gib);
    }
}
