//! The list of keys, from the table of commands.

use egui::{Context, Frame, Grid, Id, Margin, Modal, RichText, ScrollArea};

use super::commands::{Group, TABLE};
use super::{tokens, widgets};

/// False once the sheet was closed.
pub fn help_sheet(ctx: &Context) -> bool {
    let style = ctx.global_style();
    let frame = Frame::popup(&style).inner_margin(Margin::same(24));
    let height = (ctx.content_rect().height() - 180.0).max(120.0);
    let modal = Modal::new(Id::unique("help sheet")).frame(frame).show(ctx, |ui| {
        ui.set_width(460.0);
        ui.label(RichText::new("Keyboard shortcuts").heading().strong());
        ui.add_space(tokens::SPACE_S);
        ScrollArea::vertical().max_height(height).show(ui, |ui| {
            ui.set_width(ui.available_width());
            for group in Group::ALL {
                widgets::heading(ui, group.name());
                let grid = Grid::new(group.name()).num_columns(2).min_col_width(130.0);
                grid.spacing([tokens::SPACE_L, tokens::SPACE_S]).show(ui, |ui| {
                    ui.spacing_mut().interact_size.y = 18.0;
                    for entry in TABLE.iter().filter(|entry| entry.group == group) {
                        let Some(keys) = entry.keys.first() else { continue };
                        ui.label(RichText::new(ui.ctx().format_shortcut(keys)).weak());
                        ui.label(entry.name);
                        ui.end_row();
                    }
                });
                ui.add_space(tokens::SPACE_M);
            }
            widgets::hint(ui, "Scroll over the picture to zoom, drag it to move. Double-click a slider to reset it");
        });
        ui.add_space(tokens::SPACE_M);
        ui.button("Close").clicked()
    });
    !(modal.inner || modal.should_close())
}
