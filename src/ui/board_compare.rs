//! The picked cells of a board against one of them: side by side, wiped or as differences, with one zoom and place for all
//! and the settings that differ.

use std::sync::Arc;

use egui::{Align, Layout, Rect, Response, RichText, Role, Ui, UiBuilder, Vec2, WidgetInfo, vec2};
use image::RgbImage;

use super::board_cell;
use super::board_look::BoardLook;
use super::canvas_panel::{self, Look};
use super::tokens;
use super::widgets;
use crate::app::{Command, OpenBoard, differences};
use crate::engine::CellState;
use crate::gpu::canvas::{CanvasContent, View, canvas_ui};
use crate::gpu::compare::{CompareMode, compare_ui, wipe_handle_ui};

/// Two lines above each picture: whose it is, and what differs.
const HEAD: f32 = 40.0;

/// How the picked cells are compared.
#[derive(Debug)]
pub struct Comparison {
    pub canvas: Look,
    /// The cell that the others are held against; the first picked one where this is not picked.
    pub against: Option<usize>,
    /// The shown pictures as the canvas takes them, by their numbers.
    pictures: Vec<(u64, Arc<RgbImage>)>,
}

impl Default for Comparison {
    fn default() -> Self {
        Self {
            canvas: Look { compare: CompareMode::SideBySide, ..Look::default() },
            against: None,
            pictures: Vec::new(),
        }
    }
}

impl Comparison {
    /// What the canvas shows of a cell: its picture, or what forms of it.
    fn content(&mut self, open: &OpenBoard, index: usize) -> CanvasContent {
        let id = open.marks.get(index).map_or(0, |mark| mark.shown_id);
        match open.state(index) {
            Some(CellState::Finished(finished)) => {
                let known = self.pictures.iter().find(|(known, _)| *known == id).map(|(_, image)| image.clone());
                let image = known.unwrap_or_else(|| {
                    let image = Arc::new(finished.image.clone());
                    self.pictures.push((id, image.clone()));
                    image
                });
                CanvasContent::Picture { image, id }
            }
            Some(CellState::Running(Some(step))) => CanvasContent::Latents { preview: step.preview.clone(), id },
            _ => CanvasContent::Empty,
        }
    }
}

/// How to compare, against which cell, and how near. The list of cells takes what the rest leaves.
pub fn comparison_tools(ui: &mut Ui, open: &OpenBoard, look: &mut BoardLook) {
    /// Below this width the ways to compare share a menu.
    const NARROW: f32 = 600.0;
    let against = against(look);
    let is_narrow = ui.available_width() < NARROW;
    ui.horizontal(|ui| {
        ui.set_min_height(tokens::CONTROL_HEIGHT);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let Look { view, compare } = &mut look.comparison.canvas;
            canvas_panel::zoom(ui, view);
            if is_narrow {
                ui.menu_button(("Compare", widgets::icon("▾")), |ui| canvas_panel::compare_modes(ui, compare));
            } else {
                ui.add_space(tokens::SPACE_L);
                canvas_panel::compare_modes(ui, compare);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.label("Against");
                let width = ui.available_width().clamp(60.0, 200.0);
                let combo = widgets::combo("against", width, &open.title(against));
                let combo = combo.show_ui(ui, |ui| {
                    for index in look.picked.clone() {
                        ui.selectable_value(&mut look.comparison.against, Some(index), open.title(index));
                    }
                });
                combo.response.widget_info(|| widgets::combo_info("The cell that the others are held against"));
            });
        });
    });
}

fn against(look: &BoardLook) -> usize {
    let asked = look.comparison.against.filter(|asked| look.picked.contains(asked));
    asked.or(look.picked.first().copied()).unwrap_or_default()
}

