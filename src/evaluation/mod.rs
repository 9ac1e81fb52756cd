//! How well each mode does on the loaded model: style kept, prompt followed, the reference's subject leaked, palette.
//!
//! A fixed set of made pictures (`assets/builtin/evaluation`, never seen in training) serves as references; the prompt
//! always names another subject. Every mode paints the same cases with the same seeds, so that modes are compared
//! case by case. On the built-in model a judge network decides what a picture shows, on any other the model's own CLIP
//! towers. Arrows: evaluation -> engine, pixels, recipe.

mod claims;
mod intervals;
mod judging;
mod markdown;
mod modes;
mod palette;
mod references;
mod run;
mod summary;

pub use intervals::Interval;
pub use run::{Evaluation, Order, evaluate};
pub use summary::{Claim, ModeSummary, TextToImage};
