//! Words in a picture: one line of text, measured, cut, broken and drawn.
//!
//! The fonts are those of the window (the package epaint_default_fonts: Ubuntu Light, and Hack for what it lacks), so that a
//! sheet can be lettered where there is no window.

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};
use image::{Rgb, RgbImage};

use super::PixelsError;
use super::error::one_line;

/// The fonts, in the order in which a character is looked for.
pub struct Lettering {
    fonts: Vec<FontRef<'static>>,
}

impl Lettering {
    /// # Errors
    /// A font inside the program that cannot be read: a bug.
    pub fn new() -> Result<Self, PixelsError> {
        let bytes: [&'static [u8]; 2] = [epaint_default_fonts::UBUNTU_LIGHT, epaint_default_fonts::HACK_REGULAR];
        let fonts = bytes.into_iter().map(FontRef::try_from_slice).collect::<Result<_, _>>();
        Ok(Self { fonts: fonts.map_err(|e| PixelsError::Encode { why: one_line(&e.to_string()) })? })
    }

    /// Height of a line of letters of `size` pixels.
    pub fn line_height(&self, size: f32) -> f32 {
        self.fonts.first().map_or(size, |font| font.as_scaled(PxScale::from(size)).height()) * 1.12
    }

    /// Pixels from the start of the first letter to the end of the last.
    pub fn width(&self, text: &str, size: f32) -> f32 {
        let mut width = 0.0;
        self.walk(text, size, |_, _, _, end| width = end);
        width
    }

    /// `text`, shortened with an ellipsis where it is wider than `width`.
    pub fn cut(&self, text: &str, size: f32, width: f32) -> String {
        if self.width(text, size) <= width {
            return text.to_owned();
        }
        let letters: Vec<char> = text.chars().collect();
        let shortened = |count: usize| {
            let kept: String = letters.iter().take(count).collect();
            format!("{}…", kept.trim_end())
        };
        // The width grows with every letter, so the longest that fits is found by halving.
        let (mut fits, mut too_long) = (0, letters.len());
        while too_long - fits > 1 {
            let middle = fits + (too_long - fits) / 2;
            if self.width(&shortened(middle), size) <= width { fits = middle } else { too_long = middle }
        }
        shortened(fits)
    }

    /// `text` broken between words into at most `lines` lines; what does not fit ends in an ellipsis.
    pub fn wrap(&self, text: &str, size: f32, width: f32, lines: usize) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        let mut words = text.split_whitespace().peekable();
        while out.len() + 1 < lines && words.peek().is_some() {
            let mut line = String::new();
            while let Some(word) = words.peek() {
                let longer = if line.is_empty() { (*word).to_owned() } else { format!("{line} {word}") };
                if !line.is_empty() && self.width(&longer, size) > width {
                    break;
                }
                line = longer;
                words.next();
            }
            out.push(self.cut(&line, size, width));
        }
        let rest = words.collect::<Vec<_>>().join(" ");
        if !rest.is_empty() {
            out.push(self.cut(&rest, size, width));
        }
        out
    }

    /// Draws `text` with the top of its line at `y` and its first letter at `x`; what lies outside is cut off.
    pub fn draw(&self, picture: &mut RgbImage, x: f32, y: f32, text: &str, size: f32, colour: Rgb<u8>) {
        let ascent = self.fonts.first().map_or(size, |font| font.as_scaled(PxScale::from(size)).ascent());
        self.walk(text, size, |font, glyph, start, _| {
            let glyph = glyph.with_scale_and_position(PxScale::from(size), point(x + start, y + ascent));
            let Some(outline) = font.outline_glyph(glyph) else { return };
            let bounds = outline.px_bounds();
            outline.draw(|dx, dy, coverage| {
                let (px, py) = (bounds.min.x + dx as f32, bounds.min.y + dy as f32);
                if px < 0.0 || py < 0.0 {
                    return;
                }
                if let Some(pixel) = picture.get_pixel_mut_checked(px as u32, py as u32) {
                    let share = coverage.clamp(0.0, 1.0);
                    for (under, over) in pixel.0.iter_mut().zip(colour.0) {
                        *under = (f32::from(*under) * (1.0 - share) + f32::from(over) * share).round() as u8;
                    }
                }
            });
        });
    }

    /// Calls `visit` with each letter's font and glyph, where it starts and where it ends.
    fn walk(&self, text: &str, size: f32, mut visit: impl FnMut(&FontRef<'static>, GlyphId, f32, f32)) {
        let mut at = 0.0;
        let mut before: Option<(usize, GlyphId)> = None;
        for letter in text.chars() {
            let letter = if letter.is_control() { ' ' } else { letter };
            let known = |font: &FontRef| font.glyph_id(letter).0 != 0;
            let index = self.fonts.iter().position(known).unwrap_or(0);
            let Some(font) = self.fonts.get(index) else { return };
            let scaled = font.as_scaled(PxScale::from(size));
            let glyph = font.glyph_id(letter);
            if let Some((_, last)) = before.filter(|(last_font, _)| *last_font == index) {
                at += scaled.kern(last, glyph);
            }
            let end = at + scaled.h_advance(glyph);
            visit(font, glyph, at, end);
            at = end;
            before = Some((index, glyph));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn long_texts_are_cut_and_broken_within_their_width() {
        let letters = Lettering::new().unwrap();
        let text = "a very long prompt about a fish, in the style of a woodcut, with many details";
        for width in [0.0, 5.0, 40.0, 200.0, 4000.0] {
            let cut = letters.cut(text, 20.0, width);
            assert!(cut == "…" || letters.width(&cut, 20.0) <= width, "{width}: {cut}");
            let lines = letters.wrap(text, 20.0, width, 2);
            assert!(lines.len() <= 2 && lines.iter().all(|l| l == "…" || letters.width(l, 20.0) <= width), "{lines:?}");
        }
        assert_eq!(letters.cut("short", 20.0, 200.0), "short");
        assert!(letters.cut(text, 20.0, 100.0).ends_with('…'));
        assert_eq!(letters.wrap("a b", 20.0, 500.0, 3), ["a b"]);
        assert!(letters.wrap("", 20.0, 500.0, 3).is_empty());
    }

    #[test]
    fn letters_leave_ink_inside_the_picture_only() {
        let letters = Lettering::new().unwrap();
        let mut picture = RgbImage::from_pixel(60, 30, Rgb([255; 3]));
        letters.draw(&mut picture, -10.0, -5.0, "Wide text \u{7}\u{1F642} 猫 over the edge", 24.0, Rgb([0; 3]));
        let ink = picture.pixels().filter(|p| p.0[0] < 128).count();
        assert!(ink > 50, "{ink} dark pixels");
    }
}
