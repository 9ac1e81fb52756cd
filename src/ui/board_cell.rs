//! One cell of the board: its picture or what forms of it, at the zoom that all cells share.

use egui::{
    CornerRadius, FontId, Rect, Response, Role, Stroke, StrokeKind, TextureHandle, Ui, Vec2, WidgetInfo, pos2, vec2,
};
use image::{RgbImage, imageops};

use super::board_look::{BoardLook, Order};
use super::textures::Textures;
use super::tokens::{self, palette};
use super::widgets;
use crate::app::{Command, OpenBoard, duration};
use crate::engine::{CellState, Match};
use crate::gpu::preview_picture;

pub const MOST_ZOOM: f32 = 12.0;
/// How the names of the cells' textures begin.
pub const TEXTURES: &str = "board ";

/// How a cell is looked at.
#[derive(Debug, Clone, Copy)]
pub struct CellLook {
    pub zoom: f32,
    pub middle: Vec2,
    pub is_chosen: bool,
    pub is_picked: bool,
}

/// What can be done with a cell, in words.
pub fn actions(open: &OpenBoard, index: usize) -> Vec<(&'static str, Command)> {
    let mut out = Vec::new();
    match open.state(index) {
        Some(CellState::Finished(_)) => {
            out.push(("Work on with it", Command::PromoteCell(index)));
            out.push(match open.against == Some(index) {
                true => ("Show pictures again", Command::HoldAgainst(None)),
                false => ("Show differences to it", Command::HoldAgainst(Some(index))),
            });
            out.push(("Paint again", Command::RunCell(index)));
        }
        Some(CellState::Waiting) => out.push(("Do not paint it", Command::CancelCell(index))),
        Some(CellState::Running(_)) => out.push(("Stop it", Command::CancelCell(index))),
        Some(CellState::Cancelled | CellState::Failed(_)) => out.push(("Paint it", Command::RunCell(index))),
        None => {}
    }
    out
}

/// What there is to say below a cell.
pub fn said(open: &OpenBoard, index: usize) -> String {
    match open.state(index) {
        Some(CellState::Waiting) => "waits".to_owned(),
        Some(CellState::Running(None)) => "begins".to_owned(),
        Some(CellState::Running(Some(step))) => format!("step {} of {}", step.index, step.count),
        Some(CellState::Finished(finished)) => {
            let numbers = open.marks.get(index).and_then(|mark| mark.numbers);
            numbers.map_or_else(|| duration(finished.timings.total()), |numbers| numbers_in_short(&numbers))
        }
        Some(CellState::Cancelled) => "stopped".to_owned(),
        Some(CellState::Failed(_)) => "failed".to_owned(),
        None => String::new(),
    }
}

/// Of the numbers of a cell the one that the order asks for: style where it asks for none.
pub fn one_number(numbers: &Match, order: Order) -> String {
    match (order, numbers.reference, numbers.leak) {
        (Order::LeastLeak, _, Some(leak)) => format!("leak {leak:.2}"),
        (order, Some(style), _) if order != Order::BestPrompt => format!("style {style:.2}"),
        _ => format!("prompt {:.2}", numbers.prompt),
    }
}

