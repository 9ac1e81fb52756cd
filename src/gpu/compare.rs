//! Two pictures against each other, with one zoom and pan for both.

use egui::{CursorIcon, Pos2, Rect, Response, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::navigation::navigate;
use super::paint::{self, Against, Pane};
use super::scene::CompareKind;
use super::{CanvasContent, View};

/// How near the pointer must come to take hold of the line, in points.
const GRIP: f32 = 8.0;
/// The radius of what shows that it can be taken, in points.
const KNOB: f32 = 12.0;
/// What an arrow key moves it by.
const KEY_STEP: f32 = 0.02;

/// How two pictures are held against each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CompareMode {
    /// The left picture left of this place, 0 to 1 of the area's width, the right one right of it.
    Wipe(f32),
    SideBySide,
    /// The absolute difference of the sRGB values, eight times amplified: black is the same.
    Difference,
}

/// Shows `left` against `right` in `rect` (points). Both share `view`, which is counted in pixels of the left picture;
/// a right picture of another size is fitted to its frame.
pub fn compare_ui(
    ui: &mut Ui,
    rect: Rect,
    left: &CanvasContent,
    right: &CanvasContent,
    mode: CompareMode,
    view: &mut View,
) -> Response {
    let response = ui.interact(rect, ui.scope_id().with("compare"), Sense::click_and_drag());
    let frame = left.picture_size().or(right.picture_size());
    let panes = panes(rect, mode);
    let shared: &[Rect] = if mode == CompareMode::SideBySide { &panes } else { &panes[..1] };
    navigate(ui, &response, shared, frame, view);
    let name = match mode {
        CompareMode::Wipe(_) => "Comparison, wipe",
        CompareMode::SideBySide => "Comparison, side by side",
        CompareMode::Difference => "Comparison, difference",
    };
    response.widget_info(|| WidgetInfo::labeled(Role::Image, ui.is_enabled(), name));
    let against = match mode {
        CompareMode::Wipe(position) => Against { kind: CompareKind::Wipe, split: within(position) },
        CompareMode::SideBySide => Against { kind: CompareKind::SideBySide, split: 0.5 },
        CompareMode::Difference => Against { kind: CompareKind::Difference, split: 0.5 },
    };
    let pane = |rect: Rect, content: &CanvasContent| {
        let size = fitted(content.picture_size()?, frame?);
        Some(Pane { rect, content: content.clone(), size })
    };
    let [left_pane, right_pane] = panes;
    paint::add(ui, response.id, rect, [pane(left_pane, left), pane(right_pane, right)], Some(against), view);
    response
}

/// The handle on the line of a wipe: drag it, or move it with the arrow keys. Call after [`compare_ui`], so that it
/// lies on top. The position is 0 to 1 of the width of `rect`.
pub fn wipe_handle_ui(ui: &mut Ui, rect: Rect, position: &mut f32) -> Response {
    let held = within(*position);
    let x = rect.left() + rect.width() * held;
    let grip = Rect::from_min_max(pos2(x - GRIP, rect.top()), pos2(x + GRIP, rect.bottom()));
    let mut response = ui.interact(grip, ui.scope_id().with("wipe"), Sense::click_and_drag());
    let mut moved = held;
    if response.dragged()
        && let Some(pointer) = response.interact_pointer_pos()
    {
        moved = (pointer.x - rect.left()) / rect.width().max(1.0);
    }
    if response.has_focus() {
        let lock = egui::EventFilter { horizontal_arrows: true, ..Default::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, lock));
        let presses = |key| ui.input(|input| input.num_presses(key)) as f32;
        moved += KEY_STEP * (presses(egui::Key::ArrowRight) - presses(egui::Key::ArrowLeft));
    }
    moved = moved.clamp(0.0, 1.0);
    if moved != held {
        response.mark_changed();
    }
    *position = moved;
    knob(ui, pos2(x, rect.center().y), &response);
    if response.hovered() || response.dragged() {
        ui.ctx().set_cursor_icon(CursorIcon::ResizeHorizontal);
    }
    response.widget_info(|| WidgetInfo::slider(ui.is_enabled(), f64::from(moved), "Wipe position"));
    response
}

/// Shows that the line can be taken hold of: a round grip with an arrow to either side.
fn knob(ui: &Ui, middle: Pos2, response: &Response) {
    let visuals = ui.style().interact(response);
    let line =
        if response.has_focus() { ui.visuals().selection.stroke } else { Stroke::new(1.0, visuals.fg_stroke.color) };
    ui.painter().circle(middle, KNOB, visuals.bg_fill, line);
    for way in [-1.0, 1.0] {
        let corner = |along: f32, across: f32| middle + vec2(way * along, across) * (KNOB / 11.0);
        let arrow = vec![corner(3.0, -3.0), corner(6.0, 0.0), corner(3.0, 3.0)];
        ui.painter().line(arrow, Stroke::new(1.5, visuals.fg_stroke.color));
    }
}

/// The areas of the left and of the right picture: halves side by side, otherwise the same.
fn panes(rect: Rect, mode: CompareMode) -> [Rect; 2] {
    if mode == CompareMode::SideBySide {
        let (left, right) = rect.split_left_right_at_fraction(0.5);
        [left, right]
    } else {
        [rect, rect]
    }
}

/// The size at which a picture fills the frame of the left one as far as it can, in the frame's pixels.
fn fitted(size: [u32; 2], frame: [u32; 2]) -> [f32; 2] {
    let (size, frame) = (size.map(|side| side.max(1) as f32), frame.map(|side| side.max(1) as f32));
    let scale = (frame[0] / size[0]).min(frame[1] / size[1]);
    size.map(|side| side * scale)
}

/// A position that may come from anywhere, brought to 0..1.
fn within(position: f32) -> f32 {
    if position.is_finite() { position.clamp(0.0, 1.0) } else { 0.5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_size_is_fitted_to_the_frame_of_the_left() {
        assert_eq!(fitted([512, 512], [1024, 1024]), [1024.0, 1024.0]);
        assert_eq!(fitted([100, 200], [400, 400]), [200.0, 400.0]);
    }

    #[test]
    fn only_side_by_side_has_two_panes() {
        let rect = Rect::from_min_size(pos2(10.0, 10.0), vec2(200.0, 100.0));
        assert_eq!(panes(rect, CompareMode::Difference), [rect, rect]);
        let [left, right] = panes(rect, CompareMode::SideBySide);
        assert_eq!((left.width(), right.left()), (100.0, 110.0));
    }
}
