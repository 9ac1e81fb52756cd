//! What is painted where: contents onto the card, scenes onto stages, stages into the window.

use std::collections::HashMap;
use std::sync::Arc;

use eframe::egui_wgpu::wgpu;

use super::content::CanvasContent;
use super::latents;
use super::programs::{Bound, Program, Programs, STAGE_FORMAT};
use super::scene::{FillScene, LatentScene, MAX_CHANNELS, Scene, StageScene, Texels};
use super::textures::{self, Key, Resident, Textures};
use crate::engine::Preview;

/// Stages that are kept; there is one for each canvas in the window.
const MOST_STAGES: usize = 8;
/// Colours whose fill is kept.
const MOST_FILLS: usize = 64;

/// A texture to show, or `None` where there is nothing.
pub type Shown = Option<(Key, Resident)>;

/// A scene as it was painted last, in a texture of its own.
struct Stage {
    slot: u64,
    size: [u32; 2],
    scene: Scene,
    keys: [Option<Key>; 2],
    view: wgpu::TextureView,
    used: u64,
}

/// Everything the canvas needs on one device. Lives in egui-wgpu's callback resources.
pub struct Renderer {
    programs: Programs,
    textures: Textures,
    stages: Vec<Stage>,
    /// By their colours.
    fills: HashMap<[u8; 4], Bound>,
    blank: wgpu::TextureView,
    linear_out: bool,
    clock: u64,
    painted: u64,
}

impl Renderer {
    /// Compiles the shaders. The framebuffer has `window` as its format, one sample a pixel and no depth.
    #[must_use]
    pub fn new(device: &wgpu::Device, window: wgpu::TextureFormat) -> Self {
        Self {
            programs: Programs::new(device, window),
            textures: Textures::default(),
            stages: Vec::new(),
            fills: HashMap::new(),
            blank: textures::blank(device),
            linear_out: window.is_srgb(),
            clock: 0,
            painted: 0,
        }
    }

    /// How many pictures and previews have been sent to the card since the start.
    #[must_use]
    pub fn uploads(&self) -> u64 {
        self.textures.uploads()
    }

    /// How often a stage has been painted since the start; a frame that changes nothing on it does not count.
    #[must_use]
    pub fn painted(&self) -> u64 {
        self.painted
    }

    /// Brings the content onto the card, unless it is there. A preview is painted by way of `encoder`.
    pub fn load(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        encoder: &mut wgpu::CommandEncoder,
        content: &CanvasContent,
    ) -> Shown {
        let key = match content {
            CanvasContent::Empty => return None,
            CanvasContent::Picture { id, .. } => Key::Picture(*id),
            CanvasContent::Latents { id, .. } => Key::Latents(*id),
        };
        if let Some(resident) = self.textures.get(key) {
            return Some((key, resident));
        }
        let resident = match content {
            CanvasContent::Empty => None,
            CanvasContent::Picture { image, id } => self.textures.send_picture(device, queue, *id, image),
            CanvasContent::Latents { preview, id } => self.paint_preview(device, queue, encoder, preview, *id),
        };
        resident.map(|resident| (key, resident))
    }

    fn paint_preview(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        encoder: &mut wgpu::CommandEncoder,
        preview: &Arc<Preview>,
        id: u64,
    ) -> Option<Resident> {
        let scene = latents::scene(preview)?;
        let bound = self.bind_latents(device, queue, &scene, &preview.latents.values)?;
        let resident = self.textures.keep_preview(device, id, [scene.width, scene.height]);
        bound.draw(&mut begin_pass(encoder, "latent preview", &resident.view));
        Some(resident)
    }

    /// Binds latents to their shader, which paints into `STAGE_FORMAT`; `None` where they are too large for the card.
    #[must_use]
    pub fn bind_latents(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        scene: &LatentScene,
        values: &[f32],
    ) -> Option<Bound> {
        let channels = u32::try_from(scene.factors.len().min(MAX_CHANNELS)).ok()?;
        let rows = scene.height.checked_mul(channels)?;
        let view = textures::send_latents(device, queue, values, scene.width, rows)?;
        Some(self.programs.bind(device, queue, Program::LatentPreview, &scene.words(), &[&view]))
    }

