//! A recipe and its axes as cells, and the order in which they are drawn.

use serde::{Deserialize, Serialize};

use super::{Axis, BoardError, Change, Setting};
use crate::recipe::{ModelBlocks, Recipe};

/// More cells than this are refused: nobody looks at them, and the sheet would be larger than programs open.
pub const MOST_CELLS: usize = 400;

/// What cells share, and in what they differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Board {
    /// What is shown above: a ready-made board's question, or nothing.
    #[serde(default)]
    pub title: String,
    pub base: Recipe,
    /// Columns, left to right.
    pub x: Axis,
    /// Rows, top to bottom; without it there is one row.
    #[serde(default)]
    pub y: Option<Axis>,
}

/// One picture of a board.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    pub column: usize,
    pub row: usize,
    pub recipe: Recipe,
}

impl Board {
    pub fn columns(&self) -> usize {
        self.x.settings.len()
    }

    pub fn rows(&self) -> usize {
        self.y.as_ref().map_or(1, |y| y.settings.len())
    }

    /// Every cell, row by row. `guidance` is what the model brings where the recipe leaves it open.
    ///
    /// The base should have a seed, so that all cells begin from the same noise.
    ///
    /// # Errors
    /// Too many cells, two axes of one name, an axis about something that the recipe does not have, or a cell whose
    /// recipe is outside of its ranges.
    pub fn cells(&self, blocks: &ModelBlocks, guidance: f64) -> Result<Vec<Cell>, BoardError> {
        let count = self.columns() * self.rows();
        if count > MOST_CELLS {
            return Err(BoardError::TooManyCells { cells: count, most: MOST_CELLS });
        }
        if let Some(axis) = [Some(&self.x), self.y.as_ref()].into_iter().flatten().find(|axis| axis.settings.is_empty())
        {
            return Err(BoardError::NoValues { axis: axis.name.clone() });
        }
        if let Some(y) = &self.y
            && y.name == self.x.name
        {
            return Err(BoardError::SameAxis { axis: y.name.clone() });
        }
        let mut cells = Vec::with_capacity(count);
        for row in 0..self.rows() {
            for (column, x) in self.x.settings.iter().enumerate() {
                let y = self.y.as_ref().and_then(|axis| Some((axis, axis.settings.get(row)?)));
                let recipe = self.cell(x, y, blocks)?;
                let mut asked = recipe.clone();
                asked.guidance.get_or_insert(guidance);
                let checked = asked.validate().and_then(|()| {
                    asked.references.iter().try_for_each(|reference| blocks.injections(reference).map(drop))
                });
                checked.map_err(|fault| BoardError::Cell { cell: self.cell_name(column, row), fault })?;
                cells.push(Cell { column, row, recipe });
            }
        }
        self.refuse_subtraction_of_nothing(&cells)?;
        Ok(cells)
    }

    /// What messages call a cell: its fields and values, such as "strength 0.5, mode style".
    pub fn cell_name(&self, column: usize, row: usize) -> String {
        let named = |axis: &Axis, place: usize| Some(format!("{} {}", axis.name, axis.settings.get(place)?.label));
        let y = self.y.as_ref().and_then(|y| named(y, row));
        named(&self.x, column).into_iter().chain(y).collect::<Vec<_>>().join(", ")
    }

    /// The recipe of one cell. Changes go in by rank, so that it does not matter which axis is which.
    fn cell(&self, x: &Setting, y: Option<(&Axis, &Setting)>, blocks: &ModelBlocks) -> Result<Recipe, BoardError> {
        let of_y = y.into_iter().flat_map(|(axis, setting)| setting.changes.iter().map(move |change| (axis, change)));
        let mut changes: Vec<(&Axis, &Change)> = x.changes.iter().map(|change| (&self.x, change)).chain(of_y).collect();
        changes.sort_by_key(|(_, change)| change.rank());
        let mut recipe = self.base.clone();
        for (axis, change) in changes {
            change.apply(axis.target, &mut recipe, blocks, &axis.name)?;
        }
        // The base may hold a strength for words that an axis brings; this cell has none.
        for reference in &mut recipe.references {
            reference.subtract.take_if(|subtract| subtract.words.trim().is_empty());
        }
        Ok(recipe)
    }

    /// An axis of strengths without words in any cell would show the same picture many times.
    fn refuse_subtraction_of_nothing(&self, cells: &[Cell]) -> Result<(), BoardError> {
        let strengths = |axis: &&Axis| {
            axis.settings.iter().flat_map(|s| &s.changes).any(|change| matches!(change, Change::SubtractStrength(_)))
        };
        let Some(axis) = [Some(&self.x), self.y.as_ref()].into_iter().flatten().find(strengths) else { return Ok(()) };
        match cells.iter().any(|cell| cell.recipe.references.iter().any(|r| r.subtract.is_some())) {
            true => Ok(()),
            false => Err(BoardError::NoWords { axis: axis.name.clone() }),
        }
    }
}

/// In which order to draw a grid, as indices row by row: the corners first, then the middles between what is drawn, so
/// that the whole range shows early.
pub fn drawing_order(columns: usize, rows: usize) -> Vec<usize> {
    let (across, down) = (depths(columns), depths(rows));
    let mut order: Vec<usize> = (0..columns * rows).collect();
    let depth = |cell: &usize| {
        let at = |depths: &[u32], index: usize| depths.get(index).copied().unwrap_or(u32::MAX);
        let (x, y) = (at(&across, cell % columns.max(1)), at(&down, cell / columns.max(1)));
        (x.max(y), x.saturating_add(y))
    };
    order.sort_by_key(depth);
    order
}

/// How often a line must be halved until each place of it is an end or a middle: 0 for its two ends.
fn depths(count: usize) -> Vec<u32> {
    let mut depths = vec![0; count];
    let mut spans = vec![(0, count.saturating_sub(1), 1)];
    while let Some((low, high, depth)) = spans.pop() {
        if high - low < 2 {
            continue;
        }
        let middle = low + (high - low) / 2;
        if let Some(slot) = depths.get_mut(middle) {
            *slot = depth;
        }
        spans.extend([(low, middle, depth + 1), (middle, high, depth + 1)]);
    }
    depths
}
