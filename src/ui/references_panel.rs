//! The pictures whose style is taken: the place to drop them, and one card for each.

use egui::{
    Align, Button, CornerRadius, Frame, Image, Layout, Margin, Rect, RichText, Sense, Stroke, Ui, WidgetInfo, pos2,
    vec2,
};

use super::commands::keys_of;
use super::dragging::{self, DraggedPicture};
use super::textures::Textures;
use super::tokens::{self, palette};
use super::widgets::{self, sign_button};
use super::{notes_ui::notes_ui, words};
use crate::app::{AppState, Command, Place, Square};
use crate::recipe::{Crop, Role};

const CARD_THUMBNAIL: f32 = 64.0;

/// True when the crop editor is asked for.
pub fn references_panel(ui: &mut Ui, state: &AppState, textures: &mut Textures, commands: &mut Vec<Command>) -> bool {
    let panel = ui.scope(|ui| contents(ui, state, textures, commands));
    if dragging::is_under_way(ui) {
        widgets::drop_target(ui, panel.response.rect, "Let go to take its style");
    }
    if let Some(picture) = dragging::let_go::<DraggedPicture>(ui, panel.response.rect) {
        commands.push(Command::UseAsReference(picture.0));
    }
    panel.inner
}

fn contents(ui: &mut Ui, state: &AppState, textures: &mut Textures, commands: &mut Vec<Command>) -> bool {
    widgets::heading_row(ui, "References", |ui| {
        let keys = keys_of(ui.ctx(), "Open references…");
        let tip = format!("Choose pictures whose style is to be taken ({keys})");
        if ui.button("Open…").on_hover_text(tip).clicked() {
            commands.push(Command::OpenReferences);
        }
    });
    drop_zone(ui, state);
    notes_ui(ui, state, Place::References, commands);
    let mut asks_for_crop = false;
    for index in 0..state.recipe.references.len() {
        asks_for_crop |= card(ui, state, index, textures, commands);
    }
    asks_for_crop
}

fn drop_zone(ui: &mut Ui, state: &AppState) {
    let hovered = ui.input(|input| input.raw.hovered_files.len());
    let is_empty = state.recipe.references.is_empty();
    if !is_empty && hovered == 0 && state.opening == 0 {
        return;
    }
    let colours = palette(ui);
    let (line, fill) = match hovered > 0 {
        true => (Stroke::new(2.0, colours.accent), colours.accent_faint),
        false => (Stroke::new(1.0, colours.line_strong), colours.field),
    };
    let frame = Frame::new().fill(fill).stroke(line).corner_radius(CornerRadius::same(tokens::RADIUS));
    frame.inner_margin(Margin::symmetric(12, if is_empty { 22 } else { 12 })).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.vertical_centered(|ui| match (hovered, state.opening) {
            (0, 0) => {
                ui.label(RichText::new("Drop a picture here").strong());
                widgets::hint(ui, "Its style goes into your picture. Or press Open…");
            }
            (0, _) => {
                ui.label("Opening…");
            }
            (1, _) => {
                ui.label(RichText::new("Let go to take its style").strong());
            }
            (count, _) => {
                ui.label(RichText::new(format!("Let go to add {count} references")).strong());
            }
        });
    });
}

