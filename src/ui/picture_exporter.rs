//! How to take pictures away, one or many: which, in which format, under which names, and where.

use egui::{Context, RichText, Ui, vec2};

use super::tokens;
use super::{export_rows, widgets};
use crate::app::{AppState, Command, ExportOf};
use crate::pixels::PictureFormat;

/// What is chosen, kept while the window is open; the rest is in the settings.
#[derive(Debug, Clone)]
pub struct PictureExporter {
    pub of: ExportOf,
}

impl Default for PictureExporter {
    fn default() -> Self {
        Self { of: ExportOf::Shown }
    }
}

impl PictureExporter {
    /// False once the sheet was closed.
    pub fn show(&mut self, ctx: &Context, state: &mut AppState, commands: &mut Vec<Command>) -> bool {
        state.watch_library();
        let folder = state.export_folder();
        let modal = widgets::sheet(ctx, "picture exporter", 24).show(ctx, |ui| {
            ui.set_width(export_rows::WIDTH);
            ui.label(RichText::new("Export pictures").heading().strong());
            ui.add_space(tokens::SPACE_S);
            let of = self.which(ui, state);
            let mut export = state.settings.picture_export.clone();
            export_rows::format(ui, &mut export.format, &PictureFormat::ALL);
            let recipes = state.pictures_to_export(of);
            let more = match recipes.len() {
                0 | 1 => String::new(),
                count => format!(", and {} more", count - 1),
            };
            let first = recipes.first().copied().unwrap_or(&state.recipe);
            let mut names = export.names.clone();
            let is_named = export_rows::names(ui, &mut names, |names| {
                export.names = names.to_owned();
                Ok(format!("{}{more}", export.name_of(first, 1)?))
            });
            let is_possible = is_named && folder.is_some() && !recipes.is_empty();
            state.settings.picture_export = export;
            export_rows::folder(ui, folder.as_deref(), &state.notes, commands);
            ui.add_space(tokens::SPACE_M);
            ui.horizontal(|ui| {
                let size = vec2(120.0, tokens::CONTROL_HEIGHT);
                let write = ui.add_enabled_ui(is_possible, |ui| widgets::accent_button(ui, "Export", size)).inner;
                let is_closed = ui.button("Close").clicked();
                if write.clicked() {
                    commands.push(Command::ExportPictures(of));
                }
                write.clicked() || is_closed
            })
            .inner
        });
        let should_close = modal.should_close();
        !(modal.inner || should_close)
    }

    /// Which are meant, as far as there are any.
    fn which(&mut self, ui: &mut Ui, state: &AppState) -> ExportOf {
        let count = |of: ExportOf| state.pictures_to_export(of).len();
        let (found, total) = (count(ExportOf::Found), state.shelf.page.total);
        let (found, tip) = match (found as u64) < total {
            true => (
                format!("{found} shown of {total} in the library"),
                "Those that the library shows; Show more at its end adds to them",
            ),
            false => (format!("{found} of the library"), "All that the library shows"),
        };
        let choices = [
            (ExportOf::Shown, "The shown one".to_owned(), "The picture on the canvas"),
            (
                ExportOf::History,
                format!("{} of the strip", count(ExportOf::History)),
                "All pictures of the strip below",
            ),
            (ExportOf::Found, found, tip),
        ];
        // What is not there cannot be meant; the choice stays, as a picture asked for in this frame is shown in the next.
        let possible = [self.of].into_iter().chain(choices.iter().map(|(of, ..)| *of)).find(|of| count(*of) > 0);
        let mut meant = possible.unwrap_or(self.of);
        ui.horizontal(|ui| {
            widgets::row_label(ui, "Which", "Which pictures become files");
            for (of, name, tip) in choices {
                if count(of) > 0 && ui.selectable_value(&mut meant, of, name).on_hover_text(tip).clicked() {
                    self.of = of;
                }
            }
        });
        meant
    }
}
