//! What most pictures never need: blocks, sampler, steps, guidance, seed, size, and when references enter.

use std::collections::BTreeMap;

use egui::{DragValue, Grid, RichText, Slider, SliderClamping, Ui, vec2};

use super::commands::keys_of;
use super::seed_field::{SEED_WIDTH, seed_field};
use super::style_panel::{LIMITS, REACH};
use super::tokens;
use super::widgets::{self, SliderRow, icon, optional_slider, row_label, slider_look};
use super::words;
use crate::app::{AppState, Command};
use crate::engine::ModelInfo;
use crate::recipe::{Role, SchedulerName};

pub fn advanced_panel(ui: &mut Ui, state: &mut AppState, commands: &mut Vec<Command>) {
    let open = state.settings.is_advanced_open;
    let sign = icon(if open { "▾" } else { "▸" });
    let button = egui::Button::new((sign, widgets::group_text("Advanced"))).frame_when_inactive(false);
    let button = ui.scope(|ui| {
        ui.spacing_mut().button_padding.x = 0.0;
        ui.add(button.min_size(vec2(ui.available_width(), 0.0)))
    });
    let button = button.inner.on_hover_text("Blocks, sampler, steps, guidance, seed and size");
    button.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, open, "Advanced"));
    if button.clicked() {
        commands.push(Command::ToggleAdvanced);
    }
    if !open {
        return;
    }
    seed(ui, state, commands);
    let Some(info) = state.model_info().cloned() else {
        widgets::hint(ui, "The rest appears once the model is open");
        return;
    };
    size(ui, state, &info);
    sampling(ui, state, &info);
    window_of_steps(ui, state);
    ui.add_space(tokens::SPACE_S);
    blocks(ui, state, &info);
    ui.add_space(tokens::SPACE_S);
    if ui.button("Reset to the model's settings").on_hover_text("Prompts and references stay as they are").clicked() {
        commands.push(Command::ResetSettings);
    }
}

fn seed(ui: &mut Ui, state: &mut AppState, commands: &mut Vec<Command>) {
    let wrong = ui.horizontal(|ui| {
        let label = row_label(ui, "Seed", "The same seed and settings make the same picture again");
        let wrong = match &mut state.recipe.seed {
            Some(seed) => seed_field(ui, seed, &label),
            None => {
                let random = egui::Label::new(RichText::new("random").weak());
                ui.add_sized(vec2(SEED_WIDTH, tokens::CONTROL_HEIGHT), random);
                None
            }
        };
        let is_locked = state.recipe.seed.is_some();
        let lock = ui.add(egui::Button::new("Lock").selected(is_locked));
        lock.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_locked, "Lock the seed"));
        if lock.on_hover_text("Keep the seed of the last picture for the next ones").clicked() {
            commands.push(Command::LockSeed(!is_locked));
        }
        let roll = ui.button("Roll");
        roll.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Roll a new seed"));
        let keys = keys_of(ui.ctx(), "Roll a new seed and lock it");
        if roll.on_hover_text(format!("Choose a new seed by chance and lock it ({keys})")).clicked() {
            commands.push(Command::RollSeed);
        }
        wrong
    });
    if let Some(wrong) = wrong.inner {
        ui.label(RichText::new(wrong).small().color(tokens::palette(ui).error));
    }
}

fn size(ui: &mut Ui, state: &mut AppState, info: &ModelInfo) {
    let (width, height) = state.open_size().unwrap_or((info.defaults.width, info.defaults.height));
    ui.horizontal(|ui| {
        let label = row_label(ui, "Size", "Width and height in pixels; models paint best near their own size");
        let side = |ui: &mut Ui, setting: &mut Option<u32>, default: u32, name: &str| {
            let before = setting.unwrap_or(default);
            let mut value = before;
            let step = info.size_step;
            let whole_steps = |value: f64| (value / f64::from(step)).floor() * f64::from(step);
            let field = DragValue::new(&mut value).range(step..=4096).speed(f64::from(step) / 4.0).suffix(" px");
            // What is typed is taken in whole steps at once: a number that changes afterwards would replace the digits so far.
            let field = field.custom_parser(|text| text.trim().parse().ok().map(whole_steps));
            let field = field.clamp_existing_to_range(false);
            let field = ui.add_sized(vec2(84.0, tokens::CONTROL_HEIGHT), field).labelled_by(label.id);
            field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::SpinButton, true, name));
            // A size that nobody has touched stays as it is, said or left open.
            if value != before {
                let value = (value / step * step).max(step);
                *setting = (value != default).then_some(value);
            }
        };
        side(ui, &mut state.recipe.width, width, "Width");
        ui.label("×");
        side(ui, &mut state.recipe.height, height, "Height");
    });
}