    /// Binds a scene and its pictures (the second only for a comparison) to its shader, which paints into
    /// `STAGE_FORMAT`.
    #[must_use]
    pub fn bind_scene(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        scene: &Scene,
        shown: [&Shown; 2],
    ) -> Bound {
        let [first, second] = shown;
        match scene {
            Scene::Canvas(scene) => {
                let view = self.level_view(queue, first, scene.place.level);
                self.programs.bind(device, queue, Program::Canvas(scene.place.filter), &scene.words(), &[&view])
            }
            Scene::Compare(scene) => {
                let left = self.level_view(queue, first, scene.left.level);
                let right = self.level_view(queue, second, scene.right.level);
                let program = Program::Compare(scene.kind, scene.left.filter, scene.right.filter);
                self.programs.bind(device, queue, program, &scene.words(), &[&left, &right])
            }
        }
    }

    /// Binds what was painted to the shader that puts it into the window.
    #[must_use]
    pub fn bind_stage(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        origin: [f32; 2],
        stage: &wgpu::TextureView,
    ) -> Bound {
        let scene = StageScene { origin, linear_out: self.linear_out };
        self.programs.bind(device, queue, Program::Stage(self.linear_out), &scene.words(), &[stage])
    }

    /// Binds a colour (premultiplied bytes in sRGB) to the shader that fills an area of the window with it.
    #[must_use]
    pub fn bind_fill(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, colour: [u8; 4]) -> Bound {
        if let Some(bound) = self.fills.get(&colour) {
            return bound.clone();
        }
        // A design has a few dozen colours; one that fades has many.
        if self.fills.len() >= MOST_FILLS {
            self.fills.clear();
        }
        let scene = FillScene { colour, linear_out: self.linear_out };
        let program = Program::Fill(matches!(colour, [.., u8::MAX]));
        let bound = self.programs.bind(device, queue, program, &scene.words(), &[]);
        self.fills.insert(colour, bound.clone());
        bound
    }

    /// The scene painted on the stage of `slot`; painted anew only where something has changed.
    #[allow(clippy::too_many_arguments)] // The card's three, and what, where and how large.
    pub fn paint_stage(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        encoder: &mut wgpu::CommandEncoder,
        slot: u64,
        size: [u32; 2],
        scene: Scene,
        shown: [&Shown; 2],
    ) -> wgpu::TextureView {
        self.clock += 1;
        let limit = device.limits().max_texture_dimension_2d.max(1);
        let size = size.map(|side| side.clamp(1, limit));
        let keys = shown.map(|shown| shown.as_ref().map(|(key, _)| *key));
        let known = self.stages.iter_mut().find(|stage| stage.slot == slot && stage.size == size);
        let view = match known {
            Some(stage) => {
                stage.used = self.clock;
                if stage.scene == scene && stage.keys == keys {
                    return stage.view.clone();
                }
                (stage.scene, stage.keys) = (scene, keys);
                stage.view.clone()
            }
            None => {
                self.stages.retain(|stage| stage.slot != slot);
                if self.stages.len() >= MOST_STAGES {
                    self.stages.sort_by_key(|stage| stage.used);
                    self.stages.remove(0);
                }
                let usage = wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::RENDER_ATTACHMENT;
                let view = textures::view(&textures::create(device, "stage", size, 1, STAGE_FORMAT, usage));
                self.stages.push(Stage { slot, size, scene, keys, view: view.clone(), used: self.clock });
                view
            }
        };
        let bound = self.bind_scene(device, queue, &scene, shown);
        bound.draw(&mut begin_pass(encoder, "stage", &view));
        self.painted += 1;
        view
    }

    fn level_view(&mut self, queue: &wgpu::Queue, shown: &Shown, level: u32) -> wgpu::TextureView {
        let Some((key, resident)) = shown else { return self.blank.clone() };
        if level > 0 {
            self.textures.send_levels(queue, *key);
        }
        resident.view.clone()
    }
}

/// The texture of what is shown, as far as placing it goes.
#[must_use]
pub fn texels(shown: &Shown) -> Option<Texels> {
    shown.as_ref().map(|(_, resident)| resident.texels)
}

/// A pass over a whole target, cleared to black first.
pub fn begin_pass<'e>(
    encoder: &'e mut wgpu::CommandEncoder,
    label: &str,
    view: &wgpu::TextureView,
) -> wgpu::RenderPass<'e> {
    encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        label: Some(label),
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::BLACK), store: wgpu::StoreOp::Store },
        })],
        ..Default::default()
    })
}
