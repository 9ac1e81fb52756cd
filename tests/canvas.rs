//! The canvas and the comparison as egui paints them, driven by the pointer.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/headless.rs"]
mod headless;

use std::sync::Arc;

use eframe::egui_wgpu::{RenderState, RendererOptions, WgpuConfiguration, WgpuSetup, WgpuSetupExisting, wgpu};
use egui::{Event, MouseWheelUnit, Pos2, Rect, Vec2, pos2, vec2};
use egui_kittest::wgpu::WgpuTestRenderer;
use egui_kittest::{Harness, kittest::Queryable as _};
use image::{Rgb, RgbImage, RgbaImage};
use instantstyle::engine::{Latents, Preview};
use instantstyle::gpu::compare::wipe_handle_ui;
use instantstyle::gpu::renderer::{Renderer, begin_pass, texels};
use instantstyle::gpu::scene::{CanvasScene, Checkerboard, Placement, Scene};
use instantstyle::gpu::{CanvasContent, CompareMode, DeviceGuard, View, canvas, canvas_ui, compare_ui};

/// The window of these tests in points; the canvas is all of it but a border.
const WINDOW: Vec2 = vec2(200.0, 160.0);
const AREA: Rect = Rect { min: pos2(20.0, 10.0), max: pos2(180.0, 150.0) };

struct Window {
    state: RenderState,
    guard: DeviceGuard,
}

/// The render state that eframe would make, on a card with textures of up to `limit` a side.
fn window(limit: u32) -> Option<Window> {
    let gpu = headless::device(limit)?;
    let setup =
        WgpuSetupExisting { instance: gpu.instance, adapter: gpu.adapter, device: gpu.device, queue: gpu.queue };
    let config = WgpuConfiguration { wgpu_setup: WgpuSetup::Existing(setup.clone()), ..Default::default() };
    let state =
        headless::wait(RenderState::create(&config, &setup.instance, None, RendererOptions::PREDICTABLE)).unwrap();
    let guard = canvas::install(&state);
    Some(Window { state, guard })
}

fn harness<'a, S: 'a>(
    window: &Window,
    scale: f32,
    state: S,
    ui: impl FnMut(&mut egui::Ui, &mut S) + 'a,
) -> Harness<'a, S> {
    Harness::builder()
        .with_size(WINDOW)
        .with_pixels_per_point(scale)
        // A quarter of a second, the default, is too slow for a double click.
        .with_step_dt(1.0 / 60.0)
        .renderer(WgpuTestRenderer::from_render_state(window.state.clone()))
        .build_ui_state(ui, state)
}

/// Red and green columns of one pixel, blue rising downwards.
fn picture(width: u32, height: u32, id: u64) -> CanvasContent {
    let image = RgbImage::from_fn(width, height, |x, y| {
        let blue = (y * 255 / height.max(1)) as u8;
        if x % 2 == 0 { Rgb([255, 0, blue]) } else { Rgb([0, 255, blue]) }
    });
    CanvasContent::Picture { image: Arc::new(image), id }
}

fn flat(colour: [u8; 3], size: u32, id: u64) -> CanvasContent {
    CanvasContent::Picture { image: Arc::new(RgbImage::from_pixel(size, size, Rgb(colour))), id }
}

fn at(image: &RgbaImage, point: Pos2) -> [u8; 3] {
    let pixel = image.get_pixel(point.x as u32, point.y as u32).0;
    [pixel[0], pixel[1], pixel[2]]
}

struct One {
    content: CanvasContent,
    view: View,
}

fn one<'a>(window: &Window, content: CanvasContent, view: View) -> Harness<'a, One> {
    harness(window, 1.0, One { content, view }, |ui, one| {
        canvas_ui(ui, AREA, &one.content, &mut one.view);
    })
}

#[test]
fn a_picture_is_sent_once_and_shown_at_its_place() {
    let Some(window) = window(2048) else { return };
    let view = View { pan: [3.0, -2.0], ..View::actual_pixels() };
    let mut harness = one(&window, picture(40, 20, 7), view);
    for _ in 0..4 {
        harness.step();
        let shown = harness.render().unwrap();
        let corner = AREA.center() + vec2(3.0 - 20.0, -2.0 - 10.0);
        assert_eq!(at(&shown, corner), [255, 0, 0]);
        assert_eq!(at(&shown, corner + vec2(1.0, 10.0)), [0, 255, 127]);
        assert_eq!(at(&shown, corner + vec2(38.0, 19.0))[0], 255);
        let beside = at(&shown, corner - vec2(1.0, 0.0));
        assert!(beside[0] == beside[1] && beside[1] == beside[2], "no ground beside the picture: {beside:?}");
        assert_eq!(canvas::uploads(&window.state), 1);
    }
    harness.state_mut().content = picture(40, 20, 8);
    harness.step();
    harness.render().unwrap();
    assert_eq!(canvas::uploads(&window.state), 2);
    assert_eq!(window.guard.message(), None);
}

