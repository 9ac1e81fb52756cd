//! How a product is shared out among threads.
//!
//! Rows are cut into blocks that stay in the second cache whole, and each block meets the panels in parts. A thread takes
//! a block that nobody has begun and goes through its parts; when all blocks are begun it helps with one that is not
//! done, so that the threads end together however fast each of them runs.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::microkernel::tile_rows;
use super::panels::Panels;

/// Numbers of a block of rows: 1.25 MiB, beside which a panel and its sums find room in a 2 MiB second cache.
const BLOCK_NUMBERS: usize = 320 << 10;
/// Most rows of a block: beyond, nothing is gained.
const MOST_ROWS: usize = 512;
/// Fewest tiles of a block, however deep the product is: widening a panel costs about two rows' products.
const LEAST_TILES: usize = 4;
/// With fewer tiles than this a block is not made smaller for the sake of one block a thread.
const GOOD_TILES: usize = 8;
/// Multiply-adds of vectors that a part has, about: a few tens of microseconds.
const PART: usize = 100_000;

/// The same that a thread should have, for less than which it is not called: calling costs a few microseconds.
const SHARE: usize = 16_000;

/// A grid of blocks of rows and parts of panels, and how much of it has been taken.
pub(super) struct Plan {
    groups: usize,
    rows: usize,
    block_rows: usize,
    row_blocks: usize,
    panels: usize,
    part_panels: usize,
    parts: usize,
    /// The next block that nobody has begun.
    fresh: AtomicUsize,
    /// Threads that are worth calling.
    threads: usize,
    /// The next part of each block.
    next: Vec<AtomicUsize>,
}

impl Plan {
    pub(super) fn new(panels: &Panels, groups: usize, rows: usize, threads: usize) -> Self {
        let height = tile_rows(panels.isa);
        let threads = (groups * rows * panels.inputs * panels.count() / SHARE).clamp(1, threads);
        let most = (BLOCK_NUMBERS / panels.inputs).clamp(LEAST_TILES * height, MOST_ROWS.max(LEAST_TILES * height));
        let mut row_blocks = rows.div_ceil(most);
        let even = (groups * row_blocks).next_multiple_of(threads).div_ceil(groups);
        if rows / even >= GOOD_TILES * height {
            row_blocks = even;
        }
        let block_rows = rows.div_ceil(row_blocks);
        let row_blocks = rows.div_ceil(block_rows);
        let count = panels.count();
        // Panels of values and gates stay together.
        let unit = if panels.gated { 2 } else { 1 };
        let blocks = groups * row_blocks;
        // Some parts for each thread, but each large enough to be worth taking.
        let most = (count * blocks).div_ceil(4 * threads);
        let part_panels = (PART / (block_rows * panels.inputs)).clamp(1, most.max(1)).next_multiple_of(unit);
        Self {
            groups,
            rows,
            block_rows,
            row_blocks,
            panels: count,
            part_panels,
            parts: count.div_ceil(part_panels),
            fresh: AtomicUsize::new(0),
            threads,
            next: (0..blocks).map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    /// How many threads find work.
    pub(super) fn workers(&self) -> usize {
        (self.next.len() * self.parts).min(self.threads)
    }

    /// Block and panels of what `worker` is to do next, if anything is left; best of the block that it holds.
    pub(super) fn take(&self, worker: usize, held: Option<usize>) -> Option<(usize, Range<usize>)> {
        let of = |block: usize| {
            let part = self.next[block].fetch_add(1, Ordering::Relaxed);
            let first = part * self.part_panels;
            (part < self.parts).then(|| (block, first..(first + self.part_panels).min(self.panels)))
        };
        if let Some(taken) = held.and_then(of) {
            return Some(taken);
        }
        let blocks = self.next.len();
        loop {
            let block = self.fresh.fetch_add(1, Ordering::Relaxed);
            if block >= blocks {
                break;
            }
            if let Some(taken) = of(block) {
                return Some(taken);
            }
        }
        (0..blocks).find_map(|i| of((worker + i) % blocks))
    }

    /// Group, first row and rows of a block.
    pub(super) fn block(&self, index: usize) -> (usize, usize, usize) {
        let (group, first) = (index / self.row_blocks, index % self.row_blocks * self.block_rows);
        debug_assert!(group < self.groups);
        (group, first, self.block_rows.min(self.rows - first))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use candle_core::{DType, Device, Tensor};

    use super::*;
    use crate::kernels::Isa;

    #[test]
    fn everything_is_taken_once() {
        for (outputs, gated, groups, rows, threads) in
            [(1, false, 1, 1, 1), (70, false, 3, 5, 2), (4000, true, 1, 1000, 3), (130, false, 2, 5000, 16)]
        {
            let weight = Tensor::zeros((outputs, 900), DType::F32, &Device::Cpu).unwrap();
            let panels = Panels::pack(Isa::best(), &weight, gated).unwrap();
            let plan = Plan::new(&panels, groups, rows, threads);
            let mut seen = vec![0; groups * rows * panels.count()];
            let mut held = vec![None; plan.workers()];
            let mut working: Vec<usize> = (0..held.len()).collect();
            while !working.is_empty() {
                working.retain(|&worker| {
                    let Some((block, taken)) = plan.take(worker, held[worker]) else { return false };
                    held[worker] = Some(block);
                    let (group, first, count) = plan.block(block);
                    assert!(!gated || taken.start.is_multiple_of(2));
                    for row in first..first + count {
                        taken.clone().for_each(|panel| seen[(group * rows + row) * panels.count() + panel] += 1);
                    }
                    true
                });
            }
            assert!(seen.iter().all(|times| *times == 1), "{outputs} outputs, {groups} x {rows} rows");
        }
    }
}
