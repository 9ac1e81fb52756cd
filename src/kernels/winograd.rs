//! 3x3 convolution with steps of one pixel, in 36 products for 144: Winograd's F(4x4, 3x3).
//!
//! A chunk of 6x6 windows is transformed once, for all outputs; then each task takes one panel of outputs and some of the
//! windows, transforms the panel's weights on the way (they stay as the file has them in memory), and sums the 36
//! products in scratch that stays in the second cache.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::band::Band;
use super::buffer::Buffer;
use super::conv2d::{Geometry, Window};
use super::dense::{filled, unwritten};
use super::group_norm::Scales;
use super::linear::PlainRows;
use super::microkernel::{DEPTH, MAX_COLUMNS, Tile, run, tile_rows};
use super::panels::Panels;
use super::product::{LINE, Out, Product, ZEROS, room};
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
    pub geometry: Geometry,
    pub batch: usize,
    /// Of the result.
    pub size: (usize, usize),
    /// `[outputs]`
    pub bias: Option<&'a [f32]>,
    /// `[batch, outputs]`
    pub shift: Option<&'a [f32]>,
    /// Done to the picture first; the picture is not enlarged then.
    pub norm: Option<&'a Scales>,
    pub joined: Joined<'a>,
}

/// What is added to the result.
pub(super) enum Joined<'a> {
    Nothing,
    /// Of its shape.
    Map(&'a [f32]),
    /// The product of each pixel of another picture of its size with these, and a bias: made as it is needed.
    Product {
        panels: &'a Panels,
        bias: Option<&'a [f32]>,
        picture: &'a [f32],
    },
}

/// Where the picture is, and where its convolution goes.
enum Place<'a> {
    Apart { picture: &'a [f32], out: Out },
    Same(&'a mut [f32]),
}

impl Place<'_> {
    fn picture(&self) -> &[f32] {
        match self {
            Self::Apart { picture, .. } => picture,
            Self::Same(map) => map,
        }
    }

    fn out(&mut self) -> Out {
        match self {
            Self::Apart { out, .. } => *out,
            Self::Same(map) => Out(map.as_mut_ptr()),
        }
    }
}

/// What the threads share, kept from one convolution for the next.
struct Shared {
    /// Transformed windows.
    windows: Buffer<f32>,
    band: Band,
    /// What [`Joined::Product`] makes.
    joined: Buffer<f32>,
}

static SHARED: Mutex<Option<Shared>> = Mutex::new(None);

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

/// Numbers from `begins` of the result on; None for zeros.
type Addend<'a> = Option<(&'a [f32], usize)>;

