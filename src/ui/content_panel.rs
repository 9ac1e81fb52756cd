//! The content picture: a sketch or a photograph that the new picture begins from. Optional, so it takes little room.

use egui::{Align, Button, CornerRadius, Image, Layout, Margin, Rect, RichText, Sense, Stroke, Ui, WidgetInfo, vec2};

use super::dragging::{self, DraggedPicture};
use super::notes_ui::notes_ui;
use super::textures::Textures;
use super::tokens::{self, palette};
use super::widgets::{self, SliderRow};
use crate::app::{AppState, Command, Place};
use crate::recipe::Init;

const THUMBNAIL: f32 = 64.0;

/// Returns where a file can be let go to become the content picture.
pub fn content_panel(ui: &mut Ui, state: &mut AppState, textures: &mut Textures, commands: &mut Vec<Command>) -> Rect {
    let panel = ui.scope(|ui| {
        ui.horizontal(|ui| {
            widgets::small_controls(ui);
            let hint = widgets::hint(ui, "Content picture");
            hint.on_hover_text(
                "Optional: a sketch or a photograph to begin from, which is repainted, instead of pure noise",
            );
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let open = ui.button(if state.recipe.init.is_some() { "Change…" } else { "Open…" });
                open.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "Open a content picture"));
                if open.on_hover_text("Choose the picture to begin from, or drop it here").clicked() {
                    commands.push(Command::OpenContent);
                }
            });
        });
        notes_ui(ui, state, Place::Content, commands);
        if state.recipe.init.is_some() {
            card(ui, state, textures, commands);
        }
    });
    let rect = panel.response.rect;
    if dragging::is_over_target(ui) {
        widgets::drop_target(ui, rect, "Let go here to begin from it");
    }
    if let Some(picture) = dragging::let_go::<DraggedPicture>(ui, rect) {
        commands.push(Command::UseAsContent(picture.0));
    }
    rect
}

fn card(ui: &mut Ui, state: &mut AppState, textures: &mut Textures, commands: &mut Vec<Command>) {
    let thumbnail = state.content_picture().map(|opened| opened.thumbnail.clone());
    let is_opening = state.recipe.init.as_ref().is_some_and(|init| state.is_opening(&init.hash));
    let Some(init) = &mut state.recipe.init else { return };
    let colours = palette(ui);
    widgets::card(ui, Stroke::new(1.0, colours.line), Margin::same(8), |ui| {
        ui.horizontal(|ui| {
            let (rect, response) = ui.allocate_exact_size(vec2(THUMBNAIL, THUMBNAIL), Sense::hover());
            let name = format!("Content picture: {}", init.name);
            response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, &name));
            let radius = CornerRadius::same(tokens::RADIUS - 2);
            ui.painter().rect_filled(rect, radius, colours.field);
            if let Some(thumbnail) = &thumbnail {
                let texture = textures.get(ui.ctx(), &init.hash, thumbnail);
                let size = texture.size_vec2();
                let place = Rect::from_center_size(rect.center(), size * (THUMBNAIL / size.max_elem().max(1.0)));
                Image::new(&texture).corner_radius(radius).paint_at(ui, place);
            }
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = tokens::SPACE_S;
                ui.add(egui::Label::new(RichText::new(&init.name).strong()).truncate());
                let hint = match (thumbnail.is_some(), is_opening) {
                    (true, _) => "The picture begins from it",
                    (false, true) => "Opening…",
                    (false, false) => "Not open",
                };
                widgets::hint(ui, hint);
                widgets::small_controls(ui);
                let remove = ui.add(Button::new("Remove"));
                remove.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "Remove the content picture"));
                if remove.on_hover_text("Begin from noise again; undo brings it back").clicked() {
                    commands.push(Command::RemoveContent);
                }
            });
        });
        let row = SliderRow {
            label: "How much is repainted",
            tip: "A little keeps its shapes and colours, all of it leaves nothing of the picture",
            range: 0.0..=1.0,
            limits: 0.0..=1.0,
            default: Init::default().denoise,
            decimals: 2,
        };
        row.show(ui, &mut init.denoise);
    });
}
