//! The VAE (diffusers `autoencoder_kl.py`: `AutoencoderKL`), with tiling for large pictures.

use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use serde::Deserialize;

use super::activations::Activation;
use super::bounds::{self, all_within, within};
use super::cancel::Cancel;
use super::layers::{Conv2d, Window};
use super::resnet::ResnetConfig;
use super::vae::{Decoder, Encoder, VaeShape};

/// `vae/config.json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct AutoencoderKlConfig {
    pub in_channels: usize,
    pub out_channels: usize,
    pub down_block_types: Vec<String>,
    pub up_block_types: Vec<String>,
    pub block_out_channels: Vec<usize>,
    pub layers_per_block: usize,
    pub act_fn: String,
    pub latent_channels: usize,
    pub norm_num_groups: usize,
    pub scaling_factor: f64,
    pub shift_factor: Option<f64>,
    pub latents_mean: Option<Vec<f64>>,
    pub latents_std: Option<Vec<f64>>,
    pub use_quant_conv: bool,
    pub use_post_quant_conv: bool,
    pub mid_block_add_attention: bool,
    /// It overflows in f16, as SDXL's own does; None where nobody says.
    pub force_upcast: Option<bool>,
}

impl Default for AutoencoderKlConfig {
    fn default() -> Self {
        Self {
            in_channels: 3,
            out_channels: 3,
            down_block_types: vec!["DownEncoderBlock2D".to_owned()],
            up_block_types: vec!["UpDecoderBlock2D".to_owned()],
            block_out_channels: vec![64],
            layers_per_block: 1,
            act_fn: "silu".to_owned(),
            latent_channels: 4,
            norm_num_groups: 32,
            scaling_factor: 0.18215,
            shift_factor: None,
            latents_mean: None,
            latents_std: None,
            use_quant_conv: true,
            use_post_quant_conv: true,
            mid_block_add_attention: true,
            force_upcast: Some(true),
        }
    }
}

impl AutoencoderKlConfig {
    /// Refuses what no VAE has.
    fn refuse_senseless(&self) -> Result<()> {
        // More levels than these would make a latent of a whole picture.
        within("the number of the VAE's levels", self.block_out_channels.len(), 8)?;
        within("the VAE's layers_per_block", self.layers_per_block, bounds::LAYERS)?;
        let widths = [
            ("the VAE's block_out_channels", self.block_out_channels.iter().copied().max().unwrap_or(0)),
            ("the VAE's latent_channels", self.latent_channels),
            ("the VAE's in_channels", self.in_channels),
            ("the VAE's out_channels", self.out_channels),
        ];
        all_within(&widths, bounds::WIDTH)?;
        if !(self.scaling_factor.is_finite() && self.scaling_factor > 0.0) {
            bail!("the VAE's scaling_factor is {}, and must be a number above 0", self.scaling_factor);
        }
        Ok(())
    }

    /// Pixels a latent stands for, along one side: 8 for SDXL.
    pub fn scale_factor(&self) -> usize {
        1 << self.block_out_channels.len().saturating_sub(1).min(8)
    }
}

#[derive(Debug, Clone)]
pub struct AutoencoderKl {
    encoder: Encoder,
    decoder: Decoder,
    quant_conv: Option<Conv2d>,
    post_quant_conv: Option<Conv2d>,
    config: AutoencoderKlConfig,
}

/// A posterior's two halves, each `[batch, latent_channels, h, w]`, unscaled.
#[derive(Debug, Clone)]
pub struct DiagonalGaussian {
    pub mean: Tensor,
    pub logvar: Tensor,
}

impl DiagonalGaussian {
    /// mean + std * noise, as `DiagonalGaussianDistribution.sample`.
    pub fn sample(&self, noise: &Tensor) -> Result<Tensor> {
        let std = (self.logvar.clamp(-30f32, 20f32)? * 0.5)?.exp()?;
        &self.mean + (std * noise.to_dtype(self.mean.dtype())?)?
    }
}

/// How a large picture is cut: tiles of `tile` along each side, overlapping by a quarter and blended there.
#[derive(Debug, Clone, Copy)]
struct Tiling {
    tile: usize,
}

impl Tiling {
    fn step(self) -> usize {
        self.tile * 3 / 4
    }
}

/// How the VAE works on a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// As diffusers does.
    Whole,
    /// Each tile has norms of its own, so the result differs.
    Tiles,
}

/// Pictures of up to so many pixels are never cut: SDXL's sizes, from 512 x 2048 to 1536 x 640, have about as many as
/// 1024 x 1024.
pub const MAX_WHOLE_PIXELS: usize = 1_100_000;
/// Larger ones are always cut; those between, where memory is short.
pub const MOST_WHOLE_PIXELS: usize = 2048 * 2048;
/// Side of a tile, in pixels.
pub const TILE_SIDE: usize = 512;