fn sampling(ui: &mut Ui, state: &mut AppState, info: &ModelInfo) {
    let recipe = &mut state.recipe;
    let defaults = &info.defaults;
    ui.horizontal(|ui| {
        let label = row_label(ui, "Sampler", "How noise is turned into a picture, step by step");
        let before = recipe.scheduler.unwrap_or(defaults.scheduler);
        let mut chosen = before;
        let combo = widgets::combo("sampler", ui.available_width(), words::sampler(chosen));
        let combo = combo.show_ui(ui, |ui| {
            for name in SchedulerName::ALL {
                ui.selectable_value(&mut chosen, name, words::sampler(name));
            }
        });
        combo.response.labelled_by(label.id);
        if chosen != before {
            recipe.scheduler = (chosen != defaults.scheduler).then_some(chosen);
        }
    });
    let mut steps = recipe.steps.map(f64::from);
    let row = SliderRow {
        label: "Steps",
        tip: "More steps take longer and refine the picture",
        range: 1.0..=60.0,
        limits: 1.0..=1000.0,
        default: f64::from(defaults.steps),
        decimals: 0,
    };
    optional_slider(ui, row, &mut steps);
    // In range, so that nothing is cut.
    recipe.steps = steps.map(|steps| steps.round() as u32);
    let row = SliderRow {
        label: "Guidance",
        tip: "How closely the prompt is followed; too much makes pictures harsh",
        range: 0.0..=15.0,
        limits: 0.0..=100.0,
        default: defaults.guidance,
        decimals: 1,
    };
    optional_slider(ui, row, &mut recipe.guidance);
}

fn window_of_steps(ui: &mut Ui, state: &mut AppState) {
    let recipe = &mut state.recipe;
    let row = |label, tip, default| SliderRow { label, tip, range: 0.0..=1.0, limits: 0.0..=1.0, default, decimals: 2 };
    if row("References enter at", "The part of the steps after which references begin to act", 0.0)
        .show(ui, &mut recipe.start)
    {
        recipe.end = recipe.end.max(recipe.start);
    }
    if row("References leave at", "The part of the steps after which references no longer act", 1.0)
        .show(ui, &mut recipe.end)
    {
        recipe.start = recipe.start.min(recipe.end);
    }
}

/// One bar a block. Moving one makes the mode a custom one, which begins as what the mode was.
fn blocks(ui: &mut Ui, state: &mut AppState, info: &ModelInfo) {
    let index = state.selected_reference();
    let Some(reference) = index.and_then(|index| state.recipe.references.get_mut(index)) else { return };
    widgets::heading(ui, "Blocks").on_hover_text("Where in the network the reference enters, and how strongly");
    let injections = match info.blocks.injections(reference) {
        Ok(injections) => injections,
        Err(error) => {
            widgets::hint(ui, error.to_string());
            return;
        }
    };
    let mut moved: Option<(String, f64)> = None;
    Grid::new("blocks").num_columns(3).spacing([tokens::SPACE_M, 2.0]).show(ui, |ui| {
        ui.spacing_mut().interact_size.y = 22.0;
        ui.spacing_mut().button_padding.y = 1.0;
        for (name, injection) in info.blocks.names.iter().zip(&injections) {
            let words = words::block(&info.blocks, name);
            let label = ui.label(RichText::new(&words).small()).on_hover_text(name);
            let mut scale = injection.scale;
            let bar = Slider::new(&mut scale, REACH).show_value(false).clamping(SliderClamping::Never).step_by(0.01);
            let bar = ui.scope(|ui| {
                slider_look(ui);
                // What the name and the number leave.
                ui.spacing_mut().slider_width = 167.0;
                ui.add(bar)
            });
            let mut bar = bar.inner.labelled_by(label.id).on_hover_text(format!("{name}. Double-click to mute"));
            if bar.double_clicked() {
                scale = 0.0;
                bar.mark_changed();
            }
            let field = DragValue::new(&mut scale).range(LIMITS).speed(0.01).fixed_decimals(2);
            let field = field.clamp_existing_to_range(false);
            let field = ui.add_sized(vec2(54.0, 22.0), field).labelled_by(label.id);
            if bar.changed() || field.changed() {
                moved = Some((name.clone(), scale));
            }
            ui.end_row();
        }
    });
    if let Some((name, scale)) = moved {
        let present = info.blocks.names.iter().cloned().zip(injections.iter().map(|injection| injection.scale));
        let mut scales: BTreeMap<String, f64> = present.filter(|(_, scale)| *scale != 0.0).collect();
        match scale {
            0.0 => scales.remove(&name),
            _ => scales.insert(name, scale),
        };
        reference.role = Role::Custom(scales);
    }
}
