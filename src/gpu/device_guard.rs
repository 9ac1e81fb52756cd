//! A lost graphics card is a flag that the app reads, not a panic.
//!
//! wgpu panics by default on an error that nobody caught, and neither eframe nor egui-wgpu 0.37 catches any.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use eframe::egui_wgpu::wgpu;

/// What has happened to a device so far. Cheap to clone; all clones tell of the same device.
#[derive(Debug, Clone)]
pub struct DeviceGuard {
    device: wgpu::Device,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    lost: AtomicBool,
    failed: AtomicBool,
    message: Mutex<Option<String>>,
}

impl DeviceGuard {
    /// Listens to the device from now on, in place of wgpu's panic.
    #[must_use]
    pub fn install(device: &wgpu::Device) -> Self {
        let state = Arc::new(State::default());
        let to = Arc::clone(&state);
        device.set_device_lost_callback(move |reason, message| {
            to.note(format!("the graphics device was lost ({reason:?}): {message}"));
            to.lost.store(true, Ordering::Release);
        });
        let to = Arc::clone(&state);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            to.note(format!("the graphics device reported an error: {error}"));
            to.failed.store(true, Ordering::Release);
        }));
        Self { device: device.clone(), state }
    }

    /// The device is gone. The engine and all data live on, but egui's own painter panics on the next letter that it
    /// has to paint: ask once a frame before painting, and from then on paint nothing.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        // wgpu tells of a loss only when asked to look; this look does not wait.
        let _ = self.device.poll(wgpu::PollType::Poll);
        self.state.lost.load(Ordering::Acquire)
    }

    /// The device refused something; what is painted may lack a part.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.state.failed.load(Ordering::Acquire)
    }

    /// The first thing that went wrong, on one line, for the log.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        self.state.message.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl State {
    /// Keeps the first message: what follows is mostly its echo.
    fn note(&self, text: String) {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        tracing::error!("{line}");
        let mut message = self.message.lock().unwrap_or_else(PoisonError::into_inner);
        if message.is_none() {
            *message = Some(line);
        }
    }
}
