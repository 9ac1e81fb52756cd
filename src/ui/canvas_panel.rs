//! The picture, or what is forming of it, and what can be done with it.

use egui::{Align, Layout, RichText, Shape, Ui, UiBuilder, vec2};

use super::commands::{keys_of, other};
use super::import_question::import_question;
use super::notes_ui::notes_ui;
use super::tokens::{self, palette};
use super::widgets::{self, icon};
use crate::app::{AppState, Command, HistoryEntry, ModelState, Place, Shown, differences, duration};
use crate::gpu::canvas::{CanvasContent, View, canvas_ui};
use crate::gpu::compare::{CompareMode, compare_ui, wipe_handle_ui};
use crate::gpu::filled_around;

/// Below this width the tools share one menu.
const NARROW: f32 = 660.0;

/// How the canvas is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub view: View,
    pub compare: CompareMode,
}

impl Default for Look {
    fn default() -> Self {
        Self { view: View::default(), compare: CompareMode::Wipe(0.5) }
    }
}

/// What the artist asked of the canvas itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CanvasWishes {
    pub copy: bool,
}

pub fn canvas_panel(
    ui: &mut Ui,
    state: &AppState,
    content: &CanvasContent,
    look: &mut Look,
    is_flipped: bool,
    commands: &mut Vec<Command>,
) -> CanvasWishes {
    let (whole, ground) = (ui.max_rect(), ui.painter().add(Shape::Noop));
    let flipped = is_flipped.then(|| flip_side(state, commands)).flatten();
    let wishes = toolbar(ui, state, look, flipped, commands);
    let rect = ui.available_rect_before_wrap().intersect(ui.clip_rect());
    let picture = |entry: &HistoryEntry| Some(CanvasContent::Picture { image: entry.image.clone()?, id: entry.id });
    let other = state.comparison().and_then(|(other, _)| picture(other)).filter(|_| flipped.is_none());
    let flipped = flipped.and_then(picture);
    let content = flipped.as_ref().unwrap_or(content);
    let zoom = look.view.zoom;
    // A picture comes with a ground of its own.
    let covered = if matches!(content, CanvasContent::Empty) { egui::Rect::NOTHING } else { rect };
    ui.painter().set(ground, filled_around(whole, covered, palette(ui).ground));
    match (content, other) {
        (CanvasContent::Empty, _) => empty_state(ui, state, rect),
        (_, Some(other)) => compare(ui, &other, content, look, rect),
        (_, None) => {
            canvas_ui(ui, rect, content, &mut look.view);
        }
    }
    if zoom != look.view.zoom {
        // The tools above have shown the old number.
        ui.ctx().request_repaint();
    }
    notes_over(ui, state, rect, commands);
    import_question(ui, state, rect, commands);
    wishes
}

/// The picture that shows while the key is held: the compared one, else the one made before.
fn flip_side<'a>(state: &'a AppState, commands: &mut Vec<Command>) -> Option<&'a HistoryEntry> {
    let entry = match state.comparison() {
        Some((other, _)) => other,
        None => state.history.get(other(state)?)?,
    };
    if entry.image.is_none() {
        commands.push(Command::Load(entry.id));
    }
    Some(entry)
}

/// Messages lie over the picture, at its lower edge.
fn notes_over(ui: &Ui, state: &AppState, rect: egui::Rect, commands: &mut Vec<Command>) {
    // A board's too: its export may end, or its laying out fail, while the picture is shown.
    const PLACES: [Place; 3] = [Place::Picture, Place::Model, Place::Board];
    if PLACES.iter().all(|place| state.notes.at(*place).next().is_none()) {
        return;
    }
    let inside = rect.shrink(tokens::SPACE_L);
    let area = egui::Area::new(egui::Id::unique("notes over the picture")).pivot(egui::Align2::CENTER_BOTTOM);
    area.fixed_pos(inside.center_bottom()).constrain_to(inside).show(ui.ctx(), |ui| {
        ui.set_width(inside.width().clamp(80.0, 520.0));
        for place in PLACES {
            notes_ui(ui, state, place, commands);
        }
    });
}