/// True when the crop editor is asked for.
fn card(ui: &mut Ui, state: &AppState, index: usize, textures: &mut Textures, commands: &mut Vec<Command>) -> bool {
    let Some(reference) = state.recipe.references.get(index) else { return false };
    let mut asks_for_crop = false;
    let count = state.recipe.references.len();
    let is_selected = state.selected_reference() == Some(index);
    let colours = palette(ui);
    let stroke =
        if is_selected && count > 1 { Stroke::new(1.5, colours.accent) } else { Stroke::new(1.0, colours.line) };
    widgets::card(ui, stroke, Margin::same(8), |ui| {
        ui.horizontal(|ui| {
            let name = format!("Reference {}: {}", index + 1, reference.name);
            let (rect, response) = ui.allocate_exact_size(vec2(CARD_THUMBNAIL, CARD_THUMBNAIL), Sense::click());
            response.widget_info(|| WidgetInfo::selected(egui::Role::Button, true, is_selected, &name));
            let radius = CornerRadius::same(tokens::RADIUS - 2);
            match state.picture(reference) {
                Some(opened) => {
                    let texture = textures.get(ui.ctx(), &reference.hash, &opened.thumbnail);
                    let (uv, place) = seen(reference.crop, opened.picture.rgb.dimensions(), rect);
                    ui.painter().rect_filled(rect, radius, colours.paper);
                    let tint = if reference.role == Role::Off { tokens::SET_ASIDE } else { tokens::AS_IT_IS };
                    Image::new(&texture).uv(uv).corner_radius(radius).tint(tint).paint_at(ui, place);
                }
                None => {
                    ui.painter().rect_filled(rect, radius, colours.field);
                    let font = egui::FontId::proportional(tokens::TEXT_HEADING);
                    ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, "?", font, colours.text_weak);
                }
            }
            let response = response.on_hover_text(match count {
                1 => reference.name.clone(),
                _ => format!("{}. Click to edit how it is used", reference.name),
            });
            if response.clicked() {
                commands.push(Command::SelectReference(index));
            }
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = tokens::SPACE_S;
                let is_on = reference.role != Role::Off;
                heading(ui, index, &reference.name, is_on, commands);
                let missing = state.picture(reference).is_none();
                let taken = match missing {
                    true if state.is_opening(&reference.hash) => "Opening…".to_owned(),
                    true => "Not open".to_owned(),
                    false if is_on && !state.takes_references() => "Cannot be used with this model yet".to_owned(),
                    false if is_on => words::mode(&reference.role).to_owned(),
                    false => format!("Off, otherwise {}", words::mode(&state.resting_role(reference)).to_lowercase()),
                };
                widgets::hint(ui, taken);
                ui.horizontal(|ui| {
                    widgets::small_controls(ui);
                    ui.spacing_mut().interact_size.y = 22.0;
                    let crop = ui.add_enabled(!missing, Button::new("Crop…"));
                    let crop_name = format!("Crop reference {}", index + 1);
                    crop.widget_info(|| WidgetInfo::labeled(egui::Role::Button, !missing, &crop_name));
                    if crop.on_hover_text("See what the model sees of it, and choose it").clicked() {
                        commands.push(Command::SelectReference(index));
                        asks_for_crop = true;
                    }
                    let remove = ui.add(Button::new("Remove"));
                    let remove_name = format!("Remove reference {}", index + 1);
                    remove.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, &remove_name));
                    if remove.on_hover_text("Take this reference out; undo brings it back").clicked() {
                        commands.push(Command::RemoveReference(index));
                    }
                    if count > 1 {
                        move_button(ui, index, -1, index > 0, commands);
                        move_button(ui, index, 1, index + 1 < count, commands);
                    }
                });
            });
        });
    });
    asks_for_crop
}

/// The name of a reference, and whether it is used.
fn heading(ui: &mut Ui, index: usize, name: &str, is_on: bool, commands: &mut Vec<Command>) {
    const LINE: f32 = 16.0;
    let size = vec2(ui.available_width(), LINE);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        ui.spacing_mut().interact_size.y = LINE;
        let mut checked = is_on;
        let check = ui.checkbox(&mut checked, "");
        let says = format!("Use reference {}", index + 1);
        check.widget_info(|| WidgetInfo::selected(egui::Role::CheckBox, true, is_on, &says));
        if check.on_hover_text("On or off; what is taken from it is kept").clicked() {
            commands.push(Command::ToggleReference(index));
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.add(egui::Label::new(RichText::new(name).strong()).truncate());
        });
    });
}

fn move_button(ui: &mut Ui, index: usize, step: i8, is_possible: bool, commands: &mut Vec<Command>) {
    ui.add_enabled_ui(is_possible, |ui| {
        let (sign, way) = if step < 0 { ("↑", "up") } else { ("↓", "down") };
        if sign_button(ui, sign, &format!("Move reference {} {way}", index + 1)).clicked() {
            commands.push(Command::MoveReference(index, step));
        }
    });
}

/// What the model sees of a picture, as it lies in the square `rect`: which part, and where.
fn seen(crop: Crop, size: (u32, u32), rect: Rect) -> (Rect, Rect) {
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    let pixels = vec2(size.0.max(1) as f32, size.1.max(1) as f32);
    match Square::of(crop, size) {
        Some(square) => {
            let corner = pos2(square.x as f32, square.y as f32);
            let end = corner + egui::Vec2::splat(square.side as f32);
            let part = |at: egui::Pos2| (at.to_vec2() / pixels).to_pos2();
            (Rect::from_min_max(part(corner), part(end)), rect)
        }
        None if crop == Crop::Fit => {
            (whole, Rect::from_center_size(rect.center(), pixels * (rect.width() / pixels.max_elem())))
        }
        None => (whole, rect),
    }
}
