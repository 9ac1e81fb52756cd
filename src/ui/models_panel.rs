//! The models: what paints now and with what, what else is on this computer, and what can be downloaded.

use egui::{Align, Context, CornerRadius, Frame, Layout, Margin, RichText, ScrollArea, Stroke, Ui, WidgetInfo, vec2};

use super::focus::scroll_to_focus;
use super::models_download::download_tab;
use super::models_list::{details, found_list};
use super::models_offer::models_offer_inside;
use super::notes_ui::notes_ui;
use super::tokens::{self, palette};
use super::widgets;
use crate::app::{AppState, Command, Fit, ModelState, ModelsCommand, NoteKind, Place};
use crate::models::{Event, Item, Part, size};

const WIDTH: f32 = 1040.0;
const DETAILS: f32 = 340.0;

/// What is looked at, kept while the window is open.
#[derive(Debug, Default)]
pub struct ModelsPanel {
    tab: Tab,
    /// Letters that names in the list must have.
    pub(super) filter: String,
    /// A path that is being typed.
    pub(super) typed: String,
    /// It was asked what lies there, and the answer is not there yet.
    pub(super) asked: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Tab {
    #[default]
    Found,
    Download,
}

impl ModelsPanel {
    /// False once the panel was closed.
    pub fn show(&mut self, ctx: &Context, state: &mut AppState, commands: &mut Vec<Command>) -> bool {
        state.watch_models();
        if std::mem::take(&mut state.models.wants_panel) {
            self.tab = Tab::Found;
        }
        if std::mem::take(&mut state.models.wants_downloads) {
            self.tab = Tab::Download;
        }
        self.forget_typed(state);
        let screen = ctx.content_rect().size();
        let modal = widgets::sheet(ctx, "models panel", 20).show(ctx, |ui| {
            ui.set_width((screen.x * 0.94 - 40.0).clamp(280.0, WIDTH));
            ui.set_height((screen.y * 0.92 - 40.0).clamp(200.0, 860.0));
            let stays = heading(ui, state, commands);
            notes_ui(ui, state, Place::Model, commands);
            models_offer_inside(ui, state, commands);
            in_use(ui, state, commands);
            ui.add_space(tokens::SPACE_S);
            self.tabs(ui, state, commands);
            match self.tab {
                Tab::Found => self.found(ui, state, commands),
                Tab::Download => download_tab(ui, state, commands),
            }
            stays
        });
        modal.inner && !modal.should_close()
    }

    /// A path at which something was found has served; one with a slip of the hand is mended where it stands.
    fn forget_typed(&mut self, state: &AppState) {
        let is_refused = || state.notes.at(Place::Model).any(|note| note.kind == NoteKind::Error);
        if state.opening == 0 && self.asked.take().is_some_and(|asked| asked == self.typed) && !is_refused() {
            self.typed.clear();
        }
    }

