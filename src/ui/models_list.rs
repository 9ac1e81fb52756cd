//! What was found on this computer, part by part, and more about the one that is selected.

use egui::{
    Button, CornerRadius, Id, Key, Label, Margin, RichText, ScrollArea, Sense, Stroke, StrokeKind, TextEdit, Ui,
    WidgetInfo, vec2,
};

use super::focus::scroll_to_focus;
use super::models_panel::{ModelsPanel, memory_words, why_not};
use super::tokens::{self, palette};
use super::widgets::{self, accent_button};
use super::words::{self, sentence};
use crate::app::{AppState, Command, ModelsCommand};
use crate::models::{Item, Part, size};

const ROW: f32 = 46.0;
const BUILT_IN: &str = "Built-in model";

/// A part, what several of it are called, one of it, and what taking it up is called.
const PARTS: [(Part, &str, &str, &str); 5] = [
    (Part::Model, "Models", "Model", "Use this model"),
    (Part::Adapter, "IP-Adapters", "IP-Adapter", "Use this IP-Adapter"),
    (Part::ImageEncoder, "Image encoders", "Image encoder", "Use this image encoder"),
    (Part::Vae, "VAEs", "VAE", "Use this VAE"),
    (Part::Lora, "LoRAs", "LoRA", "Add this LoRA"),
];

pub fn found_list(ui: &mut Ui, panel: &mut ModelsPanel, state: &AppState, commands: &mut Vec<Command>) {
    filter(ui, panel);
    let below = 2.0 * tokens::CONTROL_HEIGHT + 3.0 * tokens::SPACE_M;
    let room = (ui.available_height() - below).max(80.0);
    let wanted = panel.filter.trim().to_lowercase();
    let is_wanted = |item: &Item| {
        let text = format!("{} {}", item.name, item.words).to_lowercase();
        wanted.split_whitespace().all(|word| text.contains(word))
    };
    ScrollArea::vertical().id_salt("found models").auto_shrink([false, false]).max_height(room).show(ui, |ui| {
        scroll_to_focus(ui);
        ui.spacing_mut().item_spacing.y = 2.0;
        for (part, heading, one, _) in PARTS {
            let items: Vec<&Item> = state.models.of_part(part).filter(|item| is_wanted(item)).collect();
            let has_built_in = part == Part::Model && "built-in model".contains(&wanted);
            if items.is_empty() && !has_built_in {
                continue;
            }
            ui.add_space(tokens::SPACE_M);
            ui.label(RichText::new(heading).small().strong().color(palette(ui).text_weak));
            if has_built_in {
                built_in(ui, state, commands);
            }
            for item in items {
                found(ui, state, one, item, commands);
            }
        }
        if state.models.items.is_empty() && !state.models.is_looking {
            ui.add_space(tokens::SPACE_GROUP);
            ui.label("No model files were found yet.");
            ui.label(
                "Add a folder of yours below (ComfyUI's, A1111's, or any other), drop a file on the window, \
                 or get a model under Download.",
            );
        }
        unusable(ui, state);
    });
    ui.add_space(tokens::SPACE_S);
    folders(ui, panel, state, commands);
}

fn filter(ui: &mut Ui, panel: &mut ModelsPanel) {
    let field = TextEdit::singleline(&mut panel.filter).hint_text("Find by name or kind").char_limit(200);
    let field = field.id(Id::unique("find a model")).margin(Margin::symmetric(10, 7));
    let field = ui.add_sized(vec2(ui.available_width(), tokens::CONTROL_HEIGHT), field);
    field.widget_info(|| WidgetInfo::labeled(egui::Role::TextInput, true, "Find a model"));
}

fn built_in(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) {
    let is_open = state.opened_model().model.is_none();
    let is_selected = state.models.is_built_in_selected;
    let (response, is_entered) =
        row(ui, "Model", BUILT_IN, "Small and fast, brings all its parts", is_open, is_selected);
    if (response.double_clicked() || (is_entered && is_selected)) && is_built_in_usable(state) {
        commands.push(Command::Models(ModelsCommand::UseBuiltIn));
    } else if response.clicked() {
        commands.push(Command::Models(ModelsCommand::SelectBuiltIn));
    }
}

/// Where it only stands in for one that is missing, it can be taken up for good.
fn is_built_in_usable(state: &AppState) -> bool {
    state.opened_model().model.is_some() || state.models.missing.is_some()
}

