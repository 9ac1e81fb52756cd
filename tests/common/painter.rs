//! A software painter for windows without a screen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use eframe::egui_wgpu::{RenderState, RendererOptions};
use egui_kittest::wgpu::{create_render_state, default_wgpu_setup};

/// Painting without what differs between cards; `None`, said plainly, where there is no adapter. `device` is
/// `headless::device`, which knows whether a run may do without one.
pub fn painter<T>(device: impl FnOnce(u32) -> Option<T>) -> Option<RenderState> {
    device(2048)?;
    Some(create_render_state(default_wgpu_setup(), RendererOptions::PREDICTABLE))
}
