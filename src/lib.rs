//! InstantStyle Studio: paint a prompt in the style of a reference picture.
//!
//! The rooms, and what each may know. `tests/layering.rs` reads this table and holds the sources to it; what stands in
//! brackets is for people.
//!
//! | room | what it holds | knows |
//! |---|---|---|
//! | [`recipe`] | everything that shapes a picture, as plain data | nothing (serde alone) |
//! | [`board`] | a grid of recipes over one or two axes, as plain data | recipe |
//! | [`pixels`] | pictures in and out | recipe (crops, what a picture carries), board (a sheet's words) |
//! | [`kernels`] | the CPU's inner loops: products, convolution, attention, norms; the only `unsafe` | candle |
//! | [`nn`] | the networks, samplers, tokenizer, torch's random numbers | candle, kernels, recipe (names of samplers) |
//! | [`weights`] | opening, naming and checking model files | candle, kernels (how weights are asked for) |
//! | [`library`] | the disk: where things lie, writing without loss, the finished pictures, the styles | recipe, pixels |
//! | [`models`] | the list of models, where they lie, and fetching them | weights, library |
//! | [`engine`] | a recipe turned into pixels on a thread of its own | candle, recipe, pixels, kernels, nn, weights, library (writing without loss), models (what files are called) |
//! | [`evaluation`] | how well each mode does on a model, in numbers | engine, pixels, recipe |
//! | [`cli`] | the command line | recipe, board, pixels, kernels (what bench measures), weights, library, models, engine, evaluation |
//! | `gpu` | shaders for the canvas | egui, wgpu, engine (its preview) |
//! | `app` | what the window knows and does, without widgets | egui (its undo list), recipe, board, pixels, library, models, engine |
//! | `ui` | the window: panels that show `app` and send it commands | egui, wgpu, app, gpu, recipe, board, pixels, library, models, engine (what it shows) |
//!
//! A room knows only rooms that stand above it here, so none but the last three knows that there is a window.

#[cfg(feature = "ui")]
pub mod app;
pub mod board;
pub mod cli;
pub mod engine;
pub mod evaluation;
#[cfg(feature = "ui")]
pub mod gpu;
pub mod kernels;
pub mod library;
pub mod models;
pub mod nn;
pub mod pixels;
pub mod recipe;
#[cfg(feature = "ui")]
pub mod ui;
pub mod weights;
