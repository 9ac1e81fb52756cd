//! Model, device, progress, and the buttons that start and stop.

use egui::{Align, Layout, ProgressBar, RichText, Ui, vec2};

use super::commands::{WindowCommand, keys_of};
use super::tokens::{self, palette};
use super::widgets::{accent_button, icon, sign_button};
use crate::app::{AppState, Command, LivePace, ModelState, Theme, duration};

/// What is asked of the window itself.
pub fn top_bar(ui: &mut Ui, state: &mut AppState, commands: &mut Vec<Command>) -> Option<WindowCommand> {
    let mut asked = None;
    ui.horizontal_centered(|ui| {
        asked = model_button(ui, state);
        ui.label(RichText::new(state.device.as_deref().unwrap_or("")).small().weak());
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            asked = menu(ui, state, commands).or(asked);
            asked = buttons(ui, state, commands).or(asked);
            ui.add_space(tokens::SPACE_M);
            progress(ui, state);
        });
    });
    asked
}

/// The model's name opens the panel of models.
fn model_button(ui: &mut Ui, state: &AppState) -> Option<WindowCommand> {
    let name = match &state.model {
        ModelState::Opening => "Opening the model…",
        ModelState::Ready(info) => info.name.trim_end_matches(".safetensors"),
        ModelState::Failed(_) => "No model",
    };
    const WIDEST: f32 = 260.0;
    let button = egui::Button::new((name, icon("▾"))).truncate();
    let size = vec2(ui.available_width().min(WIDEST), 36.0);
    let button = ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| ui.add(button)).inner;
    button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Model: {name}")));
    let tip = format!("{name} paints. Choose another model, LoRAs and more ({})", keys_of(ui.ctx(), "Models…"));
    let asked = button.on_hover_text(tip).clicked().then_some(WindowCommand::Models);
    if state.models.missing.is_some() {
        let said = ui.label(RichText::new("stands in").small().color(palette(ui).error));
        said.on_hover_text("The model of the last session did not open");
    }
    asked
}

fn menu(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) -> Option<WindowCommand> {
    let mut asked = sign_button(ui, "?", "Keyboard shortcuts").clicked().then_some(WindowCommand::Help);
    let menu = ui.menu_button(icon("≡"), |ui| {
        ui.set_min_width(200.0);
        for (theme, name) in [(Theme::System, "Theme of the system"), (Theme::Light, "Light"), (Theme::Dark, "Dark")] {
            if ui.selectable_label(state.settings.theme == theme, name).clicked() {
                commands.push(Command::SetTheme(theme));
            }
        }
        ui.separator();
        scale(ui, state, commands);
        ui.separator();
        if ui.button("Open the pictures folder").clicked() {
            commands.push(Command::OpenPicturesFolder);
        }
        for (name, command) in [("All commands…", WindowCommand::Palette), ("Keyboard shortcuts", WindowCommand::Help)]
        {
            let button = egui::Button::new(name).shortcut_text(keys_of(ui.ctx(), name));
            if ui.add(button).clicked() {
                asked = Some(command);
            }
        }
    });
    menu.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Menu"));
    let redo = ui.add_enabled_ui(state.can_redo(), |ui| sign_button(ui, "↪", "Redo")).inner;
    let undo = ui.add_enabled_ui(state.can_undo(), |ui| sign_button(ui, "↩", "Undo")).inner;
    if undo.clicked() {
        commands.push(Command::Undo);
    }
    if redo.clicked() {
        commands.push(Command::Redo);
    }
    asked
}

/// How large everything is.
fn scale(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) {
    ui.horizontal(|ui| {
        ui.label("Size of everything");
        for (sign, name, step) in [("-", "Make everything smaller", -1), ("+", "Make everything larger", 1)] {
            if sign_button(ui, sign, name).clicked() {
                commands.push(Command::Scale(step));
            }
        }
        ui.label(RichText::new(format!("{:.0} %", state.settings.sound_scale() * 100.0)).weak());
    });
}

