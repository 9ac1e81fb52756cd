//! A wgpu device without a window, and reading back what it painted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::future::Future;
use std::io::Write as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use eframe::egui_wgpu::wgpu;
use image::RgbImage;

/// Set where a run without an adapter must fail, as on the machine that checks every change.
const REQUIRE: &str = "INSTANTSTYLE_REQUIRE_WINDOW";

pub struct Headless {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub adapter: wgpu::Adapter,
    pub instance: wgpu::Instance,
}

/// On native wgpu the futures are ready at once, or soon.
pub fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
        std::thread::yield_now();
    }
}

/// A device with textures of up to `limit` a side; `None`, said plainly, where there is no adapter.
pub fn device(limit: u32) -> Option<Headless> {
    let open = |backends| {
        let mut setup = wgpu::InstanceDescriptor::new_without_display_handle();
        setup.backends = wgpu::Backends::from_env().unwrap_or(backends);
        let instance = wgpu::Instance::new(setup);
        let adapters = wait(instance.enumerate_adapters(wgpu::Backends::all()));
        (instance, adapters)
    };
    let (mut instance, mut adapters) = open(wgpu::Backends::PRIMARY);
    if adapters.is_empty() {
        (instance, adapters) = open(wgpu::Backends::GL);
    }
    // Software first: it is the same everywhere.
    adapters.sort_by_key(|adapter| adapter.get_info().device_type != wgpu::DeviceType::Cpu);
    let Some(adapter) = adapters.into_iter().next() else {
        assert!(std::env::var(REQUIRE).as_deref() != Ok("1"), "no wgpu adapter, and {REQUIRE}=1 asks for one");
        // Past the test harness, which would swallow it.
        let _ = std::io::stderr().write_all(b"SKIPPED: no wgpu adapter\n");
        return None;
    };
    let required_limits = wgpu::Limits {
        max_texture_dimension_2d: limit,
        max_texture_dimension_1d: limit.min(8192),
        ..wgpu::Limits::downlevel_webgl2_defaults()
    };
    let wanted = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
    let (device, queue) = wait(adapter.request_device(&wanted)).unwrap();
    Some(Headless { device, queue, adapter, instance })
}

impl Headless {
    /// Paints a target of this size by `draw` and reads it back: RGB, as the bytes lie in the target.
    pub fn paint(
        &self,
        size: [u32; 2],
        format: wgpu::TextureFormat,
        mut encoder: wgpu::CommandEncoder,
        draw: impl FnOnce(&mut wgpu::RenderPass<'_>),
    ) -> RgbImage {
        let extent = wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 };
        let target = self.device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: extent,
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let view = target.create_view(&wgpu::TextureViewDescriptor::default());
        draw(&mut instantstyle::gpu::renderer::begin_pass(&mut encoder, "test", &view));

        // Rows of a copy begin at multiples of 256 bytes.
        let stride = (size[0] * 4).div_ceil(256) * 256;
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: u64::from(stride * size[1]),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(stride), rows_per_image: None };
        let to = wgpu::TexelCopyBufferInfo { buffer: &buffer, layout };
        encoder.copy_texture_to_buffer(target.as_image_copy(), to, extent);
        self.queue.submit([encoder.finish()]);
        buffer.map_async(wgpu::MapMode::Read, .., |mapped| mapped.unwrap());
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        let bytes = buffer.get_mapped_range(..).unwrap();
        RgbImage::from_fn(size[0], size[1], |x, y| {
            let at = (y * stride + x * 4) as usize;
            image::Rgb([bytes[at], bytes[at + 1], bytes[at + 2]])
        })
    }
}
