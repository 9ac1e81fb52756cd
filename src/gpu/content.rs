//! What can be shown: nothing, a picture, or latents on their way to one.

use std::sync::Arc;

use image::RgbImage;

use crate::engine::Preview;

/// What the canvas shows. The same `id` means the same pixels: they are sent to the graphics card once.
#[derive(Debug, Clone, Default)]
pub enum CanvasContent {
    #[default]
    Empty,
    Picture {
        image: Arc<RgbImage>,
        id: u64,
    },
    /// Ids of previews and of pictures are counted apart.
    Latents {
        preview: Arc<Preview>,
        id: u64,
    },
}

impl CanvasContent {
    /// Width and height in pixels of the picture, for latents of the picture that they become.
    #[must_use]
    pub fn picture_size(&self) -> Option<[u32; 2]> {
        let size = match self {
            Self::Empty => return None,
            Self::Picture { image, .. } => [image.width(), image.height()],
            Self::Latents { preview, .. } => {
                let per_latent = preview.pixels_per_latent;
                let side = |latents: usize| u32::try_from(latents.saturating_mul(per_latent)).unwrap_or(0);
                [side(preview.latents.width), side(preview.latents.height)]
            }
        };
        size.iter().all(|&side| side > 0).then_some(size)
    }
}