fn built_in_details(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) {
    ui.label(RichText::new(BUILT_IN).strong().size(tokens::TEXT_HEADING - 2.0));
    ui.label("Small and fast, made for trying things out.");
    ui.label("It brings its own IP-Adapter, image encoder and VAE. LoRAs of other models do not go with it.");
    ui.add_space(tokens::SPACE_S);
    if !is_built_in_usable(state) {
        ui.label(RichText::new("In use").strong().color(palette(ui).accent));
    } else if accent_button(ui, "Use this model", vec2(0.0, 34.0)).clicked() {
        commands.push(Command::Models(ModelsCommand::UseBuiltIn));
    }
}

fn found(ui: &mut Ui, state: &AppState, one: &str, item: &Item, commands: &mut Vec<Command>) {
    let is_selected = state.models.selected.as_ref() == Some(&item.path);
    let words = format!("{} · {}", item.words, size(item.bytes));
    let (response, is_entered) = row(ui, one, &item.name, &words, state.is_chosen(item), is_selected);
    if response.double_clicked() || (is_entered && is_selected) {
        commands.push(Command::Models(ModelsCommand::Use(item.path.clone())));
    } else if response.clicked() {
        commands.push(Command::Models(ModelsCommand::Select(item.path.clone())));
    }
}

/// One line of the list, and whether Enter was pressed on it.
fn row(ui: &mut Ui, one: &str, name: &str, words: &str, is_open: bool, is_selected: bool) -> (egui::Response, bool) {
    let colours = palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
    let full = format!("{one}: {name}");
    response.widget_info(|| WidgetInfo::selected(egui::Role::Button, true, is_selected, &full));
    let radius = CornerRadius::same(tokens::RADIUS);
    let fill = match (is_selected, response.hovered()) {
        (true, _) => colours.accent_faint,
        (false, true) => colours.control,
        (false, false) => colours.panel,
    };
    ui.painter().rect_filled(rect, radius, fill);
    if response.has_focus() {
        ui.painter().rect_stroke(rect, radius, Stroke::new(1.5, colours.accent), StrokeKind::Inside);
    }
    let inside = rect.shrink2(vec2(10.0, 5.0));
    let mut child = ui.new_child(egui::UiBuilder::new().max_rect(inside));
    child.spacing_mut().item_spacing.y = 1.0;
    // Lines of text, not of controls.
    child.spacing_mut().interact_size.y = 18.0;
    child.horizontal(|ui| {
        if is_open {
            ui.label(RichText::new("in use").small().color(colours.accent));
        }
        ui.add(Label::new(RichText::new(name).strong()).truncate().selectable(false));
    });
    child.add(Label::new(RichText::new(words).small().color(colours.text_weak)).truncate().selectable(false));
    let is_entered = response.has_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    (response, is_entered)
}

fn unusable(ui: &mut Ui, state: &AppState) {
    let wrong = &state.models.unusable;
    if wrong.is_empty() {
        return;
    }
    ui.add_space(tokens::SPACE_M);
    let title = match wrong.len() {
        1 => "1 file that cannot be used".to_owned(),
        count => format!("{count} files that cannot be used"),
    };
    egui::CollapsingHeader::new(RichText::new(title).small().weak()).id_salt("unusable").show(ui, |ui| {
        for (path, why) in wrong {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            ui.label(RichText::new(name).small().strong());
            widgets::hint(ui, why);
        }
    });
}

/// Where it was looked, and a way to name more.
fn folders(ui: &mut Ui, panel: &mut ModelsPanel, state: &AppState, commands: &mut Vec<Command>) {
    ui.horizontal_wrapped(|ui| {
        for folder in &state.models.folders {
            let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
            let button = ui.add(Button::new(RichText::new(format!("{name} ×")).small()));
            let said = format!("Do not look in {name} any more");
            button.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, &said));
            let tip = format!("{}\nClick to look there no more; nothing is deleted", folder.display());
            if button.on_hover_text(tip).clicked() {
                commands.push(Command::Models(ModelsCommand::RemoveFolder(folder.clone())));
            }
        }
        let add = ui.button("Add a folder to look in…");
        let tip = "ComfyUI's or A1111's folder, or any other; the cache of Hugging Face is looked through by itself";
        if add.on_hover_text(tip).clicked() {
            commands.push(Command::Models(ModelsCommand::AddFolder));
        }
    });
    ui.horizontal(|ui| {
        let field =
            TextEdit::singleline(&mut panel.typed).hint_text("…or the path of a file or folder").char_limit(4096);
        let field = field.id(Id::unique("path of a model")).margin(Margin::symmetric(10, 7));
        let field = ui.add_sized(vec2(ui.available_width() - 62.0, tokens::CONTROL_HEIGHT), field);
        field.widget_info(|| WidgetInfo::labeled(egui::Role::TextInput, true, "Path of a model"));
        let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let path = panel.typed.trim().trim_matches('"').to_owned();
        let open = ui.add_enabled(!path.is_empty(), Button::new("Open"));
        open.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "Open the path"));
        if (open.clicked() || is_entered) && !path.is_empty() {
            commands.push(Command::Models(ModelsCommand::Identify(vec![path.into()])));
            panel.asked = Some(panel.typed.clone());
        }
    });
}

