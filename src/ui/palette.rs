//! Every command by its name: type a few of its letters, choose with the arrows, press Enter.

use egui::{
    Align, Align2, Button, Context, Id, Key, Layout, Margin, Modal, Modifiers, RichText, ScrollArea, TextEdit,
    WidgetInfo, style::ScrollAnimation, vec2,
};

use super::commands::{Does, Entry, TABLE, WindowCommand};
use super::fuzzy::score;
use super::tokens::{self, palette};
use super::widgets;
use crate::app::{AppState, Command};

const WIDTH: f32 = 520.0;
const ROW: f32 = 32.0;

/// The open palette.
#[derive(Debug, Default)]
pub struct Palette {
    typed: String,
    selected: usize,
    /// The list has been shown from its top for what is typed.
    is_at_top: bool,
}

/// What came of this frame.
#[derive(Debug)]
pub enum Outcome {
    StaysOpen,
    Closed,
    App(Command),
    Window(WindowCommand),
}

impl Palette {
    pub fn show(&mut self, ctx: &Context, state: &AppState) -> Outcome {
        let found = found(&self.typed, |entry| entry.is_possible(state));
        let last = found.len().saturating_sub(1);
        // The field would take these keys for itself.
        let key = |key| ctx.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        let mut moved = false;
        if key(Key::ArrowDown) {
            self.selected = if self.selected >= last { 0 } else { self.selected + 1 };
            moved = true;
        }
        if key(Key::ArrowUp) {
            self.selected = if self.selected == 0 { last } else { self.selected - 1 };
            moved = true;
        }
        self.selected = self.selected.min(last);
        let mut chosen = key(Key::Enter).then_some(self.selected);

        let area = Modal::default_area(Id::unique("command palette"));
        let area = area.anchor(Align2::CENTER_TOP, vec2(0.0, 64.0));
        let height = (ctx.content_rect().height() - 220.0).clamp(ROW, 12.0 * ROW);
        let modal = widgets::sheet(ctx, "command palette", 12).area(area).show(ctx, |ui| {
            ui.set_width(WIDTH.min(ctx.content_rect().width() - 64.0));
            let label = widgets::hint(ui, "All commands");
            let field = TextEdit::singleline(&mut self.typed).hint_text("A few letters of a command");
            let field = field.char_limit(100).desired_width(f32::INFINITY).margin(Margin::symmetric(10, 8));
            let field = ui.add(field.id_salt("command")).labelled_by(label.id);
            field.request_focus();
            if field.changed() {
                self.selected = 0;
                self.is_at_top = false;
            }
            ui.add_space(tokens::SPACE_S);
            // The sheet remembers how high it was, and would give a longer list no more than that.
            let list = ScrollArea::vertical().max_height(height).min_scrolled_height(height);
            let list =
                if std::mem::replace(&mut self.is_at_top, true) { list } else { list.vertical_scroll_offset(0.0) };
            list.auto_shrink([false, true]).show(ui, |ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                for (index, entry) in found.iter().enumerate() {
                    let response = row(ui, state, entry, index == self.selected);
                    if index == self.selected && moved {
                        response.scroll_to_me_animation(None, ScrollAnimation::none());
                    }
                    if response.clicked() {
                        chosen = Some(index);
                    }
                }
                if found.is_empty() {
                    ui.add_space(tokens::SPACE_S);
                    widgets::hint(ui, "No command has these letters");
                }
            });
        });
        let does = chosen.and_then(|index| found.get(index)).map(|entry| entry.does);
        match does {
            Some(Does::App(command)) => command(state).map_or(Outcome::StaysOpen, Outcome::App),
            Some(Does::Window(command)) => Outcome::Window(command),
            Some(Does::Elsewhere) | None if modal.should_close() => Outcome::Closed,
            Some(Does::Elsewhere) | None => Outcome::StaysOpen,
        }
    }
}

/// What the letters find, best first, and after it what cannot be done now; everything while there are none.
fn found(typed: &str, is_possible: impl Fn(&Entry) -> bool) -> Vec<&'static Entry> {
    let entries = TABLE.iter().filter(|entry| !matches!(entry.does, Does::Elsewhere));
    let mut found: Vec<(i32, &Entry)> = entries.filter_map(|e| Some((score(typed.trim(), e.name)?, e))).collect();
    // Stable, so that equals stay in the table's order.
    found.sort_by_key(|(score, entry)| (!typed.trim().is_empty() && !is_possible(entry), -score));
    found.into_iter().map(|(_, entry)| entry).collect()
}

fn row(ui: &mut egui::Ui, state: &AppState, entry: &Entry, is_selected: bool) -> egui::Response {
    let colours = palette(ui);
    let is_possible = entry.is_possible(state);
    let text = if is_possible { colours.text } else { colours.text_weak };
    let button =
        Button::new(RichText::new(entry.name).color(text)).selected(is_selected).frame_when_inactive(is_selected);
    let size = vec2(ui.available_width(), ROW);
    let response = ui
        .scope(|ui| {
            ui.spacing_mut().button_padding.x = 10.0;
            let keys = entry.keys.first().map(|keys| ui.ctx().format_shortcut(keys)).unwrap_or_default();
            let layout = Layout::left_to_right(Align::Center);
            ui.allocate_ui_with_layout(size, layout, |ui| {
                ui.add(button.shortcut_text(RichText::new(keys).small().weak()).min_size(size))
            })
            .inner
        })
        .inner;
    response.widget_info(|| WidgetInfo::selected(egui::Role::Button, is_possible, is_selected, entry.name));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_letters_find_the_command() {
        let best = |typed: &str| found(typed, |_| true).first().map(|entry| entry.name);
        assert_eq!(best("gen"), Some("Generate"));
        assert_eq!(best("undo"), Some("Undo"));
        assert_eq!(best("cppic"), Some("Copy picture"));
        assert_eq!(best("dark"), Some("Dark theme"));
        assert_eq!(best("zzz"), None);
        let possible = found("compare", |entry| entry.name == "Compare with the picture before");
        assert_eq!(possible.first().map(|entry| entry.name), Some("Compare with the picture before"));
        assert!(possible.len() > 1, "what cannot be done stays in sight");
        assert_eq!(
            found("", |_| true).len(),
            TABLE.iter().filter(|entry| !matches!(entry.does, Does::Elsewhere)).count()
        );
    }
}
