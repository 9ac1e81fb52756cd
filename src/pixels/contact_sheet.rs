//! A board as one picture: cells in a grid, with a heading and the axes' values beside them.

use image::{Rgb, RgbImage, imageops};

use super::lettering::Lettering;
use super::{Filter, PixelsError, resize};
use crate::board::SheetWords;

/// Neutral, so that the cells' colours are judged by themselves.
const PAPER: Rgb<u8> = Rgb([246, 246, 245]);
const INK: Rgb<u8> = Rgb([32, 32, 34]);
const FAINT: Rgb<u8> = Rgb([112, 112, 116]);
const EMPTY: Rgb<u8> = Rgb([226, 226, 225]);

/// Small cells are enlarged to about this side, so that there is room for their labels.
const LEAST_SIDE: u32 = 256;
/// The largest side that this program (and many others) opens again.
const MOST_SIDE: u32 = 16_384;
/// And the most pixels, 100 megapixels with room for the lettering.
const MOST_CELL_PIXELS: f64 = 80e6;
/// A caption's letters, of the labels' size.
const CAPTION: f32 = 0.72;
/// More columns than this without rows are broken into several lines.
const WIDEST_ROW: usize = 6;

/// A sheet that is being filled.
pub struct ContactSheet {
    picture: RgbImage,
    letters: Lettering,
    words: SheetWords,
    /// Columns and rows of the sheet; those of the board, unless a single row was broken.
    grid: (u32, u32),
    /// Picture pixels to sheet pixels.
    scale: f64,
    slot: (u32, u32),
    gap: u32,
    origin: (u32, u32),
    /// From one row of cells to the next.
    pitch: u32,
}

impl ContactSheet {
    /// An empty sheet for cells of at most `cell` pixels (width, height).
    ///
    /// # Errors
    /// No columns, or cells without pixels.
    pub fn new(words: SheetWords, cell: (u32, u32)) -> Result<Self, PixelsError> {
        let count = u32::try_from(words.columns.len()).unwrap_or(u32::MAX);
        if count == 0 || cell.0 == 0 || cell.1 == 0 {
            return Err(PixelsError::NoPixels);
        }
        let is_broken = words.rows.is_empty() && words.columns.len() > WIDEST_ROW;
        let grid = match is_broken {
            // Rather wide than high, as screens are.
            true => {
                let columns = (f64::from(count) * 1.2).sqrt().ceil() as u32;
                (columns, count.div_ceil(columns))
            }
            false => (count, u32::try_from(words.rows.len().max(1)).unwrap_or(u32::MAX)),
        };
        let scale = scale(cell, grid);
        let scaled = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
        let slot = (scaled(cell.0), scaled(cell.1));
        let letters = Lettering::new()?;
        let size = label_size(slot);
        let line = letters.line_height(size);
        let margin = (size * 1.6) as u32;
        let gap = (slot.0.min(slot.1) / 32).max(4);

        let label_lines = widest_wrap(&letters, &words.columns, size, slot.0);
        let labels = (line * label_lines as f32 + size * 0.5) as u32;
        let row_width = words
            .rows
            .iter()
            .flat_map(|row| letters.wrap(row, size, slot.0 as f32, 3))
            .map(|text| letters.width(&text, size))
            .fold(0.0, f32::max);
        let row_width = if words.rows.is_empty() { 0 } else { row_width.min(slot.0 as f32) as u32 + margin };
        let inner = grid.0 * slot.0 + (grid.0 - 1) * gap;
        let width = 2 * margin + row_width + inner;
        let heading = Heading::of(&words, &letters, size, (width - 2 * margin) as f32);
        let top = margin + heading.height as u32 + labels;
        let caption = if words.has_captions { letters.line_height(size * CAPTION) as u32 } else { 0 };
        let pitch = slot.1 + caption + if is_broken { labels + gap } else { gap };
        let height = top + (grid.1 - 1) * pitch + slot.1 + caption + margin;

        let mut sheet = Self {
            picture: RgbImage::from_pixel(width, height, PAPER),
            letters,
            words,
            grid,
            scale,
            slot,
            gap,
            origin: (margin + row_width, top),
            pitch,
        };
        heading.draw(&mut sheet, margin as f32);
        sheet.draw_labels(size, is_broken);
        Ok(sheet)
    }

    /// Puts a cell's picture in its place; one beyond the sheet is left out.
    pub fn place(&mut self, column: usize, row: usize, picture: &RgbImage) {
        let Some((x, y)) = self.corner(column, row) else { return };
        let side = |side: u32, most: u32| ((f64::from(side) * self.scale).round() as u32).clamp(1, most);
        let size = (side(picture.width(), self.slot.0), side(picture.height(), self.slot.1));
        let resized;
        let shown = match size == picture.dimensions() {
            true => picture,
            false => {
                resized = resize(picture, size.0, size.1, Filter::Lanczos);
                &resized
            }
        };
        let (dx, dy) = ((self.slot.0 - size.0) / 2, (self.slot.1 - size.1) / 2);
        imageops::replace(&mut self.picture, shown, i64::from(x + dx), i64::from(y + dy));
    }

