//! Messages, at the place that they speak of.

use egui::{Align, Button, CornerRadius, Frame, Layout, Margin, RichText, Stroke, Ui, WidgetInfo, vec2};

use super::tokens::{self, palette};
use crate::app::{AppState, Command, ModelsCommand, Note, NoteKind, Notes, Offer, Place};

/// What the buttons beside the text take.
const CLOSE_WIDTH: f32 = 40.0;
const PUT_BACK_WIDTH: f32 = 130.0;

pub fn notes_ui(ui: &mut Ui, state: &AppState, place: Place, commands: &mut Vec<Command>) {
    notes_at(ui, &state.notes, place, commands);
}

pub fn notes_at(ui: &mut Ui, notes: &Notes, place: Place, commands: &mut Vec<Command>) {
    if notes.at(place).next().is_none() {
        ui.skip_ahead_auto_ids(1);
        return;
    }
    // One step of the automatic ids, however many there are: a click on what lies below goes on where one comes or goes.
    ui.scope(|ui| {
        for note in notes.at(place) {
            note_ui(ui, note, commands);
        }
    });
}

fn note_ui(ui: &mut Ui, note: &Note, commands: &mut Vec<Command>) {
    let colours = palette(ui);
    let (fill, text) = match note.kind {
        NoteKind::Error => (colours.error_ground, colours.error),
        NoteKind::Info => (colours.info_ground, colours.text),
    };
    let frame = Frame::new()
        .fill(fill)
        .corner_radius(CornerRadius::same(tokens::RADIUS))
        .inner_margin(Margin::symmetric(10, 6));
    frame.stroke(Stroke::new(1.0, colours.line)).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_top(|ui| {
            let can_put_back = note.offer == Some(Offer::PutBack);
            let room = CLOSE_WIDTH + if can_put_back { PUT_BACK_WIDTH } else { 0.0 };
            let width = (ui.available_width() - room).max(40.0);
            ui.allocate_ui_with_layout(vec2(width, 0.0), Layout::top_down(Align::Min), |ui| {
                ui.set_width(width);
                ui.add_space(3.0);
                ui.label(RichText::new(&note.text).color(text));
                if note.offer == Some(Offer::References) {
                    ui.horizontal_wrapped(|ui| {
                        if ui.button("Switch the references off").clicked() {
                            commands.push(Command::Models(ModelsCommand::ReferencesOff));
                        }
                        if ui.button("Get an IP-Adapter…").clicked() {
                            commands.push(Command::Models(ModelsCommand::ShowAdapters));
                        }
                    });
                }
            });
            if can_put_back && ui.button("Undo removal").clicked() {
                commands.push(Command::PutBackIntoHistory);
            }
            let close = ui
                .add(Button::new(RichText::new("×").size(tokens::TEXT_HEADING).color(text)).frame_when_inactive(false));
            close.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "Dismiss message"));
            if close.clicked() {
                commands.push(Command::DismissNote(note.id));
            }
        });
    });
}
