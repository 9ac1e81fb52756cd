use crate::nn::schedulers::SchedulerError;
use crate::pixels::PixelsError;
use crate::recipe::RecipeError;
use crate::weights::WeightsError;

/// Why no picture came out, in one sentence that says what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Pixels(#[from] PixelsError),
    #[error(transparent)]
    Scheduler(#[from] SchedulerError),
    /// Input that does not fit together: the sentence says what and what to do.
    #[error("{0}")]
    Input(String),
    /// More memory than there is.
    #[error("{0}")]
    OutOfMemory(String),
    /// The networks produced something that is no picture.
    #[error("{0}")]
    NotFinite(String),
    /// A failure inside candle: a bug, or a device that gave up.
    #[error("the computation failed: {0}")]
    Compute(String),
    /// The engine panicked; the worker lives on.
    #[error("the engine stopped unexpectedly ({0}); the next picture starts afresh")]
    Panicked(String),
    #[error("cancelled")]
    Cancelled,
}

impl EngineError {
    /// A LoRA whose tensors have no place in the model.
    pub fn is_lora_for_other_model(&self) -> bool {
        matches!(self, Self::Weights(WeightsError::LoraForOtherModel { .. }))
    }

    /// Whether the input is at fault (exit status 2) rather than the program or the machine (1).
    pub fn is_bad_input(&self) -> bool {
        matches!(
            self,
            Self::Recipe(_)
                | Self::Weights(_)
                | Self::Pixels(_)
                | Self::Scheduler(_)
                | Self::Input(_)
                | Self::OutOfMemory(_)
        )
    }
}

impl From<candle_core::Error> for EngineError {
    fn from(error: candle_core::Error) -> Self {
        // Cancellation travels through candle's error type, because the networks only know that.
        if crate::nn::cancel::is_cancelled(&error) {
            Self::Cancelled
        } else {
            Self::Compute(one_line(&error.to_string()))
        }
    }
}

/// Candle appends backtraces and shapes over several lines; people read one.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given").to_owned()
}