/// The picked cells, each in its part of the room. While `is_flipped`, all of them show the one that they are held against.
pub fn comparison(ui: &mut Ui, open: &OpenBoard, look: &mut BoardLook, is_flipped: bool, commands: &mut Vec<Command>) {
    let against = against(look);
    let is_side_by_side = look.comparison.canvas.compare == CompareMode::SideBySide;
    let shown: Vec<usize> = look.picked.iter().copied().filter(|index| is_side_by_side || *index != against).collect();
    let before = look.comparison.canvas.view;
    let base = look.comparison.content(open, against);
    let mut ids = vec![id_of(&base)];
    let room = ui.available_rect_before_wrap().intersect(ui.clip_rect());
    for (part, index) in parts(room, shown.len()).into_iter().zip(shown) {
        let (head, rect) = part.split_top_bottom_at_y(part.min.y + HEAD);
        ui.push_id(index, |ui| {
            let is_pair = !is_side_by_side && !is_flipped;
            heading(ui, head, open, index, against, is_pair.then_some(look.comparison.canvas.compare), commands);
            let content = look.comparison.content(open, index);
            ids.push(id_of(&content));
            let canvas = &mut look.comparison.canvas;
            let response = match is_pair {
                true => {
                    let response = compare_ui(ui, rect, &base, &content, canvas.compare, &mut canvas.view);
                    if let CompareMode::Wipe(position) = &mut canvas.compare {
                        wipe_handle_ui(ui, rect, position);
                    }
                    response
                }
                false => alone(ui, rect, if is_flipped { &base } else { &content }, &base, &mut canvas.view),
            };
            let title = open.title(if is_flipped { against } else { index });
            let name = match (is_pair, canvas.compare) {
                (false, _) => format!("Compared: {title}"),
                (true, CompareMode::Difference) => format!("Difference of {title} from {}", open.title(against)),
                (true, _) => format!("Compared: {title}, wiped over {}", open.title(against)),
            };
            response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
            menu(&response, open, index, commands);
        });
    }
    look.comparison.pictures.retain(|(id, _)| ids.contains(&Some(*id)));
    if before != look.comparison.canvas.view {
        // What lies before the one that was moved has shown the old place.
        ui.ctx().request_repaint();
    }
}

fn id_of(content: &CanvasContent) -> Option<u64> {
    match content {
        CanvasContent::Picture { id, .. } => Some(*id),
        _ => None,
    }
}

/// One picture at the common view, which is counted in pixels of `base`: another size is shown as large as that.
fn alone(ui: &mut Ui, rect: Rect, content: &CanvasContent, base: &CanvasContent, view: &mut View) -> Response {
    let ratio = match (content.picture_size(), base.picture_size()) {
        (Some([width, height]), Some(frame)) => (frame[0] as f32 / width as f32).min(frame[1] as f32 / height as f32),
        _ => 1.0,
    };
    let mut own = View { zoom: view.zoom * ratio, ..*view };
    let response = canvas_ui(ui, rect, content, &mut own);
    *view = View { zoom: own.zoom / ratio, ..own };
    response
}

/// Whose picture it is, and in what it differs from the one that it is held against.
fn heading(
    ui: &mut Ui,
    rect: Rect,
    open: &OpenBoard,
    index: usize,
    against: usize,
    pair: Option<CompareMode>,
    commands: &mut Vec<Command>,
) {
    let layout = Layout::top_down(Align::Min);
    ui.scope_builder(UiBuilder::new().max_rect(rect).layout(layout), |ui| {
        ui.spacing_mut().item_spacing = vec2(tokens::SPACE_S, 0.0);
        ui.spacing_mut().interact_size.y = 20.0;
        let title = open.title(index);
        let strong = |text: &str| egui::Label::new(RichText::new(text).small().strong()).truncate();
        ui.horizontal(|ui| {
            if let Some(CompareMode::Wipe(_)) = pair {
                ui.add_sized(vec2(ui.available_width() * 0.4, 20.0), left(strong(&open.title(against))));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    star(ui, open, index, &title, commands);
                    ui.add(strong(&title));
                });
            } else {
                star(ui, open, index, &title, commands);
                ui.add(strong(&title));
            }
        });
        let recipe = |index: usize| open.cells.get(index).map(|cell| &cell.recipe);
        let found = recipe(against)
            .zip(recipe(index))
            .map(|(from, to)| differences(from, to, open.blocks()))
            .unwrap_or_default();
        let words = match (index == against, found.is_empty()) {
            (true, _) => "The others are held against this".to_owned(),
            (false, true) => "The same settings".to_owned(),
            (false, false) => found.join(" · "),
        };
        // What is cut off shows when it is hovered.
        ui.add(egui::Label::new(RichText::new(words).small().weak()).truncate());
    });
}

