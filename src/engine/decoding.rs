//! The last stage: latents to a picture.

use candle_core::{DType, Tensor};
use image::RgbImage;

use super::pipeline::Session;
use super::{EngineError, Latents};
use crate::nn::autoencoder_kl::{Cut, TILE_SIDE};
use crate::nn::cancel::Cancel;

/// What is said where a picture is `encoded` or `decoded` in tiles, which makes small differences to a whole one.
pub(super) fn tiling_notice(done: &str, cut: Cut, (width, height): (u32, u32)) -> Option<String> {
    (cut == Cut::Tiles).then(|| {
        format!(
            "{width} x {height} pixels are many for the VAE, so the picture was {done} in tiles of {TILE_SIDE}, blended where they meet"
        )
    })
}

impl Session {
    /// Decodes in the networks' dtype, and again in f32 where that overflows (SDXL's own VAE does in f16).
    pub(super) fn decode(
        &mut self,
        latents: &Latents,
        cut: Cut,
        cancel: Cancel,
        notices: &mut Vec<String>,
    ) -> Result<RgbImage, EngineError> {
        let shape = (1, latents.channels, latents.height, latents.width);
        let z = Tensor::from_vec(latents.values.clone(), shape, &self.place.device)?;
        let mut dtypes = vec![self.place.dtype];
        if self.place.dtype != DType::F32 {
            dtypes.push(DType::F32);
        }
        for dtype in dtypes {
            let vae = self.networks.vae(&self.model, dtype, &self.place, cancel)?;
            let pixels = vae.decode(&vae.unscale(&z)?.to_dtype(dtype)?, cut, cancel)?.to_dtype(DType::F32)?;
            if let Some(image) = to_image(&pixels)? {
                if dtype != self.place.dtype {
                    // There is one without the fault.
                    let better =
                        "; --vae sdxl-vae-fp16-fix decodes faster (`instantstyle models get sdxl-vae-fp16-fix`)";
                    notices.push(format!(
                        "the VAE overflowed in {}, so the picture was decoded in f32{}",
                        self.place.dtype.as_str(),
                        if self.model.has_overflowing_vae() { better } else { "" }
                    ));
                }
                return Ok(image);
            }
        }
        Err(EngineError::NotFinite("the VAE gave no finite picture; the model's files are damaged".to_owned()))
    }
}

/// `[1, 3, height, width]` in -1..1 to 8 bits, as diffusers rounds; None if a number is not finite.
fn to_image(pixels: &Tensor) -> Result<Option<RgbImage>, EngineError> {
    let (_, _, height, width) = pixels.dims4()?;
    let values = pixels.squeeze(0)?.permute((1, 2, 0))?.flatten_all()?.to_vec1::<f32>()?;
    if !values.iter().all(|x| x.is_finite()) {
        return Ok(None);
    }
    let bytes = values.iter().map(|x| ((x / 2.0 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8).collect();
    let image = RgbImage::from_raw(width as u32, height as u32, bytes);
    image.map(Some).ok_or_else(|| EngineError::Compute("the VAE gave a picture of the wrong size".to_owned()))
}
