//! Stopping a forward pass between its blocks.

use candle_core::{Error, Result};

/// Says whether it is time to stop, on any thread.
pub type Asks<'a> = &'a (dyn Fn() -> bool + Sync);

/// Asks whether to stop. The networks call [`Cancel::check`] between blocks, and whoever reads weights between tensors.
#[derive(Clone, Copy)]
pub struct Cancel<'a>(Asks<'a>);

impl<'a> Cancel<'a> {
    pub fn new(asks: Asks<'a>) -> Self {
        Self(asks)
    }

    /// Never stops.
    pub fn never() -> Cancel<'static> {
        Cancel(&|| false)
    }

    /// An error that [`is_cancelled`] recognises, if it is time to stop.
    pub fn check(self) -> Result<()> {
        if (self.0)() { Err(Error::Msg(CANCELLED.to_owned())) } else { Ok(()) }
    }
}

// candle's error type carries no payload that can be asked for its type again, so a text that nothing else says serves.
const CANCELLED: &str = "instantstyle: cancelled between two blocks";

/// Whether an error came from [`Cancel::check`].
pub fn is_cancelled(error: &Error) -> bool {
    matches!(error, Error::Msg(text) if text == CANCELLED)
}
