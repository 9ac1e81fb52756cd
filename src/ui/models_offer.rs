//! Files of weights were dropped: what each is, and whether it shall be used.

use egui::{Rect, RichText, Ui, WidgetInfo};

use super::floating_card::floating_card;
use super::pickle_question::pickle_question;
use super::tokens;
use super::widgets::{self, accent_button};
use crate::app::{AppState, Command, ModelsCommand};
use crate::models::{Item, Part, size};

/// Asks at the upper edge of `rect` about the first of them. True when more is to be shown of the file.
pub fn models_offer(ui: &Ui, state: &AppState, rect: Rect, commands: &mut Vec<Command>) -> bool {
    if let Some(pickled) = &state.models.pickled {
        return pickle_question(ui, pickled, rect, commands);
    }
    let Some(item) = state.models.offered.front() else { return false };
    let others = state.models.offered.len() - 1;
    floating_card(ui, "dropped weights", rect, |ui| offer(ui, item, others, commands))
}

fn offer(ui: &mut Ui, item: &Item, others: usize, commands: &mut Vec<Command>) -> bool {
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
    let asked = ui.horizontal_wrapped(|ui| {
        if accent_button(ui, use_words, egui::vec2(0.0, tokens::CONTROL_HEIGHT)).clicked() {
            commands.push(Command::Models(ModelsCommand::UseOffered));
        }
        let wants_more = ui.button("More about it").clicked();
        let neither = ui.button("Not now");
        neither.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "Do nothing with the dropped file"));
        if neither.clicked() || wants_more {
            commands.push(Command::Models(ModelsCommand::ForgetOffered));
        }
        if wants_more {
            commands.push(Command::Models(ModelsCommand::Select(item.path.clone())));
        }
        wants_more
    });
    match others {
        0 => {}
        1 => drop(widgets::hint(ui, "1 more file after this one")),
        _ => drop(widgets::hint(ui, format!("{others} more files after this one"))),
    }
    asked.inner
}
