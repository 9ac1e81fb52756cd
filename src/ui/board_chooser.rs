//! Which board to paint: a ready-made question, or axes of one's own.

use egui::{Button, Context, Margin, RichText, TextEdit, Ui, WidgetInfo, vec2};

use super::notes_ui::notes_ui;
use super::tokens;
use super::{widgets, words};
use crate::app::{AppState, BoardWish, Command, Place, listed};
use crate::board::{Field, Preset};

const WIDTH: f32 = 460.0;

/// What is typed, kept while the window is open.
#[derive(Debug, Clone)]
pub struct BoardChooser {
    /// Field and values of the columns, then of the rows.
    axes: [(String, String); 2],
}

impl Default for BoardChooser {
    fn default() -> Self {
        let axis = |field: &str, values: &str| (field.to_owned(), values.to_owned());
        Self { axes: [axis("strength", "0..1 step 0.25"), axis("", "1, 2, 3")] }
    }
}

impl BoardChooser {
    /// False once the sheet was closed.
    pub fn show(&mut self, ctx: &Context, state: &AppState, commands: &mut Vec<Command>) -> bool {
        let modal = widgets::sheet(ctx, "board chooser", 24).show(ctx, |ui| {
            ui.set_width(WIDTH);
            ui.label(RichText::new("Paint a board").heading().strong());
            widgets::hint(ui, "The present settings many times over, with one or two things changed");
            ui.add_space(tokens::SPACE_S);
            notes_ui(ui, state, Place::Board, commands);
            let wish = presets(ui, state);
            self.own(ui, state, commands);
            ui.add_space(tokens::SPACE_M);
            ui.horizontal(|ui| {
                let size = vec2(140.0, tokens::CONTROL_HEIGHT);
                let own = widgets::accent_button(ui, "Paint the board", size).clicked().then(|| self.wish());
                let is_closed = ui.button("Close").clicked();
                (wish.or(own), is_closed)
            })
            .inner
        });
        let should_close = modal.should_close();
        let (wish, is_closed) = modal.inner;
        let is_chosen = wish.is_some();
        commands.extend(wish.map(Command::OpenBoard));
        !(is_chosen || is_closed || should_close)
    }

    /// Names of pictures that were opened for an axis of pictures.
    pub fn add_pictures(&mut self, names: Vec<String>) {
        let Some((_, values)) = self.axes.iter_mut().find(|(field, _)| is_of_pictures(field)) else { return };
        for name in names {
            let separator = if values.trim().is_empty() { "" } else { ", " };
            values.push_str(separator);
            values.push_str(&listed([name]));
        }
    }

    fn wish(&self) -> BoardWish {
        let [x, y] = self.axes.clone().map(|(field, values)| match field.is_empty() {
            true => String::new(),
            false => format!("{field}={values}"),
        });
        BoardWish::Axes { x, y }
    }

    fn own(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) {
        ui.add_space(tokens::SPACE_S);
        widgets::heading(ui, "Your own");
        let blocks = state.model_info().map(|info| info.blocks.clone()).unwrap_or_default();
        for (index, (field, values)) in self.axes.iter_mut().enumerate() {
            let name = if index == 0 { "Columns" } else { "Rows" };
            ui.horizontal(|ui| {
                let label = widgets::row_label(ui, name, "What changes from one to the next, and through which values");
                let shown = if field.is_empty() { "Nothing".to_owned() } else { words::axis(field, &blocks) };
                let combo = widgets::combo(if index == 0 { "columns" } else { "rows" }, 140.0, &shown).height(420.0);
                let combo = combo.show_ui(ui, |ui| {
                    if index == 1 {
                        ui.selectable_value(field, String::new(), "Nothing");
                    }
                    let known =
                        state.axis_fields().map(|field| field.name().to_owned()).chain(blocks.names.iter().cloned());
                    for choice in known {
                        let (text, before, exact) = (words::axis(&choice, &blocks), field.clone(), choice.clone());
                        let row = ui.selectable_value(field, choice, text).on_hover_text(exact);
                        if row.clicked() && *field != before {
                            *values = state.example_values(field);
                        }
                    }
                });
                let said = format!("What changes in the {}", name.to_lowercase());
                combo.response.widget_info(|| widgets::combo_info(&said));
                let is_used = !field.is_empty();
                if is_of_pictures(field) && ui.button("Add…").on_hover_text("Open pictures for this axis").clicked() {
                    commands.push(Command::OpenBoardPictures);
                }
                let edit =
                    TextEdit::singleline(values).hint_text("1, 2, 3 or 0..1 step 0.25").desired_width(f32::INFINITY);
                let edit = ui.add_enabled(is_used, edit.char_limit(2000).margin(Margin::symmetric(8, 6)));
                edit.labelled_by(label.id);
            });
        }
    }
}

fn is_of_pictures(field: &str) -> bool {
    Field::named(field).is_some_and(Field::is_of_pictures)
}

fn presets(ui: &mut Ui, state: &AppState) -> Option<BoardWish> {
    let info = state.model_info()?;
    let mut wish = None;
    for preset in Preset::ALL {
        let axis = preset.axis(&state.recipe, &info.blocks, &info.defaults);
        let button = Button::new(preset.question()).min_size(vec2(WIDTH, tokens::CONTROL_HEIGHT));
        let button = match &axis {
            Ok(axis) => button.right_text(RichText::new(format!("{} pictures", axis.settings.len())).small().weak()),
            Err(_) => button,
        };
        let response = ui.add_enabled(axis.is_ok() && !state.recipe.references.is_empty(), button);
        let response = match axis {
            Ok(axis) => {
                let label = |setting| words::label(&axis, setting, &info.blocks);
                let labels: Vec<String> = axis.settings.iter().map(label).collect();
                response.on_hover_text(format!("{} pictures: {}", labels.len(), labels.join(", ")))
            }
            Err(why) => response.on_disabled_hover_text(why.to_string()),
        };
        let is_enabled = response.enabled();
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, is_enabled, preset.question()));
        if response.on_disabled_hover_text("Add a reference first").clicked() {
            wish = Some(BoardWish::Preset(preset));
        }
    }
    wish
}
