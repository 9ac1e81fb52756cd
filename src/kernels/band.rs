//! Rows of a feature map, normalised a few at a time for the convolution that reads them: a normalised map need not exist
//! as a whole, and the convolution may write over the rows that it has read.

use std::ops::Range;

use rayon::prelude::*;

use super::buffer::Buffer;
use super::dense::unwritten;
use super::group_norm::Scales;
use super::product::room;

/// Rows of all pictures, one picture after the other, that lie channels-last.
pub(super) struct Band {
    numbers: Buffer<f32>,
    rows: Range<usize>,
}

impl Band {
    pub(super) fn new() -> Self {
        Self { numbers: Buffer::of(0.0, 0), rows: 0..0 }
    }

    /// Makes room for `most` rows of `row` numbers, and forgets what it held.
    pub(super) fn begin(&mut self, most: usize, row: usize) {
        room(&mut self.numbers, most * row);
        self.rows = 0..0;
    }

    /// Holds `rows` of `source`, normalised, from here on: rows of `row` numbers, `height` of them a picture. It goes
    /// downwards, and those that it held before are kept and not read again.
    pub(super) fn advance(&mut self, scales: &Scales, source: &[f32], row: usize, height: usize, rows: Range<usize>) {
        let numbers = self.numbers.as_mut();
        let kept = self.rows.end.max(rows.start) - rows.start;
        if kept > 0 {
            numbers.copy_within((rows.start - self.rows.start) * row..self.rows.len() * row, 0);
        }
        let fresh = rows.start + kept..rows.end;
        // SAFETY: `apply` writes numbers.
        let out = unsafe { unwritten(&mut numbers[kept * row..rows.len() * row]) }.par_chunks_mut(row);
        let from = source[fresh.start * row..fresh.end * row].par_chunks(row);
        out.zip(from).enumerate().for_each(|(i, (out, from))| scales.apply((fresh.start + i) / height, from, out));
        self.rows = rows;
    }

    /// The rows that it holds.
    pub(super) fn numbers(&self) -> &[f32] {
        &self.numbers
    }

    /// The first of them.
    pub(super) fn first(&self) -> usize {
        self.rows.start
    }
}
