//! What to paint, in words.

use egui::{TextEdit, Ui};

use super::tokens;
use super::widgets;
use crate::app::AppState;

/// More than any prompt needs; a pasted book would only make the window slow.
const LONGEST_PROMPT: usize = 10_000;

pub fn prompt_panel(ui: &mut Ui, state: &mut AppState) {
    widgets::heading(ui, "What to paint");
    let label = widgets::hint(ui, "Prompt");
    let prompt = TextEdit::multiline(&mut state.recipe.prompt).desired_rows(3).hint_text("Such as: a red fish");
    let prompt = prompt.char_limit(LONGEST_PROMPT).desired_width(f32::INFINITY).margin(egui::Margin::symmetric(10, 8));
    ui.add(prompt.id_salt("prompt")).labelled_by(label.id).on_hover_text("What the picture shows");
    ui.add_space(tokens::SPACE_S);
    let label = widgets::hint(ui, "Negative prompt");
    let negative = TextEdit::multiline(&mut state.recipe.negative_prompt).desired_rows(1).hint_text("What to keep out");
    let negative =
        negative.char_limit(LONGEST_PROMPT).desired_width(f32::INFINITY).margin(egui::Margin::symmetric(10, 8));
    ui.add(negative.id_salt("negative")).labelled_by(label.id).on_hover_text("What the picture should not show");
}
