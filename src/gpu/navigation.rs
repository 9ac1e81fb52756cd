//! The pointer's part: the wheel zooms about it, dragging pans, a double click goes between fitted and 1:1.

use egui::{CursorIcon, Pos2, Rect, Response, Ui};

use super::View;

/// A notch of the wheel (40 to 50 points) is a quarter.
const ZOOM_PER_POINT: f32 = 1.0 / 200.0;
/// Around a fitted picture, in points.
const FIT_MARGIN: f32 = 16.0;
/// From here on an area has them, in points.
const ROOMY: f32 = 320.0;

/// Moves the view by this frame's input. `panes` are the areas that share it (one, or two side by side) in points,
/// `picture` is the size of the picture in them, if there is one.
pub fn navigate(ui: &Ui, response: &Response, panes: &[Rect], picture: Option<[u32; 2]>, view: &mut View) {
    let scale = ui.pixels_per_point();
    let Some(first) = panes.first() else { return };
    let (Some(picture), area) = (picture, [first.width() * scale, first.height() * scale]) else { return };
    let settle = |view: &mut View| {
        // In a small area the picture is worth more than its margins.
        let has_margin = view.fit && area.iter().all(|side| *side >= ROOMY * scale);
        let margin = if has_margin { 2.0 * FIT_MARGIN * scale } else { 0.0 };
        view.settle(picture, area.map(|side| side - margin));
    };
    // Puts the zoom in force before anything is counted from it.
    settle(view);

    if let Some(pointer) = response.hover_pos() {
        let about = from_middle(panes, pointer).map(|n| n * scale);
        let (scroll, pinch) = ui.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
        let factor = (scroll * ZOOM_PER_POINT).exp() * pinch;
        if factor != 1.0 {
            view.zoom_by(factor, about);
        }
    }
    if response.double_clicked() {
        if view.fit {
            let about = response.interact_pointer_pos().map_or([0.0; 2], |pointer| from_middle(panes, pointer));
            view.zoom_to(1.0, about.map(|n| n * scale));
        } else {
            view.fit = true;
        }
    } else if response.dragged() {
        let by = response.drag_delta() * scale;
        view.drag([by.x, by.y]);
    }
    settle(view);
    if !view.fit && response.hovered() {
        let icon = if response.dragged() { CursorIcon::Grabbing } else { CursorIcon::Grab };
        ui.ctx().set_cursor_icon(icon);
    }
}

/// From the middle of the pane under the pointer, in points.
fn from_middle(panes: &[Rect], pointer: Pos2) -> [f32; 2] {
    let pane = panes.iter().find(|pane| pane.contains(pointer)).or(panes.first());
    pane.map_or([0.0; 2], |pane| {
        let offset = pointer - pane.center();
        [offset.x, offset.y]
    })
}
