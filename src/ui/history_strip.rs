//! The pictures made so far, newest first.

use egui::{CornerRadius, Image, RichText, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2};

use super::commands::{WindowCommand, keys_of};
use super::dragging::{self, DraggedPicture};
use super::textures::Textures;
use super::tokens::{self, palette};
use super::widgets;
use crate::app::{AppState, Command, HistoryEntry, Shown};

/// The library or the export may be asked for.
pub fn history_strip(
    ui: &mut Ui,
    state: &AppState,
    textures: &mut Textures,
    commands: &mut Vec<Command>,
) -> Option<WindowCommand> {
    ui.horizontal_centered(|ui| {
        let library = egui::Button::new("All pictures…").min_size(vec2(0.0, tokens::CONTROL_HEIGHT));
        let keys = keys_of(ui.ctx(), "All pictures…");
        let tip = format!("Search, rate and take up again what you have made ({keys})");
        let library = ui.add(library).on_hover_text(tip);
        let exports = strip(ui, state, textures, commands);
        library.clicked().then_some(WindowCommand::Library).or(exports.then_some(WindowCommand::ExportShown))
    })
    .inner
}

/// True when the shown picture is to be exported.
fn strip(ui: &mut Ui, state: &AppState, textures: &mut Textures, commands: &mut Vec<Command>) -> bool {
    if state.history.entries().is_empty() && state.jobs.is_empty() {
        ui.centered_and_justified(|ui| {
            ui.label(RichText::new("Your pictures gather here. Each is kept, and can bring its settings back").weak());
        });
        return false;
    }
    let mut exports = false;
    // The wheel, too, which goes up and down.
    ui.style_mut().always_scroll_the_only_direction = true;
    ScrollArea::horizontal().auto_shrink([false, false]).show(ui, |ui| {
        ui.horizontal_centered(|ui| {
            if !state.jobs.is_empty() {
                forming(ui, state, commands);
            }
            for entry in state.history.entries().iter().rev() {
                exports |= thumbnail(ui, state, entry, textures, commands);
            }
        });
    });
    exports
}

fn forming(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) {
    let is_shown = state.shown == Shown::Live;
    let (rect, response) = ui.allocate_exact_size(vec2(tokens::THUMBNAIL, tokens::THUMBNAIL), Sense::click());
    let colours = palette(ui);
    let radius = CornerRadius::same(tokens::RADIUS);
    ui.painter().rect_filled(rect, radius, colours.field);
    let done = state.jobs.front().and_then(|job| job.progress()).unwrap_or(0.0);
    let filled = egui::Rect::from_min_max(egui::pos2(rect.min.x, rect.max.y - rect.height() * done), rect.max);
    ui.painter().rect_filled(filled, radius, colours.accent_faint);
    let font = egui::FontId::proportional(tokens::TEXT_SMALL);
    let text = match state.jobs.len() {
        1 => "forming".to_owned(),
        count => format!("{count} to come"),
    };
    ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, text, font, colours.text);
    outline(ui, rect, is_shown, response.hovered() || response.has_focus());
    response.widget_info(|| WidgetInfo::selected(egui::Role::Button, true, is_shown, "Picture that is forming"));
    if response.on_hover_text("Watch the picture form").clicked() {
        commands.push(Command::ShowLive);
    }
}

/// True when it is to be exported.
fn thumbnail(
    ui: &mut Ui,
    state: &AppState,
    entry: &HistoryEntry,
    textures: &mut Textures,
    commands: &mut Vec<Command>,
) -> bool {
    let is_shown = state.shown == Shown::Entry(entry.id);
    let size = vec2(tokens::THUMBNAIL, tokens::THUMBNAIL);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
    response.dnd_set_drag_payload(DraggedPicture(entry.id));
    let title = entry.recipe.title();
    response.widget_info(|| WidgetInfo::selected(egui::Role::Button, true, is_shown, format!("Picture: {title}")));
    if ui.is_rect_visible(rect) {
        let radius = CornerRadius::same(tokens::RADIUS);
        ui.painter().rect_filled(rect, radius, palette(ui).field);
        if let Some(small) = &entry.thumbnail {
            let texture = textures.get(ui.ctx(), &format!("history {}", entry.id), small);
            let size = texture.size_vec2();
            let scale = rect.width() / size.max_elem().max(1.0);
            let place = egui::Rect::from_center_size(rect.center(), size * scale);
            let tint = if entry.trouble.is_some() { tokens::SET_ASIDE } else { tokens::AS_IT_IS };
            Image::new(&texture).corner_radius(radius).tint(tint).paint_at(ui, place);
            if response.dragged() {
                dragging::ghost(ui, &texture);
            }
        }
        if entry.thumbnail.is_none() && entry.trouble.is_some() {
            let font = egui::FontId::proportional(tokens::TEXT_HEADING);
            ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, "?", font, palette(ui).text_weak);
        }
        if entry.is_draft {
            widgets::badge(ui, rect, "live");
        }
        outline(ui, rect, is_shown, response.hovered() || response.has_focus());
    }
    if response.clicked() {
        commands.push(Command::Show(entry.id));
    }
    let mut exports = false;
    widgets::context_menu(&response, |ui| {
        ui.set_min_width(190.0);
        widgets::menu_title(ui, &title);
        if !is_shown && state.shown_entry().is_some() && ui.button("Compare with the shown picture").clicked() {
            commands.push(Command::Compare(entry.id));
            ui.close();
        }
        for (name, command) in [
            ("Restore settings", Command::RestoreSettings(entry.id)),
            ("Use as reference", Command::UseAsReference(entry.id)),
            ("Use as content picture", Command::UseAsContent(entry.id)),
            ("Save as…", Command::SaveAs(entry.id)),
            ("Remove from history", Command::RemoveFromHistory(entry.id)),
        ] {
            if ui.button(name).clicked() {
                commands.push(command);
                ui.close();
            }
        }
        let keys = keys_of(ui.ctx(), "Export pictures…");
        let tip = format!("One or many, into a folder, in the format and under names of your choice ({keys})");
        if ui.button("Export…").on_hover_text(tip).clicked() {
            commands.push(Command::Show(entry.id));
            exports = true;
            ui.close();
        }
    });
    if response.has_focus() && ui.input_mut(|i| i.consume_key(egui::Modifiers::NONE, egui::Key::Delete)) {
        commands.push(Command::RemoveFromHistory(entry.id));
    }
    let more = match &entry.trouble {
        Some(why) => format!("It cannot be shown now: {why}. Click to try again"),
        None if entry.is_draft => "Live, not kept yet: Generate keeps it".to_owned(),
        None => "Right-click for more".to_owned(),
    };
    response.on_hover_text(format!("{title}. {more}"));
    exports
}

fn outline(ui: &Ui, rect: egui::Rect, is_shown: bool, is_near: bool) {
    let colours = palette(ui);
    let stroke = match (is_shown, is_near) {
        (true, _) => Stroke::new(2.0, colours.accent),
        (false, true) => Stroke::new(1.0, colours.line_strong),
        (false, false) => return,
    };
    ui.painter().rect_stroke(rect, CornerRadius::same(tokens::RADIUS), stroke, StrokeKind::Inside);
}
