//! The board: cells with their previews, one zoom for all, and what can be done with the chosen one.

use std::collections::BTreeSet;

use egui::{Align, ComboBox, CornerRadius, Layout, RichText, ScrollArea, Sense, Slider, Ui, Vec2, vec2};

use super::board_cell::{self, CellLook};
use super::commands::WindowCommand;
use super::notes_ui::notes_ui;
use super::textures::Textures;
use super::tokens::{self, palette};
use super::widgets;
use crate::app::{AppState, Command, OpenBoard, Place, seconds};
use crate::engine::CellState;

/// A cell is never smaller than this, in points; a larger grid is scrolled.
const SMALLEST_CELL: f32 = 96.0;
const LARGEST_CELL: f32 = 360.0;
/// Below a cell: its star and what there is to say of it.
const FOOT: f32 = 22.0;
/// Height of a line of labels.
const LABEL: f32 = 18.0;
const ROW_LABEL: f32 = 92.0;
/// More than this nobody compares at once.
const MOST_COMPARED: usize = 4;

/// How the board is looked at.
#[derive(Debug)]
pub struct BoardLook {
    pub zoom: f32,
    /// The middle of what is shown of each cell, 0 to 1.
    pub middle: Vec2,
    /// What the buttons act on.
    pub chosen: Option<usize>,
    /// Picked for comparison.
    pub picked: BTreeSet<usize>,
    pub only_picked: bool,
    pub order: Order,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    #[default]
    Grid,
    Favourites,
    BestPrompt,
    BestStyle,
    LeastLeak,
    Fastest,
}

impl Order {
    const ALL: [(Self, &str); 6] = [
        (Self::Grid, "As a grid"),
        (Self::Favourites, "Favourites first"),
        (Self::BestPrompt, "Prompt first"),
        (Self::BestStyle, "Style first"),
        (Self::LeastLeak, "Least leak first"),
        (Self::Fastest, "Fastest first"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(order, _)| *order == self).map_or("", |(_, name)| name)
    }
}

impl Default for BoardLook {
    fn default() -> Self {
        Self {
            zoom: 1.0,
            middle: Vec2::splat(0.5),
            chosen: None,
            picked: BTreeSet::new(),
            only_picked: false,
            order: Order::Grid,
        }
    }
}

impl BoardLook {
    /// Which cells are shown, and in what order.
    fn shown(&self, open: &OpenBoard) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..open.cells.len()).collect();
        if self.only_picked {
            shown.retain(|index| self.picked.contains(index));
        }
        let mark = |index: usize| open.marks.get(index);
        let numbers = |index: usize| mark(index).and_then(|mark| mark.numbers);
        // Least first; what has no number comes last.
        let rank = |index: usize| match self.order {
            Order::Grid => None,
            Order::Favourites => mark(index).map(|mark| if mark.is_favourite { 0.0 } else { 1.0 }),
            Order::BestPrompt => numbers(index).map(|numbers| -numbers.prompt),
            Order::BestStyle => numbers(index).and_then(|numbers| numbers.reference).map(|style| -style),
            Order::LeastLeak => numbers(index).and_then(|numbers| numbers.leak),
            Order::Fastest => open.finished(index).map(|finished| seconds(finished)),
        };
        shown.sort_by(|a, b| rank(*a).unwrap_or(f64::MAX).total_cmp(&rank(*b).unwrap_or(f64::MAX)));
        shown
    }

    fn is_grid(&self) -> bool {
        self.order == Order::Grid && !self.only_picked
    }
}

pub fn board_panel(
    ui: &mut Ui,
    state: &AppState,
    look: &mut BoardLook,
    textures: &mut Textures,
    commands: &mut Vec<Command>,
) -> Option<WindowCommand> {
    let open = state.board.as_ref()?;
    let mut asked = None;
    // Of a board that was laid out anew.
    look.picked.retain(|index| *index < open.cells.len());
    look.chosen = look.chosen.filter(|index| *index < open.cells.len());
    look.only_picked &= look.picked.len() > 1;
    egui::Frame::new().inner_margin(egui::Margin::symmetric(16, 8)).show(ui, |ui| {
        ui.spacing_mut().item_spacing = vec2(tokens::SPACE_M, tokens::SPACE_S);
        for place in [Place::Board, Place::Picture, Place::Model] {
            notes_ui(ui, state, place, commands);
        }
        asked = tools(ui, open, look, commands);
        chosen_tools(ui, open, look, commands);
        ui.add_space(tokens::SPACE_S);
        ScrollArea::both().auto_shrink([false, false]).id_salt("board").show(ui, |ui| {
            grid(ui, open, look, textures, commands);
        });
    });
    asked
}

