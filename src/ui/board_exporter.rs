//! How to take a board away: as a sheet, a page or single pictures; in which format, under which names, and where.

use egui::{ComboBox, Context, Label, Margin, RichText, TextEdit, Ui, WidgetInfo, vec2};

use super::tokens::{self, palette};
use super::widgets;
use crate::app::{AppState, BoardExport, Command, ExportWhat, OpenBoard};
use crate::library::NameTemplate;
use crate::pixels::PictureFormat;

const WIDTH: f32 = 460.0;

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
            ui.set_width(WIDTH);
            ui.label(RichText::new("Export the board").heading().strong());
            ui.add_space(tokens::SPACE_S);
            for (what, name, tip) in [
                (ExportWhat::Sheet, "One labelled sheet", "All cells on one picture, with the axes beside them"),
                (ExportWhat::Page, "A page for a browser", "A folder with index.html, which zooms all cells at once"),
                (ExportWhat::Pictures, "Every picture", "Each cell as a file that remembers its settings"),
            ] {
                ui.radio_value(&mut export.what, what, name).on_hover_text(tip);
            }
            ui.add_space(tokens::SPACE_S);
            let cells = self.cells(ui, open, export, picked);
            if export.what != ExportWhat::Page {
                format(ui, export);
            }
            let is_named = match export.what {
                ExportWhat::Pictures => names(ui, open, export, &cells),
                _ => true,
            };
            ui.horizontal(|ui| {
                widgets::row_label(ui, "Folder", "Nothing that is there is ever replaced");
                if ui.button("Choose…").clicked() {
                    commands.push(Command::ChooseExportFolder);
                }
                let shown = folder.as_ref().map_or_else(|| "none yet".to_owned(), |path| path.display().to_string());
                ui.add(Label::new(RichText::new(&shown).small().weak()).truncate()).on_hover_text(shown);
            });
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

fn format(ui: &mut Ui, export: &mut BoardExport) {
    ui.horizontal(|ui| {
        widgets::row_label(ui, "Format", "PNG, WebP and TIFF are without loss; all remember the settings");
        let combo = ComboBox::from_id_salt("export format").width(140.0).selected_text(export.format.name());
        let combo = combo.show_ui(ui, |ui| {
            for format in PictureFormat::ALL {
                ui.selectable_value(&mut export.format, format, format.name());
            }
        });
        combo.response.widget_info(|| widgets::combo_info("Format of the export"));
    });
}

/// The template, and what it makes of the first cell; false where it makes nothing.
fn names(ui: &mut Ui, open: &OpenBoard, export: &mut BoardExport, cells: &[usize]) -> bool {
    ui.horizontal(|ui| {
        let tip = format!("Fields: {{{}}}", NameTemplate::FIELDS.join("} {"));
        let label = widgets::row_label(ui, "Names", &tip);
        let edit = TextEdit::singleline(&mut export.names).char_limit(200).desired_width(f32::INFINITY);
        ui.add(edit.margin(Margin::symmetric(8, 6))).labelled_by(label.id).on_hover_text(tip);
    });
    let first = cells.first().copied().unwrap_or(0);
    let Some(cell) = open.cells.get(first) else { return false };
    let recipe = open.finished(first).map_or(&cell.recipe, |finished| &finished.recipe);
    match export.name_of(recipe, &open.title(first), first + 1) {
        Ok(name) => {
            let name = format!("{name}.{}", export.format.ending());
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
