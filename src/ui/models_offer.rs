//! Files of weights were dropped: what each is, and whether it shall be used.

use std::path::Path;

use egui::{Margin, Rect, RichText, Stroke, Ui, WidgetInfo};

use super::floating_card::floating_card;
use super::pickle_question::pickle_question;
use super::tokens::{self, palette};
use super::widgets::{self, accent_button};
use super::words::sentence;
use crate::app::{AppState, Command, ModelsCommand, Stand};
use crate::models::{Item, Part, name_of, size};

/// Asks at the upper edge of `rect`. True when more is to be shown of the file.
pub fn models_offer(ui: &Ui, state: &AppState, rect: Rect, commands: &mut Vec<Command>) -> bool {
    asks(state) && floating_card(ui, "dropped weights", rect, |ui| question(ui, state, commands))
}

/// The same inside the panel of the models, which lies over that card.
pub fn models_offer_inside(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) {
    if asks(state) {
        widgets::card(ui, Stroke::new(1.5, palette(ui).accent), Margin::same(12), |ui| {
            question(ui, state, commands);
        });
        ui.add_space(tokens::SPACE_S);
    }
}

fn asks(state: &AppState) -> bool {
    let models = &state.models;
    models.pickled.is_some() || !models.offered.is_empty() || !models.offered_folders.is_empty()
}

/// About the pickle, and then about the first of the others; while one is imported, about these.
fn question(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) -> bool {
    let models = &state.models;
    match (&models.pickled, models.offered.front(), models.offered_folders.front()) {
        (Some(pickled), None, None) => pickle_question(ui, pickled, commands),
        (Some(pickled), ..) if pickled.stand != Stand::AtWork => pickle_question(ui, pickled, commands),
        (_, Some(item), _) => offer(ui, state, item, commands),
        (_, None, Some(folder)) => offer_folder(ui, folder, commands),
        (None, None, None) => false,
    }
}

/// A folder of ComfyUI's or of one's own, or one of pictures: nothing in it says which.
fn offer_folder(ui: &mut Ui, folder: &Path, commands: &mut Vec<Command>) -> bool {
    ui.label(RichText::new(name_of(folder)).strong());
    ui.label("This folder is no model by itself. Do models lie in it? To use pictures, drop the pictures themselves.");
    widgets::hint(ui, folder.display().to_string());
    let is_asked = ui.horizontal_wrapped(|ui| {
        let look = accent_button(ui, "Look in this folder for models", egui::vec2(0.0, tokens::CONTROL_HEIGHT));
        let neither = ui.button("Not now");
        neither.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "Do nothing with the folder"));
        if neither.clicked() {
            commands.push(Command::Models(ModelsCommand::ForgetFolder));
        }
        if look.clicked() {
            commands.push(Command::Models(ModelsCommand::LookInOffered));
        }
        look.clicked()
    });
    is_asked.inner
}

fn offer(ui: &mut Ui, state: &AppState, item: &Item, commands: &mut Vec<Command>) -> bool {
    let others = state.models.offered.len().saturating_sub(1);
    let examined = state.models.examined.as_ref().filter(|(path, _)| *path == item.path);
    let refusal = examined.and_then(|(_, result)| result.as_ref().err());
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
    if let Some(why) = refusal {
        ui.label(RichText::new(sentence(why)).color(palette(ui).error));
    }
    let asked = ui.horizontal_wrapped(|ui| {
        let size = egui::vec2(0.0, tokens::CONTROL_HEIGHT);
        if ui.add_enabled_ui(refusal.is_none(), |ui| accent_button(ui, use_words, size)).inner.clicked() {
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
