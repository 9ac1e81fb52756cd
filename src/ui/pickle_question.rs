//! A pickled file of weights was dropped: it is not opened as it is. What it is, its safe twin, and a conversion.

use egui::{Button, ProgressBar, RichText, Ui, WidgetInfo, vec2};

use super::tokens::{self, palette};
use super::widgets::{self, accent_button};
use super::words::sentence;
use crate::app::{Command, ModelsCommand, Pickled, Stand};
use crate::models::{Twin, size};

/// True when the models are to be shown.
pub fn pickle_question(ui: &mut Ui, pickled: &Pickled, commands: &mut Vec<Command>) -> bool {
    ui.label(RichText::new(&pickled.name).strong());
    ui.label(format!(
        "A pickled PyTorch file, {}. Such a file can hide a program, so it is never opened as it is.",
        size(pickled.bytes)
    ));
    let twin = match &pickled.twin {
        Twin::Beside(path) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            format!("{name} lies beside it: the same weights, as a rule, and safe.")
        }
        Twin::Listed(entry) => format!("The same weights are safe to get under Download: {}.", entry.title),
        Twin::Named(name) => {
            format!("Where it was published there is most likely {name}, which is safe. Importing makes such a copy.")
        }
    };
    ui.label(twin);
    if let Stand::Failed(why) | Stand::Refused(why) = &pickled.stand {
        ui.label(RichText::new(sentence(why)).color(palette(ui).error));
    }
    if pickled.stand == Stand::AtWork {
        progress(ui, pickled);
    }
    ui.horizontal_wrapped(|ui| buttons(ui, pickled, commands)).inner
}

fn buttons(ui: &mut Ui, pickled: &Pickled, commands: &mut Vec<Command>) -> bool {
    let height = vec2(0.0, tokens::CONTROL_HEIGHT);
    let mut wants_models = false;
    let is_idle = pickled.stand != Stand::AtWork;
    if is_idle {
        match &pickled.twin {
            Twin::Beside(path) => {
                if accent_button(ui, "Use the safe one", height).clicked() {
                    commands.push(Command::Models(ModelsCommand::UseTwin(path.clone())));
                }
            }
            Twin::Listed(entry) => {
                if accent_button(ui, "Show the download", height).clicked() {
                    commands.push(Command::Models(ModelsCommand::ForgetPickled));
                    commands.push(Command::Models(ModelsCommand::ShowDownload(entry.name.clone())));
                    wants_models = true;
                }
            }
            Twin::Named(_) => {}
        }
        let words =
            if matches!(pickled.stand, Stand::Failed(_)) { "Try to import again" } else { "Import a safe copy" };
        if !matches!(pickled.stand, Stand::Refused(_)) {
            let import = match pickled.twin {
                Twin::Named(_) => accent_button(ui, words, height),
                _ => ui.add(Button::new(words).min_size(height)),
            };
            let tip = "Another process, which can do nothing else, reads the numbers and writes them as safetensors; \
                       nothing of the file is run";
            if import.on_hover_text(tip).clicked() {
                commands.push(Command::Models(ModelsCommand::Import));
            }
        }
    }
    let close = ui.button(if is_idle { "Not now" } else { "Stop" });
    let says = if is_idle { "Do nothing with the pickled file" } else { "Stop importing" };
    close.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, says));
    if close.clicked() {
        commands.push(Command::Models(ModelsCommand::ForgetPickled));
    }
    wants_models
}

fn progress(ui: &mut Ui, pickled: &Pickled) {
    let progress = pickled.progress();
    let part = progress.and_then(|now| Some(now.done as f32 / now.total?.max(1) as f32));
    let bar = ProgressBar::new(part.unwrap_or(0.0)).desired_height(6.0).fill(palette(ui).accent);
    let bar = ui.add(bar.corner_radius(3).desired_width(ui.available_width()));
    let says = format!("Import of {}", pickled.name);
    bar.widget_info(|| WidgetInfo::labeled(egui::Role::ProgressIndicator, true, &says));
    widgets::hint(ui, progress.map_or_else(|| "Importing…".to_owned(), |progress| progress.words()));
}
