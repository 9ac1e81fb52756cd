//! Every shader against its twin in `src/gpu/cpu`, on a device without a window.
//!
//! Tolerance: one of 255, since a value between two bytes may be rounded either way. Where a difference is amplified, so
//! are the last bits of the powers behind it, on lavapipe by half of one for each time.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/headless.rs"]
mod headless;

use std::sync::Arc;

use eframe::egui_wgpu::wgpu::{self, TextureFormat};
use headless::Headless;
use image::{Rgb, RgbImage};
use instantstyle::engine::{LatentRgb, Latents, Preview};
use instantstyle::gpu::programs::STAGE_FORMAT;
use instantstyle::gpu::renderer::{Renderer, Shown, texels};
use instantstyle::gpu::scene::{
    CanvasScene, Checkerboard, CompareKind, CompareScene, FillScene, Placement, Scene, StageScene,
};
use instantstyle::gpu::{CanvasContent, cpu, latents, pyramid};

/// Odd on purpose, and wider than one row of a copy is aligned to.
const TARGET: [u32; 2] = [83, 61];
/// Sizes of pictures: one pixel, one row, odd, even, larger than the target.
const SIZES: [[u32; 2]; 6] = [[1, 1], [1, 9], [17, 1], [23, 37], [64, 48], [301, 199]];
/// From much reduced to much enlarged, through the borders between the filters.
const ZOOMS: [f32; 12] = [0.02, 0.13, 0.25, 0.4999, 0.5, 0.77, 1.0, 1.37, 1.999, 2.0, 2.5, 9.3];

/// A picture without any two pixels alike nearby, and with black and white in it.
fn noisy(size: [u32; 2], seed: u32) -> Arc<RgbImage> {
    Arc::new(RgbImage::from_fn(size[0], size[1], |x, y| {
        let mut n = (x.wrapping_mul(0x9e37_79b9) ^ y.wrapping_mul(0x85eb_ca6b)).wrapping_add(seed.wrapping_mul(77));
        n = (n ^ (n >> 15)).wrapping_mul(0x2c1b_3c6d);
        n ^= n >> 12;
        Rgb([n as u8, (n >> 8) as u8, if n % 7 == 0 { 255 } else { (n >> 16) as u8 }])
    }))
}

fn board() -> Checkerboard {
    Checkerboard { dark: [0.1, 0.11, 0.12], light: [0.3, 0.29, 0.28], origin: [3.0, -5.0], cell: 7.0 }
}

/// The level that a placement reads.
fn level(image: &RgbImage, level: u32) -> RgbImage {
    (0..level).fold(image.clone(), |image, _| pyramid::halve(&image))
}

fn encoder(gpu: &Headless) -> wgpu::CommandEncoder {
    gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
}

fn place(shown: &Shown, size: [u32; 2], zoom: f32, pan: [f32; 2]) -> Placement {
    let middle = [TARGET[0] as f32 / 2.0 + pan[0], TARGET[1] as f32 / 2.0 + pan[1]];
    Placement::new(texels(shown).unwrap(), middle, size.map(|side| side as f32 * zoom))
}

/// Holds what was painted against the twin's pixels.
fn assert_same(painted: &RgbImage, twin: impl Fn([f32; 2]) -> [f32; 3], tolerance: u8, what: &str) {
    for (x, y, pixel) in painted.enumerate_pixels() {
        let expected = cpu::bytes(twin([x as f32 + 0.5, y as f32 + 0.5]));
        let apart = (0..3).map(|i| pixel.0[i].abs_diff(expected[i])).max().unwrap();
        assert!(apart <= tolerance, "{what}: at {x}, {y} the shader says {:?}, its twin {expected:?}", pixel.0);
    }
}

/// One picture on the canvas, by the shader and by the twin.
fn check_canvas(gpu: &Headless, renderer: &mut Renderer, content: &CanvasContent, twin_of: &RgbImage) {
    let size = [twin_of.width(), twin_of.height()];
    for zoom in ZOOMS {
        for (pan, is_smooth) in [([0.0, 0.0], false), ([-13.4, 8.7], false), ([-13.4, 8.7], true)] {
            let mut encoder = encoder(gpu);
            let shown = renderer.load(&gpu.device, &gpu.queue, &mut encoder, content);
            let place = place(&shown, size, zoom, pan);
            let place = if is_smooth { place.smoothed() } else { place };
            let scene = CanvasScene { board: board(), place };
            let bound = renderer.bind_scene(&gpu.device, &gpu.queue, &Scene::Canvas(scene), [&shown, &None]);
            let painted = gpu.paint(TARGET, STAGE_FORMAT, encoder, |pass| bound.draw(pass));
            let level = level(twin_of, place.level);
            let twin = |at| cpu::canvas::canvas(&scene, &level, at);
            let what = format!("{size:?} at zoom {zoom}, pan {pan:?}, {:?} on level {}", place.filter, place.level);
            // Close to black the sRGB curve is steep, and the cubic reaches below what it joins.
            assert_same(&painted, twin, if is_smooth { 2 } else { 1 }, &what);
        }
    }
}

