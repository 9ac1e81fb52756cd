//! Stopping a forward pass between its blocks.

use candle_core::{Error, Result};

/// Asks whether to stop. The networks call [`Cancel::check`] between blocks.
#[derive(Clone, Copy)]
pub struct Cancel<'a>(&'a dyn Fn() -> bool);

impl<'a> Cancel<'a> {
    pub fn new(asks: &'a dyn Fn() -> bool) -> Self {
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
