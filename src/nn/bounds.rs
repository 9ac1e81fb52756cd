//! Numbers of config files that no network has, refused before they become loops and lists.

use candle_core::{Result, bail};

/// Layers of a block, blocks of a transformer, levels: SDXL has up to 10, CLIP bigG 48.
pub const LAYERS: usize = 256;
/// Channels, and numbers of a token: CLIP bigG has 5120.
pub const WIDTH: usize = 1 << 16;
/// Sides of pictures, tokens of a text.
pub const LENGTH: usize = 4096;

/// Refuses a number above `most`.
pub fn within(what: &str, value: usize, most: usize) -> Result<()> {
    if value > most {
        bail!("{what} is {value}, and this program takes at most {most}");
    }
    Ok(())
}

/// [`within`] for several.
pub fn all_within(values: &[(&str, usize)], most: usize) -> Result<()> {
    values.iter().try_for_each(|(what, value)| within(what, *value, most))
}