impl AutoencoderKl {
    pub fn new(config: &AutoencoderKlConfig, vb: VarBuilder) -> Result<Self> {
        config.refuse_senseless()?;
        let unknown = |list: &[String], known: &str| list.iter().find(|b| b.as_str() != known).cloned();
        let found = unknown(&config.down_block_types, "DownEncoderBlock2D")
            .or(unknown(&config.up_block_types, "UpDecoderBlock2D"));
        if let Some(block) = found {
            bail!("the VAE has a block of type {block}, which this program cannot compute");
        }
        let shape = VaeShape {
            block_out_channels: &config.block_out_channels,
            layers_per_block: config.layers_per_block,
            mid_block_add_attention: config.mid_block_add_attention,
            resnet: ResnetConfig {
                groups: config.norm_num_groups,
                eps: 1e-6,
                activation: Activation::from_name(&config.act_fn)?,
                temb_channels: None,
                scale_shift: false,
                output_scale_factor: 1.0,
            },
        };
        let latent = config.latent_channels;
        let one_by_one =
            |channels: usize, name: &str| Conv2d::new(channels, channels, 1, Window::padded(0), vb.pp(name));
        Ok(Self {
            encoder: Encoder::new(config.in_channels, 2 * latent, &shape, vb.pp("encoder"))?,
            decoder: Decoder::new(latent, config.out_channels, &shape, vb.pp("decoder"))?,
            quant_conv: config.use_quant_conv.then(|| one_by_one(2 * latent, "quant_conv")).transpose()?,
            post_quant_conv: config.use_post_quant_conv.then(|| one_by_one(latent, "post_quant_conv")).transpose()?,
            config: config.clone(),
        })
    }

    pub fn config(&self) -> &AutoencoderKlConfig {
        &self.config
    }

    /// Pixels `[batch, 3, height, width]` in -1..1 to the posterior of the latents, unscaled.
    pub fn encode(&self, pixels: &Tensor, cut: Cut, cancel: Cancel) -> Result<DiagonalGaussian> {
        let factor = self.config.scale_factor();
        let tiling = Tiling { tile: TILE_SIDE };
        let moments = tiled(
            pixels,
            cut,
            tiling,
            |n| n / factor,
            cancel,
            |tile| {
                let moments = self.encoder.forward(tile, cancel)?;
                self.quant_conv.as_ref().map_or(Ok(moments.clone()), |conv| conv.forward(&moments))
            },
        )?;
        let halves = moments.chunk(2, 1)?;
        let [mean, logvar] = &halves[..] else { bail!("the VAE's encoder has an odd number of channels") };
        Ok(DiagonalGaussian { mean: mean.contiguous()?, logvar: logvar.contiguous()? })
    }

    /// Unscaled latents `[batch, latent_channels, h, w]` to pixels in about -1..1.
    pub fn decode(&self, latents: &Tensor, cut: Cut, cancel: Cancel) -> Result<Tensor> {
        let factor = self.config.scale_factor();
        let tiling = Tiling { tile: TILE_SIDE / factor };
        tiled(
            latents,
            cut,
            tiling,
            |n| n * factor,
            cancel,
            |tile| {
                let z = self.post_quant_conv.as_ref().map_or(Ok(tile.clone()), |conv| conv.forward(tile))?;
                self.decoder.forward(&z, cancel)
            },
        )
    }

    /// Latents of the UNet to those of the VAE: `z / scaling_factor`, or `z * std / scaling_factor + mean`.
    pub fn unscale(&self, latents: &Tensor) -> Result<Tensor> {
        match self.statistics(latents)? {
            Some((mean, std)) => (latents.broadcast_mul(&std)? / self.config.scaling_factor)?.broadcast_add(&mean),
            None => latents / self.config.scaling_factor,
        }
    }

    /// The way back from [`AutoencoderKl::unscale`].
    pub fn scale(&self, latents: &Tensor) -> Result<Tensor> {
        match self.statistics(latents)? {
            Some((mean, std)) => (latents.broadcast_sub(&mean)? * self.config.scaling_factor)?.broadcast_div(&std),
            None => latents * self.config.scaling_factor,
        }
    }

    fn statistics(&self, like: &Tensor) -> Result<Option<(Tensor, Tensor)>> {
        let (Some(mean), Some(std)) = (&self.config.latents_mean, &self.config.latents_std) else { return Ok(None) };
        let tensor = |values: &[f64]| {
            Tensor::new(values, like.device())?.to_dtype(like.dtype())?.reshape((1, values.len(), 1, 1))
        };
        Ok(Some((tensor(mean)?, tensor(std)?)))
    }
}

