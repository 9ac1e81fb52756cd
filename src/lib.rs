//! InstantStyle Studio: paint a prompt in the style of a reference picture.
//!
//! The rooms, and what each may know:
//!
//! | room | what it holds | knows |
//! |---|---|---|
//! | [`recipe`] | everything that shapes a picture, as plain data | serde |
//! | [`pixels`] | pictures in and out | recipe (crops, what a picture carries) |
//! | [`nn`] | the networks, samplers, tokenizer, torch's random numbers | recipe (names of samplers) |
//! | [`weights`] | opening, naming and checking model files | candle's tensors |
//! | [`library`] | the disk: where things lie, and writing without loss | - |
//! | [`engine`] | a recipe turned into pixels on a thread of its own | all of the above |
//! | [`cli`] | the command line | all of the above |
//!
//! Arrows point down only; no room below the window knows that there is one.

pub mod cli;
pub mod engine;
pub mod library;
pub mod nn;
pub mod pixels;
pub mod recipe;
pub mod weights;