fn numbers_in_short(numbers: &Match) -> String {
    let optional = |name, value: Option<f64>| value.map(|value| format!("{name} {value:.2}"));
    let parts = [
        Some(format!("prompt {:.2}", numbers.prompt)),
        optional("style", numbers.reference),
        optional("leak", numbers.leak),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// What the numbers mean.
pub const NUMBERS: &str = "Cosines of CLIP's embeddings, -1 to 1. Prompt: how well the picture shows the prompt. Style: how near it is to the reference. Leak: how much of the words to subtract shows";

pub fn info(open: &OpenBoard, index: usize, look: CellLook) -> WidgetInfo {
    let name = format!("Cell {}, {}", open.title(index), said(open, index));
    WidgetInfo::selected(Role::Button, true, look.is_chosen, name)
}

/// Zooms and moves all cells by what happens on one, whose picture lies at `place` while it is whole.
pub fn navigate(ui: &Ui, response: &Response, place: Rect, look: &mut BoardLook) {
    if let Some(pointer) = response.hover_pos() {
        let zoom = (look.zoom * ui.input(|input| input.zoom_delta())).clamp(1.0, MOST_ZOOM);
        // What lies under the pointer stays there.
        look.middle += (pointer - place.center()) / place.size() * (1.0 / look.zoom - 1.0 / zoom);
        look.zoom = zoom;
    }
    if response.dragged() {
        look.middle -= response.drag_delta() / place.size() / look.zoom;
    }
    // What is shown never leaves the picture.
    let half = Vec2::splat(0.5 / look.zoom);
    look.middle = look.middle.clamp(half, Vec2::splat(1.0) - half);
}

pub fn paint(
    ui: &Ui,
    rect: Rect,
    open: &OpenBoard,
    index: usize,
    look: CellLook,
    textures: &mut Textures,
    is_near: bool,
) {
    let (Some(state), Some(mark)) = (open.state(index), open.marks.get(index)) else { return };
    let colours = palette(ui);
    let font = FontId::proportional(tokens::TEXT_SMALL);
    let middle = |text: &str, colour| {
        ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, text, font.clone(), colour);
    };
    match state {
        CellState::Finished(finished) => {
            let difference = mark.difference.as_ref().filter(|_| open.against.is_some_and(|against| against != index));
            let (name, image) = match difference {
                Some(difference) => ("difference", difference.as_ref()),
                None => ("picture", &finished.image),
            };
            let name = format!("{TEXTURES}{name} {index}");
            let texture = textures.made(ui.ctx(), &name, mark.shown_id, || Some(shrunk(image)));
            picture_at(ui, rect, texture, look);
            if open.against == Some(index) {
                widgets::badge(ui, rect, "all others against this");
            }
        }
        CellState::Running(None) => middle("begins", colours.text_weak),
        CellState::Running(Some(step)) => {
            let name = format!("{TEXTURES}preview {index}");
            let texture = textures.made(ui.ctx(), &name, mark.shown_id, || preview_picture(&step.preview));
            picture_at(ui, rect, texture, look);
            let done = step.index as f32 / step.count.max(1) as f32;
            let bar = Rect::from_min_size(pos2(rect.min.x, rect.max.y - 4.0), vec2(rect.width() * done, 4.0));
            ui.painter().rect_filled(bar, 2, colours.accent);
        }
        CellState::Waiting => middle("waits", colours.text_weak),
        CellState::Cancelled => middle("stopped", colours.text_weak),
        CellState::Failed(_) => middle("failed", colours.error),
    }
    let stroke = match (look.is_chosen, look.is_picked, is_near) {
        (true, ..) => Stroke::new(2.0, colours.accent),
        (_, true, _) => Stroke::new(2.0, colours.text),
        (.., true) => Stroke::new(1.0, colours.line_strong),
        _ => Stroke::NONE,
    };
    ui.painter().rect_stroke(rect, CornerRadius::same(4), stroke, StrokeKind::Inside);
    if look.is_picked {
        widgets::badge(ui, rect, "picked");
    }
}

/// Where the whole picture of a cell lies in its square.
pub fn place(open: &OpenBoard, index: usize, rect: Rect) -> Rect {
    let size = match open.state(index) {
        Some(CellState::Finished(finished)) => vec2(finished.image.width() as f32, finished.image.height() as f32),
        Some(CellState::Running(Some(step))) => {
            vec2(step.preview.latents.width as f32, step.preview.latents.height as f32)
        }
        _ => rect.size(),
    };
    fitted(rect, size)
}

fn fitted(rect: Rect, size: Vec2) -> Rect {
    let size = size.max(Vec2::splat(1.0));
    Rect::from_center_size(rect.center(), size * (rect.width() / size.max_elem()))
}

/// The part of a picture that the common zoom shows, with its own proportions.
fn picture_at(ui: &Ui, rect: Rect, texture: Option<TextureHandle>, look: CellLook) {
    let Some(texture) = texture else { return };
    let place = fitted(rect, texture.size_vec2());
    let part = Rect::from_center_size(look.middle.to_pos2(), Vec2::splat(1.0 / look.zoom));
    egui::Image::new(&texture).uv(part).corner_radius(4).paint_at(ui, place);
}

/// A star to be switched on and off; the bundled fonts have none.
pub fn star(ui: &mut Ui, is_on: bool, name: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(20.0), egui::Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_on, name));
    let colours = palette(ui);
    let is_near = response.hovered() || response.has_focus();
    let point = |index: usize| {
        let radius = if index.is_multiple_of(2) { 7.5 } else { 3.2 };
        let angle = index as f32 * std::f32::consts::TAU / 10.0 - std::f32::consts::FRAC_PI_2;
        rect.center() + vec2(angle.cos(), angle.sin()) * radius
    };
    let outline: Vec<egui::Pos2> = (0..10).map(point).collect();
    if is_on {
        // A fan about the middle: egui fills only convex outlines by itself.
        let mut mesh = egui::Mesh::default();
        mesh.colored_vertex(rect.center(), colours.accent);
        outline.iter().for_each(|point| mesh.colored_vertex(*point, colours.accent));
        (0..10).for_each(|index| mesh.add_triangle(0, 1 + index, 1 + (index + 1) % 10));
        ui.painter().add(mesh);
    }
    let line = if is_on || is_near { colours.accent } else { colours.text_weak };
    ui.painter().add(egui::Shape::closed_line(outline, Stroke::new(1.2, line)));
    response.on_hover_text("Mark as a favourite")
}

/// A board of many large pictures must not fill the graphics card: beyond this side a copy is shown.
fn shrunk(image: &RgbImage) -> RgbImage {
    const LARGEST: u32 = 640;
    let longer = image.width().max(image.height());
    if longer <= LARGEST {
        return image.clone();
    }
    let side = |side: u32| (u64::from(side) * u64::from(LARGEST) / u64::from(longer)).max(1) as u32;
    imageops::thumbnail(image, side(image.width()), side(image.height()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_number_has_room_it_is_the_one_asked_for() {
        let all = Match { prompt: 0.25, reference: Some(0.5), leak: Some(0.125) };
        let shown = |order| one_number(&all, order);
        assert_eq!((shown(Order::Grid), shown(Order::BestStyle)), ("style 0.50".to_owned(), "style 0.50".to_owned()));
        assert_eq!((shown(Order::BestPrompt), shown(Order::LeastLeak)), ("prompt 0.25".into(), "leak 0.12".into()));
        let bare = Match { reference: None, leak: None, ..all };
        assert_eq!(one_number(&bare, Order::LeastLeak), "prompt 0.25");
    }
}
