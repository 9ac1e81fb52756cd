//! What is counted about each mode, and the numbers that come of it.

use serde::Serialize;

use super::intervals::{Interval, mean, wilson};

/// One picture, looked at. The first three are `None` where there is no judge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The judge sees the wanted style.
    pub style: Option<bool>,
    /// The judge sees the prompt's subject.
    pub prompt: Option<bool>,
    /// The judge sees the reference's subject.
    pub leak: Option<bool>,
    /// From the reference's palette, 0 to 1.
    pub palette: f64,
}

/// A mode's row. Rates are from 0 to 1, `null` where there is no judge; `…_95` are 95% intervals.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModeSummary {
    pub mode: String,
    pub style_kept: Option<f64>,
    pub prompt_followed: Option<f64>,
    pub leak: Option<f64>,
    pub palette_distance: f64,
    pub n: usize,
    pub style_kept_95: Option<Interval>,
    pub prompt_followed_95: Option<Interval>,
    pub leak_95: Option<Interval>,
    pub palette_distance_95: Interval,
}

/// Subject and style both named in the prompt, no reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextToImage {
    pub prompt_followed: Option<f64>,
    pub style_followed: Option<f64>,
    pub n: usize,
    pub prompt_followed_95: Option<Interval>,
    pub style_followed_95: Option<Interval>,
}

/// A ratio of two rates over the same cases, and what InstantStyle promises of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claim {
    pub claim: &'static str,
    /// `null` where the rate below the line is 0.
    pub ratio: Option<f64>,
    /// The upper end is `null` where it has none: the rate below the line may be 0.
    pub ratio_95: Option<(f64, Option<f64>)>,
    pub wanted: &'static str,
}

/// Rate and interval of what one picture says.
fn rate(outcomes: &[Outcome], says: impl Fn(&Outcome) -> Option<bool>) -> (Option<f64>, Option<Interval>) {
    let Some(said) = outcomes.iter().map(says).collect::<Option<Vec<bool>>>() else { return (None, None) };
    let hits = said.iter().filter(|hit| **hit).count();
    (Some(rounded(hits as f64 / said.len().max(1) as f64)), Some(wilson(hits, said.len()).rounded()))
}

/// Four places are more than any number of pictures gives.
pub fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

impl Interval {
    fn rounded(self) -> Self {
        Self(rounded(self.0), rounded(self.1))
    }
}

impl ModeSummary {
    pub fn new(mode: &str, outcomes: &[Outcome]) -> Self {
        let (style_kept, style_kept_95) = rate(outcomes, |outcome| outcome.style);
        let (prompt_followed, prompt_followed_95) = rate(outcomes, |outcome| outcome.prompt);
        let (leak, leak_95) = rate(outcomes, |outcome| outcome.leak);
        let (palette, palette_95) = mean(&outcomes.iter().map(|outcome| outcome.palette).collect::<Vec<_>>());
        Self {
            mode: mode.to_owned(),
            style_kept,
            prompt_followed,
            leak,
            palette_distance: rounded(palette),
            n: outcomes.len(),
            style_kept_95,
            prompt_followed_95,
            leak_95,
            palette_distance_95: palette_95.rounded(),
        }
    }
}

impl TextToImage {
    pub fn new(outcomes: &[Outcome]) -> Self {
        let (prompt_followed, prompt_followed_95) = rate(outcomes, |outcome| outcome.prompt);
        let (style_followed, style_followed_95) = rate(outcomes, |outcome| outcome.style);
        Self { prompt_followed, style_followed, n: outcomes.len(), prompt_followed_95, style_followed_95 }
    }
}
