//! 3x3 convolution with steps of one pixel, in 36 products for 144: Winograd's F(4x4, 3x3).
//!
//! A chunk of 6x6 windows is transformed once, for all outputs; then each task takes one panel of outputs and some of the
//! windows, transforms the panel's weights on the way (they stay as the file has them in memory), and sums the 36
//! products in scratch that stays in the second cache.

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::buffer::Buffer;
use super::conv2d::Windows;
use super::microkernel::{DEPTH, MAX_COLUMNS, Tile, run, tile_rows};
use super::panels::Panels;
use super::product::{LINE, Out, ZEROS, room};
use super::winograd_transforms::{NOWHERE, PIXELS, PLACES, Pixels, SIDE, STEP, pixels, weights, window};

/// Numbers of transformed windows that are held at a time: 32 MiB.
const CHUNK_NUMBERS: usize = 8 << 20;
/// Most windows of one task: their sums, and the transformed weights of [`PIECE`] inputs, fill two thirds of a 2 MiB second
/// cache.
const TASK_WINDOWS: usize = 126;
/// Inputs whose transformed weights are held at a time.
const PIECE: usize = 160;
/// Inputs whose weights are widened and transformed together: nine taps of them fit into the first cache.
const TRANSFORM_INPUTS: usize = 32;
/// With fewer inputs than this the transforms, and the traffic for them, cost what the products save.
const LEAST_CHANNELS: usize = 96;
/// What the transform of a weight costs, in products.
const WEIGHT: usize = 150;

/// Whether it pays for pictures of this many channels and output pixels. However many there are of them: a picture comes
/// out the same, to the last bit, alone and beside others.
pub(super) fn pays(channels: usize, height: usize, width: usize) -> bool {
    let products = PLACES * height.div_ceil(STEP) * width.div_ceil(STEP) + WEIGHT;
    channels >= LEAST_CHANNELS && products <= 6 * height * width
}

/// `[batch, height, width, outputs]`.
pub(super) struct Winograd<'a> {
    pub panels: &'a Panels,
    pub windows: Windows<'a>,
    pub batch: usize,
    /// Of the result.
    pub size: (usize, usize),
    /// `[outputs]`
    pub bias: Option<&'a [f32]>,
    /// `[batch, outputs]`
    pub shift: Option<&'a [f32]>,
    /// Of the shape of the result.
    pub residual: Option<&'a [f32]>,
}

/// The transformed windows of the last convolution, kept for the next.
static WINDOWS: Mutex<Option<Buffer<f32>>> = Mutex::new(None);

struct Scratch {
    taps: Buffer<f32>,
    weights: Buffer<f32>,
    sums: Buffer<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        taps: Buffer::of(0.0, 0),
        weights: Buffer::of(0.0, 0),
        sums: Buffer::of(0.0, 0),
    });
}

/// Some of the windows, transformed: `[blocks of depth][36 places][held windows][DEPTH]`.
#[derive(Clone, Copy)]
struct Chunk {
    first: usize,
    count: usize,
    held: usize,
    numbers: Out,
}

impl Chunk {
    /// Where the numbers of a window begin.
    fn offset(self, block: usize, place: usize, window: usize) -> usize {
        ((block * PLACES + place) * self.held + window) * DEPTH
    }
}

