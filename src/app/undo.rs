//! Undo and redo of everything in the recipe. One drag of a slider, or one run of typing, is one undo.

use egui::util::undoer::{Settings, Undoer};

use crate::recipe::Recipe;

/// Seconds without a change after which typing counts as done.
const SETTLED_SECS: f32 = 0.5;

pub struct UndoHistory {
    undoer: Undoer<Recipe>,
    was_busy: bool,
}

impl UndoHistory {
    pub fn new(recipe: &Recipe) -> Self {
        let settings = Settings { stable_time: SETTLED_SECS, ..Settings::default() };
        let mut undoer = Undoer::with_settings(settings);
        undoer.add_undo(recipe);
        Self { undoer, was_busy: false }
    }

    /// Called once a frame. `is_busy`: a button of the mouse is down, so that a drag may be under way.
    ///
    /// Returns the seconds after which to call again although nothing happens.
    pub fn watch(&mut self, recipe: &Recipe, now: f64, is_busy: bool) -> Option<f64> {
        if is_busy {
            self.was_busy = true;
            return None;
        }
        if std::mem::take(&mut self.was_busy) {
            self.mark(recipe);
        }
        self.undoer.feed_state(now, recipe);
        self.undoer.is_in_flux().then_some(f64::from(SETTLED_SECS) + 0.05)
    }

    /// The present state is one to come back to.
    pub fn mark(&mut self, recipe: &Recipe) {
        self.undoer.add_undo(recipe);
    }

    pub fn can_undo(&self, recipe: &Recipe) -> bool {
        self.undoer.has_undo(recipe)
    }

    pub fn can_redo(&self, recipe: &Recipe) -> bool {
        self.undoer.has_redo(recipe)
    }

    pub fn undo(&mut self, recipe: &Recipe) -> Option<Recipe> {
        self.undoer.undo(recipe).cloned()
    }

    pub fn redo(&mut self, recipe: &Recipe) -> Option<Recipe> {
        self.undoer.redo(recipe).cloned()
    }
}

impl std::fmt::Debug for UndoHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.undoer.fmt(f)
    }
}
