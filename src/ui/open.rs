//! Opens the window: its place on the screen, its graphics device, and what it is given to work with.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::StudioApp;
use crate::app::{Session, Setup, WindowPlace};
use crate::engine::{Compute, Engine, EngineError, Waker};
use crate::library::{self, Instance};

/// How long a window that is closing is waited for, as it is after a quick restart: it may end a picture first.
const CLOSING: Duration = Duration::from_secs(4);
const TITLE: &str = "InstantStyle Studio";
/// 256 x 256, drawn from `assets/icon/icon.svg`.
const ICON: &[u8] = include_bytes!("../../assets/icon/icon.png");

/// Opens the window and stays until it is closed. `start_engine` gets what wakes the window.
///
/// # Errors
/// No display, no graphics adapter, or a thread that does not start: one sentence.
pub fn open(
    pictures: Vec<PathBuf>,
    start_engine: impl FnOnce(Waker) -> Result<Box<dyn Engine>, EngineError>,
) -> Result<(), String> {
    let home = library::home();
    if let Some(home) = &home {
        library::start_log(home);
    }
    tracing::info!("InstantStyle Studio {} opens its window", env!("CARGO_PKG_VERSION"));
    let instance = home.as_deref().map_or(Instance::Unknown, |home| Instance::of_patiently(home, CLOSING));
    let is_second = matches!(instance, Instance::Second);
    let (session, session_notice) = home.as_deref().map_or((None, None), Session::load);
    let place = session.as_ref().and_then(|session| session.settings.window);
    let mut options =
        eframe::NativeOptions { viewport: viewport(place), persist_window: false, ..eframe::NativeOptions::default() };
    if let eframe::egui_wgpu::WgpuSetup::CreateNew(setup) = &mut options.wgpu_options.wgpu_setup {
        // The small adapter paints, so that the large one's memory is the model's.
        setup.power_preference = eframe::egui_wgpu::wgpu::PowerPreference::LowPower;
    }
    let creator: eframe::AppCreator<'_> = Box::new(move |cc| {
        let waker = waker(&cc.egui_ctx);
        let engine = start_engine(waker.clone())?;
        let compute = Compute::default();
        let setup = Setup { engine, waker, home, session, session_notice, is_second, pictures, compute };
        Ok(Box::new(StudioApp::new(cc, setup)?))
    });
    // A device that is lost between `logic` and painting still ends in a panic inside egui-wgpu; the session is on the disk.
    let ran = catch_unwind(AssertUnwindSafe(|| eframe::run_native(TITLE, options, creator)));
    // Held until here, so that the next window finds a session that is whole.
    drop(instance);
    let Ok(ran) = ran else {
        let said = "the window stopped unexpectedly; start it again, everything is kept";
        return Err(said.to_owned());
    };
    ran.map_err(|error| {
        tracing::error!("the window does not open: {error}");
        refusal(&error.to_string())
    })
}

/// Wakes the window soon after something was said, so that a fast engine's many steps share a frame. A frame for each
/// would take from the engine what it needs, above all where no graphics card paints.
pub fn waker(ctx: &egui::Context) -> Waker {
    const SOON: Duration = Duration::from_millis(30);
    let ctx = ctx.clone();
    Arc::new(move || ctx.request_repaint_after(SOON))
}

/// One sentence for what eframe, winit or wgpu say, which often is a page.
fn refusal(error: &str) -> String {
    let first = error.lines().next().unwrap_or_default().trim_end_matches(['.', ' ']);
    let (why, check) = match error {
        _ if error.contains("nor DISPLAY") => ("there is no display", "start it from a desktop"),
        _ if error.contains("adapter") || error.contains("surface") => {
            ("no graphics adapter was found that can paint it", "install or mend the graphics driver")
        }
        _ if first.is_empty() => ("no reason given", "check the display and its graphics driver"),
        _ => (first, "check the display and its graphics driver"),
    };
    format!("the window does not open ({why}); {check}, or work without it: `instantstyle render`")
}

/// The window as it stood last, or of the usual size.
fn viewport(place: Option<WindowPlace>) -> egui::ViewportBuilder {
    let mut viewport = egui::ViewportBuilder::default()
        .with_title(TITLE)
        .with_app_id("instantstyle")
        .with_inner_size([1280.0, 800.0])
        .with_min_inner_size([820.0, 560.0])
        .with_drag_and_drop(true);
    // A window without an icon is still a window.
    if let Ok(icon) = eframe::icon_data::from_png_bytes(ICON) {
        viewport = viewport.with_icon(icon);
    }
    let Some(place) = place.filter(WindowPlace::is_sound) else { return viewport };
    let viewport = viewport.with_inner_size(place.size).with_maximized(place.is_maximized);
    match place.position {
        Some(position) => viewport.with_position(position),
        None => viewport,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_does_not_open_is_one_sentence_with_a_way_out() {
        for (error, why) in [
            ("WGPU error: Failed to create surface for any enabled backend: {}", "no graphics adapter"),
            ("WGPU error: No suitable `wgpu::Adapter` found\n  adapter: none", "no graphics adapter"),
            ("os error at x.rs:765: neither WAYLAND_DISPLAY nor WAYLAND_SOCKET nor DISPLAY is set", "no display"),
            ("something new.\nsecond line", "something new"),
            ("", "no reason given"),
        ] {
            let said = refusal(error);
            assert!(said.contains(why) && said.contains("`instantstyle render`"), "{said}");
            assert!(!said.contains('\n') && !said.contains(".rs"), "{said}");
        }
    }
}
