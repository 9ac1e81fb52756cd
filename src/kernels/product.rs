//! The product of gathered rows with packed weights: what stays in which cache, and what is added to the sums before they
//! leave the registers.
//!
//! A thread gathers a block of rows whole, over all their depth, into memory that stays in the second cache (so any
//! layout of the rows costs one copy), and goes through the panels. Depth is cut into pieces of [`DEPTH`]: a piece of a
//! panel stays in the first cache while all rows of the block pass by, and meanwhile the next piece is fetched.

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::activation::gelu_in_place;
use super::buffer::Buffer;
use super::dense::filled;
use super::microkernel::{DEPTH, MAX_COLUMNS, MAX_ROWS, Tile, run, tile_rows};
use super::panels::Panels;
use super::plan::Plan;

/// The left side of a product.
pub(super) trait Rows: Sync {
    /// Copies numbers `input..input + depth` of rows `first..first + count` of `group`, the rows [`DEPTH`] apart in `out`.
    fn gather(&self, group: usize, first: usize, count: usize, input: usize, depth: usize, out: &mut [f32]);
}

/// `groups * rows` rows times the weights, plus what is given: `[groups * rows, panels.results()]`.
pub(super) struct Product<'a, R> {
    pub panels: &'a Panels,
    pub left: R,
    pub groups: usize,
    pub rows: usize,
    /// `[outputs]`
    pub bias: Option<&'a [f32]>,
    /// `[groups, outputs]`
    pub shift: Option<&'a [f32]>,
    /// Of the shape of the results; not with gated weights.
    pub residual: Option<&'a [f32]>,
}

/// Bytes of a cache line.
pub(super) const LINE: usize = 64;

pub(super) static ZEROS: [f32; MAX_COLUMNS] = [0.0; MAX_COLUMNS];

struct Scratch {
    left: Buffer<f32>,
    panel: Buffer<f32>,
    sums: Buffer<f32>,
}

/// A buffer of at least `len` numbers; what it holds is of no interest.
pub(super) fn room(buffer: &mut Buffer<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        *buffer = Buffer::of(0.0, len);
    }
    buffer.as_mut()
}

thread_local! {
    // Kept: a product of some milliseconds should not begin with a megabyte of fresh pages.
    static SCRATCH: RefCell<Scratch> =
        RefCell::new(Scratch { left: Buffer::of(0.0, 0), panel: Buffer::of(0.0, 0), sums: Buffer::of(0.0, 0) });
}

/// Where all tasks write, each its own rows and columns.
#[derive(Clone, Copy)]
pub(super) struct Out(pub *mut f32);
// SAFETY: tasks write disjoint parts, and the vector behind it outlives them.
unsafe impl Send for Out {}
// SAFETY: as above.
unsafe impl Sync for Out {}

/// A block of rows: `first..first + rows` of `group`.
#[derive(Clone, Copy)]
struct Block {
    group: usize,
    first: usize,
    rows: usize,
}