impl Winograd<'_> {
    pub(super) fn run(&self, picture: &[f32]) -> Vec<f32> {
        let len = self.batch * self.size.0 * self.size.1 * self.panels.outputs;
        // SAFETY: each window writes its pixels in each panel, so each number is written.
        unsafe { filled(len, |out| self.perform(Place::Apart { picture, out: Out(out.as_mut_ptr().cast()) })) }
    }

    /// The result takes the place of the picture: of its shape, padded by one pixel, and normalised first.
    pub(super) fn run_in_place(&self, map: &mut [f32]) {
        let Geometry { channels, size, window, .. } = self.geometry;
        let is_alike = (channels, size) == (self.panels.outputs, self.size) && window == Window::padded(1);
        assert!(is_alike && self.norm.is_some(), "a convolution that cannot be done in place");
        self.perform(Place::Same(map));
    }

    /// Chunk by chunk, each some whole lines of windows.
    fn perform(&self, mut place: Place) {
        let (height, width) = self.size;
        let (outputs, row) = (self.panels.outputs, self.geometry.size.1 * self.channels());
        let len = self.batch * height * width * outputs;
        // A wrong length would read or write beyond the end: the callers check shapes, this is the last line.
        let picture = self.batch * self.geometry.size.0 * row;
        let joined = match self.joined {
            Joined::Map(map) => map.len() == len,
            Joined::Product { panels, picture, .. } => {
                panels.outputs == outputs && picture.len() * outputs == len * panels.inputs
            }
            Joined::Nothing => true,
        };
        let slices = [(self.bias, outputs), (self.shift, self.batch * outputs)];
        let slices = slices.iter().all(|(slice, wanted)| slice.is_none_or(|slice| slice.len() == *wanted));
        assert!(slices && joined && place.picture().len() == picture, "lengths");
        if len == 0 {
            return;
        }
        let (lines, columns) = (self.batch * height.div_ceil(STEP), width.div_ceil(STEP));
        let blocks = self.channels().div_ceil(DEPTH);
        let most = (CHUNK_NUMBERS / (blocks * PLACES * DEPTH * columns)).max(1);
        // Equal chunks rather than full ones and a rest.
        let step = lines.div_ceil(lines.div_ceil(most));
        let chunks = || (0..lines).step_by(step).map(|first| first..lines.min(first + step));

        let kept = SHARED.lock().unwrap_or_else(PoisonError::into_inner).take();
        let none = || Buffer::of(0.0, 0);
        let mut shared = kept.unwrap_or_else(|| Shared { windows: none(), band: Band::new(), joined: none() });
        let Shared { windows, band, joined } = &mut shared;
        let held = step * columns;
        let numbers = Out(room(windows, blocks * PLACES * held * DEPTH).as_mut_ptr());
        if self.norm.is_some() {
            band.begin(chunks().map(|lines| self.rows_read(lines).len()).max().unwrap_or(0), row);
        }
        for lines in chunks() {
            let chunk = Chunk { first: lines.start * columns, count: lines.len() * columns, held, numbers };
            let (from, begins) = match self.norm {
                Some(scales) => {
                    let rows = self.rows_read(lines.clone());
                    band.advance(scales, place.picture(), row, self.geometry.size.0, rows);
                    (band.numbers(), band.first() * row)
                }
                None => (place.picture(), 0),
            };
            let transform = |window| self.transform(chunk, window, from, begins);
            (0..chunk.count).into_par_iter().with_min_len(4).for_each(transform);
            let addend = self.addend(lines, joined);
            let out = place.out();
            let parts = chunk.count.div_ceil(TASK_WINDOWS);
            let rows = chunk.count.div_ceil(parts);
            (0..parts * self.panels.count()).into_par_iter().with_max_len(1).for_each(|task| {
                let (panel, first) = (task / parts, task % parts * rows);
                let windows = first..chunk.count.min(first + rows);
                SCRATCH.with_borrow_mut(|scratch| self.multiply(chunk, panel, windows, scratch, addend, out));
            });
        }
        *SHARED.lock().unwrap_or_else(PoisonError::into_inner) = Some(shared);
    }

    /// Picture and first row in the result of a line of windows.
    fn line(&self, line: usize) -> (usize, usize) {
        let lines = self.size.0.div_ceil(STEP);
        (line / lines, line % lines * STEP)
    }

    /// The rows that some lines of windows read, of all pictures' rows one after the other.
    fn rows_read(&self, lines: Range<usize>) -> Range<usize> {
        let (height, before) = (self.geometry.size.0, self.geometry.window.before);
        let inside = |(picture, y): (usize, usize), below: usize| {
            picture * height + (y + below).saturating_sub(before).min(height)
        };
        inside(self.line(lines.start), 0)..inside(self.line(lines.end - 1), SIDE)
    }

    /// What joins the pixels of some lines of windows.
    fn addend<'a>(&'a self, lines: Range<usize>, room_for: &'a mut Buffer<f32>) -> Addend<'a> {
        let (panels, bias, picture) = match self.joined {
            Joined::Nothing => return None,
            Joined::Map(map) => return Some((map, 0)),
            Joined::Product { panels, bias, picture } => (panels, bias, picture),
        };
        let (height, width) = self.size;
        let (first, last) = (self.line(lines.start), self.line(lines.end - 1));
        let pixels = (first.0 * height + first.1) * width..(last.0 * height + height.min(last.1 + STEP)) * width;
        let numbers = &picture[pixels.start * panels.inputs..pixels.end * panels.inputs];
        let out = room(room_for, pixels.len() * panels.outputs);
        let left = PlainRows { numbers, width: panels.inputs };
        let product = Product { panels, left, groups: 1, rows: pixels.len(), bias, shift: None, residual: None };
        // SAFETY: a product writes numbers.
        product.run_into(unsafe { unwritten(&mut out[..pixels.len() * panels.outputs]) });
        Some((out, pixels.start * panels.outputs))
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

    /// Transforms one window into `chunk`; `numbers` are those of the picture from `begins` on.
    fn transform(&self, chunk: Chunk, index: usize, numbers: &[f32], begins: usize) {
        static PADDING: [f32; DEPTH] = [0.0; DEPTH];
        let (picture, y, x) = self.place(chunk.first + index);
        for (block, (first, depth)) in self.blocks().enumerate() {
            let from: [*const f32; PLACES] = std::array::from_fn(|place| {
                let pixel = self.geometry.pixel(picture, y + place / SIDE, x + place % SIDE);
                pixel.map_or(PADDING.as_ptr(), |start| numbers[start - begins + first..][..depth].as_ptr())
            });
            // SAFETY: each pixel has `depth` channels from `first` on, as the slice shows, or is padding of `DEPTH` zeros;
            // the chunk has room for `DEPTH` numbers at each place of each window, and this window is this call's own.
            unsafe {
                let out = chunk.numbers.0.add(chunk.offset(block, 0, index));
                window(self.panels.isa, &from, out, chunk.held * DEPTH, depth);
            }
        }
    }

    /// All 36 products of some of the chunk's windows with one panel, and their pixels.
    fn multiply(
        &self,
        chunk: Chunk,
        panel: usize,
        windows: Range<usize>,
        scratch: &mut Scratch,
        addend: Addend,
        target: Out,
    ) {
        let (first, rows) = (windows.start, windows.len());
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
            let sums = (&sums[row * columns..], rows * columns);
            self.write(chunk.first + first + row, panel, sums, addend, target);
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
    fn write(&self, window: usize, panel: usize, (sums, stride): (&[f32], usize), addend: Addend, target: Out) {
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
            residual: addend.map_or(std::ptr::null(), |(numbers, _)| numbers.as_ptr()),
            residual_from: addend.map_or(0, |(_, begins)| begins),
        };
        // SAFETY: the sums hold 36 places of a panel's numbers for this window; each place that is there has `valid`
        // outputs from `first` on, in what is added too, and only this window and panel write them.
        unsafe { pixels(self.panels.isa, sums.as_ptr(), stride, valid, &to) };
    }
}
