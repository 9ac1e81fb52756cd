//! A card at the upper edge of the picture, which asks about what was dropped.

use egui::{Align2, Area, CornerRadius, Frame, Id, Margin, Rect, Stroke, Ui};

use super::tokens::{self, palette};

/// Shows `content` at the upper edge of `rect`, where a file was most likely let go.
pub fn floating_card<R>(ui: &Ui, name: &'static str, rect: Rect, content: impl FnOnce(&mut Ui) -> R) -> R {
    let inside = rect.shrink(tokens::SPACE_L);
    let area = Area::new(Id::unique(name)).pivot(Align2::CENTER_TOP).fixed_pos(inside.center_top());
    let card = area.constrain_to(inside).show(ui.ctx(), |ui| {
        ui.set_width(inside.width().clamp(80.0, 520.0));
        let colours = palette(ui);
        let frame = Frame::new().fill(colours.raised).stroke(Stroke::new(1.5, colours.accent));
        let frame = frame.corner_radius(CornerRadius::same(tokens::RADIUS)).inner_margin(Margin::same(12));
        frame.show(ui, |ui| {
            ui.set_width(ui.available_width());
            content(ui)
        })
    });
    card.inner.inner
}
