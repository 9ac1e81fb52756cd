//! Small pictures on the graphics card, by name; those that are not shown any more are let go.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use egui::{ColorImage, TextureHandle, TextureOptions};
use image::RgbImage;

#[derive(Default)]
pub struct Textures {
    known: HashMap<String, Known>,
    frame: u64,
}

struct Known {
    handle: TextureHandle,
    /// What it shows; held, so that no other picture can take its place in memory and be taken for it.
    picture: Arc<RgbImage>,
    used: u64,
}

impl Textures {
    /// The texture of `picture`; a name that gets another picture shows that one from now on.
    pub fn get(&mut self, ctx: &egui::Context, name: &str, picture: &Arc<RgbImage>) -> TextureHandle {
        let image = || ColorImage::from_rgb([picture.width() as usize, picture.height() as usize], picture.as_raw());
        let known = match self.known.entry(name.to_owned()) {
            Entry::Occupied(entry) => {
                let known = entry.into_mut();
                if !Arc::ptr_eq(&known.picture, picture) {
                    known.handle.set(image(), TextureOptions::LINEAR);
                    known.picture = Arc::clone(picture);
                }
                known
            }
            Entry::Vacant(entry) => {
                let handle = ctx.load_texture(name, image(), TextureOptions::LINEAR);
                entry.insert(Known { handle, picture: Arc::clone(picture), used: 0 })
            }
        };
        known.used = self.frame;
        known.handle.clone()
    }

    /// Called once a frame.
    pub fn tidy(&mut self) {
        /// A scrolled-away thumbnail comes back soon.
        const FRAMES_KEPT: u64 = 600;
        self.frame += 1;
        let frame = self.frame;
        self.known.retain(|_, known| frame - known.used < FRAMES_KEPT);
    }
}
