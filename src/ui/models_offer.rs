//! A file of weights was dropped: what it is, and whether it shall be used.

use egui::{Align2, Area, CornerRadius, Frame, Id, Margin, Rect, RichText, Stroke, Ui, WidgetInfo};

use super::tokens::{self, palette};
use super::widgets::accent_button;
use crate::app::{AppState, Command, ModelsCommand};
use crate::models::{Part, size};

/// Asks at the upper edge of `rect`. True when more is to be shown of the file.
pub fn models_offer(ui: &Ui, state: &AppState, rect: Rect, commands: &mut Vec<Command>) -> bool {
    let Some(item) = &state.models.offered else { return false };
    let inside = rect.shrink(tokens::SPACE_L);
    let area = Area::new(Id::unique("dropped weights")).pivot(Align2::CENTER_TOP).fixed_pos(inside.center_top());
    let mut wants_more = false;
    area.constrain_to(inside).show(ui.ctx(), |ui| {
        ui.set_width(inside.width().clamp(80.0, 520.0));
        let colours = palette(ui);
        let frame = Frame::new().fill(colours.raised).stroke(Stroke::new(1.5, colours.accent));
        frame.corner_radius(CornerRadius::same(tokens::RADIUS)).inner_margin(Margin::same(12)).show(ui, |ui| {
            ui.set_width(ui.available_width());
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
                neither
                    .widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "Do nothing with the dropped file"));
                if neither.clicked() || wants_more {
                    commands.push(Command::Models(ModelsCommand::ForgetOffered));
                }
            });
        });
    });
    wants_more
}
