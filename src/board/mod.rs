//! A board: a grid of pictures that share a recipe but for one or two axes.
//!
//! This room is plain data. [`Axis`] reads `strength=0..1 step 0.25` and its kin, a [`Field`] and its values, [`Preset`]
//! holds the ready-made boards, [`Board`] turns a recipe and its axes into the recipes of the cells, and [`drawing_order`]
//! says which cell comes first. It knows the recipe and nothing else.

mod axis;
mod change;
mod error;
mod field;
mod grid;
mod page;
mod preset;
mod values;
mod words;

pub use axis::{Axis, Setting};
pub use change::{Change, PictureName, Target};
pub use error::BoardError;
pub use field::Field;
pub use grid::{Board, Cell, MOST_CELLS, drawing_order};
pub use page::{Page, PageCell, settings_in_words};
pub use preset::Preset;
pub use words::SheetWords;