fn buttons(ui: &mut Ui, state: &mut AppState, commands: &mut Vec<Command>) -> Option<WindowCommand> {
    ui.add_space(tokens::SPACE_M);
    let keys = keys_of(ui.ctx(), "Generate");
    let tip = match state.estimate_secs() {
        Some(secs) => format!("Paint it ({keys}). It takes about {}", duration(secs)),
        None => format!("Paint it ({keys})"),
    };
    if accent_button(ui, "Generate", vec2(112.0, tokens::LARGE_CONTROL_HEIGHT)).on_hover_text(tip).clicked() {
        commands.push(Command::Generate);
    }
    live(ui, state, commands);
    let board = egui::Button::new("Board…").min_size(vec2(72.0, tokens::LARGE_CONTROL_HEIGHT));
    let tip = format!("Paint many settings side by side ({})", keys_of(ui.ctx(), "Paint a board…"));
    let asked = ui.add(board).on_hover_text(tip).clicked().then_some(WindowCommand::Board);
    let mut count = state.settings.count;
    let field = egui::DragValue::new(&mut count).range(1..=16).speed(0.05).prefix("× ");
    let field = ui.add_sized(vec2(52.0, tokens::LARGE_CONTROL_HEIGHT), field);
    field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::SpinButton, true, "Number of pictures"));
    field.on_hover_text("How many pictures to paint, with seeds that follow each other");
    state.settings.count = count;
    if state.is_at_work() {
        let cancel = egui::Button::new("Cancel").min_size(vec2(84.0, tokens::LARGE_CONTROL_HEIGHT));
        if ui.add(cancel).on_hover_text("Stop everything that runs or waits (Esc)").clicked() {
            commands.push(Command::Cancel);
        }
    }
    asked
}

fn live(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) {
    let is_on = state.settings.is_live;
    let button = egui::Button::new("Live").selected(is_on).min_size(vec2(56.0, tokens::LARGE_CONTROL_HEIGHT));
    let is_possible = is_on || !matches!(state.live_pace(), LivePace::TooSlow(_));
    let keys = keys_of(ui.ctx(), "Live mode on or off");
    let tip = match state.live_pace() {
        LivePace::Fine => format!("Paint again by itself whenever a setting changes ({keys})"),
        LivePace::Slow(secs) => format!("Paint again by itself, about {} a picture ({keys})", duration(secs)),
        LivePace::TooSlow(secs) => format!("Too slow for live mode: about {} a picture", duration(secs)),
    };
    let response = ui.add_enabled(is_possible, button).on_hover_text(&tip).on_disabled_hover_text(&tip);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, is_possible, is_on, "Live mode"));
    if response.clicked() {
        commands.push(Command::ToggleLive);
    }
}

fn progress(ui: &mut Ui, state: &AppState) {
    let (mut words, done) = match (state.jobs.front(), state.waiting()) {
        (Some(job), _) => (job.words(), job.progress().unwrap_or(0.0)),
        (None, Some(words)) => (words.to_owned(), 0.0),
        (None, None) => return,
    };
    let waiting = state.jobs.len().saturating_sub(1);
    if waiting > 0 {
        words.push_str(&format!(" · {waiting} waiting"));
    }
    let width = ui.available_width().clamp(0.0, 300.0);
    if width < 120.0 {
        return;
    }
    let colours = palette(ui);
    ui.allocate_ui_with_layout(vec2(width, tokens::LARGE_CONTROL_HEIGHT), Layout::top_down(Align::Min), |ui| {
        ui.spacing_mut().item_spacing.y = tokens::SPACE_S;
        ui.add_space(3.0);
        ui.label(RichText::new(words).small());
        let bar = ProgressBar::new(done).desired_height(6.0).fill(colours.accent);
        let bar = ui.add(bar.corner_radius(3).desired_width(width));
        bar.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, "Progress"));
    });
}
