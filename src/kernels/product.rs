//! The product of gathered rows with packed weights: blocks for the caches, tasks for the threads, and what is added to
//! the sums before they leave the registers.
//!
//! Depth is cut into pieces of [`DEPTH`]. For each piece a task gathers its rows into one block that stays in the second
//! cache (so any layout of the rows costs one copy), and goes through its panels, each of which stays in the first cache
//! while all rows of the block pass by.

use std::cell::RefCell;

use rayon::prelude::*;

use super::activation::gelu_in_place;
use super::buffer::Buffer;
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
    // Kept: a task of some milliseconds should not begin with a megabyte of fresh pages.
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

/// One task: rows `first..first + rows` of `group`, panels `panels`.
struct Task {
    group: usize,
    first: usize,
    rows: usize,
    panels: std::ops::Range<usize>,
}

impl<R: Rows> Product<'_, R> {
    pub(super) fn run(&self) -> Vec<f32> {
        let len = self.groups * self.rows * self.panels.results();
        let mut out: Vec<f32> = Vec::with_capacity(len);
        if len == 0 {
            return out;
        }
        let slices =
            [(self.bias, self.panels.outputs), (self.shift, self.groups * self.panels.outputs), (self.residual, len)];
        // A wrong length would read beyond the end: the callers check shapes, this is the last line.
        assert!(slices.iter().all(|(slice, wanted)| slice.is_none_or(|slice| slice.len() == *wanted)), "lengths");
        assert!(!(self.panels.gated && self.residual.is_some()), "a gated product takes no residual");
        let added = self.added();
        let plan = Plan::best(self.panels, self.groups, self.rows, rayon::current_num_threads());
        let target = Out(out.as_mut_ptr());
        (0..plan.tasks()).into_par_iter().with_max_len(1).for_each(|index| {
            let (group, first, rows, panels) = plan.task(index);
            let task = Task { group, first, rows, panels };
            SCRATCH.with_borrow_mut(|scratch| self.perform(&task, &added, target, scratch));
        });
        // SAFETY: the tasks cover every row and every panel, so each number was written.
        unsafe { out.set_len(len) };
        out
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

    fn perform(&self, task: &Task, added: &[f32], target: Out, scratch: &mut Scratch) {
        let panels = self.panels;
        let (columns, results, isa) = (panels.columns(), panels.results(), panels.isa);
        let height = tile_rows(isa);
        // Gated panels, and the last one where it is not full, are summed aside: the output has no room for them.
        let aside = if panels.gated { task.panels.len() } else { 1 } * columns;
        let left = room(&mut scratch.left, task.rows * DEPTH);
        let sums = room(&mut scratch.sums, task.rows * aside);
        let widened = room(&mut scratch.panel, DEPTH * columns);

        // Equal pieces rather than full ones and a rest.
        let depth_step = panels.inputs.div_ceil(panels.inputs.div_ceil(DEPTH));
        for input in (0..panels.inputs).step_by(depth_step) {
            let depth = depth_step.min(panels.inputs - input);
            let (is_first, is_last) = (input == 0, input + depth == panels.inputs);
            self.left.gather(task.group, task.first, task.rows, input, depth, left);
            for panel in task.panels.clone() {
                let block = panels.block(panel, input, depth, widened);
                let valid = panels.valid_columns(panel);
                let is_aside = panels.gated || valid < columns;
                let row_add = &added[(task.group * panels.count() + panel) * columns..][..columns];
                for row in (0..task.rows).step_by(height) {
                    let rows = height.min(task.rows - row);
                    let place = (task.group * self.rows + task.first + row) * results + panel * columns;
                    let (out, out_stride) = if is_aside {
                        let column = if panels.gated { (panel - task.panels.start) * columns } else { 0 };
                        (sums[row * aside + column..].as_mut_ptr(), aside)
                    } else {
                        // SAFETY: inside the output: the panel is full.
                        (unsafe { target.0.add(place) }, results)
                    };
                    let zeros = ZEROS.as_ptr();
                    let (start, start_stride) = if is_first { (zeros, 0) } else { (out.cast_const(), out_stride) };
                    let (full_add, full_stride) = match self.residual {
                        Some(residual) if is_last && !is_aside => (residual[place..].as_ptr(), results),
                        _ => (zeros, 0),
                    };
                    let tile = Tile {
                        rows,
                        columns: valid,
                        depth,
                        left: left[row * DEPTH..].as_ptr(),
                        panel: block.as_ptr(),
                        start,
                        start_stride,
                        row_add: if is_last { row_add.as_ptr() } else { zeros },
                        full_add,
                        full_stride,
                        out,
                        out_stride,
                    };
                    // SAFETY: the block of rows holds `rows * DEPTH` numbers from `row` on, the panel `depth * columns`,
                    // the sums aside a whole panel a row, the output and the residual a full panel (it is not aside);
                    // `Panels` were packed for an instruction set of this machine; no other task has these rows and
                    // panels.
                    unsafe { run(isa, &tile) };
                    if is_last && is_aside {
                        self.finish(task, panel, row..row + rows, &sums[..task.rows * aside], aside, target);
                    }
                }
            }
        }
    }

    /// Writes what was summed aside: values times the GELU of their gates, or the columns that there are.
    fn finish(&self, task: &Task, panel: usize, rows: std::ops::Range<usize>, sums: &[f32], aside: usize, out: Out) {
        let panels = self.panels;
        let (columns, results) = (panels.columns(), panels.results());
        if panels.gated && panel.is_multiple_of(2) {
            return; // its gates come with the next panel
        }
        let mut factors = [1.0f32; MAX_ROWS * MAX_COLUMNS];
        let factors = &mut factors[..rows.len() * columns];
        let (source, first) = match panels.gated {
            true => {
                let pair = (panel - 1 - task.panels.start) * columns;
                for (row, factors) in rows.clone().zip(factors.chunks_exact_mut(columns)) {
                    factors.copy_from_slice(&sums[row * aside + pair + columns..][..columns]);
                }
                gelu_in_place(panels.isa, factors);
                (pair, panel / 2 * columns)
            }
            false => (0, panel * columns),
        };
        let valid = panels.valid_columns(panel);
        for (row, factors) in rows.zip(factors.chunks_exact(columns)) {
            let place = (task.group * self.rows + task.first + row) * results + first;
            // SAFETY: `valid` columns from `first` on are inside this row of the output, and this task's own.
            let out = unsafe { std::slice::from_raw_parts_mut(out.0.add(place), valid) };
            for ((out, sum), factor) in out.iter_mut().zip(&sums[row * aside + source..]).zip(factors) {
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
