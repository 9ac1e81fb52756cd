//! What the sheets of an export share: in which format, under which names, and into which folder.

use std::path::Path;

use egui::{Label, Margin, RichText, TextEdit, Ui, WidgetInfo};

use super::notes_ui::notes_at;
use super::tokens::palette;
use super::widgets;
use crate::app::{Command, Notes, Place};
use crate::library::NameTemplate;
use crate::pixels::PictureFormat;

pub const WIDTH: f32 = 460.0;

pub fn format(ui: &mut Ui, format: &mut PictureFormat, offered: &[PictureFormat]) {
    ui.horizontal(|ui| {
        widgets::row_label(ui, "Format", "PNG, WebP and TIFF are without loss; all remember the settings");
        let combo = widgets::combo("export format", 140.0, format.name());
        let combo = combo.show_ui(ui, |ui| {
            for offer in offered {
                ui.selectable_value(format, *offer, offer.name());
            }
        });
        combo.response.widget_info(|| widgets::combo_info("Format of the export"));
    });
}

/// The template, and what it makes of the first picture; false where it makes nothing. `name_of` gives the name with its
/// ending.
pub fn names(ui: &mut Ui, names: &mut String, name_of: impl FnOnce(&str) -> Result<String, String>) -> bool {
    ui.horizontal(|ui| {
        let tip = format!("Fields: {{{}}}", NameTemplate::FIELDS.join("} {"));
        let label = widgets::row_label(ui, "Names", &tip);
        let edit = TextEdit::singleline(names).char_limit(200).desired_width(f32::INFINITY);
        ui.add(edit.margin(Margin::symmetric(8, 6))).labelled_by(label.id).on_hover_text(tip);
    });
    match name_of(names) {
        Ok(name) => {
            let preview = widgets::hint(ui, format!("Such as {name}"));
            preview.widget_info(|| WidgetInfo::labeled(egui::Role::Label, true, format!("Such as {name}")));
            true
        }
        Err(why) => {
            ui.label(RichText::new(why).small().color(palette(ui).error));
            false
        }
    }
}

/// Where to, and what is to be said of choosing it.
pub fn folder(ui: &mut Ui, folder: Option<&Path>, notes: &Notes, commands: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        widgets::row_label(ui, "Folder", "Nothing that is there is ever replaced");
        if ui.button("Choose…").clicked() {
            commands.push(Command::ChooseExportFolder);
        }
        let shown = folder.map_or_else(|| "none yet".to_owned(), |path| path.display().to_string());
        ui.add(Label::new(RichText::new(&shown).small().weak()).truncate()).on_hover_text(shown);
    });
    notes_at(ui, notes, Place::Export, commands);
}
