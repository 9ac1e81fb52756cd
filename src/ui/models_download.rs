//! The models that can be fetched: their purpose, size and licence before, their progress meanwhile.

use egui::{Align, Button, Layout, Margin, ProgressBar, RichText, ScrollArea, Stroke, Ui, WidgetInfo, vec2};

use super::focus::scroll_to_focus;
use super::tokens::{self, palette};
use super::widgets::{self, accent_button};
use super::words::sentence;
use crate::app::{AppState, Command, Fetch, ModelsCommand, Ware, duration};
use crate::models::{Event, State, size};

pub fn download_tab(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) {
    widgets::hint(
        ui,
        "To paint with SDXL you need a model, an IP-Adapter and its image encoder. Downloads go on where they were stopped",
    );
    ScrollArea::vertical().id_salt("downloads").auto_shrink([false, false]).show(ui, |ui| {
        scroll_to_focus(ui);
        for ware in &state.models.wares {
            card(ui, state, ware, commands);
        }
    });
}

fn card(ui: &mut Ui, state: &AppState, ware: &Ware, commands: &mut Vec<Command>) {
    let colours = palette(ui);
    widgets::card(ui, Stroke::new(1.0, colours.line), Margin::symmetric(14, 10), |ui| {
        let entry = ware.entry;
        ui.horizontal(|ui| {
            ui.label(RichText::new(&entry.title).strong());
            widgets::hint(ui, format!("{} · {}", size(entry.bytes()), entry.licence));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| action(ui, state, ware, commands));
        });
        ui.add(egui::Label::new(RichText::new(sentence(&entry.purpose)).color(colours.text_weak)).wrap());
        if matches!(ware.fetch, Fetch::Asked | Fetch::Stopping) {
            progress(ui, state, ware);
        }
        if let Fetch::Failed(why) = &ware.fetch {
            ui.label(RichText::new(sentence(why)).color(colours.error));
        }
        if state.models.asking.as_ref() == Some(&entry.name) {
            licences(ui, state, ware, commands);
        }
    });
    ui.add_space(2.0);
}

/// What can be done with it now.
fn action(ui: &mut Ui, state: &AppState, ware: &Ware, commands: &mut Vec<Command>) {
    let (name, title) = (&ware.entry.name, &ware.entry.title);
    let mut offer = |ui: &mut Ui, words: &str, says: &str, command: ModelsCommand| {
        let button = ui.add(Button::new(words).min_size(vec2(96.0, tokens::CONTROL_HEIGHT)));
        let says = format!("{says} {title}");
        button.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, &says));
        if button.clicked() {
            commands.push(Command::Models(command));
        }
    };
    match (&ware.fetch, &ware.place) {
        (Fetch::Stopping, _) => drop(widgets::hint(ui, "Stopping…")),
        (Fetch::Asked, _) => offer(ui, "Stop", "Stop fetching", ModelsCommand::Stop(name.clone())),
        (_, Some(State::Here(path))) => {
            let open = state.opened_model();
            let is_open = [&open.model, &open.adapter, &open.image_encoder, &open.vae].contains(&&Some(path.clone()));
            if is_open {
                ui.label(RichText::new("in use").small().color(palette(ui).accent));
            } else if ware.entry.part != crate::models::Part::Preview {
                offer(ui, "Use", "Use", ModelsCommand::Use(path.clone()));
            }
            widgets::hint(ui, "On this computer");
        }
        _ if state.models.asking.as_ref() == Some(name) => {}
        // Its licence was accepted when it was begun.
        _ if ware.unfinished > 0 => {
            offer(ui, "Go on", "Go on fetching", ModelsCommand::Accept(name.clone()));
            let words = format!("{} of {} are here", size(ware.unfinished), size(ware.entry.bytes()));
            widgets::hint(ui, words);
        }
        (Fetch::Failed(_), _) => offer(ui, "Try again", "Try again to fetch", ModelsCommand::Accept(name.clone())),
        (_, Some(State::WeightsOnly(_))) => {
            offer(ui, "Complete…", "Get the rest of", ModelsCommand::Ask(name.clone()));
            widgets::hint(ui, "Its weights are here, its settings are not");
        }
        (_, Some(State::Missing)) => offer(ui, "Get…", "Get", ModelsCommand::Ask(name.clone())),
        (_, None) => drop(widgets::hint(ui, "Looking…")),
    }
}

fn progress(ui: &mut Ui, state: &AppState, ware: &Ware) {
    let event = state.fetching().filter(|(name, _)| *name == ware.entry.name).map(|(_, event)| event);
    let mut part = None;
    let words = match event {
        None => "Waiting for its turn".to_owned(),
        Some(Event::Waiting) => "Another window fetches it; waiting".to_owned(),
        Some(Event::Reused { file, .. }) => format!("{file} is taken from elsewhere on this disk"),
        Some(Event::Retrying { file, why, after }) => {
            format!("{file}: {why}; trying again in {}", duration(after.as_secs_f64()))
        }
        Some(Event::Checking { file, progress }) => {
            part = progress.total.map(|total| progress.done as f32 / total.max(1) as f32);
            format!("Checking {}", std::path::Path::new(&file).file_name().unwrap_or_default().to_string_lossy())
        }
        Some(Event::Data { progress, .. }) => {
            part = progress.total.map(|total| progress.done as f32 / total.max(1) as f32);
            let left = progress.seconds_left.map_or(String::new(), |left| format!(", {} left", duration(left)));
            format!("{}{left}", progress.words())
        }
    };
    let bar = ProgressBar::new(part.unwrap_or(0.0)).desired_height(6.0).fill(palette(ui).accent);
    let bar = ui.add(bar.corner_radius(3).desired_width(ui.available_width()));
    let says = format!("Download of {}", ware.entry.title);
    bar.widget_info(|| WidgetInfo::labeled(egui::Role::ProgressIndicator, true, &says));
    widgets::hint(ui, words);
}

/// What would come, and under which licences; nothing is fetched before they are accepted.
fn licences(ui: &mut Ui, state: &AppState, ware: &Ware, commands: &mut Vec<Command>) {
    let wanted = state.wanted_wares(&ware.entry.name);
    ui.separator();
    for wanted in &wanted {
        ui.horizontal_wrapped(|ui| {
            ui.label(format!(
                "{}, {}, licence {}:",
                wanted.entry.title,
                size(wanted.missing_bytes()),
                wanted.entry.licence
            ));
            ui.hyperlink_to(&wanted.entry.licence_url, &wanted.entry.licence_url);
        });
    }
    let bytes = size(wanted.iter().map(|ware| ware.missing_bytes()).sum());
    ui.horizontal(|ui| {
        let words = match wanted.len() {
            1 => format!("Accept the licence and download {bytes}"),
            _ => format!("Accept the licences and download {bytes}"),
        };
        if accent_button(ui, &words, vec2(0.0, 32.0)).clicked() {
            commands.push(Command::Models(ModelsCommand::Accept(ware.entry.name.clone())));
        }
        if ui.add(Button::new("Not now").min_size(vec2(84.0, 32.0))).clicked() {
            commands.push(Command::Models(ModelsCommand::Decline));
        }
    });
}
