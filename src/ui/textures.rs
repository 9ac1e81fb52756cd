//! Small pictures on the graphics card, by name; those that are not shown any more are let go.

use std::collections::HashMap;
use std::sync::Arc;

use egui::{ColorImage, Context, TextureHandle, TextureOptions};
use image::RgbImage;

#[derive(Default)]
pub struct Textures {
    known: HashMap<String, Known>,
    frame: u64,
}

struct Known {
    handle: TextureHandle,
    shows: Shows,
    used: u64,
}

/// What a texture was made of.
enum Shows {
    /// Held, so that no other picture can take its place in memory and be taken for it.
    Picture(Arc<RgbImage>),
    /// A number never given to anything else under this name.
    Version(u64),
}

impl Textures {
    /// The texture of `picture`; a name that gets another picture shows that one from now on.
    pub fn get(&mut self, ctx: &Context, name: &str, picture: &Arc<RgbImage>) -> TextureHandle {
        let is_it = |shows: &Shows| matches!(shows, Shows::Picture(known) if Arc::ptr_eq(known, picture));
        match self.known(name, is_it) {
            Some(handle) => handle,
            None => self.put(ctx, name, picture, Shows::Picture(Arc::clone(picture))),
        }
    }

    /// The texture of what is made for `version`, once; None where nothing can be made.
    pub fn made(
        &mut self,
        ctx: &Context,
        name: &str,
        version: u64,
        make: impl FnOnce() -> Option<RgbImage>,
    ) -> Option<TextureHandle> {
        let is_it = |shows: &Shows| matches!(shows, Shows::Version(known) if *known == version);
        let known = self.known(name, is_it);
        known.or_else(|| Some(self.put(ctx, name, &make()?, Shows::Version(version))))
    }

    fn known(&mut self, name: &str, is_it: impl FnOnce(&Shows) -> bool) -> Option<TextureHandle> {
        let known = self.known.get_mut(name).filter(|known| is_it(&known.shows))?;
        known.used = self.frame;
        Some(known.handle.clone())
    }

    fn put(&mut self, ctx: &Context, name: &str, picture: &RgbImage, shows: Shows) -> TextureHandle {
        let size = [picture.width() as usize, picture.height() as usize];
        let image = ColorImage::from_rgb(size, picture.as_raw());
        let handle = match self.known.remove(name) {
            Some(mut known) => {
                known.handle.set(image, TextureOptions::LINEAR);
                known.handle
            }
            None => ctx.load_texture(name, image, TextureOptions::LINEAR),
        };
        self.known.insert(name.to_owned(), Known { handle: handle.clone(), shows, used: self.frame });
        handle
    }

    /// Lets all go whose names begin so.
    pub fn forget(&mut self, beginning: &str) {
        self.known.retain(|name, _| !name.starts_with(beginning));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_made_for_a_version_is_made_once_and_again_for_the_next_or_after_it_was_let_go() {
        let (ctx, mut textures, mut made) = (Context::default(), Textures::default(), Vec::new());
        let mut ask = |textures: &mut Textures, version: u32| {
            let make = || {
                made.push(version);
                Some(RgbImage::new(version, 1))
            };
            let texture = textures.made(&ctx, "board picture 0", version.into(), make).unwrap();
            assert_eq!(texture.size()[0], version as usize);
        };
        for version in [1, 1, 2, 2, 1] {
            ask(&mut textures, version);
        }
        textures.forget("board ");
        ask(&mut textures, 1);
        assert_eq!(made, [1, 2, 1, 1]);
        assert!(textures.made(&ctx, "board picture 0", 3, || None).is_none());
    }
}