impl Winograd<'_> {
    pub(super) fn run(&self) -> Vec<f32> {
        let (height, width) = self.size;
        let outputs = self.panels.outputs;
        let len = self.batch * height * width * outputs;
        let mut out: Vec<f32> = Vec::with_capacity(len);
        let slices = [(self.bias, outputs), (self.shift, self.batch * outputs), (self.residual, len)];
        // A wrong length would read beyond the end: the callers check shapes, this is the last line.
        assert!(slices.iter().all(|(slice, wanted)| slice.is_none_or(|slice| slice.len() == *wanted)), "lengths");
        let target = Out(out.as_mut_ptr());

        if len == 0 {
            return out;
        }
        let total = self.batch * height.div_ceil(STEP) * width.div_ceil(STEP);
        let blocks = self.channels().div_ceil(DEPTH);
        let most = (CHUNK_NUMBERS / (blocks * PLACES * DEPTH)).max(1);
        // Equal chunks rather than full ones and a rest.
        let held = total.div_ceil(total.div_ceil(most));
        let kept = WINDOWS.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut numbers = kept.unwrap_or_else(|| Buffer::of(0.0, 0));
        let numbers_at = Out(room(&mut numbers, blocks * PLACES * held * DEPTH).as_mut_ptr());
        for first in (0..total).step_by(held) {
            let chunk = Chunk { first, count: held.min(total - first), held, numbers: numbers_at };
            (0..chunk.count).into_par_iter().with_min_len(4).for_each(|window| self.transform(chunk, window));
            let parts = chunk.count.div_ceil(TASK_WINDOWS);
            let rows = chunk.count.div_ceil(parts);
            (0..parts * self.panels.count()).into_par_iter().with_max_len(1).for_each(|task| {
                let (panel, first) = (task / parts, task % parts * rows);
                let rows = rows.min(chunk.count - first);
                SCRATCH.with_borrow_mut(|scratch| self.multiply(chunk, panel, first, rows, scratch, target));
            });
        }
        *WINDOWS.lock().unwrap_or_else(PoisonError::into_inner) = Some(numbers);
        // SAFETY: each window writes its pixels in each panel, so each number was written.
        unsafe { out.set_len(len) };
        out
    }

    fn channels(&self) -> usize {
        self.panels.inputs / 9
    }

    /// First channel and channels of each block of depth, in equal pieces.
    fn blocks(&self) -> impl Iterator<Item = (usize, usize)> {
        let channels = self.channels();
        let step = channels.div_ceil(channels.div_ceil(DEPTH));
        (0..channels).step_by(step).map(move |first| (first, step.min(channels - first)))
    }

    /// Picture, row and column of a window's first pixel in the result.
    fn place(&self, window: usize) -> (usize, usize, usize) {
        let (rows, columns) = (self.size.0.div_ceil(STEP), self.size.1.div_ceil(STEP));
        (window / (rows * columns), window / columns % rows * STEP, window % columns * STEP)
    }

    /// Transforms one window of the picture into `chunk`.
    fn transform(&self, chunk: Chunk, index: usize) {
        static PADDING: [f32; DEPTH] = [0.0; DEPTH];
        let (picture, y, x) = self.place(chunk.first + index);
        for (block, (first, depth)) in self.blocks().enumerate() {
            let from: [*const f32; PLACES] = std::array::from_fn(|place| {
                let pixel = self.windows.pixel(picture, y + place / SIDE, x + place % SIDE);
                pixel.map_or(PADDING.as_ptr(), |start| self.windows.numbers[start + first..][..depth].as_ptr())
            });
            // SAFETY: each pixel has `depth` channels from `first` on, as the slice shows, or is padding of `DEPTH` zeros;
            // the chunk has room for `DEPTH` numbers at each place of each window, and this window is this call's own.
            unsafe {
                let out = chunk.numbers.0.add(chunk.offset(block, 0, index));
                window(self.panels.isa, &from, out, chunk.held * DEPTH, depth);
            }
        }
    }

    /// All 36 products of `rows` windows with one panel, and their pixels.
    fn multiply(&self, chunk: Chunk, panel: usize, first: usize, rows: usize, scratch: &mut Scratch, target: Out) {
        let (panels, isa, columns) = (self.panels, self.panels.isa, self.panels.columns());
        let taps = room(&mut scratch.taps, 9 * TRANSFORM_INPUTS * columns);
        let transformed = room(&mut scratch.weights, PLACES * PIECE * columns);
        let sums = room(&mut scratch.sums, PLACES * rows * columns);
        let valid = panels.valid_columns(panel);
        let pieces = self.blocks().enumerate().flat_map(|(block, (channel, depth))| {
            let step = depth.div_ceil(depth.div_ceil(PIECE));
            (0..depth).step_by(step).map(move |inner| (block, inner, channel + inner, step.min(depth - inner)))
        });
        for (block, inner, channel, depth) in pieces {
            self.transform_weights(panel, channel, depth, taps, transformed);
            // The next piece's weights, tap by tap; the next panel's behind the last.
            let next = match channel + depth < self.channels() {
                true => (panel, channel + depth),
                false => (panel + 1, 0),
            };
            for place in 0..PLACES {
                for row in (0..rows).step_by(tile_rows(isa)) {
                    let out = sums[(place * rows + row) * columns..].as_mut_ptr();
                    let zeros = ZEROS.as_ptr();
                    let (start, start_stride) = if channel == 0 { (zeros, 0) } else { (out.cast_const(), columns) };
                    let asks = place < 9 && row == 0;
                    let tile = Tile {
                        rows: tile_rows(isa).min(rows - row),
                        columns: valid,
                        depth,
                        // SAFETY: inside the chunk, which is written no more.
                        left: unsafe { chunk.numbers.0.add(chunk.offset(block, place, first + row) + inner) },
                        panel: transformed[place * PIECE * columns..].as_ptr(),
                        half: std::ptr::null(),
                        start,
                        start_stride,
                        row_add: zeros,
                        full_add: zeros,
                        full_stride: 0,
                        out,
                        out_stride: columns,
                        ahead: match asks {
                            true => panels.bytes_after(next.0, place * self.channels() + next.1, depth).0,
                            false => zeros.cast(),
                        },
                        ahead_step: if asks { LINE } else { 0 },
                    };
                    // SAFETY: the chunk holds `DEPTH` numbers a window and block, of which these are `depth` from `inner`
                    // on, the weights `PIECE` rows of a panel a place, the sums a row of a panel a window and place; the
                    // machine has `isa`, for which the panels were packed.
                    unsafe { run(isa, &tile) };
                }
            }
        }
        for row in 0..rows {
            self.write(chunk.first + first + row, panel, &sums[row * columns..], rows * columns, target);
        }
    }

    /// The weights of one panel for `depth` channels, transformed: `[36 places][PIECE][columns]`.
    fn transform_weights(&self, panel: usize, channel: usize, depth: usize, taps: &mut [f32], out: &mut [f32]) {
        let columns = self.panels.columns();
        for from in (0..depth).step_by(TRANSFORM_INPUTS) {
            let inputs = TRANSFORM_INPUTS.min(depth - from);
            let mut sources = [ZEROS.as_ptr(); 9];
            for (tap, (source, room)) in
                sources.iter_mut().zip(taps.chunks_exact_mut(TRANSFORM_INPUTS * columns)).enumerate()
            {
                let first = tap * self.channels() + channel + from;
                *source = self.panels.block(panel, first, inputs, room).as_ptr();
            }
            let out = &mut out[from * columns..];
            // SAFETY: each tap has `inputs` rows of a panel, and so has each place of the result from row `from` on.
            unsafe { weights(self.panels.isa, &sources, out.as_mut_ptr(), PIECE * columns, inputs * columns) };
        }
    }

    /// The pixels of a window, but for those beyond an odd side; the sums of its places lie `stride` apart.
    fn write(&self, window: usize, panel: usize, sums: &[f32], stride: usize, target: Out) {
        let (picture, y, x) = self.place(window);
        let (height, width) = self.size;
        let outputs = self.panels.outputs;
        let (first, valid) = (self.panels.first_output(panel), self.panels.valid_columns(panel));
        let places: [usize; PIXELS] = std::array::from_fn(|pixel| {
            let (y, x) = (y + pixel / STEP, x + pixel % STEP);
            if y < height && x < width { ((picture * height + y) * width + x) * outputs + first } else { NOWHERE }
        });
        let mut added = [0.0f32; MAX_COLUMNS];
        for (slice, from) in [(self.bias, first), (self.shift, picture * outputs + first)] {
            for (sum, number) in added.iter_mut().zip(slice.map_or(&[][..], |slice| &slice[from..from + valid])) {
                *sum += number;
            }
        }
        let to = Pixels {
            places,
            out: target.0,
            added: added.as_ptr(),
            residual: self.residual.map_or(std::ptr::null(), <[f32]>::as_ptr),
        };
        // SAFETY: the sums hold 36 places of a panel's numbers for this window; each place that is there has `valid`
        // outputs from `first` on, in the residual too, and only this window and panel write them.
        unsafe { pixels(self.panels.isa, sums.as_ptr(), stride, valid, &to) };
    }
}
