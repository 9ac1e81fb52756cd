//! What a shader and its twin are told: plain numbers, and the same numbers as the words of a uniform buffer.

use super::cpu::srgb;

/// The latent channels that the preview shader can read.
pub const MAX_CHANNELS: usize = 16;

/// From here on a picture's pixels are shown as squares.
const NEAREST_FROM_ZOOM: f32 = 2.0;

/// How a pixel of the screen takes its colour from texels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filter {
    /// There is no picture.
    None = 0,
    Nearest = 1,
    /// The mean over all that lies under the pixel.
    Area = 2,
    /// Mitchell and Netravali's cubic, of sRGB-encoded texels.
    Cubic = 3,
    /// The same cubic, of light: a picture looked at as a whole.
    Smooth = 4,
}

/// How a texture wants to be enlarged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// A picture: its pixels can be looked at one by one.
    Picture,
    /// Latents: several pixels wide each, they would only show a grid.
    Latents,
}

/// A texture as far as placing it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texels {
    /// Of level 0.
    pub size: [u32; 2],
    pub levels: u32,
    pub grain: Grain,
}

impl Texels {
    /// The size of a level, as wgpu counts it.
    #[must_use]
    pub fn level_size(&self, level: u32) -> [u32; 2] {
        self.size.map(|side| side.checked_shr(level).unwrap_or(0).max(1))
    }
}

/// A picture laid onto the framebuffer: `Placement` in shaders/shared/picture.wgsl.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    pub origin: [f32; 2],
    pub texels_per_pixel: [f32; 2],
    pub extent: [f32; 2],
    pub level: u32,
    pub filter: Filter,
}

impl Placement {
    pub const NOTHING: Self =
        Self { origin: [0.0; 2], texels_per_pixel: [1.0; 2], extent: [1.0; 2], level: 0, filter: Filter::None };

    /// Lays `texels` over the `shown` framebuffer pixels around `middle`. The corner is put on a whole pixel, so that
    /// 1:1 shows every pixel as it is.
    #[must_use]
    pub fn new(texels: Texels, middle: [f32; 2], shown: [f32; 2]) -> Self {
        if !shown.iter().chain(&middle).all(|n| n.is_finite()) || shown.iter().any(|&n| n <= 0.0) {
            return Self::NOTHING;
        }
        let ratio = |level: u32| {
            let size = texels.level_size(level);
            [0, 1].map(|axis| size[axis] as f32 / shown[axis])
        };
        // At most two texels a pixel are left to the shader; the rest is in the level.
        let mut level = 0;
        while level + 1 < texels.levels && ratio(level).iter().any(|&n| n > 2.0) {
            level += 1;
        }
        let texels_per_pixel = ratio(level);
        let most = texels_per_pixel[0].max(texels_per_pixel[1]);
        let filter = match texels.grain {
            Grain::Picture if most <= 1.0 / NEAREST_FROM_ZOOM => Filter::Nearest,
            Grain::Picture => Filter::Area,
            Grain::Latents => Filter::Cubic,
        };
        let origin = [0, 1].map(|axis| (middle[axis] - 0.5 * shown[axis]).round());
        Self { origin, texels_per_pixel, extent: texels.level_size(level).map(|side| side as f32), level, filter }
    }

    /// For a look at the whole: an enlarged picture is drawn smooth instead of as squares.
    #[must_use]
    pub fn smoothed(self) -> Self {
        let is_picture = matches!(self.filter, Filter::Nearest | Filter::Area);
        let is_enlarged = is_picture && self.texels_per_pixel.iter().all(|&n| n < 1.0);
        Self { filter: if is_enlarged { Filter::Smooth } else { self.filter }, ..self }
    }

    fn words(&self, out: &mut Vec<u32>) {
        floats(out, &self.origin);
        floats(out, &self.texels_per_pixel);
        floats(out, &self.extent);
        out.extend([self.level, 0]);
    }
}

/// The ground: `Checkerboard` in shaders/shared/checkerboard.wgsl. Colours are sRGB-encoded, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Checkerboard {
    pub dark: [f32; 3],
    pub light: [f32; 3],
    pub origin: [f32; 2],
    pub cell: f32,
}

impl Checkerboard {
    fn words(&self, out: &mut Vec<u32>) {
        floats(out, &self.dark);
        out.push(0);
        floats(out, &self.light);
        out.push(0);
        floats(out, &self.origin);
        floats(out, &[self.cell.max(1.0)]);
        out.push(0);
    }
}

/// `Canvas` in shaders/canvas.wgsl.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CanvasScene {
    pub board: Checkerboard,
    pub place: Placement,
}

impl CanvasScene {
    #[must_use]
    pub fn words(&self) -> Vec<u32> {
        let mut out = Vec::with_capacity(20);
        self.board.words(&mut out);
        self.place.words(&mut out);
        out
    }
}

/// How two pictures are held against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareKind {
    Wipe = 0,
    SideBySide = 1,
    Difference = 2,
}

/// `Compare` in shaders/compare.wgsl.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompareScene {
    pub board: Checkerboard,
    pub left: Placement,
    pub right: Placement,
    pub kind: CompareKind,
    pub split: f32,
    pub half_line: f32,
    pub gain: f32,
    /// sRGB-encoded, 0 to 1.
    pub line: [f32; 3],
}