#[test]
fn canvas() {
    let Some(gpu) = headless::device(2048) else { return };
    let mut renderer = Renderer::new(&gpu.device, TextureFormat::Rgba8Unorm);
    for (id, size) in (1..).zip(SIZES) {
        let image = noisy(size, 1);
        let content = CanvasContent::Picture { image: Arc::clone(&image), id };
        check_canvas(&gpu, &mut renderer, &content, &image);
    }
    assert_eq!(renderer.uploads(), SIZES.len() as u64, "a picture was sent more than once");
}

#[test]
fn stage() {
    let Some(gpu) = headless::device(2048) else { return };
    for (format, linear_out) in [(TextureFormat::Rgba8Unorm, false), (TextureFormat::Rgba8UnormSrgb, true)] {
        let mut renderer = Renderer::new(&gpu.device, format);
        let painted = noisy([40, 30], 3);
        let mut encoder = encoder(&gpu);
        // Any texture does for a stage; a picture's texels stay the bytes that they are by way of 1:1.
        let content = CanvasContent::Picture { image: Arc::clone(&painted), id: 1 };
        let shown = renderer.load(&gpu.device, &gpu.queue, &mut encoder, &content);
        let place = Placement::new(texels(&shown).unwrap(), [20.0, 15.0], [40.0, 30.0]);
        let scene = Scene::Canvas(CanvasScene { board: board(), place });
        let view = renderer.paint_stage(&gpu.device, &gpu.queue, &mut encoder, 1, [40, 30], scene, [&shown, &None]);
        let scene = StageScene { origin: [11.0, -4.0], linear_out };
        let bound = renderer.bind_stage(&gpu.device, &gpu.queue, scene.origin, &view);
        let shown = gpu.paint(TARGET, format, encoder, |pass| bound.draw(pass));
        // An sRGB target encodes what it is given.
        let twin = |at| {
            let value = cpu::stage::stage(&scene, &painted, at);
            if linear_out { value.map(cpu::srgb::srgb_from_linear) } else { value }
        };
        assert_same(&shown, twin, 0, &format!("stage in {format:?}"));
    }
}

#[test]
fn fill() {
    let Some(gpu) = headless::device(2048) else { return };
    // Opaque, and a veil over it.
    let colours = [[32, 44, 200, 255], [10, 0, 30, 110]];
    for (format, linear_out) in [(TextureFormat::Rgba8Unorm, false), (TextureFormat::Rgba8UnormSrgb, true)] {
        let mut renderer = Renderer::new(&gpu.device, format);
        let bound = colours.map(|colour| renderer.bind_fill(&gpu.device, &gpu.queue, colour));
        let shown = gpu.paint(TARGET, format, encoder(&gpu), |pass| bound.iter().for_each(|bound| bound.draw(pass)));
        let twin = |_| {
            let scenes = colours.map(|colour| FillScene { colour, linear_out });
            let value = scenes.iter().fold([0.0; 3], |below, scene| cpu::fill::fill(scene, below));
            if linear_out { value.map(cpu::srgb::srgb_from_linear) } else { value }
        };
        // The first fill is rounded to bytes before the second one reads it.
        assert_same(&shown, twin, 1, &format!("fill in {format:?}"));
    }
}

