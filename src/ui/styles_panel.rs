//! The artist's styles: a click applies one, and the reference in use becomes a new one.

use egui::{CornerRadius, Id, Image, RichText, Sense, Stroke, StrokeKind, TextEdit, Ui, WidgetInfo, vec2};

use super::notes_ui::notes_ui;
use super::textures::Textures;
use super::tokens::{self, palette};
use super::widgets;
use super::words;
use crate::app::{AppState, Command, Place, ShelfCommand};
use crate::library::Style;

const THUMBNAIL: f32 = 56.0;
/// Height of the line below it.
const NAME: f32 = 16.0;

/// What is being typed.
#[derive(Default)]
pub struct StylesPanel {
    name: String,
    is_naming: bool,
    /// The style that gets another name, and that name.
    renamed: Option<(String, String)>,
    /// The field that has just appeared is to be typed into.
    wants_focus: bool,
}

impl StylesPanel {
    pub fn show(&mut self, ui: &mut Ui, state: &AppState, textures: &mut Textures, commands: &mut Vec<Command>) {
        widgets::heading_row(ui, "Styles", |ui| {
            let import = ui.button("Import…");
            import.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "Import styles"));
            let tip = "Take in styles that others gave you; dropping them here does the same";
            if import.on_hover_text(tip).clicked() {
                commands.push(Command::Shelf(ShelfCommand::ImportStyles));
            }
            let can_save = state.selected_reference().is_some();
            let save = ui.add_enabled(can_save, egui::Button::new("Save as style…"));
            if save.on_hover_text("Keep the selected reference, and how it is used, under a name").clicked() {
                match self.is_naming {
                    true => self.is_naming = false,
                    false => self.name_one(),
                }
            }
        });
        if self.is_naming {
            self.naming(ui, commands);
        }
        notes_ui(ui, state, Place::Styles, commands);
        self.removed(ui, state, commands);
        if !state.shelf.styles.is_empty() {
            // One row, and the rest by scrolling: what is below must stay in sight.
            let row = egui::ScrollArea::horizontal().id_salt("styles").auto_shrink([false, true]);
            row.show(ui, |ui| {
                ui.horizontal(|ui| {
                    for (style, thumbnail) in &state.shelf.styles {
                        let texture = textures.get(ui.ctx(), &format!("style {}", style.reference.hash), thumbnail);
                        self.style(ui, style, &texture, commands);
                    }
                });
            });
        }
        self.renaming(ui, commands);
    }

    /// Asks for the name of a new style.
    pub fn name_one(&mut self) {
        self.is_naming = true;
        self.wants_focus = true;
        self.name.clear();
    }

    fn naming(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        ui.horizontal(|ui| {
            let field = TextEdit::singleline(&mut self.name).hint_text("Name of the style").char_limit(80);
            // Of its own, so that a message that comes or goes above does not end the typing.
            let field = field.id(Id::unique("name of the style")).margin(egui::Margin::symmetric(8, 6));
            let field = ui.add_sized(vec2(ui.available_width() - 76.0, tokens::CONTROL_HEIGHT), field);
            field.widget_info(|| WidgetInfo::labeled(egui::Role::TextInput, true, "Name of the style"));
            if std::mem::take(&mut self.wants_focus) {
                field.request_focus();
            }
            let is_done = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            let save = ui.add_enabled(!self.name.trim().is_empty(), egui::Button::new("Keep"));
            save.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "Keep the style"));
            if (save.clicked() || is_done) && !self.name.trim().is_empty() {
                commands.push(Command::Shelf(ShelfCommand::SaveStyle(std::mem::take(&mut self.name))));
                self.is_naming = false;
            }
        });
    }

    fn renaming(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let Some((from, to)) = &mut self.renamed else { return };
        let mut is_done = false;
        ui.horizontal(|ui| {
            let field = ui.add_sized(
                vec2(ui.available_width() - 92.0, tokens::CONTROL_HEIGHT),
                TextEdit::singleline(to).char_limit(80).id(Id::unique("new name of the style")),
            );
            field.widget_info(|| WidgetInfo::labeled(egui::Role::TextInput, true, "New name of the style"));
            if std::mem::take(&mut self.wants_focus) {
                field.request_focus();
            }
            let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            if ui.button("Rename").clicked() || is_entered {
                commands.push(Command::Shelf(ShelfCommand::RenameStyle(from.clone(), to.clone())));
                is_done = true;
            }
        });
        if is_done {
            self.renamed = None;
        }
    }

    fn removed(&self, ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) {
        let Some((name, _)) = &state.shelf.removed_style else { return };
        ui.horizontal(|ui| {
            widgets::hint(ui, format!("'{name}' was removed"));
            let back = ui.button("Bring it back");
            back.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "Bring the removed style back"));
            if back.clicked() {
                commands.push(Command::Shelf(ShelfCommand::PutBackStyle));
            }
        });
    }

    fn style(&mut self, ui: &mut Ui, style: &Style, texture: &egui::TextureHandle, commands: &mut Vec<Command>) {
        let colours = palette(ui);
        let (rect, response) = ui.allocate_exact_size(vec2(THUMBNAIL, THUMBNAIL + NAME), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, format!("Style: {}", style.name)));
        let square = egui::Rect::from_min_size(rect.min, vec2(THUMBNAIL, THUMBNAIL));
        let radius = CornerRadius::same(tokens::RADIUS - 2);
        // The middle of the picture; how it is really seen is shown on its card once it is applied.
        let size = texture.size_vec2().max(vec2(1.0, 1.0));
        let seen = vec2(size.min_elem(), size.min_elem()) / size;
        let uv = egui::Rect::from_center_size(egui::pos2(0.5, 0.5), seen);
        Image::new(texture).uv(uv).corner_radius(radius).paint_at(ui, square);
        if response.hovered() || response.has_focus() {
            ui.painter().rect_stroke(square, radius, Stroke::new(1.5, colours.accent), StrokeKind::Inside);
        }
        let name = egui::Label::new(RichText::new(&style.name).small()).truncate().selectable(false);
        let below = egui::Rect::from_min_max(square.left_bottom() + vec2(0.0, 2.0), rect.max);
        // A child on its own: a scope would move the place of the next style.
        ui.new_child(egui::UiBuilder::new().max_rect(below)).add(name);
        if response.clicked() {
            commands.push(Command::Shelf(ShelfCommand::ApplyStyle(style.name.clone())));
        }
        widgets::context_menu(&response, |ui| {
            ui.set_min_width(170.0);
            widgets::menu_title(ui, &style.name);
            for (words, command) in [
                ("Add beside the others", ShelfCommand::AddStyle(style.name.clone())),
                ("Export…", ShelfCommand::ExportStyle(style.name.clone())),
                ("Remove", ShelfCommand::RemoveStyle(style.name.clone())),
            ] {
                if ui.button(words).clicked() {
                    commands.push(Command::Shelf(command));
                    ui.close();
                }
            }
            if ui.button("Rename…").clicked() {
                self.renamed = Some((style.name.clone(), style.name.clone()));
                self.wants_focus = true;
                ui.close();
            }
        });
        let tip = format!(
            "{}: {}. Click to use it in the place of the selected reference, right-click for more",
            style.name,
            words::mode(&style.reference.role)
        );
        response.on_hover_text(tip);
    }
}
