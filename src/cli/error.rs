//! Every way in which the command line can fail, and the one place that turns it into an exit status and a line.

use crate::board::BoardError;
use crate::engine::EngineError;
use crate::models::ModelsError;
use crate::pixels::DecodeError;
use crate::recipe::RecipeError;
pub use crate::recipe::shown;
use crate::weights::WeightsError;

/// Why a command did not do what it was asked to do.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Bad arguments or bad input: the sentence says which and what to do.
    #[error("{0}")]
    Usage(String),
    /// The machine's fault, such as a full disk.
    #[error("{0}")]
    Machine(String),
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error(transparent)]
    Board(#[from] BoardError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Models(#[from] ModelsError),
    /// Everything has been said already (`inspect` reports bad files one by one).
    #[error("")]
    AlreadyReported,
    /// The same, by a process that was started for the command and ended with this status.
    #[error("")]
    ReportedByChild(u8),
}

impl CliError {
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::Usage(sentence.into())
    }

    /// The exit status, and the line for stderr if there is one: 2 for bad arguments or input, 1 for anything else.
    pub fn status_and_line(&self) -> (u8, Option<String>) {
        let status = match self {
            Self::Usage(_) | Self::Recipe(_) | Self::Board(_) | Self::Decode(_) | Self::Weights(_) => 2,
            Self::AlreadyReported => return (2, None),
            Self::ReportedByChild(status) => return (*status, None),
            Self::Engine(error) if error.is_bad_input() => 2,
            Self::Models(error) if error.is_bad_input() => 2,
            Self::Engine(_) | Self::Models(_) | Self::Machine(_) => 1,
        };
        (status, Some(format!("error: {}", one_line(&self.to_string()))))
    }
}

/// `text` on one line: line breaks and other control characters (a file name may hold any) become single spaces.
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_message_of_several_lines_becomes_one() {
        let (status, line) = CliError::usage("first\n  second\r\n\u{1b}[31mthird").status_and_line();
        assert_eq!((status, line.unwrap().as_str()), (2, "error: first second [31mthird"));
    }

    #[test]
    fn status_tells_bad_input_from_the_rest() {
        assert_eq!(CliError::from(EngineError::Input("x".into())).status_and_line().0, 2);
        assert_eq!(CliError::from(EngineError::Compute("x".into())).status_and_line().0, 1);
        assert_eq!(CliError::Machine("disk full".into()).status_and_line().0, 1);
    }
}