    fn tabs(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) {
        ui.horizontal(|ui| {
            for (tab, name) in [(Tab::Found, "On this computer"), (Tab::Download, "Download")] {
                let is_open = self.tab == tab;
                let button = ui.add(egui::Button::new(name).selected(is_open));
                button.widget_info(|| WidgetInfo::selected(egui::Role::Tab, true, is_open, name));
                if button.clicked() {
                    self.tab = tab;
                }
            }
            looking(ui, state);
            if self.tab == Tab::Found {
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let folder = ui.button("Open a folder…");
                    if folder
                        .on_hover_text("The folder of a model in diffusers format, or one in which models lie")
                        .clicked()
                    {
                        commands.push(Command::Models(ModelsCommand::OpenFolder));
                    }
                    let file = ui.button("Open files…");
                    let tip = "A checkpoint, an IP-Adapter, a VAE or a LoRA; dropping it on the window does the same";
                    if file.on_hover_text(tip).clicked() {
                        commands.push(Command::Models(ModelsCommand::OpenFile));
                    }
                });
            }
        });
    }

    fn found(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) {
        let height = ui.available_height();
        let list = (ui.available_width() - DETAILS - tokens::SPACE_L - 2.0).max(200.0);
        ui.horizontal_top(|ui| {
            ui.allocate_ui_with_layout(vec2(list, height), Layout::top_down(Align::Min), |ui| {
                ui.set_width(list);
                found_list(ui, self, state, commands);
            });
            ui.add_space(tokens::SPACE_M);
            let colours = palette(ui);
            let frame = Frame::new().fill(colours.raised).stroke(Stroke::new(1.0, colours.line));
            let frame = frame.corner_radius(CornerRadius::same(tokens::RADIUS)).inner_margin(Margin::same(14));
            frame.show(ui, |ui| {
                ui.set_width(DETAILS - 28.0);
                ui.set_height((height - 30.0).max(60.0));
                ScrollArea::vertical().id_salt("model details").auto_shrink([false, false]).show(ui, |ui| {
                    scroll_to_focus(ui);
                    ui.vertical(|ui| details(ui, state, commands));
                });
            });
        });
    }
}

/// False when it is to be closed.
fn heading(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) -> bool {
    ui.horizontal(|ui| {
        ui.label(RichText::new("Models").heading().strong());
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let close = ui.button("Close");
            close.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "Close the models"));
            let again = ui.add_enabled(!state.models.is_looking, egui::Button::new("Look again"));
            if again.on_hover_text("Look through all folders once more").clicked() {
                commands.push(Command::Models(ModelsCommand::Look));
            }
            !close.clicked()
        })
        .inner
    })
    .inner
}

/// What the thread that looks does just now.
fn looking(ui: &mut Ui, state: &AppState) {
    if !state.models.is_looking {
        return;
    }
    let words = match state.models.checking() {
        Some(Event::Checking { file, progress }) => {
            let name = std::path::Path::new(&file).file_name().unwrap_or_default().to_string_lossy().into_owned();
            let part = progress.total.map_or(0.0, |total| progress.done as f64 / total.max(1) as f64);
            format!("Reading {name} to learn what it is, {:.0} %", part * 100.0)
        }
        _ => "Looking…".to_owned(),
    };
    ui.add(egui::Label::new(RichText::new(words).small().weak()).truncate());
}

/// The model that paints, and a list to choose from for each part that goes with it.
fn in_use(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) {
    let colours = palette(ui);
    widgets::card(ui, Stroke::new(1.0, colours.line), Margin::symmetric(14, 10), |ui| {
        ui.horizontal_wrapped(|ui| {
            widgets::hint(ui, "In use");
            let name = match &state.model {
                ModelState::Opening => "Opening the model…",
                ModelState::Ready(info) => info.name.as_str(),
                ModelState::Failed(_) => "No model",
            };
            ui.label(RichText::new(name).strong());
            if let Some(fit) = &state.models.fit {
                widgets::hint(ui, memory_words(fit));
            }
            if state.models.missing.is_some() {
                let again = ui.button("Try the last one again");
                if again.on_hover_text("Once its file is back where it was").clicked() {
                    commands.push(Command::Models(ModelsCommand::TryAgain));
                }
            }
        });
        let open = state.opened_model();
        if open.model.is_none() {
            widgets::hint(
                ui,
                "It brings its own IP-Adapter, image encoder and VAE. It is small, and made for trying things out",
            );
            return;
        }
        ui.add_space(tokens::SPACE_S);
        ui.horizontal_wrapped(|ui| {
            let own = state.model_info().is_some_and(|info| info.image_processor.is_some());
            let none = if own { "The model's own" } else { "None: no references" };
            part(ui, state, Part::Adapter, "IP-Adapter", none, open.adapter.as_deref(), commands);
            part(ui, state, Part::ImageEncoder, "Image encoder", none, open.image_encoder.as_deref(), commands);
            part(ui, state, Part::Vae, "VAE", "The model's own", open.vae.as_deref(), commands);
        });
        if state.models.fit.as_ref().is_some_and(|fit| fit.memory.decodes_twice) {
            better_vae(ui, state, commands);
        }
    });
}

