//! Pictures on their way by mouse: from the history strip, or as files from another program.

use std::sync::Arc;

use egui::{DragAndDrop, Id, LayerId, Order, Rect, Sense, TextureHandle, Ui, Vec2, vec2};

/// A picture of the history, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DraggedPicture(pub u64);

/// A picture is being dragged inside the window.
pub fn is_under_way(ui: &Ui) -> bool {
    DragAndDrop::has_payload_of_type::<DraggedPicture>(ui.ctx())
}

/// Something is being dragged that could be let go here or elsewhere: a picture of ours, or one file.
pub fn is_over_target(ui: &Ui) -> bool {
    is_under_way(ui) || ui.input(|input| input.raw.hovered_files.len() == 1)
}

/// What was let go over `rect` in this frame.
pub fn let_go<T: std::any::Any + Send + Sync>(ui: &mut Ui, rect: Rect) -> Option<Arc<T>> {
    if !DragAndDrop::has_payload_of_type::<T>(ui.ctx()) {
        return None;
    }
    let rect = rect.intersect(ui.clip_rect());
    let id = ui.scope_id().with("drop target").with(rect.min.y as i32);
    ui.interact(rect, id, Sense::hover()).dnd_release_payload::<T>()
}

/// Paints the dragged picture under the pointer.
pub fn ghost(ui: &Ui, texture: &TextureHandle) {
    const SIDE: f32 = 56.0;
    let Some(pointer) = ui.ctx().pointer_interact_pos() else { return };
    let size: Vec2 = texture.size_vec2();
    let size = size * (SIDE / size.max_elem().max(1.0));
    let layer = LayerId::new(Order::Tooltip, Id::unique("dragged picture"));
    let painter = ui.ctx().layer_painter(layer);
    let place = Rect::from_min_size(pointer + vec2(10.0, 10.0), size);
    let whole = Rect::from_min_max(egui::pos2(0.0, 0.0), egui::pos2(1.0, 1.0));
    painter.image(texture.id(), place, whole, super::tokens::GHOST);
}