#[test]
fn one_to_one_shows_every_pixel_as_it_is() {
    let Some(gpu) = headless::device(2048) else { return };
    let mut renderer = Renderer::new(&gpu.device, TextureFormat::Rgba8Unorm);
    // All 256 values of each colour are in it.
    let image = Arc::new(RgbImage::from_fn(64, 48, |x, y| {
        let n = (y * 64 + x) as u8;
        Rgb([n, 255 - n, n.wrapping_mul(3)])
    }));
    let content = CanvasContent::Picture { image: Arc::clone(&image), id: 1 };
    let mut encoder = encoder(&gpu);
    let shown = renderer.load(&gpu.device, &gpu.queue, &mut encoder, &content);
    let place = Placement::new(texels(&shown).unwrap(), [32.0, 24.0], [64.0, 48.0]);
    let scene = CanvasScene { board: board(), place };
    let bound = renderer.bind_scene(&gpu.device, &gpu.queue, &Scene::Canvas(scene), [&shown, &None]);
    let painted = gpu.paint([64, 48], STAGE_FORMAT, encoder, |pass| bound.draw(pass));
    assert_eq!(painted, *image);
}

#[test]
fn nothing_shows_the_checkerboard() {
    let Some(gpu) = headless::device(2048) else { return };
    let mut renderer = Renderer::new(&gpu.device, TextureFormat::Rgba8Unorm);
    let mut encoder = encoder(&gpu);
    let shown = renderer.load(&gpu.device, &gpu.queue, &mut encoder, &CanvasContent::Empty);
    assert!(shown.is_none());
    let scene = CanvasScene { board: board(), place: Placement::NOTHING };
    let bound = renderer.bind_scene(&gpu.device, &gpu.queue, &Scene::Canvas(scene), [&shown, &None]);
    let painted = gpu.paint(TARGET, STAGE_FORMAT, encoder, |pass| bound.draw(pass));
    assert_same(&painted, |at| cpu::checkerboard::checkerboard(&board(), at), 1, "checkerboard");
    let colours: std::collections::HashSet<_> = painted.pixels().map(|pixel| pixel.0).collect();
    assert_eq!(colours.len(), 2);
}

#[test]
fn compare() {
    let Some(gpu) = headless::device(2048) else { return };
    let mut renderer = Renderer::new(&gpu.device, TextureFormat::Rgba8Unorm);
    let sizes = [([64, 48], [64, 48]), ([23, 37], [64, 48]), ([301, 199], [301, 199]), ([1, 1], [17, 1])];
    for (id, (left_size, right_size)) in (1..).zip(sizes) {
        let (left_image, right_image) = (noisy(left_size, 1), noisy(right_size, 2));
        let left = CanvasContent::Picture { image: Arc::clone(&left_image), id: 2 * id };
        let right = CanvasContent::Picture { image: Arc::clone(&right_image), id: 2 * id + 1 };
        for (kind, split, half_line) in [
            (CompareKind::Wipe, 30.0, 2.0),
            (CompareKind::Wipe, 0.0, 0.0),
            (CompareKind::SideBySide, 41.0, 1.0),
            (CompareKind::Difference, 41.0, 1.0),
        ] {
            for (zoom, gain) in [(0.13, 8.0), (0.8, 1.0), (1.0, 8.0), (3.3, 4.0)] {
                let mut encoder = encoder(&gpu);
                let shown_left = renderer.load(&gpu.device, &gpu.queue, &mut encoder, &left);
                let shown_right = renderer.load(&gpu.device, &gpu.queue, &mut encoder, &right);
                let scene = CompareScene {
                    board: board(),
                    left: place(&shown_left, left_size, zoom, [3.0, 1.0]),
                    right: place(&shown_right, right_size, zoom, [-4.0, 2.0]),
                    kind,
                    split,
                    half_line,
                    gain,
                    line: [1.0, 0.5, 0.0],
                };
                let bound =
                    renderer.bind_scene(&gpu.device, &gpu.queue, &Scene::Compare(scene), [&shown_left, &shown_right]);
                let painted = gpu.paint(TARGET, STAGE_FORMAT, encoder, |pass| bound.draw(pass));
                let left_level = level(&left_image, scene.left.level);
                let right_level = level(&right_image, scene.right.level);
                let amplified = if kind == CompareKind::Difference { gain } else { 0.0 };
                let tolerance = 1 + (amplified / 2.0) as u8;
                let twin = |at| cpu::compare::compare(&scene, &left_level, &right_level, at);
                assert_same(
                    &painted,
                    twin,
                    tolerance,
                    &format!("{kind:?} of {left_size:?} and {right_size:?}, {zoom}, {gain}"),
                );
            }
        }
    }
}