fn tools(ui: &mut Ui, open: &OpenBoard, look: &mut BoardLook, commands: &mut Vec<Command>) -> Option<WindowCommand> {
    let mut asked = None;
    ui.horizontal(|ui| {
        let done = format!("{} of {} painted", open.done(), open.cells.len());
        let title = if open.board.title.is_empty() { done } else { format!("{} · {done}", open.board.title) };
        if ui.button("Picture").on_hover_text("Back to the picture; the board stays and goes on").clicked() {
            commands.push(Command::ShowBoard(false));
        }
        ui.label(RichText::new(title).weak());
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
            if ui.button("Close board").on_hover_text("Its finished pictures stay in the library").clicked() {
                commands.push(Command::CloseBoard);
            }
            let tip = "As one labelled sheet, as a page for a browser, or as single pictures";
            if ui.add_enabled(open.done() > 0, egui::Button::new("Export…")).on_hover_text(tip).clicked() {
                asked = Some(WindowCommand::ExportBoard);
            }
            let (text, is_possible) = match open.is_measuring {
                true => ("Measuring…", false),
                false => ("Numbers", open.done() > 0),
            };
            let button = ui.add_enabled(is_possible, egui::Button::new(text));
            if button.on_hover_text(board_cell::NUMBERS).clicked() {
                commands.push(Command::MeasureBoard);
            }
            let count = look.picked.len();
            let is_possible = (2..=MOST_COMPARED).contains(&count);
            ui.add_enabled_ui(is_possible || look.only_picked, |ui| {
                let text = match (look.only_picked, count) {
                    (true, _) => "Show all".to_owned(),
                    (false, 0 | 1) => "Compare".to_owned(),
                    (false, count) => format!("Compare {count}"),
                };
                let tip = "Show only the picked cells, side by side. Ctrl+click picks a cell";
                if ui
                    .button(text)
                    .on_hover_text(tip)
                    .on_disabled_hover_text("Pick 2 to 4 cells by Ctrl+click")
                    .clicked()
                {
                    look.only_picked = !look.only_picked;
                }
            });
            let combo = ComboBox::from_id_salt("order").width(130.0).selected_text(look.order.name());
            let combo = combo.show_ui(ui, |ui| {
                for (order, name) in Order::ALL {
                    ui.selectable_value(&mut look.order, order, name);
                }
            });
            combo.response.widget_info(|| widgets::combo_info("Order of the cells"));
            zoom(ui, look);
        });
    });
    asked
}

fn zoom(ui: &mut Ui, look: &mut BoardLook) {
    let text = format!("{:.1} ×", look.zoom);
    ui.label(RichText::new(text).small().weak());
    ui.scope(|ui| {
        widgets::slider_look(ui);
        ui.spacing_mut().slider_width = 90.0;
        let slider =
            ui.add(Slider::new(&mut look.zoom, 1.0..=board_cell::MOST_ZOOM).logarithmic(true).show_value(false));
        slider.widget_info(|| egui::WidgetInfo::slider(true, f64::from(look.zoom), "Zoom of all cells"));
        slider.on_hover_text("Zoom into all cells at once; drag a cell to move all. Ctrl and the wheel zoom too");
    });
}

/// What can be done with the chosen cell. The row is always there, so that nothing jumps.
fn chosen_tools(ui: &mut Ui, open: &OpenBoard, look: &mut BoardLook, commands: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        ui.set_min_height(tokens::CONTROL_HEIGHT);
        let Some(index) = look.chosen else {
            widgets::hint(
                ui,
                "Click a cell to choose it, double-click to work on with it. Ctrl+click picks cells to compare",
            );
            return;
        };
        ui.label(RichText::new(open.title(index)).strong());
        for (name, command) in board_cell::actions(open, index) {
            if ui.button(name).clicked() {
                commands.push(command);
            }
        }
        let mut is_picked = look.picked.contains(&index);
        if ui.checkbox(&mut is_picked, "Pick").on_hover_text("For comparison (Ctrl+click)").changed() {
            pick(look, index);
        }
        if let Some(CellState::Failed(why)) = open.state(index) {
            let text = RichText::new(why.to_string()).small().color(palette(ui).error);
            ui.add(egui::Label::new(text).truncate());
        }
    });
}

fn pick(look: &mut BoardLook, index: usize) {
    if !look.picked.remove(&index) {
        look.picked.insert(index);
    }
}

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
        let largest = if look.only_picked { f32::MAX } else { LARGEST_CELL };
        match side < SMALLEST_CELL {
            true => Self { columns: across, side: SMALLEST_CELL, is_named: true },
            false => Self { columns, side: side.min(largest), is_named: true },
        }
    }
}

fn grid(ui: &mut Ui, open: &OpenBoard, look: &mut BoardLook, textures: &mut Textures, commands: &mut Vec<Command>) {
    let shown = look.shown(open);
    let Layed { columns, side, is_named } = Layed::of(open, look, shown.len(), ui.available_size());
    let gap = tokens::SPACE_M;
    ui.spacing_mut().item_spacing = vec2(gap, gap);
    if !is_named {
        ui.horizontal(|ui| {
            ui.allocate_space(vec2(ROW_LABEL - gap, 1.0));
            for column in 0..open.board.columns() {
                let (text, _) = open.labels(column);
                label(ui, &text, vec2(side, LABEL), false);
            }
        });
    }
    for row in shown.chunks(columns.max(1)) {
        ui.horizontal_top(|ui| {
            if !is_named && let Some(first) = row.first() {
                let (_, text) = open.labels(*first);
                label(ui, &text.unwrap_or_default(), vec2(ROW_LABEL - gap, side), true);
            }
            for index in row {
                one(ui, open, *index, side, is_named, look, textures, commands);
            }
        });
    }
}

/// A label in the middle of its place; a high place has room for several lines.
fn label(ui: &mut Ui, text: &str, size: Vec2, is_high: bool) {
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
        ui.add(if is_high { label.wrap() } else { label.truncate() });
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
                label(ui, &title, vec2(side, LABEL), false);
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
            board_cell::navigate(ui, &response, rect, look);
            if response.clicked() {
                look.chosen = Some(index);
                if ui.input(|input| input.modifiers.command) {
                    pick(look, index);
                }
            }
            if response.double_clicked() {
                commands.push(Command::PromoteCell(index));
            }
            response.context_menu(|ui| {
                widgets::hint(ui, &title);
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
                let label = ui.add(egui::Label::new(RichText::new(&said).small().weak()).truncate());
                if mark.numbers.is_some() {
                    label.on_hover_text(format!("{said}. {}", board_cell::NUMBERS));
                }
            });
        });
    });
}
