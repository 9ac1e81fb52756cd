//! What lies on the graphics card, by id: a picture or preview shown again is not sent again.

use std::sync::Arc;

use eframe::egui_wgpu::wgpu;
use image::RgbImage;

use super::programs::{PICTURE_FORMAT, STAGE_FORMAT};
use super::pyramid;
use super::scene::{Grain, Texels};

/// As many pictures are kept as fit into both limits; those shown last stay.
const MOST_TEXTURES: usize = 32;
const MOST_BYTES: u64 = 256 << 20;

/// Pictures and previews count their ids apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    Picture(u64),
    Latents(u64),
}

/// A texture and all that is needed to place it.
#[derive(Debug, Clone)]
pub struct Resident {
    pub view: wgpu::TextureView,
    pub texels: Texels,
}

struct Entry {
    key: Key,
    resident: Resident,
    texture: wgpu::Texture,
    /// The picture of level 0, until the smaller levels have been asked for.
    unreduced: Option<Arc<RgbImage>>,
    bytes: u64,
    used: u64,
}

/// The cache. One a device.
#[derive(Default)]
pub struct Textures {
    entries: Vec<Entry>,
    clock: u64,
    uploads: u64,
}

impl Textures {
    /// How many pictures and previews have been sent to the card since the start.
    #[must_use]
    pub fn uploads(&self) -> u64 {
        self.uploads
    }

    /// What is there under this key; it counts as used.
    pub fn get(&mut self, key: Key) -> Option<Resident> {
        self.clock += 1;
        let clock = self.clock;
        let entry = self.entries.iter_mut().find(|entry| entry.key == key)?;
        entry.used = clock;
        Some(entry.resident.clone())
    }

    /// Sends a picture. One that is too large for the card is halved until it fits.
    pub fn send_picture(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        id: u64,
        image: &Arc<RgbImage>,
    ) -> Option<Resident> {
        if image.width() == 0 || image.height() == 0 {
            return None;
        }
        let fitting = match pyramid::reduce_to(image, device.limits().max_texture_dimension_2d) {
            Some(reduced) => Arc::new(reduced),
            None => Arc::clone(image),
        };
        let size = [fitting.width(), fitting.height()];
        let levels = pyramid::level_count(size[0], size[1]);
        let usage = wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST;
        let texture = create(device, "picture", size, levels, PICTURE_FORMAT, usage);
        write_level(queue, &texture, 0, &fitting);
        let resident = Resident { view: view(&texture), texels: Texels { size, levels, grain: Grain::Picture } };
        // The levels together add a third.
        let bytes = u64::from(size[0]) * u64::from(size[1]) * 16 / 3;
        Some(self.keep(Key::Picture(id), resident, texture, Some(fitting), bytes))
    }

    /// Makes the smaller levels of a picture, once, when it is first shown much reduced.
    pub fn send_levels(&mut self, queue: &wgpu::Queue, key: Key) {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.key == key) else { return };
        let Some(image) = entry.unreduced.take() else { return };
        let mut larger: Option<RgbImage> = None;
        for level in 1..entry.resident.texels.levels {
            let half = pyramid::halve(larger.as_ref().unwrap_or(&image));
            write_level(queue, &entry.texture, level, &half);
            larger = Some(half);
        }
    }

    /// Keeps the picture that a preview is painted into.
    pub fn keep_preview(&mut self, device: &wgpu::Device, id: u64, size: [u32; 2]) -> Resident {
        let usage = wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::RENDER_ATTACHMENT;
        let texture = create(device, "latent preview", size, 1, STAGE_FORMAT, usage);
        let resident = Resident { view: view(&texture), texels: Texels { size, levels: 1, grain: Grain::Latents } };
        let bytes = u64::from(size[0]) * u64::from(size[1]) * 4;
        self.keep(Key::Latents(id), resident, texture, None, bytes)
    }

    fn keep(
        &mut self,
        key: Key,
        resident: Resident,
        texture: wgpu::Texture,
        unreduced: Option<Arc<RgbImage>>,
        bytes: u64,
    ) -> Resident {
        self.clock += 1;
        self.uploads += 1;
        self.entries.retain(|entry| entry.key != key);
        self.entries.push(Entry { key, resident: resident.clone(), texture, unreduced, bytes, used: self.clock });
        self.forget_oldest();
        resident
    }

    /// Two always stay: a comparison needs them at the same time. What a frame still paints lives on in its bind group.
    fn forget_oldest(&mut self) {
        let too_much = |entries: &[Entry]| {
            entries.len() > MOST_TEXTURES || entries.iter().map(|entry| entry.bytes).sum::<u64>() > MOST_BYTES
        };
        while self.entries.len() > 2 && too_much(&self.entries) {
            let Some(oldest) = (0..self.entries.len()).min_by_key(|&i| self.entries.get(i).map(|entry| entry.used))
            else {
                return;
            };
            self.entries.swap_remove(oldest);
        }
    }
}

/// The bits of latents as a texture: channel c begins in row c * height. `None` where the card has no room for it.
#[must_use]
pub fn send_latents(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    values: &[f32],
    width: u32,
    rows: u32,
) -> Option<wgpu::TextureView> {
    let limit = device.limits().max_texture_dimension_2d;
    let wanted = (width as usize).checked_mul(rows as usize)?;
    let values = values.get(..wanted)?;
    if wanted == 0 || width > limit || rows > limit {
        return None;
    }
    let usage = wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST;
    let texture = create(device, "latents", [width, rows], 1, wgpu::TextureFormat::R32Uint, usage);
    write(queue, &texture, 0, bytemuck::cast_slice(values), [width, rows]);
    Some(view(&texture))
}

/// What is bound where there is nothing to show.
#[must_use]
pub fn blank(device: &wgpu::Device) -> wgpu::TextureView {
    let usage = wgpu::TextureUsages::TEXTURE_BINDING;
    view(&create(device, "blank", [1, 1], 1, PICTURE_FORMAT, usage))
}

pub(super) fn create(
    device: &wgpu::Device,
    label: &str,
    size: [u32; 2],
    levels: u32,
    format: wgpu::TextureFormat,
    usage: wgpu::TextureUsages,
) -> wgpu::Texture {
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 },
        mip_level_count: levels,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage,
        view_formats: &[],
    })
}

pub(super) fn view(texture: &wgpu::Texture) -> wgpu::TextureView {
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

fn write_level(queue: &wgpu::Queue, texture: &wgpu::Texture, level: u32, image: &RgbImage) {
    let mut rgba = Vec::with_capacity(image.as_raw().len() / 3 * 4);
    for pixel in image.as_raw().chunks_exact(3) {
        rgba.extend_from_slice(pixel);
        rgba.push(255);
    }
    write(queue, texture, level, &rgba, [image.width(), image.height()]);
}

/// Four bytes a texel.
fn write(queue: &wgpu::Queue, texture: &wgpu::Texture, level: u32, bytes: &[u8], size: [u32; 2]) {
    let place = wgpu::TexelCopyTextureInfo {
        texture,
        mip_level: level,
        origin: wgpu::Origin3d::ZERO,
        aspect: wgpu::TextureAspect::All,
    };
    let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * size[0]), rows_per_image: None };
    let extent = wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 };
    queue.write_texture(place, bytes, layout, extent);
}