impl<R: Rows> Product<'_, R> {
    pub(super) fn run(&self) -> Vec<f32> {
        let len = self.groups * self.rows * self.panels.results();
        // SAFETY: `run_into` writes every number.
        unsafe { filled(len, |out| self.run_into(out)) }
    }

    /// Writes all of `out`, which has room for the results and no more.
    pub(super) fn run_into(&self, out: &mut [MaybeUninit<f32>]) {
        let len = out.len();
        assert_eq!(len, self.groups * self.rows * self.panels.results(), "lengths");
        if len == 0 {
            return;
        }
        let slices =
            [(self.bias, self.panels.outputs), (self.shift, self.groups * self.panels.outputs), (self.residual, len)];
        // A wrong length would read beyond the end: the callers check shapes, this is the last line.
        assert!(slices.iter().all(|(slice, wanted)| slice.is_none_or(|slice| slice.len() == *wanted)), "lengths");
        assert!(!(self.panels.gated && self.residual.is_some()), "a gated product takes no residual");
        let added = self.added();
        let plan = Plan::new(self.panels, self.groups, self.rows, rayon::current_num_threads());
        let target = Out(out.as_mut_ptr().cast());
        // The plan hands out every row with every panel, so each number is written.
        (0..plan.workers()).into_par_iter().with_max_len(1).for_each(|worker| {
            SCRATCH.with_borrow_mut(|scratch| {
                let mut held = None;
                while let Some((index, panels)) = plan.take(worker, held) {
                    let (group, first, rows) = plan.block(index);
                    let block = Block { group, first, rows };
                    if held.replace(index) != Some(index) {
                        self.gather(block, scratch);
                    }
                    self.perform(block, panels, &added, target, scratch);
                }
            });
        });
    }

    /// Bias and shift by panel with its padding, one row a group.
    fn added(&self) -> Vec<f32> {
        let (columns, outputs) = (self.panels.columns(), self.panels.outputs);
        let mut added = vec![0.0; self.groups * self.panels.count() * columns];
        for (group, row) in added.chunks_exact_mut(self.panels.count() * columns).enumerate() {
            for (panel, row) in row.chunks_exact_mut(columns).enumerate() {
                let first = self.panels.first_output(panel);
                for (output, sum) in (first..).zip(row.iter_mut().take(self.panels.valid_columns(panel))) {
                    let bias = self.bias.map_or(0.0, |bias| bias[output]);
                    *sum = bias + self.shift.map_or(0.0, |shift| shift[group * outputs + output]);
                }
            }
        }
        added
    }

    /// The pieces of depth: first input and inputs of each. Equal ones rather than full ones and a rest.
    fn pieces(&self) -> impl Iterator<Item = (usize, usize)> {
        let inputs = self.panels.inputs;
        let step = inputs.div_ceil(inputs.div_ceil(DEPTH));
        (0..inputs).step_by(step).map(move |input| (input, step.min(inputs - input)))
    }

    /// The rows of a block, piece after piece.
    fn gather(&self, block: Block, scratch: &mut Scratch) {
        let Block { group, first, rows } = block;
        let left = room(&mut scratch.left, self.panels.inputs.div_ceil(DEPTH) * rows * DEPTH);
        for ((input, depth), piece) in self.pieces().zip(left.chunks_exact_mut(rows * DEPTH)) {
            self.left.gather(group, first, rows, input, depth, piece);
        }
    }

    /// The products of a block, which has been gathered, with some panels.
    fn perform(&self, block: Block, of: Range<usize>, added: &[f32], target: Out, scratch: &mut Scratch) {
        let panels = self.panels;
        let (columns, results, isa) = (panels.columns(), panels.results(), panels.isa);
        let height = tile_rows(isa);
        // Values and gates side by side.
        let aside = if panels.gated { 2 * columns } else { columns };
        let sums = room(&mut scratch.sums, block.rows * aside);
        let widened = room(&mut scratch.panel, DEPTH * columns);
        let left = &scratch.left;
        for panel in of {
            let valid = panels.valid_columns(panel);
            // Gated panels, and the last one where it is not full, never have all their sums in the output.
            let is_aside = panels.gated || valid < columns;
            let column = if panels.gated { panel % 2 * columns } else { 0 };
            let row_add = &added[(block.group * panels.count() + panel) * columns..][..columns];
            for (piece, (input, depth)) in self.pieces().enumerate() {
                let half = panels.half(panel, input, depth);
                // The first tile writes there what the others read.
                let weights = match half {
                    Some(_) => widened.as_mut_ptr().cast_const(),
                    None => panels.block(panel, input, depth, widened).as_ptr(),
                };
                let (is_first, is_last) = (input == 0, input + depth == panels.inputs);
                // The next piece lies behind this one, and the next panel behind the last piece.
                let (ahead, bytes) = panels.bytes_after(panel, input + depth, depth);
                for (tile, row) in (0..block.rows).step_by(height).enumerate() {
                    let rows = height.min(block.rows - row);
                    let place = (block.group * self.rows + block.first + row) * results + panel * columns;
                    let aside_sums = sums[row * aside + column..].as_mut_ptr();
                    let (out, out_stride) = if is_last && !is_aside {
                        // SAFETY: inside the output: the panel is full.
                        (unsafe { target.0.add(place) }, results)
                    } else {
                        (aside_sums, aside)
                    };
                    let zeros = ZEROS.as_ptr();
                    let (start, start_stride) = if is_first { (zeros, 0) } else { (aside_sums.cast_const(), aside) };
                    let (full_add, full_stride) = match self.residual {
                        Some(residual) if is_last && !is_aside => (residual[place..].as_ptr(), results),
                        _ => (zeros, 0),
                    };
                    let asked = tile * depth * LINE;
                    let tile = Tile {
                        rows,
                        columns: valid,
                        depth,
                        left: left[(piece * block.rows + row) * DEPTH..].as_ptr(),
                        panel: weights,
                        half: half.filter(|_| row == 0).map_or(std::ptr::null(), |half| half.as_ptr()),
                        start,
                        start_stride,
                        row_add: if is_last { row_add.as_ptr() } else { zeros },
                        full_add,
                        full_stride,
                        out,
                        out_stride,
                        ahead: if asked < bytes { ahead.wrapping_add(asked) } else { zeros.cast() },
                        ahead_step: if asked < bytes { LINE } else { 0 },
                    };
                    // SAFETY: the block of rows holds `rows * DEPTH` numbers from `row` on in each piece, the weights
                    // `depth * columns`, the sums aside a whole panel a row, the output and the residual a full panel (it
                    // is not aside); `Panels` were packed for an instruction set of this machine; no other thread has
                    // these rows and panels.
                    unsafe { run(isa, &tile) };
                    if is_last && is_aside {
                        self.finish(block, panel, row..row + rows, &sums[..block.rows * aside], target);
                    }
                }
            }
        }
    }

    /// Writes what was summed aside: values times the GELU of their gates, or the columns that there are.
    fn finish(&self, block: Block, panel: usize, rows: Range<usize>, sums: &[f32], out: Out) {
        let panels = self.panels;
        let (columns, results) = (panels.columns(), panels.results());
        if panels.gated && panel.is_multiple_of(2) {
            return; // its gates come with the next panel
        }
        let aside = if panels.gated { 2 * columns } else { columns };
        let mut factors = [1.0f32; MAX_ROWS * MAX_COLUMNS];
        let factors = &mut factors[..rows.len() * columns];
        if panels.gated {
            for (row, factors) in rows.clone().zip(factors.chunks_exact_mut(columns)) {
                factors.copy_from_slice(&sums[row * aside + columns..][..columns]);
            }
            gelu_in_place(panels.isa, factors);
        }
        let first = if panels.gated { panel / 2 } else { panel } * columns;
        let valid = panels.valid_columns(panel);
        for (row, factors) in rows.zip(factors.chunks_exact(columns)) {
            let place = (block.group * self.rows + block.first + row) * results + first;
            // SAFETY: `valid` columns from `first` on are inside this row of the output, and this task's own.
            let out = unsafe { std::slice::from_raw_parts_mut(out.0.add(place), valid) };
            for ((out, sum), factor) in out.iter_mut().zip(&sums[row * aside..]).zip(factors) {
                *out = sum * factor;
            }
            if let Some(residual) = self.residual {
                for (out, residual) in out.iter_mut().zip(&residual[place..]) {
                    *out += residual;
                }
            }
        }
    }
}
