//! The board: cells with their previews, one zoom for all, and what can be done with the chosen one.

use egui::{Align, Button, Label, Layout, RichText, ScrollArea, Slider, Ui, vec2};

use super::board_cell;
use super::board_compare::{comparison, comparison_tools};
use super::board_grid::grid;
use super::board_look::{BoardLook, Order};
use super::commands::{WindowCommand, ctrl_key, keys_of};
use super::notes_ui::notes_ui;
use super::textures::Textures;
use super::tokens::{self, palette};
use super::widgets::{self, icon};
use crate::app::{AppState, Command, OpenBoard, Place};
use crate::engine::CellState;

/// Below this width what is done with the whole board shares a menu.
const NARROW: f32 = 620.0;
/// Below this width what is done with a cell does.
const NARROW_FOR_CELL: f32 = 820.0;

/// While `is_flipped`, compared cells show the one that they are held against.
pub fn board_panel(
    ui: &mut Ui,
    state: &AppState,
    look: &mut BoardLook,
    is_flipped: bool,
    textures: &mut Textures,
    commands: &mut Vec<Command>,
) -> Option<WindowCommand> {
    let open = state.board.as_ref()?;
    let mut asked = None;
    look.follow(open);
    egui::Frame::new().inner_margin(egui::Margin::symmetric(16, 8)).show(ui, |ui| {
        ui.spacing_mut().item_spacing = vec2(tokens::SPACE_M, tokens::SPACE_S);
        for place in [Place::Board, Place::Picture, Place::Model] {
            notes_ui(ui, state, place, commands);
        }
        asked = tools(ui, open, look, commands);
        // What is pressed in the row above counts in the same frame, for the row below as for the pictures.
        let is_comparing = look.is_comparing;
        if is_comparing {
            comparison_tools(ui, open, look);
        } else {
            chosen_tools(ui, open, look, commands);
        }
        ui.add_space(tokens::SPACE_S);
        if is_comparing {
            return comparison(ui, open, look, is_flipped, commands);
        }
        ScrollArea::both().auto_shrink([false, false]).id_salt("board").show(ui, |ui| {
            grid(ui, open, look, textures, commands);
        });
    });
    asked
}

fn tools(ui: &mut Ui, open: &OpenBoard, look: &mut BoardLook, commands: &mut Vec<Command>) -> Option<WindowCommand> {
    let is_narrow = ui.available_width() < NARROW;
    let mut asked = None;
    ui.horizontal(|ui| {
        if ui.button("Picture").on_hover_text("Back to the picture; the board stays and goes on").clicked() {
            commands.push(Command::ShowBoard(false));
        }
        if open.is_at_work() {
            if ui.button("Stop the board").on_hover_text("What is painted stays (Esc)").clicked() {
                commands.push(Command::CancelBoard);
            }
        } else if open.done() < open.cells.len()
            && ui.button("Paint the rest").on_hover_text("Paint what was stopped or failed").clicked()
        {
            commands.push(Command::RunRest);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            asked = match is_narrow {
                true => ui.menu_button(("Board", icon("▾")), |ui| whole(ui, open, look, commands)).inner.flatten(),
                false => whole(ui, open, look, commands),
            };
            // What the buttons leave.
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let done = format!("{} of {} painted", open.done(), open.cells.len());
                let title = if open.board.title.is_empty() { done } else { format!("{done} · {}", open.board.title) };
                ui.add(Label::new(RichText::new(title).weak()).truncate());
            });
        });
    });
    asked
}