fn left(label: egui::Label) -> impl FnOnce(&mut Ui) -> Response {
    move |ui: &mut Ui| ui.with_layout(Layout::left_to_right(Align::Center), |ui| ui.add(label)).inner
}

fn star(ui: &mut Ui, open: &OpenBoard, index: usize, title: &str, commands: &mut Vec<Command>) {
    let is_favourite = open.marks.get(index).is_some_and(|mark| mark.is_favourite);
    if board_cell::star(ui, is_favourite, &format!("Favourite: {title}")).clicked() {
        commands.push(Command::StarCell(index));
    }
}

fn menu(response: &Response, open: &OpenBoard, index: usize, commands: &mut Vec<Command>) {
    widgets::context_menu(response, |ui| {
        widgets::menu_title(ui, &open.title(index));
        // Differences are a way of comparing, of which there are buttons above.
        let actions = board_cell::actions(open, index).into_iter();
        for (name, command) in actions.filter(|(_, command)| !matches!(command, Command::HoldAgainst(_))) {
            if ui.button(name).clicked() {
                commands.push(command);
                ui.close();
            }
        }
    });
}

/// As many parts of the room, in lines that make squares below their heads largest.
fn parts(room: Rect, count: usize) -> Vec<Rect> {
    let gap = tokens::SPACE_L;
    let size = |columns: usize| {
        let rows = count.div_ceil(columns).max(1);
        let share = |all: f32, among: usize| ((all + gap) / among as f32 - gap).max(1.0);
        vec2(share(room.width(), columns), share(room.height(), rows))
    };
    let side = |columns: usize| size(columns).x.min(size(columns).y - HEAD);
    let columns = (1..=count.max(1)).reduce(|best, other| if side(other) > side(best) { other } else { best });
    let columns = columns.unwrap_or(1);
    let size = size(columns);
    let place = |at: usize| {
        let (column, row) = (at % columns, at / columns);
        let corner = room.min + Vec2::new(column as f32, row as f32) * (size + Vec2::splat(gap));
        Rect::from_min_size(corner, size)
    };
    (0..count).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::pos2;

    #[test]
    fn parts_share_the_room_and_do_not_overlap() {
        for size in [vec2(900.0, 500.0), vec2(400.0, 900.0), vec2(600.0, 600.0)] {
            let room = Rect::from_min_size(pos2(10.0, 20.0), size);
            for count in 1..=4 {
                let parts = parts(room, count);
                assert_eq!(parts.len(), count);
                for (at, part) in parts.iter().enumerate() {
                    assert!(room.expand(0.01).contains_rect(*part), "{count} in {size}: {part:?}");
                    assert!(part.height() > HEAD && parts[..at].iter().all(|other| !other.intersects(*part)));
                }
            }
        }
        let wide = parts(Rect::from_min_size(pos2(0.0, 0.0), vec2(900.0, 400.0)), 2);
        assert_eq!(wide[0].min.y, wide[1].min.y);
        let high = parts(Rect::from_min_size(pos2(0.0, 0.0), vec2(400.0, 900.0)), 2);
        assert_eq!(high[0].min.x, high[1].min.x);
    }
}