    /// Says in a cell's place why there is no picture.
    pub fn place_words(&mut self, column: usize, row: usize, text: &str) {
        let Some((x, y)) = self.corner(column, row) else { return };
        let empty = RgbImage::from_pixel(self.slot.0, self.slot.1, EMPTY);
        imageops::replace(&mut self.picture, &empty, i64::from(x), i64::from(y));
        let size = label_size(self.slot) * 0.8;
        let (width, line) = (self.slot.0 as f32 - 2.0 * size, self.letters.line_height(size));
        let lines = ((self.slot.1 as f32 / line) as usize).clamp(1, 8);
        for (index, text) in self.letters.wrap(text, size, width, lines).iter().enumerate() {
            let y = y as f32 + size + index as f32 * line;
            self.letters.draw(&mut self.picture, x as f32 + size, y, text, size, FAINT);
        }
    }

    /// A line under a cell, such as its numbers.
    pub fn caption(&mut self, column: usize, row: usize, text: &str) {
        let Some((x, y)) = self.corner(column, row) else { return };
        let size = label_size(self.slot) * CAPTION;
        let text = self.letters.cut(text, size, self.slot.0 as f32);
        let left = x as f32 + (self.slot.0 as f32 - self.letters.width(&text, size)) / 2.0;
        let top = (y + self.slot.1) as f32 + size * 0.1;
        self.letters.draw(&mut self.picture, left, top, &text, size, FAINT);
    }

    /// The sheet as it is now.
    pub fn finish(self) -> RgbImage {
        self.picture
    }

    /// Where a cell of the board lies on the sheet.
    fn corner(&self, column: usize, row: usize) -> Option<(u32, u32)> {
        let (column, row) = (u32::try_from(column).ok()?, u32::try_from(row).ok()?);
        let (column, row) =
            if self.words.rows.is_empty() { (column % self.grid.0, column / self.grid.0 + row) } else { (column, row) };
        let is_inside = column < self.grid.0 && row < self.grid.1;
        is_inside.then(|| (self.origin.0 + column * (self.slot.0 + self.gap), self.origin.1 + row * self.pitch))
    }

    fn draw_labels(&mut self, size: f32, is_broken: bool) {
        let line = self.letters.line_height(size);
        for (index, label) in self.words.columns.clone().iter().enumerate() {
            let Some((x, y)) = self.corner(index, 0) else { continue };
            let lines = self.letters.wrap(label, size, self.slot.0 as f32, 2);
            // The last line stands close to the cell.
            let top = y as f32 - size * 0.35 - line * lines.len() as f32;
            for (number, text) in lines.iter().enumerate() {
                let indent = if is_broken { 0.0 } else { (self.slot.0 as f32 - self.letters.width(text, size)) / 2.0 };
                let at = (x as f32 + indent, top + number as f32 * line);
                self.letters.draw(&mut self.picture, at.0, at.1, text, size, INK);
            }
        }
        for (index, label) in self.words.rows.clone().iter().enumerate() {
            let Some((x, y)) = self.corner(0, index) else { continue };
            let lines = self.letters.wrap(label, size, self.slot.0 as f32, 3);
            let top = y as f32 + (self.slot.1 as f32 - line * lines.len() as f32) / 2.0;
            for (number, text) in lines.iter().enumerate() {
                let left = x as f32 - size * 0.8 - self.letters.width(text, size);
                self.letters.draw(&mut self.picture, left, top + number as f32 * line, text, size, INK);
            }
        }
    }
}

/// Letters follow the cells' size.
fn label_size((width, height): (u32, u32)) -> f32 {
    (width.min(height) as f32 * 0.07).clamp(15.0, 60.0)
}

fn widest_wrap(letters: &Lettering, labels: &[String], size: f32, width: u32) -> usize {
    labels.iter().map(|label| letters.wrap(label, size, width as f32, 2).len()).max().unwrap_or(1).max(1)
}

/// Small cells are enlarged by a whole factor, large boards reduced until they can be opened.
fn scale((width, height): (u32, u32), (columns, rows): (u32, u32)) -> f64 {
    let enlarged = f64::from(LEAST_SIDE.div_ceil(width.max(height)).max(1));
    // Labels, gaps and margins take up to a third beside the cells.
    let room = f64::from(MOST_SIDE) * 0.7;
    let (across, down) = (f64::from(width) * f64::from(columns), f64::from(height) * f64::from(rows));
    enlarged.min(room / across).min(room / down).min((MOST_CELL_PIXELS / (across * down)).sqrt())
}

/// The lines above the grid.
struct Heading {
    /// Text, letter size, colour.
    lines: Vec<(String, f32, Rgb<u8>)>,
    height: f32,
}

impl Heading {
    fn of(words: &SheetWords, letters: &Lettering, size: f32, width: f32) -> Self {
        let mut lines = Vec::new();
        let mut add = |text: &str, size: f32, colour, most: usize| {
            lines.extend(letters.wrap(text, size, width, most).into_iter().map(|line| (line, size, colour)));
        };
        add(&words.title, size * 1.7, INK, 1);
        add(&words.subtitle, size * 1.1, INK, 2);
        add(&words.details, size * 0.85, FAINT, 2);
        let height = lines.iter().map(|(_, size, _)| letters.line_height(*size)).sum::<f32>() + size * 0.8;
        Self { lines, height }
    }

    fn draw(&self, sheet: &mut ContactSheet, margin: f32) {
        let mut y = margin;
        for (text, size, colour) in &self.lines {
            sheet.letters.draw(&mut sheet.picture, margin, y, text, *size, *colour);
            y += sheet.letters.line_height(*size);
        }
    }
}