fn toolbar(
    ui: &mut Ui,
    state: &AppState,
    look: &mut Look,
    flipped: Option<&HistoryEntry>,
    commands: &mut Vec<Command>,
) -> CanvasWishes {
    let mut wishes = CanvasWishes::default();
    egui::Frame::new().inner_margin(egui::Margin { left: 16, right: 16, top: 8, bottom: 0 }).show(ui, |ui| {
        ui.set_min_height(tokens::CONTROL_HEIGHT);
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = 1.5 * tokens::UNIT;
                let is_narrow = ui.available_width() < NARROW;
                if !is_narrow || state.comparison().is_none() {
                    zoom(ui, &mut look.view);
                }
                if state.comparison().is_some() {
                    comparison_buttons(ui, look, commands);
                } else if let Some(id) = state.shown_entry().map(|entry| entry.id) {
                    ui.add_space(tokens::SPACE_L);
                    if is_narrow {
                        ui.menu_button(("Picture", icon("▾")), |ui| wishes.copy = actions(ui, state, id, commands));
                    } else {
                        wishes.copy = actions(ui, state, id, commands);
                    }
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    if state.board.is_some() && ui.button("Board").on_hover_text("Back to the board").clicked() {
                        commands.push(Command::ShowBoard(true));
                    }
                    let caption = match flipped {
                        Some(entry) => format!("Other picture: {}", entry.recipe.title()),
                        None => caption(state),
                    };
                    ui.add(egui::Label::new(RichText::new(caption).weak()).truncate());
                });
            });
        });
    });
    wishes
}

/// What can be done with a finished picture; true when it is to be copied.
fn actions(ui: &mut Ui, state: &AppState, id: u64, commands: &mut Vec<Command>) -> bool {
    let tip = format!("Write a copy where you want it ({})", keys_of(ui.ctx(), "Save picture as…"));
    if ui.button("Save as…").on_hover_text(tip).clicked() {
        commands.push(Command::SaveAs(id));
    }
    compare_button(ui, state, id, commands);
    let tip = format!("Copy the picture ({})", keys_of(ui.ctx(), "Copy picture"));
    let copy = ui.button("Copy").on_hover_text(tip).clicked();
    if ui.button("Use as reference").on_hover_text("Take the style of this picture next").clicked() {
        commands.push(Command::UseAsReference(id));
    }
    let keys = keys_of(ui.ctx(), "Restore the picture's settings");
    let tip = format!("Bring back all that made this picture, with its seed ({keys})");
    if ui.button("Restore settings").on_hover_text(tip).clicked() {
        commands.push(Command::RestoreSettings(id));
    }
    copy
}

/// Starts a comparison with the picture made before.
fn compare_button(ui: &mut Ui, state: &AppState, id: u64, commands: &mut Vec<Command>) {
    let Some(other) = other(state).filter(|other| *other != id) else { return };
    let tip =
        "Hold it against the picture before; right-click any other below to compare with that one. Hold X to flip";
    if ui.button("Compare").on_hover_text(tip).clicked() {
        commands.push(Command::Compare(other));
    }
}

fn comparison_buttons(ui: &mut Ui, look: &mut Look, commands: &mut Vec<Command>) {
    ui.add_space(tokens::SPACE_L);
    if ui.button("Stop comparing").clicked() {
        commands.push(Command::StopComparing);
    }
    if ui.button("Swap").on_hover_text("Change left and right (Alt+X)").clicked() {
        commands.push(Command::SwapCompared);
    }
    compare_modes(ui, &mut look.compare);
}