/// The VAE without the fault of SDXL's own, where that would show.
fn better_vae(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) {
    const NAME: &str = "sdxl-vae-fp16-fix";
    ui.horizontal_wrapped(|ui| {
        let said = "The model's own VAE overflows in f16, so every picture is decoded once more, in f32. \
                    There is one without this fault:";
        ui.label(said);
        let Some(ware) = state.models.wares.iter().find(|ware| ware.entry.name == NAME) else {
            widgets::hint(ui, NAME);
            return;
        };
        let title = &ware.entry.title;
        let (words, command) = match &ware.place {
            Some(crate::models::State::Here(path)) => (format!("Use {title}"), ModelsCommand::Use(path.clone())),
            _ => {
                (format!("Get {title} ({})…", size(ware.missing_bytes())), ModelsCommand::ShowDownload(NAME.to_owned()))
            }
        };
        if ui.button(words).clicked() {
            commands.push(Command::Models(command));
        }
    });
}

fn part(
    ui: &mut Ui,
    state: &AppState,
    part: Part,
    name: &'static str,
    none: &str,
    open: Option<&std::path::Path>,
    commands: &mut Vec<Command>,
) {
    const LIST: f32 = 200.0;
    ui.allocate_ui_with_layout(
        vec2(LIST + 100.0, tokens::CONTROL_HEIGHT),
        Layout::left_to_right(Align::Center),
        |ui| {
            ui.label(name);
            let called = |path: &std::path::Path| {
                state.models.item(path).map_or_else(|| crate::models::name_of(path), called_item)
            };
            let shown = open.map_or_else(|| none.to_owned(), called);
            let combo = widgets::combo(name, LIST, &shown).show_ui(ui, |ui| {
                ui.set_max_width(420.0);
                if ui.selectable_label(open.is_none(), none).clicked() && open.is_some() {
                    commands.push(Command::Models(ModelsCommand::Without(part)));
                }
                for item in state.models.of_part(part) {
                    let is_open = open == Some(item.path.as_path());
                    let why_not = why_not(state, item);
                    let button = egui::Button::selectable(is_open, called_item(item));
                    let response = ui.add_enabled(why_not.is_none(), button).on_hover_text(&item.words);
                    let response = match &why_not {
                        Some(why) => response.on_disabled_hover_text(why),
                        None => response,
                    };
                    if response.clicked() && !is_open {
                        commands.push(Command::Models(ModelsCommand::Use(item.path.clone())));
                    }
                }
            });
            combo.response.widget_info(|| widgets::combo_info(name));
        },
    );
}

/// Why an item does not go with what is open, as far as headers tell at once.
pub(super) fn why_not(state: &AppState, item: &Item) -> Option<String> {
    let open = state.opened_model();
    let model = open.model.as_deref().and_then(|path| state.models.item(path));
    match item.part {
        Part::Adapter => item.adapter_fits(model, None).err(),
        Part::Lora => item.lora_differs(model?),
        _ => None,
    }
}

/// What tells one from another in a list: a folder's name says little about an image encoder.
fn called_item(item: &Item) -> String {
    match (item.part, item.words.strip_prefix("Image encoder, ")) {
        (Part::ImageEncoder, Some(model)) => format!("{model} · {}", item.name),
        _ => item.name.clone(),
    }
}

/// "about 7.9 GB of memory at 1024 × 1024, 11.2 GB are free"
pub(super) fn memory_words(fit: &Fit) -> String {
    let (width, height) = fit.size;
    let free = fit.memory.free.map_or(String::new(), |free| format!(", {} are free", size(free)));
    format!("about {} of {} at {width} × {height}{free}", size(fit.memory.needed), fit.memory.whose)
}