#[test]
fn a_frame_that_changes_nothing_paints_nothing_anew() {
    let Some(window) = window(2048) else { return };
    let mut harness = one(&window, picture(40, 20, 7), View::default());
    harness.run();
    harness.render().unwrap();
    let painted = canvas::painted(&window.state);
    for _ in 0..5 {
        harness.step();
        harness.render().unwrap();
    }
    assert_eq!(canvas::painted(&window.state), painted);
    harness.state_mut().view = View::actual_pixels();
    harness.step();
    harness.render().unwrap();
    assert_eq!(canvas::painted(&window.state), painted + 1);
}

#[test]
fn fit_fills_the_area_at_every_scale_of_the_screen() {
    let Some(window) = window(2048) else { return };
    for (scale, id) in [(1.0, 1), (2.0, 2)] {
        let fresh = self::window(2048).unwrap();
        let content = flat([10, 200, 30], 70, id);
        let mut harness = harness(&fresh, scale, View::default(), move |ui, view| {
            canvas_ui(ui, AREA, &content, view);
        });
        harness.run();
        assert_eq!(harness.state().zoom, scale * 2.0);
        let shown = harness.render().unwrap();
        // 140 points square in the middle of 160 by 140.
        for (x, y, inside) in [(11.0, 1.0, true), (149.0, 139.0, true), (9.0, 70.0, false), (151.0, 70.0, false)] {
            let point = (AREA.min + vec2(x, y)).to_vec2() * scale;
            assert_eq!(at(&shown, point.to_pos2()) == [10, 200, 30], inside, "{x}, {y} at scale {scale}");
        }
    }
    assert!(!window.guard.has_failed());
}

#[test]
fn a_picture_too_large_for_the_card_is_reduced() {
    // egui itself needs 2048 for its letters.
    let Some(window) = window(2048) else { return };
    let image = Arc::new(RgbImage::from_pixel(5000, 4000, Rgb([90, 60, 30])));
    let mut harness = one(&window, CanvasContent::Picture { image, id: 1 }, View::default());
    harness.run();
    let shown = harness.render().unwrap();
    assert_eq!(at(&shown, AREA.center()), [90, 60, 30]);
    assert_eq!(window.guard.message(), None);
    // 1:1 is still counted in the picture's own pixels.
    harness.state_mut().view = View::actual_pixels();
    harness.run();
    assert_eq!(at(&harness.render().unwrap(), AREA.min + vec2(1.0, 1.0)), [90, 60, 30]);
}

#[test]
fn latents_show_and_broken_ones_do_no_harm() {
    let Some(window) = window(2048) else { return };
    let latents = |values: Vec<f32>, width| {
        let latents = Latents { channels: 4, height: 2, width, values };
        Arc::new(Preview { latents, factors: None, pixels_per_latent: 8 })
    };
    let grey = CanvasContent::Latents { preview: latents(vec![f32::NAN; 16], 2), id: 1 };
    let mut harness = one(&window, grey, View::default());
    harness.run();
    let shown = at(&harness.render().unwrap(), AREA.center());
    assert!(shown.iter().all(|n| n.abs_diff(128) <= 1), "{shown:?}");
    // Fewer values than the size says, and no size at all: the ground.
    for (id, (values, width)) in (2..).zip([(vec![0.0; 15], 2), (vec![], 0), (vec![0.0; 8], usize::MAX)]) {
        harness.state_mut().content = CanvasContent::Latents { preview: latents(values, width), id };
        harness.run();
        let ground = at(&harness.render().unwrap(), AREA.center());
        assert!(ground != shown, "{ground:?}");
    }
    assert_eq!(canvas::uploads(&window.state), 1);
    assert_eq!(window.guard.message(), None);
}