/// From right to left.
pub fn compare_modes(ui: &mut Ui, mode: &mut CompareMode) {
    let is_wipe = matches!(mode, CompareMode::Wipe(_));
    if ui.selectable_label(*mode == CompareMode::Difference, "Difference").clicked() {
        *mode = CompareMode::Difference;
    }
    if ui.selectable_label(*mode == CompareMode::SideBySide, "Side by side").clicked() {
        *mode = CompareMode::SideBySide;
    }
    if ui.selectable_label(is_wipe, "Wipe").clicked() {
        *mode = CompareMode::Wipe(0.5);
    }
}

fn compare(ui: &mut Ui, other: &CanvasContent, shown: &CanvasContent, look: &mut Look, rect: egui::Rect) {
    compare_ui(ui, rect, other, shown, look.compare, &mut look.view);
    if let CompareMode::Wipe(position) = &mut look.compare {
        wipe_handle_ui(ui, rect, position);
    }
}

/// From right to left.
pub fn zoom(ui: &mut Ui, view: &mut View) {
    let one = ui.selectable_label(!view.fit && view.zoom == 1.0, "1:1");
    let tip = format!("Actual pixels ({})", keys_of(ui.ctx(), "Actual pixels"));
    if one.on_hover_text(tip).clicked() {
        *view = View { zoom: 1.0, pan: [0.0; 2], fit: false };
    }
    let tip = format!("Show the whole picture ({})", keys_of(ui.ctx(), "Fit the picture"));
    if ui.selectable_label(view.fit, "Fit").on_hover_text(tip).clicked() {
        view.fit = true;
    }
    ui.label(RichText::new(format!("{:.0} %", view.zoom * 100.0)).small().weak());
}

fn caption(state: &AppState) -> String {
    if let Some((other, shown)) = state.comparison() {
        let blocks = state.model_info().map(|info| info.blocks.clone()).unwrap_or_default();
        let found = differences(&other.recipe, &shown.recipe, &blocks);
        return if found.is_empty() { "The same settings".to_owned() } else { found.join(" · ") };
    }
    if let Some(entry) = state.shown_entry() {
        let (width, height) = entry.size();
        return format!("{} · {width} × {height} · {}", entry.recipe.title(), duration(entry.seconds));
    }
    match (state.shown, state.jobs.front()) {
        (Shown::Live, Some(job)) => format!("Forming, seed {}", job.seed),
        _ => String::new(),
    }
}

fn empty_state(ui: &mut Ui, state: &AppState, rect: egui::Rect) {
    let keys = keys_of(ui.ctx(), "Generate");
    let ready = format!("Your words, in the style of the reference. {keys} does the same");
    let trouble = state.shown_entry().and_then(|entry| entry.trouble.as_deref());
    let (title, text) = match (&state.model, state.jobs.front(), state.shown) {
        (ModelState::Failed(_), ..) => ("The model did not open", "Choose another at the top left"),
        (_, None, Shown::Nothing) if state.waiting().is_some() => {
            ("Getting ready", "It is painted as soon as everything is open. Esc cancels it")
        }
        (_, Some(_), Shown::Live) => ("Getting ready", "The picture appears here while it forms"),
        (_, _, Shown::Entry(_)) => match trouble {
            Some(why) => ("The picture cannot be shown now", why),
            None => ("Opening the picture", ""),
        },
        _ if state.recipe.references.is_empty() => {
            ("Drop a picture whose style you like", "Then type what to paint and press Generate")
        }
        _ => ("Press Generate to paint", ready.as_str()),
    };
    let place = egui::Rect::from_center_size(rect.center(), vec2(rect.width().min(420.0), 80.0));
    ui.scope_builder(UiBuilder::new().max_rect(place).layout(Layout::top_down(Align::Center)), |ui| {
        ui.label(RichText::new(title).size(tokens::TEXT_HEADING + 3.0).color(palette(ui).text));
        ui.add_space(tokens::SPACE_S);
        if !text.is_empty() {
            widgets::hint(ui, text);
        }
    });
}
