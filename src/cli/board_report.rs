//! The one line of `board --json`.

use serde::Serialize;

use crate::engine::Timings;

/// Sums over the cells, for `--json`; those of seconds have the names that `render --json` gives them.
#[derive(Debug, Default, Serialize)]
pub struct Sums {
    pub loading: f64,
    pub encoding: f64,
    pub sampling: f64,
    pub decoding: f64,
    /// From the start of the command.
    pub total: f64,
    #[serde(skip)]
    pub encoder_runs: usize,
    #[serde(skip)]
    pub key_value_runs: usize,
    #[serde(skip)]
    pub steps: usize,
    #[serde(skip)]
    pub shared_steps: usize,
    #[serde(skip)]
    pub most_together: usize,
}

/// The one line of `board --json`. Field names are part of the contract.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    pub cells: usize,
    pub columns: usize,
    pub rows: usize,
    pub failed: usize,
    /// The total over the number of cells.
    pub seconds_per_cell: f64,
    pub seconds: &'a Sums,
    /// Prompts, words and pictures that were encoded, over all cells.
    pub encoder_runs: usize,
    /// Blocks of the UNet for which keys and values of image tokens were computed.
    pub key_value_runs: usize,
    /// Steps that were computed, and steps that cells took over from others.
    pub steps: usize,
    pub shared_steps: usize,
    /// The most cells that went through the network at once.
    pub most_together: usize,
    pub peak_rss_mb: Option<f64>,
    pub device: &'a str,
    pub dtype: &'a str,
    pub seed: Option<u64>,
    pub out: String,
}

impl Sums {
    /// Adds a finished cell.
    pub fn add(&mut self, timings: &Timings) {
        self.loading += timings.loading_secs;
        self.encoding += timings.encoding_secs;
        self.sampling += timings.sampling_secs;
        self.decoding += timings.decoding_secs;
        self.encoder_runs += timings.encoder_runs;
        self.key_value_runs += timings.key_value_runs;
        self.steps += timings.step_secs.len();
        self.shared_steps += timings.shared_steps;
        self.most_together = self.most_together.max(timings.together);
    }
}