fn wheel(harness: &mut Harness<'_, One>, pointer: Pos2, points: f32) {
    harness.event(Event::PointerMoved(pointer));
    harness.step();
    let delta = vec2(0.0, points);
    let (phase, source) = (egui::TouchPhase::Move, egui::MouseWheelSource::Wheel);
    let (unit, modifiers) = (MouseWheelUnit::Point, egui::Modifiers::NONE);
    harness.event(Event::MouseWheel { unit, delta, phase, source, modifiers });
    harness.run_steps(30);
}

#[test]
fn the_wheel_zooms_about_the_pointer() {
    let Some(window) = window(2048) else { return };
    let mut harness = one(&window, picture(100, 100, 1), View::actual_pixels());
    let pointer = AREA.center() + vec2(30.0, -20.0);
    wheel(&mut harness, pointer, 120.0);
    let view = harness.state().view;
    assert!((view.zoom - 0.6_f32.exp()).abs() < 0.05, "{view:?}");
    // The picture's point under the pointer was 30, -20 from its middle.
    let under = [(30.0 - view.pan[0]) / view.zoom, (-20.0 - view.pan[1]) / view.zoom];
    assert!((under[0] - 30.0).abs() < 0.1 && (under[1] + 20.0).abs() < 0.1, "{under:?}");
    // Outside of the canvas it does nothing.
    wheel(&mut harness, pos2(5.0, 5.0), 120.0);
    assert_eq!(harness.state().view, view);
}

#[test]
fn dragging_pans_and_the_picture_stays_in_sight() {
    let Some(window) = window(2048) else { return };
    let mut harness = one(&window, picture(400, 400, 1), View::actual_pixels());
    harness.drag_at(AREA.center());
    harness.step();
    harness.hover_at(AREA.center() + vec2(-25.0, 15.0));
    harness.step();
    assert_eq!(harness.state().view.pan, [-25.0, 15.0]);
    harness.drop_at(AREA.center() + vec2(-25.0, 15.0));
    harness.run();
    harness.state_mut().view.pan = [1e6, -1e6];
    harness.run();
    assert_eq!(harness.state().view.pan, [200.0, -200.0]);
    // Its lower left corner is in the middle: 70 rows further up lies the top of the area.
    let blue = ((400 - 70 + 2) * 255 / 400) as u8;
    assert_eq!(at(&harness.render().unwrap(), AREA.right_top() + vec2(-2.0, 2.0))[2], blue);
}

#[test]
fn a_double_click_goes_between_fit_and_one_to_one() {
    let Some(window) = window(2048) else { return };
    let mut harness = one(&window, picture(40, 40, 1), View::default());
    harness.run();
    assert_eq!(harness.state().view.zoom, 3.5);
    for (fit, zoom) in [(false, 1.0), (true, 3.5)] {
        for _ in 0..2 {
            harness.drag_at(AREA.center());
            harness.drop_at(AREA.center());
        }
        harness.run();
        assert_eq!((harness.state().view.fit, harness.state().view.zoom), (fit, zoom));
        // So that the next two are not the third and fourth of a series.
        harness.run_steps(60);
    }
}

struct Two {
    contents: [CanvasContent; 2],
    mode: CompareMode,
    view: View,
}

fn two<'a>(window: &Window, contents: [CanvasContent; 2], mode: CompareMode) -> Harness<'a, Two> {
    harness(window, 1.0, Two { contents, mode, view: View::default() }, |ui, two| {
        let [left, right] = &two.contents;
        compare_ui(ui, AREA, left, right, two.mode, &mut two.view);
        if let CompareMode::Wipe(position) = &mut two.mode {
            wipe_handle_ui(ui, AREA, position);
        }
    })
}

#[test]
fn a_wipe_follows_its_handle() {
    let Some(window) = window(2048) else { return };
    let contents = [flat([200, 0, 0], 64, 1), flat([0, 0, 200], 32, 2)];
    let mut harness = two(&window, contents, CompareMode::Wipe(0.5));
    harness.run();
    let shown = harness.render().unwrap();
    let (middle, aside) = (AREA.center(), vec2(20.0, 0.0));
    assert_eq!([at(&shown, middle - aside), at(&shown, middle + aside)], [[200, 0, 0], [0, 0, 200]]);
    harness.drag_at(middle);
    harness.step();
    harness.hover_at(middle + vec2(40.0, 0.0));
    harness.step();
    harness.drop_at(middle + vec2(40.0, 0.0));
    harness.run();
    assert_eq!(harness.state().mode, CompareMode::Wipe(0.75));
    assert_eq!(at(&harness.render().unwrap(), middle + aside), [200, 0, 0]);
    assert_eq!(harness.state().view.pan, [0.0; 2]);
    // By the keyboard as well, and by name.
    harness.get_by_label("Wipe position").focus();
    harness.run();
    harness.key_press(egui::Key::ArrowLeft);
    harness.run();
    assert_eq!(harness.state().mode, CompareMode::Wipe(0.73));
}

