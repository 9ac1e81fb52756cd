//! How egui's renderer is told: one frame's stage on its way through a paint callback.

use std::sync::OnceLock;

use eframe::egui_wgpu::{self, CallbackResources, CallbackTrait, ScreenDescriptor, wgpu};
use egui::{Color32, Id, PaintCallbackInfo, Rect, Ui, Visuals};

use super::programs::Bound;
use super::renderer::{Renderer, Shown, texels};
use super::scene::{CanvasScene, Checkerboard, CompareKind, CompareScene, Placement, Scene};
use super::{CanvasContent, View};

/// The side of a checkerboard cell in points.
const CELL: f32 = 8.0;
/// How far its two colours lie apart, from the ground to the colour of text.
const CONTRAST: f32 = 0.035;
/// A difference of 32 of 255 shows as white.
const GAIN: f32 = 8.0;
/// Half the width of the line between two pictures, in points.
const HALF_LINE: f32 = 1.0;

/// A picture in an area.
pub struct Pane {
    /// In points.
    pub rect: Rect,
    pub content: CanvasContent,
    /// The size that it is shown at, in pixels at a zoom of 1.
    pub size: [f32; 2],
}

/// Two pictures: how, and where the line between them lies, 0 to 1 of the width.
#[derive(Debug, Clone, Copy)]
pub struct Against {
    pub kind: CompareKind,
    pub split: f32,
}

/// One frame's canvas (one pane) or comparison (two).
pub struct StagePaint {
    slot: u64,
    rect: Rect,
    panes: [Option<Pane>; 2],
    against: Option<Against>,
    view: View,
    ground: [f32; 3],
    text: [f32; 3],
    bound: OnceLock<Bound>,
}

/// Adds the stage to what egui paints. `id` tells one stage of the window from another.
pub fn add(ui: &Ui, id: Id, rect: Rect, panes: [Option<Pane>; 2], against: Option<Against>, view: &View) {
    if !ui.is_rect_visible(rect) {
        return;
    }
    let visuals: &Visuals = ui.visuals();
    let paint = StagePaint {
        slot: id.value(),
        rect,
        panes,
        against,
        view: *view,
        ground: colour(visuals.extreme_bg_color),
        text: colour(visuals.strong_text_color()),
        bound: OnceLock::new(),
    };
    ui.painter().add(egui_wgpu::Callback::new_paint_callback(rect, paint));
}

/// sRGB-encoded, 0 to 1.
fn colour(colour: Color32) -> [f32; 3] {
    [colour.r(), colour.g(), colour.b()].map(|byte| f32::from(byte) / 255.0)
}

impl StagePaint {
    /// In pixels of the stage, whose corner is 0, 0.
    fn scene(&self, shown: &[Shown; 2], scale: f32) -> Scene {
        let corner = self.corner(scale);
        let place = |pane: &Option<Pane>, shown: &Shown| match (pane, texels(shown)) {
            (Some(pane), Some(texels)) => {
                let middle = pane.rect.center();
                let middle = [middle.x * scale - corner[0], middle.y * scale - corner[1]];
                let middle = [0, 1].map(|axis| middle[axis] + self.view.pan[axis]);
                let placement = Placement::new(texels, middle, pane.size.map(|side| side * self.view.zoom));
                // Who fits looks at the picture, who zooms looks at its pixels.
                if self.view.fit { placement.smoothed() } else { placement }
            }
            _ => Placement::NOTHING,
        };
        let light = [0, 1, 2].map(|i| self.ground[i] + (self.text[i] - self.ground[i]) * CONTRAST);
        let board = Checkerboard { dark: self.ground, light, origin: [0.0; 2], cell: (CELL * scale).round() };
        let [first, second] = &self.panes;
        let [first, second] = [place(first, &shown[0]), place(second, &shown[1])];
        match self.against {
            None => Scene::Canvas(CanvasScene { board, place: first }),
            Some(against) => Scene::Compare(CompareScene {
                board,
                left: first,
                right: second,
                kind: against.kind,
                split: (self.rect.width() * against.split * scale).round(),
                half_line: HALF_LINE * scale,
                gain: GAIN,
                line: self.text,
            }),
        }
    }

    fn corner(&self, scale: f32) -> [f32; 2] {
        [(self.rect.min.x * scale).round(), (self.rect.min.y * scale).round()]
    }

    fn size(&self, scale: f32) -> [u32; 2] {
        let corner = self.corner(scale);
        [self.rect.max.x * scale - corner[0], self.rect.max.y * scale - corner[1]].map(|side| side.round() as u32)
    }
}

impl CallbackTrait for StagePaint {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(renderer) = resources.get_mut::<Renderer>() {
            let scale = screen.pixels_per_point;
            let mut load = |pane: &Option<Pane>| {
                pane.as_ref().and_then(|pane| renderer.load(device, queue, encoder, &pane.content))
            };
            let [first, second] = &self.panes;
            let shown = [load(first), load(second)];
            let scene = self.scene(&shown, scale);
            let [first, second] = &shown;
            let size = self.size(scale);
            let stage = renderer.paint_stage(device, queue, encoder, self.slot, size, scene, [first, second]);
            let bound = renderer.bind_stage(device, queue, self.corner(scale), &stage);
            // Only a frame painted twice finds one there already, and it is the same.
            let _ = self.bound.set(bound);
        }
        Vec::new()
    }

    fn paint(&self, _info: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, _: &CallbackResources) {
        if let Some(bound) = self.bound.get() {
            bound.draw(pass);
        }
    }
}