/// What the selected one is, what it would take, and the button that takes it up.
pub fn details(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) {
    if state.models.is_built_in_selected {
        return built_in_details(ui, state, commands);
    }
    let selected = state.models.selected.as_ref().and_then(|path| state.models.item(path));
    let Some(item) = selected else {
        widgets::hint(ui, "Select a file to see what it is, what it goes with and how much memory it takes.");
        return;
    };
    let colours = palette(ui);
    ui.label(RichText::new(&item.name).strong().size(tokens::TEXT_HEADING - 2.0));
    ui.label(format!("{}, {}", item.words, size(item.bytes)));
    if let Some(licence) = &item.licence {
        widgets::hint(ui, format!("Licence: {licence}"));
    }
    if let Some(needs) = item.needs() {
        widgets::hint(ui, format!("Needs {needs}"));
    }
    widgets::hint(ui, item.path.display().to_string());
    ui.add_space(tokens::SPACE_S);
    let examined = state.models.examined.as_ref().filter(|(path, _)| *path == item.path).map(|(_, result)| result);
    let mut is_possible = true;
    match examined {
        None => drop(widgets::hint(ui, "Trying whether it opens…")),
        Some(Err(why)) => {
            is_possible = false;
            ui.label(RichText::new(sentence(why)).color(colours.error));
        }
        Some(Ok(examined)) => {
            if item.part == Part::Model {
                companions(ui, state, examined.paths.adapter.as_deref(), item);
            }
            if let Some(defaults) = examined.defaults.as_ref().filter(|_| matches!(item.part, Part::Model | Part::Lora))
            {
                widgets::hint(ui, format!("Paints with {}", words::sampling(defaults)));
            }
            if let Some(fit) = &examined.fit {
                ui.label(format!("Takes {}.", memory_words(fit)));
                if let Some(refusal) = &fit.memory.refusal {
                    ui.label(RichText::new(sentence(refusal)).color(colours.error));
                }
            }
            // Another reason than those that the engine gives.
            if let Some(why) = why_not(state, item) {
                ui.label(RichText::new(sentence(&why)).color(colours.error));
            }
        }
    }
    ui.add_space(tokens::SPACE_S);
    take_up(ui, state, item, is_possible, commands);
}

fn companions(ui: &mut Ui, state: &AppState, adapter: Option<&std::path::Path>, item: &Item) {
    let named = adapter.and_then(|path| state.models.item(path));
    match named {
        Some(adapter) => {
            let more = if adapter.can_subtract() { " Words can be subtracted from references." } else { "" };
            ui.label(format!("References enter through {}, with its image encoder.{more}", adapter.name));
        }
        None if item.brings_adapter() => drop(ui.label("It brings its own IP-Adapter and image encoder.")),
        None => {
            let said = "References cannot be used with it yet: no IP-Adapter that goes with it was found. Get one under Download.";
            ui.label(RichText::new(said).color(palette(ui).accent));
        }
    }
}

fn take_up(ui: &mut Ui, state: &AppState, item: &Item, is_possible: bool, commands: &mut Vec<Command>) {
    let Some((_, _, _, words)) = PARTS.iter().find(|(part, ..)| *part == item.part) else { return };
    let size = vec2(0.0, 34.0);
    if !state.is_chosen(item) {
        let button = ui.add_enabled_ui(is_possible, |ui| accent_button(ui, words, size)).inner;
        if button.clicked() {
            commands.push(Command::Models(ModelsCommand::Use(item.path.clone())));
        }
        return;
    }
    ui.label(RichText::new("In use").strong().color(palette(ui).accent));
    let (words, command) = match item.part {
        Part::Model => ("Back to the built-in model", ModelsCommand::UseBuiltIn),
        Part::Lora => {
            let place = state.recipe.loras.iter().position(|lora| lora.hash == item.id).unwrap_or(usize::MAX);
            ("Remove this LoRA", ModelsCommand::RemoveLora(place))
        }
        part => ("Go without it", ModelsCommand::Without(part)),
    };
    if ui.add(Button::new(words).min_size(size)).clicked() {
        commands.push(Command::Models(command));
    }
}