#[test]
fn side_by_side_and_difference() {
    let Some(window) = window(2048) else { return };
    let contents = [flat([200, 20, 10], 64, 1), flat([195, 22, 10], 64, 2)];
    let mut harness = two(&window, contents, CompareMode::SideBySide);
    harness.run();
    assert_eq!(harness.state().view.zoom, 80.0 / 64.0);
    let shown = harness.render().unwrap();
    let (middle, aside) = (AREA.center(), vec2(20.0, 0.0));
    assert_eq!([at(&shown, middle - aside), at(&shown, middle + aside)], [[200, 20, 10], [195, 22, 10]]);
    harness.state_mut().mode = CompareMode::Difference;
    harness.run();
    let apart = at(&harness.render().unwrap(), middle);
    // Eight times 5, 2 and 0.
    assert!(apart.iter().zip([40, 16, 0]).all(|(shown, expected)| shown.abs_diff(expected) <= 3), "{apart:?}");
    assert_eq!(canvas::uploads(&window.state), 2);
}

#[test]
fn an_empty_side_and_a_tiny_area_do_no_harm() {
    let Some(window) = window(2048) else { return };
    let mut harness = two(&window, [CanvasContent::Empty, flat([1, 2, 3], 8, 1)], CompareMode::Wipe(f32::NAN));
    for mode in [CompareMode::Wipe(f32::NAN), CompareMode::SideBySide, CompareMode::Difference] {
        harness.state_mut().mode = mode;
        harness.run();
        harness.render().unwrap();
    }
    let content = flat([1, 2, 3], 8, 9);
    let fresh = self::window(2048).unwrap();
    let mut tiny = self::harness(&fresh, 1.0, View::default(), move |ui, view| {
        for side in [0.0, 0.3, 1.0] {
            let area = Rect::from_min_size(pos2(50.0, 50.0), Vec2::splat(side));
            ui.push_id(side.to_bits(), |ui| canvas_ui(ui, area, &content, view));
        }
    });
    tiny.run();
    tiny.render().unwrap();
    assert_eq!((window.guard.message(), fresh.guard.message()), (None, None));
}

#[test]
fn a_lost_device_is_a_flag_and_the_canvas_lives_on() {
    let Some(window) = window(2048) else { return };
    assert!(!window.guard.is_lost());
    let (device, queue) = (&window.state.device, &window.state.queue);
    device.destroy();
    assert!(window.guard.is_lost());
    let message = window.guard.message().unwrap();
    assert!(message.contains("lost") && !message.contains('\n'), "{message}");

    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut renderer = Renderer::new(device, wgpu::TextureFormat::Rgba8Unorm);
    let latents = Latents { channels: 3, height: 4, width: 4, values: vec![0.0; 48] };
    let preview = Arc::new(Preview { latents, factors: None, pixels_per_latent: 8 });
    for content in [picture(64, 64, 1), CanvasContent::Latents { preview, id: 1 }] {
        let shown = renderer.load(device, queue, &mut encoder, &content);
        let place = Placement::new(texels(&shown).unwrap(), [10.0; 2], [10.0; 2]);
        let board = Checkerboard { dark: [0.1; 3], light: [0.2; 3], origin: [0.0; 2], cell: 8.0 };
        let scene = Scene::Canvas(CanvasScene { board, place });
        let stage = renderer.paint_stage(device, queue, &mut encoder, 1, [20, 20], scene, [&shown, &None]);
        let bound = renderer.bind_stage(device, queue, [0.0; 2], &stage);
        bound.draw(&mut begin_pass(&mut encoder, "window", &stage));
    }
    queue.submit([encoder.finish()]);
    assert!(window.guard.is_lost());
}

#[test]
fn an_error_of_the_device_is_a_flag() {
    let Some(window) = window(512) else { return };
    let size = wgpu::Extent3d { width: 4096, height: 1, depth_or_array_layers: 1 };
    let _refused = window.state.device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage: wgpu::TextureUsages::TEXTURE_BINDING,
        view_formats: &[],
    });
    assert!(window.guard.has_failed());
    assert!(!window.guard.is_lost());
    assert!(window.guard.message().unwrap().contains("4096"));
}
