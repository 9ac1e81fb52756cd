//! What to paint, in words.

use egui::{Align, Layout, Response, RichText, ScrollArea, TextEdit, TextStyle, Ui};

use super::tokens;
use super::widgets;
use crate::app::{AppState, Prompt};

/// More than any prompt needs; a pasted book would only make the window slow.
const LONGEST_PROMPT: usize = 10_000;

pub fn prompt_panel(ui: &mut Ui, state: &mut AppState) {
    let label = labelled(ui, state, widgets::group_text("Prompt"), Prompt::Positive);
    let prompt =
        TextEdit::multiline(&mut state.recipe.prompt).desired_rows(3).hint_text("What to paint, such as: a red fish");
    let prompt = prompt.char_limit(LONGEST_PROMPT).desired_width(f32::INFINITY).margin(egui::Margin::symmetric(8, 6));
    rows(ui, 8.0, "rows of the prompt", |ui| {
        widgets::text_field(ui, prompt.id_salt("prompt")).labelled_by(label.id).on_hover_text("What the picture shows");
    });
    let name = RichText::new("Negative prompt").small().weak();
    let label = labelled(ui, state, name, Prompt::Negative);
    let negative = TextEdit::multiline(&mut state.recipe.negative_prompt).desired_rows(1).hint_text("What to keep out");
    let negative =
        negative.char_limit(LONGEST_PROMPT).desired_width(f32::INFINITY).margin(egui::Margin::symmetric(8, 6));
    rows(ui, 4.0, "rows of the negative prompt", |ui| {
        let field = widgets::text_field(ui, negative.id_salt("negative")).labelled_by(label.id);
        field.on_hover_text("What the picture should not show");
    });
}

/// A long text is scrolled within this many rows, so that it pushes nothing out of sight.
fn rows(ui: &mut Ui, most: f32, name: &str, field: impl FnOnce(&mut Ui)) {
    let height = most * ui.text_style_height(&TextStyle::Body) + 2.0 * tokens::SPACE_M;
    let area = ScrollArea::vertical().id_salt(name).max_height(height).min_scrolled_height(height);
    area.auto_shrink([false, true]).show(ui, field);
}

/// The field's name, and at the other end how long the text is for the model.
fn labelled(ui: &mut Ui, state: &AppState, name: RichText, prompt: Prompt) -> Response {
    // As high as its letters, like the other names of fields.
    let size = egui::vec2(ui.available_width(), tokens::TEXT_SMALL + tokens::SPACE_S);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        let label = ui.label(name);
        if let Some(count) = state.prompt_count(prompt) {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let (text, tip) = match count.chunks {
                    1 => (format!("{} of {} tokens", count.tokens, count.room), "What the text encoders read at once"),
                    chunks => (
                        format!("{} tokens, {chunks} parts of {}", count.tokens, count.room),
                        "Longer than the text encoders read at once, so it is read in parts that are put together",
                    ),
                };
                ui.label(RichText::new(text).small().weak()).on_hover_text(tip);
            });
        }
        label
    })
    .inner
}
