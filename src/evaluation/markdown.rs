//! The evaluation as Markdown tables.

use std::fmt::Write;

use super::intervals::Interval;
use super::run::Evaluation;

impl Evaluation {
    /// The tables that the command prints.
    pub fn markdown(&self) -> String {
        let mut out = format!(
            "Model {}, judge: {}. {} pictures a mode in {:.0} s on {} in {}; 95% intervals in brackets.\n",
            self.model, self.judge, self.pictures, self.seconds, self.device, self.dtype
        );
        if let Some(accuracy) = &self.judge_on_references {
            let _ = writeln!(
                out,
                "The judge on the references themselves: subject {:.2}, style {:.2}.",
                accuracy.subject, accuracy.style
            );
        }
        out.push_str(
            "\n| mode | style kept | prompt followed | leak | palette distance | n |\n|---|---|---|---|---|---|\n",
        );
        for row in &self.modes {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} |",
                row.mode,
                cell(row.style_kept, row.style_kept_95),
                cell(row.prompt_followed, row.prompt_followed_95),
                cell(row.leak, row.leak_95),
                cell(Some(row.palette_distance), Some(row.palette_distance_95)),
                row.n
            );
        }
        let text = &self.text_to_image;
        if text.prompt_followed.is_some() {
            let _ = writeln!(
                out,
                "\nSubject and style named in the prompt, no reference: subject {}, style {} (n = {}).",
                cell(text.prompt_followed, text.prompt_followed_95),
                cell(text.style_followed, text.style_followed_95),
                text.n
            );
        }
        if !self.claims.is_empty() {
            out.push_str("\n| claim | ratio | wanted |\n|---|---|---|\n");
        }
        for claim in &self.claims {
            let ratio = match (claim.ratio, claim.ratio_95) {
                (Some(ratio), Some((low, Some(high)))) => format!("{ratio:.2} [{low:.2}, {high:.2}]"),
                (Some(ratio), Some((low, None))) => format!("{ratio:.2} [{low:.2}, no upper end]"),
                (Some(ratio), None) => format!("{ratio:.2}"),
                (None, _) => "nothing to compare with".to_owned(),
            };
            let _ = writeln!(out, "| {} | {ratio} | {} |", claim.claim, claim.wanted);
        }
        out
    }
}

fn cell(value: Option<f64>, interval: Option<Interval>) -> String {
    match (value, interval) {
        (Some(value), Some(Interval(low, high))) => format!("{value:.2} [{low:.2}, {high:.2}]"),
        _ => "-".to_owned(),
    }
}
