//! InstantStyle Studio: paint a prompt in the style of a reference picture.
//!
//! The rooms, and what each may know:
//!
//! | room | what it holds | knows |
//! |---|---|---|
//! | [`recipe`] | everything that shapes a picture, as plain data | serde |
//! | [`board`] | a grid of recipes over one or two axes, as plain data | recipe |
//! | [`pixels`] | pictures in and out | recipe (crops, what a picture carries), board (a sheet's words) |
//! | [`kernels`] | the CPU's inner loops: products, convolution, attention, norms; the only `unsafe` | candle's tensors |
//! | [`nn`] | the networks, samplers, tokenizer, torch's random numbers | kernels, recipe (names of samplers) |
//! | [`weights`] | opening, naming and checking model files | candle's tensors, kernels (how weights are asked for) |
//! | [`library`] | the disk: where things lie, writing without loss, the finished pictures, the styles | recipe, pixels |
//! | [`models`] | the list of models, where they lie, and fetching them | weights, library |
//! | [`engine`] | a recipe turned into pixels on a thread of its own | all of the above |
//! | [`evaluation`] | how well each mode does on a model, in numbers | engine, pixels, recipe |
//! | [`cli`] | the command line | all of the above |
//! | `gpu` | shaders for the canvas | egui, wgpu, the engine's preview |
//! | `app` | what the window knows and does, without widgets | engine, models, library, pixels, recipe |
//! | `ui` | the window: panels that show `app` and send it commands | app, gpu |
//!
//! Arrows point down only; no room below the window knows that there is one.

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
