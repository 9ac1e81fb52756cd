//! A file of weights was dropped: what it is, and whether it shall be used.

use egui::{Rect, RichText, Ui, WidgetInfo};

use super::floating_card::floating_card;
use super::pickle_question::pickle_question;
use super::tokens;
use super::widgets::accent_button;
use crate::app::{AppState, Command, ModelsCommand};
use crate::models::{Part, size};

/// Asks at the upper edge of `rect`. True when more is to be shown of the file.
pub fn models_offer(ui: &Ui, state: &AppState, rect: Rect, commands: &mut Vec<Command>) -> bool {
    if let Some(pickled) = &state.models.pickled {
        return pickle_question(ui, pickled, rect, commands);
    }
    let Some(item) = &state.models.offered else { return false };
    let mut wants_more = false;
    floating_card(ui, "dropped weights", rect, |ui| {
        ui.label(RichText::new(&item.name).strong());
        ui.label(format!("{}, {}", item.words, size(item.bytes)));
        let use_words = match item.part {
            Part::Model => "Use it as the model",
            Part::Adapter => "Use it as the IP-Adapter",
            Part::ImageEncoder => "Use it as the image encoder",
            Part::Vae => "Use it as the VAE",
            Part::Lora => "Add it as a LoRA",
            Part::Preview => "Use it",
        };
        ui.horizontal_wrapped(|ui| {
            if accent_button(ui, use_words, egui::vec2(0.0, tokens::CONTROL_HEIGHT)).clicked() {
                commands.push(Command::Models(ModelsCommand::UseOffered));
            }
            wants_more = ui.button("More about it").clicked();
            let neither = ui.button("Not now");
            neither.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "Do nothing with the dropped file"));
            if neither.clicked() || wants_more {
                commands.push(Command::Models(ModelsCommand::ForgetOffered));
            }
        });
    });
    wants_more
}
