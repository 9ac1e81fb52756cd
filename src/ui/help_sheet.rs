//! The list of keys.

use egui::{Context, Frame, Grid, Id, Margin, Modal, RichText};

use super::{shortcuts, tokens, widgets};

/// False once the sheet was closed.
pub fn help_sheet(ctx: &Context) -> bool {
    let style = ctx.global_style();
    let frame = Frame::popup(&style).inner_margin(Margin::same(24));
    let modal = Modal::new(Id::unique("help sheet")).frame(frame).show(ctx, |ui| {
        ui.set_width(420.0);
        ui.label(RichText::new("Keyboard shortcuts").heading().strong());
        ui.add_space(tokens::SPACE_S);
        for (group, keys) in shortcuts::LIST {
            widgets::heading(ui, group);
            Grid::new(*group).num_columns(2).min_col_width(130.0).spacing([tokens::SPACE_L, tokens::SPACE_S]).show(
                ui,
                |ui| {
                    ui.spacing_mut().interact_size.y = 18.0;
                    for (shortcut, what) in *keys {
                        ui.label(RichText::new(ui.ctx().format_shortcut(shortcut)).weak());
                        ui.label(*what);
                        ui.end_row();
                    }
                },
            );
            ui.add_space(tokens::SPACE_M);
        }
        widgets::hint(ui, "Scroll over the picture to zoom, drag it to move. Double-click a slider to reset it.");
        ui.add_space(tokens::SPACE_M);
        ui.button("Close").clicked()
    });
    !(modal.inner || modal.should_close())
}
