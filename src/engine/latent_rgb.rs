//! Latents shown without a VAE, for the preview.

use crate::nn::autoencoder_kl::AutoencoderKlConfig;

/// A linear map from latents to RGB in -1..1.
#[derive(Debug, Clone, PartialEq)]
pub struct LatentRgb {
    pub factors: Vec<[f32; 3]>,
    pub bias: [f32; 3],
}

/// SDXL's factors (ComfyUI `latent_formats.py`, measured on SDXL's VAE), used where a model has SDXL's latents.
const SDXL_LATENT_RGB: ([[f32; 3]; 4], [f32; 3]) = (
    [[0.3651, 0.4232, 0.4341], [-0.2533, -0.0042, 0.1068], [0.1076, 0.1111, -0.0362], [-0.3165, -0.2492, -0.2188]],
    [0.1084, -0.0175, -0.0011],
);
pub(super) const SDXL_SCALING_FACTOR: f64 = 0.13025;
/// The same for SD 1.5.
const SD15_LATENT_RGB: ([[f32; 3]; 4], [f32; 3]) = (
    [[0.3512, 0.2297, 0.3227], [0.3250, 0.4974, 0.2350], [-0.2829, 0.1762, 0.2721], [-0.2120, -0.2616, -0.7177]],
    [0.0; 3],
);
pub(super) const SD15_SCALING_FACTOR: f64 = 0.18215;

impl LatentRgb {
    /// The model's own map, or the known one where its latents are SDXL's or SD 1.5's. None where nothing fits its channels.
    pub(super) fn of(own: Option<(Vec<[f32; 3]>, [f32; 3])>, vae: &AutoencoderKlConfig) -> Option<Self> {
        let (factors, bias) = match own {
            Some(own) => own,
            None if vae.scaling_factor == SDXL_SCALING_FACTOR => (SDXL_LATENT_RGB.0.to_vec(), SDXL_LATENT_RGB.1),
            None if vae.scaling_factor == SD15_SCALING_FACTOR => (SD15_LATENT_RGB.0.to_vec(), SD15_LATENT_RGB.1),
            None => return None,
        };
        (factors.len() == vae.latent_channels).then_some(Self { factors, bias })
    }
}
