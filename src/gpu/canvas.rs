//! The canvas: one picture, or latents on their way to one, in an area of the window.

use eframe::egui_wgpu::RenderState;
use egui::{Rect, Response, Role, Sense, Ui, WidgetInfo};

use super::DeviceGuard;
pub use super::content::CanvasContent;
use super::navigation::navigate;
use super::paint::{self, Pane};
use super::renderer::Renderer;
pub use super::view::View;

/// Compiles the shaders for the window and listens to its device. Call once, before the first [`canvas_ui`] or
/// [`super::compare_ui`]; without it both paint nothing. The window must use no multisampling and no depth buffer,
/// which is eframe's default.
pub fn install(render_state: &RenderState) -> DeviceGuard {
    let guard = DeviceGuard::install(&render_state.device);
    let renderer = Renderer::new(&render_state.device, render_state.target_format);
    render_state.renderer.write().callback_resources.insert(renderer);
    guard
}

/// How many pictures and previews have been sent to the graphics card so far.
#[must_use]
pub fn uploads(render_state: &RenderState) -> u64 {
    render_state.renderer.read().callback_resources.get::<Renderer>().map_or(0, Renderer::uploads)
}

/// How often a canvas or comparison has been painted so far; a frame that changes nothing on it does not count.
#[must_use]
pub fn painted(render_state: &RenderState) -> u64 {
    render_state.renderer.read().callback_resources.get::<Renderer>().map_or(0, Renderer::painted)
}

/// Shows `content` in `rect` (points) as `view` says, and lets the pointer move the view. The response tells of clicks
/// and carries the
/// accessible name. Two canvases in one `Ui` need a `push_id` each.
pub fn canvas_ui(ui: &mut Ui, rect: Rect, content: &CanvasContent, view: &mut View) -> Response {
    let response = ui.interact(rect, ui.scope_id().with("canvas"), Sense::click_and_drag());
    let size = content.picture_size();
    navigate(ui, &response, &[rect], size, view);
    let name = match content {
        CanvasContent::Empty => "Canvas, empty",
        CanvasContent::Picture { .. } => "Canvas, picture",
        CanvasContent::Latents { .. } => "Canvas, live preview",
    };
    response.widget_info(|| WidgetInfo::labeled(Role::Image, ui.is_enabled(), name));
    let size = size.unwrap_or([1, 1]).map(|side| side as f32);
    paint::add(ui, response.id, rect, [Some(Pane { rect, content: content.clone(), size }), None], None, view);
    response
}
