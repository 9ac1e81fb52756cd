//! The part of a reference that CLIP sees, as a square that can be moved and zoomed; and what it leaves out.

use crate::recipe::Crop;

/// Less than this side has nothing to see in it.
const SMALLEST: u32 = 16;

/// A square of the upright picture, in its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Square {
    pub x: u32,
    pub y: u32,
    pub side: u32,
}

impl Square {
    /// The square that `crop` shows of a picture of this size; None where it shows all of it.
    pub fn of(crop: Crop, (width, height): (u32, u32)) -> Option<Self> {
        let middle = |x: u32, y: u32, w: u32, h: u32| {
            let side = w.min(h);
            Self { x: x.saturating_add((w - side) / 2), y: y.saturating_add((h - side) / 2), side }
        };
        match crop {
            Crop::Fill => Some(middle(0, 0, width, height)),
            Crop::Rect { x, y, width, height } => Some(middle(x, y, width, height)),
            Crop::Fit | Crop::Stretch => None,
        }
    }

    pub fn crop(self) -> Crop {
        Crop::Rect { x: self.x, y: self.y, width: self.side, height: self.side }
    }

    /// Moved by so many pixels, but never out of the picture.
    #[must_use]
    pub fn moved(self, right: f32, down: f32, (width, height): (u32, u32)) -> Self {
        // The casts hold themselves within their ranges.
        let place = |from: u32, by: f32, whole: u32| {
            let most = whole.saturating_sub(self.side);
            ((from as f32 + by).round().max(0.0) as u32).min(most)
        };
        Self { x: place(self.x, right, width), y: place(self.y, down, height), side: self.side }
    }

    /// With another side about the same middle, as far as the picture allows.
    #[must_use]
    pub fn resized(self, side: f32, (width, height): (u32, u32)) -> Self {
        let largest = width.min(height);
        let side = (side.round().max(0.0) as u32).clamp(SMALLEST.min(largest), largest);
        let by = (self.side as f32 - side as f32) / 2.0;
        Self { side, ..self }.moved(by, by, (width, height))
    }

    /// How many times larger the square is shown than the largest one would be.
    pub fn zoom(self, (width, height): (u32, u32)) -> f32 {
        width.min(height) as f32 / self.side.max(1) as f32
    }

    /// The largest zoom that a picture of this size takes.
    pub fn most_zoom((width, height): (u32, u32)) -> f32 {
        let short = width.min(height);
        short as f32 / SMALLEST.min(short).max(1) as f32
    }
}

/// What a crop loses of a picture, in one sentence; None where everything is seen as it is.
pub fn loss(crop: Crop, (width, height): (u32, u32)) -> Option<String> {
    let (w, h) = (f64::from(width.max(1)), f64::from(height.max(1)));
    match (crop, Square::of(crop, (width, height))) {
        (Crop::Stretch, _) => {
            let squeezed = w.max(h) / w.min(h);
            let direction = if w > h { "narrower" } else { "flatter" };
            (squeezed >= 1.05).then(|| format!("Shapes become {squeezed:.1} times {direction}"))
        }
        (_, Some(square)) => {
            let lost = 1.0 - f64::from(square.side).powi(2) / (w * h);
            let sides = match crop {
                Crop::Fill if width > height => "The left and right ends are",
                Crop::Fill => "The upper and lower ends are",
                _ => "What lies around the square is",
            };
            (lost >= 0.005).then(|| format!("{sides} not seen: {:.0} % of the picture", lost * 100.0))
        }
        (_, None) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::pixels::ClipImageProcessor;
    use image::{Rgb, RgbImage};

    #[test]
    fn a_square_stays_in_the_picture() {
        let size = (100, 60);
        let square = Square::of(Crop::Fill, size).unwrap();
        assert_eq!(square, Square { x: 20, y: 0, side: 60 });
        assert_eq!(square.moved(500.0, 500.0, size), Square { x: 40, y: 0, side: 60 });
        assert_eq!(square.moved(-500.0, f32::NAN, size), Square { x: 0, y: 0, side: 60 });
        let small = square.resized(20.0, size);
        assert_eq!(small, Square { x: 40, y: 20, side: 20 });
        assert_eq!(small.moved(7.0, -30.0, size), Square { x: 47, y: 0, side: 20 });
        assert_eq!(small.resized(1.0, size).side, SMALLEST);
        assert_eq!(small.resized(9999.0, size), square);
        assert_eq!((small.zoom(size), Square::most_zoom(size)), (3.0, 3.75));
        // A picture smaller than the smallest square.
        assert_eq!(Square { x: 0, y: 0, side: 5 }.resized(2.0, (9, 5)).side, 5);
    }

    #[test]
    fn the_square_is_what_clip_sees() {
        let picture = RgbImage::from_fn(90, 50, |x, y| Rgb([x as u8 * 2, y as u8 * 4, (x + y) as u8]));
        let size = picture.dimensions();
        let processor = ClipImageProcessor::new(32);
        for crop in [Crop::Fill, Crop::Rect { x: 11, y: 3, width: 40, height: 24 }] {
            let square = Square::of(crop, size).unwrap();
            let [seen, wanted] = [square.crop(), crop].map(|crop| processor.square(&picture, crop).unwrap());
            // The middle of a picture that is no square can lie between two pixels; the square on the screen does not.
            let apart = seen.iter().zip(wanted.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(apart <= 4, "{crop:?}: {apart}");
        }
    }

    #[test]
    fn what_is_lost_is_said() {
        assert_eq!(loss(Crop::Fill, (100, 50)).unwrap(), "The left and right ends are not seen: 50 % of the picture");
        assert_eq!(loss(Crop::Fill, (64, 64)), None);
        assert_eq!(loss(Crop::Fit, (100, 50)), None);
        assert_eq!(loss(Crop::Stretch, (50, 100)).unwrap(), "Shapes become 2.0 times flatter");
        let part = Crop::Rect { x: 0, y: 0, width: 25, height: 25 };
        assert_eq!(loss(part, (50, 50)).unwrap(), "What lies around the square is not seen: 75 % of the picture");
    }
}
