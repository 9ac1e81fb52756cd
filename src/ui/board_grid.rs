//! The cells of the board in a grid, with the labels of their axes.

use egui::{Align, CornerRadius, Layout, RichText, Sense, Ui, Vec2, vec2};

use super::board_cell::{self, CellLook};
use super::board_look::BoardLook;
use super::textures::Textures;
use super::tokens::{self, palette};
use super::widgets;
use crate::app::{Command, OpenBoard};

/// A cell is never smaller than this, in points; a larger grid is scrolled.
const SMALLEST_CELL: f32 = 96.0;
const LARGEST_CELL: f32 = 360.0;
/// Below a cell: its star and what there is to say of it.
const FOOT: f32 = 22.0;
/// Height of a line of labels.
const LABEL: f32 = 18.0;
const ROW_LABEL: f32 = 92.0;

/// How cells are laid out in the room that there is.
struct Layed {
    columns: usize,
    /// Of a cell's square, in points.
    side: f32,
    /// Each cell has its name above it; else the columns and rows have theirs.
    is_named: bool,
}

impl Layed {
    fn of(open: &OpenBoard, look: &BoardLook, shown: usize, room: Vec2) -> Self {
        let gap = tokens::SPACE_M;
        let by = |columns: usize, width: f32, height: f32, extra: f32| {
            let rows = shown.div_ceil(columns).max(1);
            let across = width / columns as f32 - gap;
            across.min(height / rows as f32 - FOOT - extra - gap)
        };
        if look.is_grid() && open.board.y.is_some() {
            let columns = open.board.columns().max(1);
            let side = by(columns, room.x - ROW_LABEL, room.y - LABEL - gap, 0.0);
            return Self { columns, side: side.clamp(SMALLEST_CELL, LARGEST_CELL), is_named: false };
        }
        // As many in a line as make them largest.
        let sides = (1..=shown.max(1)).map(|columns| (columns, by(columns, room.x, room.y, LABEL + 2.0)));
        let best = sides.reduce(|best, other| if other.1 > best.1 { other } else { best });
        let (columns, side) = best.unwrap_or((1, SMALLEST_CELL));
        let across = ((room.x / (SMALLEST_CELL + gap)) as usize).max(1);
        match side < SMALLEST_CELL {
            true => Self { columns: across, side: SMALLEST_CELL, is_named: true },
            false => Self { columns, side: side.min(LARGEST_CELL), is_named: true },
        }
    }
}

pub fn grid(ui: &mut Ui, open: &OpenBoard, look: &mut BoardLook, textures: &mut Textures, commands: &mut Vec<Command>) {
    let shown = look.shown(open);
    let Layed { columns, side, is_named } = Layed::of(open, look, shown.len(), ui.available_size());
    let gap = tokens::SPACE_M;
    ui.spacing_mut().item_spacing = vec2(gap, gap);
    if !is_named {
        ui.horizontal(|ui| {
            ui.allocate_space(vec2(ROW_LABEL - gap, 1.0));
            for column in 0..open.board.columns() {
                let (text, _) = open.labels(column);
                label(ui, &text, open.exact_label(column, 0), vec2(side, LABEL), false);
            }
        });
    }
    for row in shown.chunks(columns.max(1)) {
        ui.horizontal_top(|ui| {
            if !is_named && let Some(first) = row.first() {
                let (_, text) = open.labels(*first);
                let exact = open.exact_label(*first, 1);
                label(ui, &text.unwrap_or_default(), exact, vec2(ROW_LABEL - gap, side), true);
            }
            for index in row {
                one(ui, open, *index, side, is_named, look, textures, commands);
            }
        });
    }
}

/// A label in the middle of its place; a high place has room for several lines. `exact` is what it is elsewhere called.
fn label(ui: &mut Ui, text: &str, exact: Option<String>, size: Vec2, is_high: bool) {
    // Justified text of several lines would be drawn apart.
    let layout = match is_high {
        true => Layout::left_to_right(Align::Center),
        false => Layout::centered_and_justified(egui::Direction::LeftToRight),
    };
    ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.set_min_size(size);
        ui.set_max_size(size);
        let label = egui::Label::new(RichText::new(text).small());
        // What is cut off shows when it is hovered.
        let label = ui.add(if is_high { label.wrap() } else { label.truncate() });
        if let Some(exact) = exact {
            label.on_hover_text(exact);
        }
    });
}

#[allow(clippy::too_many_arguments)]
fn one(
    ui: &mut Ui,
    open: &OpenBoard,
    index: usize,
    side: f32,
    is_named: bool,
    look: &mut BoardLook,
    textures: &mut Textures,
    commands: &mut Vec<Command>,
) {
    let Some(mark) = open.marks.get(index) else { return };
    ui.push_id(index, |ui| {
        ui.vertical(|ui| {
            ui.set_width(side);
            ui.spacing_mut().item_spacing.y = 2.0;
            let title = open.title(index);
            if is_named {
                let exact = open.exact_title(index);
                label(ui, &title, exact, vec2(side, LABEL), false);
            }
            let (rect, response) = ui.allocate_exact_size(Vec2::splat(side), Sense::click_and_drag());
            let cell_look = CellLook {
                zoom: look.zoom,
                middle: look.middle,
                is_chosen: look.chosen == Some(index),
                is_picked: look.picked.contains(&index),
            };
            if ui.is_rect_visible(rect) {
                ui.painter().rect_filled(rect, CornerRadius::same(4), palette(ui).field);
                board_cell::paint(
                    ui,
                    rect,
                    open,
                    index,
                    cell_look,
                    textures,
                    response.hovered() || response.has_focus(),
                );
            }
            response.widget_info(|| board_cell::info(open, index, cell_look));
            board_cell::navigate(ui, &response, board_cell::place(open, index, rect), look);
            if response.clicked() {
                look.chosen = Some(index);
                if ui.input(|input| input.modifiers.command) {
                    look.pick(index);
                }
            }
            if response.double_clicked() {
                commands.push(Command::PromoteCell(index));
            }
            widgets::context_menu(&response, |ui| {
                widgets::menu_title(ui, &title);
                for (name, command) in board_cell::actions(open, index) {
                    if ui.button(name).clicked() {
                        commands.push(command);
                        ui.close();
                    }
                }
            });
            // Before the row, which is as high as this.
            ui.spacing_mut().interact_size.y = FOOT - 2.0;
            ui.horizontal(|ui| {
                ui.spacing_mut().button_padding = vec2(4.0, 0.0);
                if board_cell::star(ui, mark.is_favourite, &format!("Favourite: {title}")).clicked() {
                    commands.push(Command::StarCell(index));
                }
                let said = board_cell::said(open, index);
                let Some(numbers) = mark.numbers else {
                    ui.add(egui::Label::new(RichText::new(&said).small().weak()).truncate());
                    return;
                };
                // All of them, or the one that matters: never one cut in its middle.
                let font = egui::FontId::proportional(tokens::TEXT_SMALL);
                let wide = ui.painter().layout_no_wrap(said.clone(), font, palette(ui).text).size().x;
                let shown = match wide <= ui.available_width() {
                    true => said.clone(),
                    false => board_cell::one_number(&numbers, look.order),
                };
                let label = ui.add(egui::Label::new(RichText::new(shown).small().weak()).truncate());
                label.on_hover_text(format!("{said}. {}", board_cell::NUMBERS));
            });
        });
    });
}
