//! Large areas of one colour, painted by a shader that does nothing else.

use std::sync::OnceLock;

use eframe::egui_wgpu::{self, CallbackResources, CallbackTrait, ScreenDescriptor, wgpu};
use egui::{Color32, PaintCallbackInfo, Rect, Ui};

use super::programs::Bound;
use super::renderer::Renderer;

/// Fills `rect` (points) with a colour, which may let through what is below. Nothing is painted where
/// [`super::install`] was not called.
pub fn fill(ui: &Ui, rect: Rect, colour: Color32) {
    if rect.is_positive() && colour.a() > 0 {
        let paint = FillPaint { colour: colour.to_array(), bound: OnceLock::new() };
        ui.painter().add(egui_wgpu::Callback::new_paint_callback(rect, paint));
    }
}

struct FillPaint {
    colour: [u8; 4],
    bound: OnceLock<Bound>,
}

impl CallbackTrait for FillPaint {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(renderer) = resources.get_mut::<Renderer>() {
            // Only a frame painted twice finds one there already, and it is the same.
            let _ = self.bound.set(renderer.bind_fill(device, queue, self.colour));
        }
        Vec::new()
    }

    fn paint(&self, _info: PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, _: &CallbackResources) {
        if let Some(bound) = self.bound.get() {
            bound.draw(pass);
        }
    }
}
