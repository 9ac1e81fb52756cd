//! How to take a board away: as a sheet, a page or single pictures; in which format, under which names, and where.

use egui::{Context, RichText, Ui, vec2};

use super::tokens;
use super::{export_rows, widgets};
use crate::app::{AppState, BoardExport, Command, ExportWhat, OpenBoard};
use crate::pixels::PictureFormat;

/// Which cells become files of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Of {
    #[default]
    All,
    Favourites,
    Picked,
}

/// What is chosen, kept while the window is open; the rest is in the settings.
#[derive(Debug, Clone, Default)]
pub struct BoardExporter {
    of: Of,
}

impl BoardExporter {
    /// False once the sheet was closed. `picked` are the cells that are picked for comparison.
    pub fn show(&mut self, ctx: &Context, state: &mut AppState, picked: &[usize], commands: &mut Vec<Command>) -> bool {
        let folder = state.export_folder();
        let (Some(open), export) = (&state.board, &mut state.settings.board_export) else { return false };
        let modal = widgets::sheet(ctx, "board exporter", 24).show(ctx, |ui| {
            ui.set_width(export_rows::WIDTH);
            ui.label(RichText::new("Export the board").heading().strong());
            ui.add_space(tokens::SPACE_S);
            for (what, name, tip) in [
                (ExportWhat::Sheet, "One labelled sheet", "All cells on one picture, with the axes beside them"),
                (ExportWhat::Page, "A page for a browser", "A folder with index.html, which zooms all cells at once"),
                (ExportWhat::Pictures, "Every picture", "Each cell as a file that remembers its settings"),
            ] {
                if widgets::radio(ui, export.what == what, name).on_hover_text(tip).clicked() {
                    export.what = what;
                }
            }
            ui.add_space(tokens::SPACE_S);
            let cells = self.cells(ui, open, export, picked);
            let offered: &[PictureFormat] = match export.what {
                ExportWhat::Page => BoardExport::OF_PAGES,
                _ => &PictureFormat::ALL,
            };
            let mut format = export.format();
            export_rows::format(ui, &mut format, offered);
            if format != export.format() {
                export.format = format;
            }
            let is_named = match export.what {
                ExportWhat::Pictures => names(ui, open, export, &cells),
                _ => true,
            };
            export_rows::folder(ui, folder.as_deref(), &state.notes, commands);
            ui.add_space(tokens::SPACE_M);
            ui.horizontal(|ui| {
                let is_possible =
                    is_named && folder.is_some() && cells.iter().any(|cell| open.finished(*cell).is_some());
                let size = vec2(120.0, tokens::CONTROL_HEIGHT);
                let write = ui.add_enabled_ui(is_possible, |ui| widgets::accent_button(ui, "Export", size)).inner;
                let is_closed = ui.button("Close").clicked();
                if write.clicked() {
                    commands.push(Command::ExportBoard(cells));
                    return true;
                }
                is_closed
            })
            .inner
        });
        let should_close = modal.should_close();
        !(modal.inner || should_close)
    }

    /// The cells that are meant.
    fn cells(&mut self, ui: &mut Ui, open: &OpenBoard, export: &BoardExport, picked: &[usize]) -> Vec<usize> {
        let all = || (0..open.cells.len()).collect();
        if export.what != ExportWhat::Pictures {
            return all();
        }
        let favourites: Vec<usize> =
            open.marks.iter().enumerate().filter(|(_, mark)| mark.is_favourite).map(|(index, _)| index).collect();
        let choices = [
            (Of::All, format!("All {}", open.done())),
            (Of::Favourites, format!("{} favourites", favourites.len())),
            (Of::Picked, format!("{} picked", picked.len())),
        ];
        ui.horizontal(|ui| {
            widgets::row_label(ui, "Which", "Which cells become files");
            for (of, name) in choices {
                ui.selectable_value(&mut self.of, of, name);
            }
        });
        match self.of {
            Of::All => all(),
            Of::Favourites => favourites,
            Of::Picked => picked.to_vec(),
        }
    }
}

/// The template, and what it makes of the first cell; false where it makes nothing.
fn names(ui: &mut Ui, open: &OpenBoard, export: &mut BoardExport, cells: &[usize]) -> bool {
    let first = cells.first().copied().unwrap_or(0);
    let Some(cell) = open.cells.get(first) else { return false };
    let recipe = open.finished(first).map_or(&cell.recipe, |finished| &finished.recipe);
    let mut template = export.names.clone();
    export_rows::names(ui, &mut template, |names| {
        export.names = names.to_owned();
        Ok(format!("{}.{}", export.name_of(recipe, &open.title(first), first + 1)?, export.format.ending()))
    })
}