#[test]
fn the_difference_of_a_picture_with_itself_is_black() {
    let Some(gpu) = headless::device(2048) else { return };
    let mut renderer = Renderer::new(&gpu.device, TextureFormat::Rgba8Unorm);
    let (size, mut encoder) = ([83, 61], encoder(&gpu));
    let content = CanvasContent::Picture { image: noisy(size, 5), id: 1 };
    let shown = renderer.load(&gpu.device, &gpu.queue, &mut encoder, &content);
    let place = place(&shown, size, 1.5, [0.0; 2]);
    let scene = CompareScene {
        board: board(),
        left: place,
        right: place,
        kind: CompareKind::Difference,
        split: 0.0,
        half_line: 0.0,
        gain: 255.0,
        line: [1.0; 3],
    };
    let bound = renderer.bind_scene(&gpu.device, &gpu.queue, &Scene::Compare(scene), [&shown, &shown]);
    let painted = gpu.paint(TARGET, STAGE_FORMAT, encoder, |pass| bound.draw(pass));
    assert!(painted.pixels().all(|pixel| pixel.0 == [0; 3]));
}

/// Latents from -4 to 4, with what must not spread strewn in.
fn latents_of(channels: usize, height: usize, width: usize) -> Latents {
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1e-40, -0.0];
    let values = (0..channels * height * width)
        .map(|i| if i % 11 == 3 { odd[i / 11 % odd.len()] } else { ((i * 7919) % 1000) as f32 / 125.0 - 4.0 })
        .collect();
    Latents { channels, height, width, values }
}

fn factors(channels: usize) -> Arc<LatentRgb> {
    let factors = (0..channels).map(|c| [0.2 - 0.05 * c as f32, 0.1, 0.03 * c as f32 - 0.1]).collect();
    Arc::new(LatentRgb { factors, bias: [0.05, -0.1, 0.2] })
}

#[test]
fn latent_preview() {
    let Some(gpu) = headless::device(2048) else { return };
    let mut renderer = Renderer::new(&gpu.device, TextureFormat::Rgba8Unorm);
    for (channels, height, width) in [(4, 9, 13), (4, 1, 1), (3, 5, 7), (1, 4, 6), (2, 3, 3), (16, 8, 5), (17, 4, 4)] {
        for with_factors in [true, false] {
            let preview = Preview {
                latents: latents_of(channels, height, width),
                factors: with_factors.then(|| factors(channels)),
                pixels_per_latent: 8,
            };
            let scene = latents::scene(&preview).unwrap();
            let values = &preview.latents.values;
            let bound = renderer.bind_latents(&gpu.device, &gpu.queue, &scene, values).unwrap();
            let painted = gpu.paint([width as u32, height as u32], STAGE_FORMAT, encoder(&gpu), |pass| {
                bound.draw(pass);
            });
            let twin = |at: [f32; 2]| cpu::latent_preview::latent_preview(&scene, values, at[0] as u32, at[1] as u32);
            let what = format!("{channels} channels of {width}x{height}, factors: {with_factors}");
            assert_same(&painted, twin, 1, &what);
        }
    }
}

#[test]
fn latents_that_are_not_finite_are_a_neutral_grey() {
    let Some(gpu) = headless::device(2048) else { return };
    let mut renderer = Renderer::new(&gpu.device, TextureFormat::Rgba8Unorm);
    for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let latents = Latents { channels: 4, height: 2, width: 3, values: vec![value; 24] };
        let preview = Preview { latents, factors: Some(factors(4)), pixels_per_latent: 8 };
        let scene = latents::scene(&preview).unwrap();
        let bound = renderer.bind_latents(&gpu.device, &gpu.queue, &scene, &preview.latents.values).unwrap();
        let painted = gpu.paint([3, 2], STAGE_FORMAT, encoder(&gpu), |pass| bound.draw(pass));
        assert!(painted.pixels().all(|pixel| pixel.0.iter().all(|n| n.abs_diff(128) <= 1)), "{value}: {painted:?}");
    }
}

#[test]
fn latents_on_the_canvas_are_enlarged_smoothly() {
    let Some(gpu) = headless::device(2048) else { return };
    let mut renderer = Renderer::new(&gpu.device, TextureFormat::Rgba8Unorm);
    let preview = Arc::new(Preview { latents: latents_of(4, 9, 13), factors: Some(factors(4)), pixels_per_latent: 8 });
    let scene = latents::scene(&preview).unwrap();
    let picture = cpu::latent_preview::picture(&scene, &preview.latents.values);
    check_canvas(&gpu, &mut renderer, &CanvasContent::Latents { preview, id: 1 }, &picture);
    assert_eq!(renderer.uploads(), 1);
}
