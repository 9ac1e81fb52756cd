//! Areas of one colour, painted by a shader that does nothing else.
//!
//! egui's own shader takes most of a frame where a processor paints; see `shaders/fill.wgsl`.

use std::sync::OnceLock;

use eframe::egui_wgpu::{self, CallbackResources, CallbackTrait, ScreenDescriptor, wgpu};
use egui::{Color32, CornerRadius, PaintCallbackInfo, Rect, Shape, Ui, Vec2, pos2};

use super::programs::Bound;
use super::renderer::Renderer;

/// Fills `rect` (points) with a colour, which may let through what is below. Nothing is painted where
/// [`super::install`] was not called.
pub fn fill(ui: &Ui, rect: Rect, colour: Color32) {
    ui.painter().add(filled(rect, colour));
}

/// As [`fill`], to be painted later.
pub fn filled(rect: Rect, colour: Color32) -> Shape {
    if !rect.is_positive() || colour.a() == 0 {
        return Shape::Noop;
    }
    let paint = FillPaint { colour: colour.to_array(), bound: OnceLock::new() };
    egui_wgpu::Callback::new_paint_callback(rect, paint).into()
}

/// Fills `outer` but for `inner`, on which something else lies that hides what is below.
pub fn filled_around(outer: Rect, inner: Rect, colour: Color32) -> Shape {
    let inner = inner.intersect(outer);
    if !inner.is_positive() {
        return filled(outer, colour);
    }
    let part = |left, top, right, bottom| filled(Rect::from_min_max(pos2(left, top), pos2(right, bottom)), colour);
    Shape::Vec(vec![
        part(outer.min.x, outer.min.y, outer.max.x, inner.min.y),
        part(outer.min.x, inner.max.y, outer.max.x, outer.max.y),
        part(outer.min.x, inner.min.y, inner.min.x, inner.max.y),
        part(inner.max.x, inner.min.y, outer.max.x, inner.max.y),
    ])
}

/// Fills `rect` with an opaque colour and rounds its corners. Those are egui's, being small; they reach a little below the
/// rest, so that no seam shows.
pub fn filled_round(rect: Rect, radius: u8, colour: Color32) -> Shape {
    const OVERLAP: f32 = 2.0;
    let round = f32::from(radius);
    if rect.width().min(rect.height()) <= 2.0 * (round + OVERLAP) {
        return Shape::rect_filled(rect, radius, colour);
    }
    let size = Vec2::splat(round + OVERLAP);
    let none = CornerRadius::ZERO;
    let corner = |corner: egui::Pos2, inwards: Vec2, radius: CornerRadius| {
        Shape::rect_filled(Rect::from_two_pos(corner, corner + size * inwards), radius, colour)
    };
    let (right, down) = (Vec2::new(1.0, -1.0), Vec2::new(-1.0, 1.0));
    Shape::Vec(vec![
        corner(rect.left_top(), Vec2::splat(1.0), CornerRadius { nw: radius, ..none }),
        corner(rect.right_top(), down, CornerRadius { ne: radius, ..none }),
        corner(rect.left_bottom(), right, CornerRadius { sw: radius, ..none }),
        corner(rect.right_bottom(), Vec2::splat(-1.0), CornerRadius { se: radius, ..none }),
        filled(rect.shrink2(Vec2::new(0.0, round)), colour),
        filled_around(rect.shrink2(Vec2::new(round, 0.0)), rect.shrink2(Vec2::new(0.0, round)), colour),
    ])
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
