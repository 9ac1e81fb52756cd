//! Small pictures on the graphics card, by name; those that are not shown any more are let go.

use std::collections::HashMap;
use std::sync::Arc;

use egui::{ColorImage, TextureHandle, TextureOptions};
use image::RgbImage;

#[derive(Default)]
pub struct Textures {
    known: HashMap<String, (TextureHandle, u64)>,
    frame: u64,
}

impl Textures {
    /// The texture of `picture`; a name always stands for the same pixels.
    pub fn get(&mut self, ctx: &egui::Context, name: &str, picture: &Arc<RgbImage>) -> TextureHandle {
        let frame = self.frame;
        let (handle, used) = self.known.entry(name.to_owned()).or_insert_with(|| {
            let size = [picture.width() as usize, picture.height() as usize];
            let image = ColorImage::from_rgb(size, picture.as_raw());
            (ctx.load_texture(name, image, TextureOptions::LINEAR), frame)
        });
        *used = frame;
        handle.clone()
    }

    /// Called once a frame.
    pub fn tidy(&mut self) {
        /// A scrolled-away thumbnail comes back soon.
        const FRAMES_KEPT: u64 = 600;
        self.frame += 1;
        let frame = self.frame;
        self.known.retain(|_, (_, used)| frame - *used < FRAMES_KEPT);
    }
}
