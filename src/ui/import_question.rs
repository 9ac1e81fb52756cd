//! A dropped picture carries its own settings: what is it for?

use egui::{Button, Rect, RichText, Ui, WidgetInfo};

use super::floating_card::floating_card;
use super::tokens;
use super::widgets::accent_button;
use crate::app::{AppState, Command};

/// Asks at the upper edge of the picture `rect`, where the file was most likely let go.
pub fn import_question(ui: &Ui, state: &AppState, rect: Rect, commands: &mut Vec<Command>) {
    let Some(carried) = &state.carried else { return };
    floating_card(ui, "dropped picture", rect, |ui| {
        ui.label(RichText::new(format!("{} carries its settings", carried.name)).strong());
        let prompt = carried.recipe.prompt.trim();
        let prompt = if prompt.is_empty() { "no prompt" } else { prompt };
        ui.add(egui::Label::new(RichText::new(prompt).weak()).truncate());
        ui.horizontal_wrapped(|ui| {
            let size = egui::vec2(0.0, tokens::CONTROL_HEIGHT);
            let tip = "Everything as it was for this picture; what it did not use is cleared. Undo brings yours back";
            if accent_button(ui, "Restore its settings", size).on_hover_text(tip).clicked() {
                commands.push(Command::RestoreDropped);
            }
            let tip = "Restore its settings, and paint its cells again";
            if carried.board.is_some() && ui.button("Lay out its board").on_hover_text(tip).clicked() {
                commands.push(Command::LayOutDropped);
            }
            let tip = "Take the style of this picture";
            if ui.button("Use it as reference").on_hover_text(tip).clicked() {
                commands.push(Command::UseDropped);
            }
            let cancel = ui.add(Button::new("Neither"));
            cancel.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "Do nothing with the dropped picture"));
            if cancel.clicked() {
                commands.push(Command::ForgetDropped);
            }
        });
    });
}
