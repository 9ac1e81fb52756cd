//! How a product is cut into tasks.

use std::ops::Range;

use super::microkernel::tile_rows;
use super::panels::Panels;

/// Most rows of a task: with `DEPTH` numbers each they fill a third of a 2 MiB second cache.
const MAX_TASK_ROWS: usize = 528;
/// Most panels of a task: its part of the output should stay in the second cache as well.
const MAX_TASK_PANELS: usize = 20;

/// Equal tasks over a grid of groups, rows and panels.
pub(super) struct Plan {
    rows: usize,
    panels: usize,
    task_rows: usize,
    task_panels: usize,
    row_tasks: usize,
    panel_tasks: usize,
    groups: usize,
}

impl Plan {
    /// The cheapest grid for this many threads, by what gathering rows and widening panels costs beside the products.
    pub(super) fn best(panels: &Panels, groups: usize, rows: usize, threads: usize) -> Self {
        let count = panels.count();
        let height = tile_rows(panels.isa);
        // Panels of values and gates stay together.
        let unit = if panels.gated { 2 } else { 1 };
        // In steps of one multiply-add of a whole tile row, per unit of depth.
        let gather = 0.4;
        let widen = 4.0;
        let mut best: Option<(f64, Self)> = None;
        let least = rows.div_ceil(MAX_TASK_ROWS);
        for parts in least..=(least + 4 * threads).min(rows.div_ceil(height)).max(least) {
            let task_rows = rows.div_ceil(parts).next_multiple_of(height).min(rows);
            let row_tasks = rows.div_ceil(task_rows);
            for task_panels in (unit..=MAX_TASK_PANELS.min(count).max(unit)).step_by(unit) {
                let panel_tasks = count.div_ceil(task_panels);
                let tasks = groups * row_tasks * panel_tasks;
                let one = (task_rows * task_panels) as f64 + gather * task_rows as f64 + widen * task_panels as f64;
                // Half a task more: with few large ones the threads seldom end together.
                let cost = (tasks.div_ceil(threads) as f64 + if threads > 1 { 0.15 } else { 0.0 }) * one;
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((
                        cost,
                        Self { rows, panels: count, task_rows, task_panels, row_tasks, panel_tasks, groups },
                    ));
                }
            }
        }
        match best {
            Some((_, plan)) => plan,
            None => {
                Self { rows, panels: count, task_rows: rows, task_panels: count, row_tasks: 1, panel_tasks: 1, groups }
            }
        }
    }

    pub(super) fn tasks(&self) -> usize {
        self.groups * self.row_tasks * self.panel_tasks
    }

    /// Group, first row, rows and panels of one task.
    pub(super) fn task(&self, index: usize) -> (usize, usize, usize, Range<usize>) {
        let (rest, panels) = (index / self.panel_tasks, index % self.panel_tasks);
        let (group, part) = (rest / self.row_tasks, rest % self.row_tasks);
        let first = part * self.task_rows;
        let panels = panels * self.task_panels..((panels + 1) * self.task_panels).min(self.panels);
        (group, first, self.task_rows.min(self.rows - first), panels)
    }
}
