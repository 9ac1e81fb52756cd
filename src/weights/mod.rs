//! Weights on disk or built in: open them by header, say what they are, check them, hand them to candle.
//!
//! Nothing here knows a network or the engine. A file is read by its header first, so that a wrong or broken file is
//! named before memory is taken; tensors are then read one at a time, without mapping the file.

mod adapter;
mod backend;
mod check;
mod clip_vocabulary;
mod component;
mod cut;
mod error;
mod few_step;
mod files;
mod foreign;
mod header;
mod identify;
mod inspect;
mod lora;
mod lora_kind;
mod model_folder;
mod pickle;
mod single_file;
mod sniff;
mod source;

pub use adapter::{AdapterInfo, AdapterKind, pair};
pub use check::{Report, check};
pub use cut::Cut;
pub use error::WeightsError;
pub use few_step::{Distillation, FewStep};
pub use files::Weights;
pub use header::{Entry, Header, MAX_HEADER};
pub use identify::{EncoderNeed, Family, Kind, identify};
pub use inspect::{Inspection, Part, inspect};
pub use lora::{Lora, LoraPart, Placed};
pub use lora_kind::LoraDialect;
pub use model_folder::{ModelFolder, whole_model};
pub use pickle::{Converted, check_pickle, convert_pickle};
pub use safetensors::Dtype;
pub use single_file::open_vae;
pub use sniff::{Impostor, twin_name};
