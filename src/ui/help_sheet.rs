//! The list of keys, from the table of commands, in two columns.

use egui::{Align, Context, Layout, RichText, ScrollArea, Ui, vec2};

use super::commands::{Group, TABLE};
use super::{tokens, widgets};

const COLUMN: f32 = 370.0;
const KEYS: f32 = 100.0;
const LINE: f32 = 20.0;

/// The groups of each column.
const COLUMNS: [&[Group]; 2] = [&[Group::Painting, Group::Editing, Group::Help], &[Group::Pictures, Group::View]];

/// False once the sheet was closed.
pub fn help_sheet(ctx: &Context) -> bool {
    let screen = ctx.content_rect().size();
    let modal = widgets::sheet(ctx, "help sheet", 24).show(ctx, |ui| {
        let is_wide = screen.x > 2.0 * COLUMN + 120.0;
        ui.set_width(if is_wide { 2.0 * COLUMN + tokens::SPACE_L } else { COLUMN });
        ui.label(RichText::new("Keyboard shortcuts").heading().strong());
        ui.add_space(tokens::SPACE_M);
        ScrollArea::vertical().max_height((screen.y - 180.0).max(120.0)).show(ui, |ui| {
            ui.set_width(ui.available_width());
            if is_wide {
                ui.horizontal_top(|ui| {
                    ui.spacing_mut().item_spacing.x = tokens::SPACE_L;
                    COLUMNS.iter().for_each(|groups| column(ui, groups));
                });
            } else {
                COLUMNS.iter().for_each(|groups| column(ui, groups));
            }
        });
        widgets::hint(ui, "Scroll over the picture to zoom, drag it to move. Double-click a slider to reset it");
        ui.add_space(tokens::SPACE_M);
        ui.button("Close").clicked()
    });
    !(modal.inner || modal.should_close())
}

fn column(ui: &mut Ui, groups: &[Group]) {
    ui.vertical(|ui| {
        ui.set_width(COLUMN);
        ui.spacing_mut().item_spacing.y = 0.0;
        for group in groups {
            widgets::heading(ui, group.name());
            ui.add_space(tokens::SPACE_S);
            for entry in TABLE.iter().filter(|entry| entry.group == *group) {
                let Some(keys) = entry.keys.first() else { continue };
                let layout = Layout::left_to_right(Align::Center);
                ui.allocate_ui_with_layout(vec2(COLUMN, LINE), layout, |ui| {
                    ui.allocate_ui_with_layout(vec2(KEYS, LINE), layout, |ui| {
                        ui.set_min_width(KEYS);
                        ui.label(RichText::new(ui.ctx().format_shortcut(keys)).weak());
                    });
                    ui.add(egui::Label::new(entry.name).truncate());
                });
            }
            ui.add_space(tokens::SPACE_L);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_its_column() {
        let mut shown: Vec<&str> = COLUMNS.iter().flat_map(|groups| groups.iter()).map(|group| group.name()).collect();
        let mut all: Vec<&str> = Group::ALL.iter().map(|group| group.name()).collect();
        shown.sort_unstable();
        all.sort_unstable();
        assert_eq!(shown, all);
    }
}
