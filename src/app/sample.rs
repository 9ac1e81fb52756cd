//! What a first start finds in place: a reference and a prompt, so that one press of Generate makes a picture.

use crate::recipe::{Recipe, Reference, Subtraction};

pub const NAME: &str = "blueprint-house.png";
pub const PICTURE: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/builtin/sample_reference.png")).as_slice();

/// A prompt and settings for the sample reference, which is still to be added.
pub fn recipe() -> Recipe {
    Recipe { prompt: "a boat".to_owned(), ..Recipe::default() }
}

/// How the sample enters the recipe.
pub fn reference(hash: String) -> Reference {
    let subtract = Some(Subtraction { words: "a house".to_owned(), ..Subtraction::default() });
    Reference { hash, name: NAME.to_owned(), subtract, ..Reference::default() }
}