/// Runs `part` over the whole input, or over tiles that overlap and are blended linearly. `scaled` maps an input length to
/// its output length.
fn tiled(
    x: &Tensor,
    cut: Cut,
    tiling: Tiling,
    scaled: impl Fn(usize) -> usize,
    cancel: Cancel,
    part: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    if cut == Cut::Whole {
        return part(x);
    }
    let mut rows: Vec<Tensor> = Vec::new();
    for (top, tile_height) in spans(height, tiling) {
        let mut row: Option<Tensor> = None;
        for (left, tile_width) in spans(width, tiling) {
            cancel.check()?;
            let tile = part(&x.narrow(2, top, tile_height)?.narrow(3, left, tile_width)?.contiguous()?)?;
            row = Some(match row {
                Some(row) => join(&row, &tile, 3, scaled(left))?,
                None => tile,
            });
        }
        let Some(row) = row else { bail!("nothing to tile") };
        rows.push(row);
    }
    let mut out: Option<Tensor> = None;
    for (row, (top, _)) in rows.iter().zip(spans(height, tiling)) {
        out = Some(match out {
            Some(out) => join(&out, row, 2, scaled(top))?,
            None => row.clone(),
        });
    }
    out.ok_or_else(|| candle_core::Error::Msg("nothing to tile".to_owned()))
}

/// Starts and lengths of the tiles along one side; the last reaches the end and is no shorter than the others.
fn spans(side: usize, tiling: Tiling) -> Vec<(usize, usize)> {
    if side <= tiling.tile {
        return vec![(0, side)];
    }
    let last = side - tiling.tile;
    let mut out: Vec<_> = (0..last).step_by(tiling.step().max(1)).map(|start| (start, tiling.tile)).collect();
    out.push((last, tiling.tile));
    out
}

/// Joins `right` to `left` along `axis`; `right` begins at `start` of the whole, and what overlaps fades from one to the other.
fn join(left: &Tensor, right: &Tensor, axis: usize, start: usize) -> Result<Tensor> {
    let overlap = left.dim(axis)?.saturating_sub(start);
    if overlap == 0 {
        return Tensor::cat(&[left, right], axis);
    }
    let ramp: Vec<f32> = (0..overlap).map(|i| (i as f32 + 0.5) / overlap as f32).collect();
    let mut shape = [1usize; 4];
    if let Some(side) = shape.get_mut(axis) {
        *side = overlap;
    }
    let ramp = Tensor::from_vec(ramp, &shape[..], left.device())?.to_dtype(left.dtype())?;
    let (before, after) = (left.narrow(axis, start, overlap)?, right.narrow(axis, 0, overlap)?);
    let blended = (&before + (after - &before)?.broadcast_mul(&ramp)?)?;
    let rest = right.narrow(axis, overlap, right.dim(axis)? - overlap)?;
    Tensor::cat(&[&left.narrow(axis, 0, start)?, &blended, &rest], axis)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn tiles_cover_the_picture_and_join_without_a_seam() {
        for (height, width) in [(16, 40), (21, 16), (33, 47), (17, 17), (64, 12)] {
            let x = Tensor::arange(0f32, (height * width) as f32, &Device::Cpu).unwrap();
            let x = x.reshape((1, 1, height, width)).unwrap();
            let calls = std::cell::Cell::new(0);
            // Something that knows nothing of its neighbours, and doubles the size: tiles must then join exactly.
            let part = |tile: &Tensor| {
                calls.set(calls.get() + 1);
                assert!(tile.dim(2)? <= 16 && tile.dim(3)? <= 16);
                tile.upsample_nearest2d(tile.dim(2)? * 2, tile.dim(3)? * 2)
            };
            let joined = tiled(&x, Cut::Tiles, Tiling { tile: 16 }, |n| n * 2, Cancel::never(), part).unwrap();
            let whole = x.upsample_nearest2d(height * 2, width * 2).unwrap();
            assert_eq!(joined.dims(), whole.dims());
            let off = (joined - whole).unwrap().abs().unwrap().max_all().unwrap().to_dtype(DType::F32).unwrap();
            assert!(off.to_scalar::<f32>().unwrap() < 1e-3, "{height} x {width}");
            assert!(calls.get() > 1, "{height} x {width} was not tiled");
        }
    }

    #[test]
    fn a_whole_picture_is_not_cut() {
        let x = Tensor::zeros((1, 1, 8, 32), DType::F32, &Device::Cpu).unwrap();
        let out = tiled(
            &x,
            Cut::Whole,
            Tiling { tile: 8 },
            |n| n,
            Cancel::never(),
            |tile| {
                assert_eq!(tile.dims(), [1, 1, 8, 32]);
                Ok(tile.clone())
            },
        );
        assert_eq!(out.unwrap().dims(), [1, 1, 8, 32]);
    }
}
