//! Pictures on the graphics card: the canvas, the live preview of the latents, and the comparison of two pictures.
//!
//! Each is a WGSL file in `shaders/` with a twin of the same name in [`cpu`], plain Rust over pixels, and
//! `tests/shaders.rs` holds the two against each other. This room knows egui and wgpu, of the engine only its
//! [`crate::engine::Preview`], and nothing of the window around it.
//!
//! | file | what it is |
//! |---|---|
//! | [`canvas`], [`compare`] | what the window calls: one function each, and the input that zooms and pans |
//! | [`content`] | what can be shown |
//! | [`fill`] | large areas of one colour |
//! | [`view`], `navigation` | zoom and pan as arithmetic, and by the pointer |
//! | [`scene`] | what a shader and its twin are told, as plain numbers |
//! | [`latents`] | which factors turn latents into colours |
//! | [`pyramid`] | pictures halved in linear light, for reduced views and small graphics cards |
//! | [`textures`] | what lies on the card, by id, so that nothing is sent twice |
//! | [`programs`] | the shaders' sources and pipelines |
//! | [`renderer`], `paint` | what is painted where, and when egui asks for it |
//! | [`device_guard`] | a lost card is a flag that the app reads, not a panic |

pub mod canvas;
pub mod compare;
pub mod content;
pub mod cpu;
pub mod device_guard;
pub mod fill;
pub mod latents;
mod navigation;
mod paint;
pub mod programs;
pub mod pyramid;
pub mod renderer;
pub mod scene;
pub mod textures;
pub mod view;

pub use canvas::{CanvasContent, canvas_ui, install};
pub use compare::{CompareMode, compare_ui};
pub use device_guard::DeviceGuard;
pub use fill::{fill, filled_around, filled_round};
pub use latents::preview_picture;
pub use view::View;
