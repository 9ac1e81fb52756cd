//! Files of weights were dropped: what each is, and whether it shall be used.

use egui::{Margin, Rect, RichText, Stroke, Ui, WidgetInfo};

use super::floating_card::floating_card;
use super::pickle_question::pickle_question;
use super::tokens::{self, palette};
use super::widgets::{self, accent_button};
use crate::app::{AppState, Command, ModelsCommand, Stand};
use crate::models::{Item, Part, size};

/// Asks at the upper edge of `rect`. True when more is to be shown of the file.
pub fn models_offer(ui: &Ui, state: &AppState, rect: Rect, commands: &mut Vec<Command>) -> bool {
    let asks = state.models.pickled.is_some() || !state.models.offered.is_empty();
    asks && floating_card(ui, "dropped weights", rect, |ui| question(ui, state, commands))
}

/// The same inside the panel of the models, which lies over that card.
pub fn models_offer_inside(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) {
    if state.models.pickled.is_some() || !state.models.offered.is_empty() {
        widgets::card(ui, Stroke::new(1.5, palette(ui).accent), Margin::same(12), |ui| {
            question(ui, state, commands);
        });
        ui.add_space(tokens::SPACE_S);
    }
}

/// About the pickle, and then about the first of the others; while one is imported, about these.
fn question(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) -> bool {
    let models = &state.models;
    match (&models.pickled, models.offered.front()) {
        (Some(pickled), None) => pickle_question(ui, pickled, commands),
        (Some(pickled), _) if pickled.stand != Stand::AtWork => pickle_question(ui, pickled, commands),
        (_, Some(item)) => offer(ui, item, models.offered.len() - 1, commands),
        (None, None) => false,
    }
}

fn offer(ui: &mut Ui, item: &Item, others: usize, commands: &mut Vec<Command>) -> bool {
    ui.label(RichText::new(&item.name).strong());
    ui.label(format!("{}, {}", item.words, size(item.bytes)));
    widgets::hint(ui, item.path.display().to_string());
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
