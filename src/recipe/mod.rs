//! What the artist asked for, as plain data.
//!
//! A [`Recipe`] holds everything that shapes one picture. The window edits it, the engine reads it, the picture stores
//! it. This room knows serde and nothing else: no files, no tensors, no pixels.

mod blocks;
mod error;
mod file_id;
mod infotext;
mod infotext_read;
mod lora;
mod reference;
mod settings;

pub use blocks::{Injection, ModelBlocks, block_scales};
pub use error::{RecipeError, shown};
pub use file_id::{BUILT_IN, ID_DIGITS, file_id, is_built_in, split_id};
pub use infotext::a1111_parameters;
pub use infotext_read::{ForeignSettings, read_a1111_parameters};
pub use lora::Lora;
pub use reference::{Crop, Reference, Role, Subtraction};
pub use settings::{Init, ModelDefaults, ModelFiles, Recipe, SchedulerName, VERSION};