/// What is done with the whole board, from right to left or from top to bottom.
fn whole(ui: &mut Ui, open: &OpenBoard, look: &mut BoardLook, commands: &mut Vec<Command>) -> Option<WindowCommand> {
    let mut asked = None;
    if ui.button("Close board").on_hover_text("Its finished pictures stay in the library").clicked() {
        commands.push(Command::CloseBoard);
    }
    let tip = "As one labelled sheet, as a page for a browser, or as single pictures";
    if ui.add_enabled(open.done() > 0, Button::new("Export…")).on_hover_text(tip).clicked() {
        asked = Some(WindowCommand::ExportBoard);
    }
    let (text, is_possible) = match open.is_measuring {
        true => ("Measuring…", false),
        false => ("Numbers", open.done() > 0),
    };
    let button = ui.add_enabled(is_possible, Button::new(text));
    if button.on_hover_text(board_cell::NUMBERS).clicked() {
        commands.push(Command::MeasureBoard);
    }
    let text = match (look.is_comparing, look.picked.len()) {
        (true, _) => "Show all".to_owned(),
        (false, 0 | 1) => "Compare".to_owned(),
        (false, count) => format!("Compare {count}"),
    };
    let keys = keys_of(ui.ctx(), "Compare the picked cells, or show all");
    let tip = format!("Side by side, wiped or as differences, with one zoom for all ({keys})");
    let button = ui.add_enabled(look.can_compare(), Button::new(text)).on_hover_text(tip);
    let tip = format!("Pick 2 to 4 cells by {}+click", ctrl_key(ui.ctx()));
    if button.on_disabled_hover_text(tip).clicked() {
        look.toggle_comparison();
    }
    asked
}

/// From right to left.
fn order_and_zoom(ui: &mut Ui, look: &mut BoardLook, is_narrow: bool) {
    let combo = widgets::combo("order", if is_narrow { 110.0 } else { 130.0 }, look.order.name());
    let combo = combo.show_ui(ui, |ui| {
        for (order, name) in Order::ALL {
            ui.selectable_value(&mut look.order, order, name);
        }
    });
    combo.response.widget_info(|| widgets::combo_info("Order of the cells"));
    let text = format!("{:.1} ×", look.zoom);
    ui.label(RichText::new(text).small().weak());
    ui.scope(|ui| {
        widgets::slider_look(ui);
        ui.spacing_mut().slider_width = if is_narrow { 60.0 } else { 90.0 };
        let slider =
            ui.add(Slider::new(&mut look.zoom, 1.0..=board_cell::MOST_ZOOM).logarithmic(true).show_value(false));
        slider.widget_info(|| egui::WidgetInfo::slider(true, f64::from(look.zoom), "Zoom of all cells"));
        let ctrl = ctrl_key(ui.ctx());
        slider.on_hover_text(format!(
            "Zoom into all cells at once; drag a cell to move all. {ctrl} and the wheel zoom too"
        ));
    });
}

/// What can be done with the chosen cell, and how all are looked at. The row is always there, so that nothing jumps.
fn chosen_tools(ui: &mut Ui, open: &OpenBoard, look: &mut BoardLook, commands: &mut Vec<Command>) {
    let is_narrow = ui.available_width() < NARROW_FOR_CELL;
    ui.horizontal(|ui| {
        ui.set_min_height(tokens::CONTROL_HEIGHT);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            order_and_zoom(ui, look, is_narrow);
            let Some(index) = look.chosen else {
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let ctrl = ctrl_key(ui.ctx());
                    let text = format!(
                        "Click a cell to choose it, double-click to work on with it. {ctrl}+click picks cells to compare"
                    );
                    ui.add(Label::new(RichText::new(text).small().weak()).truncate());
                });
                return;
            };
            let mut is_picked = look.picked.contains(&index);
            let tip = format!("For comparison ({}+click)", ctrl_key(ui.ctx()));
            if ui.checkbox(&mut is_picked, "Pick").on_hover_text(tip).changed() {
                look.pick(index);
            }
            let actions = board_cell::actions(open, index);
            if is_narrow {
                ui.menu_button(("Cell", icon("▾")), |ui| press(ui, actions.into_iter(), commands));
            } else {
                press(ui, actions.into_iter().rev(), commands);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| chosen_title(ui, open, index));
        });
    });
}

fn press(ui: &mut Ui, actions: impl Iterator<Item = (&'static str, Command)>, commands: &mut Vec<Command>) {
    for (name, command) in actions {
        if ui.button(name).clicked() {
            commands.push(command);
        }
    }
}

/// Which cell is chosen, and why it failed if it did.
fn chosen_title(ui: &mut Ui, open: &OpenBoard, index: usize) {
    let title = ui.add(Label::new(RichText::new(open.title(index)).strong()).truncate());
    if let Some(exact) = open.exact_title(index) {
        title.on_hover_text(exact);
    }
    if let Some(CellState::Failed(why)) = open.state(index) {
        let text = RichText::new(why.to_string()).small().color(palette(ui).error);
        ui.add(Label::new(text).truncate());
    }
}