impl CompareScene {
    #[must_use]
    pub fn words(&self) -> Vec<u32> {
        let mut out = Vec::with_capacity(36);
        self.board.words(&mut out);
        self.left.words(&mut out);
        self.right.words(&mut out);
        floats(&mut out, &[self.split, self.half_line, self.gain, 0.0]);
        floats(&mut out, &self.line);
        out.push(0);
        out
    }
}

/// Either of the scenes that are painted on a stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scene {
    Canvas(CanvasScene),
    Compare(CompareScene),
}

/// `Stage` in shaders/stage.wgsl.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StageScene {
    pub origin: [f32; 2],
    /// The framebuffer encodes sRGB by itself; settled when the pipeline is made.
    pub linear_out: bool,
}

impl StageScene {
    #[must_use]
    pub fn words(&self) -> Vec<u32> {
        let mut out = Vec::with_capacity(4);
        floats(&mut out, &self.origin);
        out.extend([0, 0]);
        out
    }
}

/// `Fill` in shaders/fill.wgsl.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FillScene {
    /// Premultiplied bytes in sRGB, as egui's colours are.
    pub colour: [u8; 4],
    /// The framebuffer encodes sRGB by itself.
    pub linear_out: bool,
}

impl FillScene {
    /// The colour as the framebuffer takes it.
    #[must_use]
    pub fn encoded(&self) -> [f32; 4] {
        let [red, green, blue, alpha] = self.colour.map(|byte| f32::from(byte) / 255.0);
        let encode = |value| if self.linear_out { srgb::linear_from_srgb(value) } else { value };
        [encode(red), encode(green), encode(blue), alpha]
    }

    #[must_use]
    pub fn words(&self) -> Vec<u32> {
        let mut out = Vec::with_capacity(4);
        floats(&mut out, &self.encoded());
        out
    }
}

/// `LatentPreview` in shaders/latent_preview.wgsl.
#[derive(Debug, Clone, PartialEq)]
pub struct LatentScene {
    /// Per channel that is read its red, green and blue; at most [`MAX_CHANNELS`].
    pub factors: Vec<[f32; 3]>,
    pub bias: [f32; 3],
    pub width: u32,
    pub height: u32,
}

impl LatentScene {
    #[must_use]
    pub fn words(&self) -> Vec<u32> {
        let mut out = Vec::with_capacity(4 * MAX_CHANNELS + 8);
        for channel in 0..MAX_CHANNELS {
            floats(&mut out, &self.factors.get(channel).copied().unwrap_or_default());
            out.push(0);
        }
        floats(&mut out, &self.bias);
        out.push(0);
        let channels = self.factors.len().min(MAX_CHANNELS) as u32;
        out.extend([self.width, self.height, channels, 0]);
        out
    }
}

fn floats(out: &mut Vec<u32>, values: &[f32]) {
    out.extend(values.iter().map(|value| value.to_bits()));
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: Texels = Texels { size: [100, 60], levels: 7, grain: Grain::Picture };

    #[test]
    fn one_to_one_lies_on_whole_pixels() {
        let place = Placement::new(PICTURE, [251.3, 99.9], [100.0, 60.0]);
        assert_eq!((place.origin, place.texels_per_pixel), ([201.0, 70.0], [1.0; 2]));
        assert_eq!((place.level, place.filter), (0, Filter::Area));
    }

    #[test]
    fn the_filter_follows_the_zoom() {
        let at = |zoom: f32| Placement::new(PICTURE, [0.0; 2], [100.0 * zoom, 60.0 * zoom]);
        assert_eq!(at(2.0).filter, Filter::Nearest);
        assert_eq!(at(1.9).filter, Filter::Area);
        assert_eq!((at(0.5).filter, at(0.5).level), (Filter::Area, 0));
        assert_eq!(at(0.2).level, 2);
        assert!((at(0.01).level as usize) < 7);
        let latents = Texels { grain: Grain::Latents, levels: 1, ..PICTURE };
        assert_eq!(Placement::new(latents, [0.0; 2], [800.0, 480.0]).filter, Filter::Cubic);
    }

    #[test]
    fn nothing_comes_of_nonsense() {
        for shown in [[0.0, 10.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0], [-5.0, 5.0]] {
            assert_eq!(Placement::new(PICTURE, [0.0; 2], shown), Placement::NOTHING);
        }
    }

    #[test]
    fn uniform_buffers_have_whole_rows() {
        let board = Checkerboard { dark: [0.1; 3], light: [0.2; 3], origin: [0.0; 2], cell: 8.0 };
        let place = Placement::NOTHING;
        assert_eq!(CanvasScene { board, place }.words().len(), 20);
        let compare = CompareScene {
            board,
            left: place,
            right: place,
            kind: CompareKind::Wipe,
            split: 0.0,
            half_line: 0.0,
            gain: 1.0,
            line: [0.0; 3],
        };
        assert_eq!(compare.words().len(), 36);
        assert_eq!(StageScene { origin: [0.0; 2], linear_out: true }.words().len(), 4);
        let latents = LatentScene { factors: vec![[1.0; 3]; 20], bias: [0.0; 3], width: 1, height: 1 };
        assert_eq!(latents.words().len(), 72);
        assert_eq!(latents.words()[70], 16);
    }
}
