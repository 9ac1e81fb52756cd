//! How the board is looked at: zoom and place that all cells share, what is chosen and picked, and the order of the cells.

use std::collections::BTreeSet;

use egui::Vec2;

use super::board_compare::Comparison;
use crate::app::OpenBoard;
use crate::gpu::canvas::View;

/// More than this nobody compares at once.
const MOST_COMPARED: usize = 4;

/// How the board is looked at.
#[derive(Debug)]
pub struct BoardLook {
    pub zoom: f32,
    /// The middle of what is shown of each cell, 0 to 1.
    pub middle: Vec2,
    /// What the buttons act on.
    pub chosen: Option<usize>,
    /// Picked for comparison.
    pub picked: BTreeSet<usize>,
    /// The picked cells lie there instead of the grid.
    pub is_comparing: bool,
    pub comparison: Comparison,
    pub order: Order,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    #[default]
    Grid,
    Favourites,
    BestPrompt,
    BestStyle,
    LeastLeak,
    Fastest,
}

impl Order {
    pub const ALL: [(Self, &str); 6] = [
        (Self::Grid, "As a grid"),
        (Self::Favourites, "Favourites first"),
        (Self::BestPrompt, "Prompt first"),
        (Self::BestStyle, "Style first"),
        (Self::LeastLeak, "Least leak first"),
        (Self::Fastest, "Fastest first"),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(order, _)| *order == self).map_or("", |(_, name)| name)
    }
}

impl Default for BoardLook {
    fn default() -> Self {
        Self {
            zoom: 1.0,
            middle: Vec2::splat(0.5),
            chosen: None,
            picked: BTreeSet::new(),
            is_comparing: false,
            comparison: Comparison::default(),
            order: Order::Grid,
        }
    }
}

impl BoardLook {
    /// Brings it into order for a board that may have been laid out anew.
    pub fn follow(&mut self, open: &OpenBoard) {
        self.picked.retain(|index| *index < open.cells.len());
        self.chosen = self.chosen.filter(|index| *index < open.cells.len());
        self.is_comparing &= self.can_compare();
    }

    /// From two pictures on there is something to compare; more than a few nobody takes in at once.
    pub fn can_compare(&self) -> bool {
        (2..=MOST_COMPARED).contains(&self.picked.len())
    }

    /// The picked cells against the chosen one, or all cells again.
    pub fn toggle_comparison(&mut self) {
        self.is_comparing = !self.is_comparing && self.can_compare();
        let is_picked = |index: &usize| self.picked.contains(index);
        self.comparison.against = self.comparison.against.filter(is_picked).or(self.chosen.filter(is_picked));
    }

    pub fn pick(&mut self, index: usize) {
        if !self.picked.remove(&index) {
            self.picked.insert(index);
        }
    }

    /// Whole pictures again.
    pub fn fit(&mut self) {
        match self.is_comparing {
            true => self.comparison.canvas.view.fit = true,
            false => self.zoom = 1.0,
        }
    }

    /// A pixel of the picture on a pixel of the screen, where cells are compared.
    pub fn actual_pixels(&mut self) {
        if self.is_comparing {
            self.comparison.canvas.view = View::actual_pixels();
        }
    }

    /// In what order the cells are shown.
    pub fn shown(&self, open: &OpenBoard) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..open.cells.len()).collect();
        let mark = |index: usize| open.marks.get(index);
        let numbers = |index: usize| mark(index).and_then(|mark| mark.numbers);
        // Least first; what has no number comes last.
        let rank = |index: usize| match self.order {
            Order::Grid => None,
            Order::Favourites => mark(index).map(|mark| if mark.is_favourite { 0.0 } else { 1.0 }),
            Order::BestPrompt => numbers(index).map(|numbers| -numbers.prompt),
            Order::BestStyle => numbers(index).and_then(|numbers| numbers.reference).map(|style| -style),
            Order::LeastLeak => numbers(index).and_then(|numbers| numbers.leak),
            Order::Fastest => open.finished(index).map(|finished| finished.timings.total()),
        };
        shown.sort_by(|a, b| rank(*a).unwrap_or(f64::MAX).total_cmp(&rank(*b).unwrap_or(f64::MAX)));
        shown
    }

    /// Columns and rows are those of the axes.
    pub fn is_grid(&self) -> bool {
        self.order == Order::Grid
    }
}
