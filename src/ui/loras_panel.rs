//! The LoRAs in use, beside the other settings: strength, on or off, and the blocks that each is kept to.

use egui::{Align, Button, Layout, Margin, RichText, Ui, WidgetInfo};

use super::tokens::{self, palette};
use super::widgets::{self, SliderRow, icon};
use super::words;
use super::words::sentence;
use crate::app::{AppState, Command, ModelsCommand};
use crate::recipe::{Lora, ModelBlocks};

/// The halves of a B-LoRA (arXiv 2403.14572), by the names that a recipe has for them.
const HALVES: [(&str, &str); 2] = [("style", "Style half of a B-LoRA"), ("content", "Content half of a B-LoRA")];

/// Nothing where there are none. True when more are to be chosen.
pub fn loras_panel(ui: &mut Ui, state: &mut AppState, commands: &mut Vec<Command>) -> bool {
    if state.recipe.loras.is_empty() {
        return false;
    }
    let mut wants_more = false;
    ui.horizontal(|ui| {
        widgets::heading(ui, "LoRAs");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            wants_more = ui.button("Add a LoRA…").on_hover_text("Choose one in Models").clicked();
        });
    });
    let blocks = state.model_info().map(|info| info.blocks.clone());
    let few: Vec<Option<Few>> = state.recipe.loras.iter().map(|lora| Few::of(state, lora)).collect();
    let mut few = few.into_iter();
    let mut loras = std::mem::take(&mut state.recipe.loras);
    for (index, lora) in loras.iter_mut().enumerate() {
        let trouble = match state.lora_path(lora) {
            None => Some("its file is not known here; find it in Models".to_owned()),
            Some(_) => state.models.lora_troubles.get(&lora.hash).cloned(),
        };
        card(ui, index, lora, blocks.as_ref(), trouble.as_deref(), few.next().flatten(), commands);
    }
    state.recipe.loras = loras;
    ui.add_space(tokens::SPACE_GROUP);
    wants_more
}

/// What a LoRA for few steps does to the settings.
struct Few {
    words: String,
    /// They are its own, as far as the artist has not chosen others.
    leads: bool,
    is_overruled: bool,
    can_go_back: bool,
}

impl Few {
    fn of(state: &AppState, lora: &Lora) -> Option<Self> {
        let defaults = state.few_step(lora)?;
        Some(Self {
            words: words::sampling(defaults),
            leads: state.leads(lora),
            is_overruled: state.samples_otherwise(defaults),
            can_go_back: state.can_bring_back(lora),
        })
    }

    fn show(self, ui: &mut Ui, name: &str, index: usize, commands: &mut Vec<Command>) {
        let Self { words, leads, is_overruled, can_go_back } = self;
        let how = match (leads, is_overruled) {
            (true, false) => "",
            (true, true) => "; your settings differ",
            (false, _) => ", where it is used whole",
        };
        widgets::hint(ui, format!("Made for few steps: {words}{how}"));
        let ways = [
            (leads && is_overruled, "Use its settings", format!("Use the settings of {name}"), true),
            (can_go_back, "Back to mine", format!("Back to my settings with {name}"), false),
        ];
        ui.horizontal_wrapped(|ui| {
            for (_, text, says, follows) in ways.into_iter().filter(|(is_open, ..)| *is_open) {
                let button = ui.add(Button::new(RichText::new(text).small()));
                button.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, &says));
                if button.on_hover_text("Steps, guidance and sampler").clicked() {
                    commands.push(Command::Models(ModelsCommand::FollowLora(index, follows)));
                }
            }
        });
    }
}

fn card(
    ui: &mut Ui,
    index: usize,
    lora: &mut Lora,
    blocks: Option<&ModelBlocks>,
    trouble: Option<&str>,
    few: Option<Few>,
    commands: &mut Vec<Command>,
) {
    let colours = palette(ui);
    let name = lora.name.trim_end_matches(".safetensors").to_owned();
    let is_on = lora.strength != 0.0;
    widgets::card(ui, egui::Stroke::NONE, Margin::symmetric(10, 8), |ui| {
        ui.horizontal(|ui| {
            let mut checked = is_on;
            let check = ui.checkbox(&mut checked, "");
            let says = format!("Use the LoRA {name}");
            check.widget_info(|| WidgetInfo::selected(egui::Role::CheckBox, true, is_on, &says));
            if check.on_hover_text("On or off; its strength is kept").clicked() {
                commands.push(Command::Models(ModelsCommand::ToggleLora(index)));
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let remove = ui.add(Button::new(RichText::new("×").size(tokens::TEXT_HEADING)).frame(false));
                let says = format!("Remove the LoRA {name}");
                remove.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, &says));
                if remove.on_hover_text("Remove; Undo brings it back").clicked() {
                    commands.push(Command::Models(ModelsCommand::RemoveLora(index)));
                }
                filter(ui, &name, lora, blocks);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let text = RichText::new(&name).strong();
                    ui.add(egui::Label::new(text).truncate()).on_hover_text(&lora.name);
                });
            });
        });
        // At 0 as well, or it would be gone from under the pointer that drags it there.
        let row = SliderRow {
            label: &format!("Strength of {name}"),
            tip: "How strongly the LoRA changes the model; below 0 it is taken away, at 0 it is off",
            range: 0.0..=1.5,
            limits: -1.0..=5.0,
            default: 1.0,
            decimals: 2,
        };
        row.show(ui, &mut lora.strength);
        if let Some(why) = trouble {
            ui.label(RichText::new(sentence(why)).small().color(colours.error));
        }
        if let Some(few) = few {
            few.show(ui, &name, index, commands);
        }
    });
}

/// To which blocks of the model it is kept.
fn filter(ui: &mut Ui, name: &str, lora: &mut Lora, blocks: Option<&ModelBlocks>) {
    let shown = match lora.blocks.as_slice() {
        [] => "All blocks".to_owned(),
        [one] => HALVES.iter().find(|(half, _)| half == one).map_or_else(
            || blocks.map_or_else(|| one.clone(), |blocks| words::block(blocks, one)),
            |(_, words)| words.split(' ').take(2).collect::<Vec<_>>().join(" "),
        ),
        several => format!("{} blocks", several.len()),
    };
    let menu = ui.menu_button((RichText::new(shown).small(), icon("▾")), |ui| {
        ui.set_min_width(220.0);
        if ui.selectable_label(lora.blocks.is_empty(), "All blocks").clicked() {
            lora.blocks.clear();
        }
        for (half, words) in HALVES {
            let is_chosen = lora.blocks == [half];
            if ui.selectable_label(is_chosen, words).clicked() {
                lora.blocks = vec![half.to_owned()];
            }
        }
        ui.separator();
        for block in blocks.map(|blocks| blocks.names.as_slice()).unwrap_or_default() {
            let words = blocks.map_or_else(|| block.clone(), |blocks| words::block(blocks, block));
            let mut is_in = lora.blocks.contains(block);
            if ui.checkbox(&mut is_in, words).on_hover_text(block).changed() {
                lora.blocks.retain(|known| known != block && HALVES.iter().all(|(half, _)| half != known));
                if is_in {
                    lora.blocks.push(block.clone());
                }
            }
        }
    });
    let says = format!("Blocks of the LoRA {name}");
    menu.response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, &says));
    menu.response.on_hover_text("To which blocks of the model it is kept");
}
