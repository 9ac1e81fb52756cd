//! How the selected reference enters the picture: what is taken, how strongly, and what is subtracted.

use egui::{Align, Layout, TextEdit, Ui};

use super::tokens;
use super::widgets::{self, SliderRow};
use super::words;
use crate::app::{AppState, loss};
use crate::recipe::{Reference, Role, Subtraction};

/// What sliders reach; the field beside takes all that a recipe may hold.
pub const REACH: std::ops::RangeInclusive<f64> = 0.0..=1.5;
pub const LIMITS: std::ops::RangeInclusive<f64> = -1.0..=5.0;

/// The width of a name beside its field.
const NAMES: f32 = 104.0;

/// True when the crop editor is asked for.
pub fn style_panel(ui: &mut Ui, state: &mut AppState) -> bool {
    widgets::heading(ui, "How the style is taken");
    let count = state.recipe.references.len();
    let index = state.selected_reference();
    let size = index.and_then(|index| {
        let opened = state.picture(state.recipe.references.get(index)?)?;
        Some(opened.picture.rgb.dimensions())
    });
    let Some(reference) = index.and_then(|index| state.recipe.references.get_mut(index)) else {
        widgets::hint(ui, "Add a reference first: its style and layout are set here");
        return false;
    };
    if count > 1 {
        widgets::hint(ui, format!("For {}. Click another reference to set that one", reference.name));
    }
    let before = reference.role.clone();
    mode(ui, reference);
    if reference.role == Role::Off && before != Role::Off {
        state.settings.resting_roles.insert(reference.hash.clone(), before);
    }
    let (uses_style, uses_layout) = match reference.role {
        Role::Style | Role::Everything => (true, false),
        Role::Layout => (false, true),
        Role::StyleLayout | Role::Precise => (true, true),
        Role::Off | Role::Custom(_) => (false, false),
    };
    ui.add_enabled_ui(uses_style, |ui| {
        let row = strength("Style strength", "How strongly the reference's style enters");
        row.show(ui, &mut reference.strength);
    });
    ui.add_enabled_ui(uses_layout, |ui| {
        let row = strength("Layout strength", "How strongly the reference's arrangement enters");
        row.show(ui, &mut reference.layout_strength);
    });
    ui.add_enabled_ui(reference.role != Role::Off, |ui| {
        subtraction(ui, reference);
        crop(ui, reference, size)
    })
    .inner
}

fn strength<'a>(label: &'a str, tip: &'a str) -> SliderRow<'a> {
    SliderRow { label, tip, range: REACH, limits: LIMITS, default: 1.0, decimals: 2 }
}

fn mode(ui: &mut Ui, reference: &mut Reference) {
    ui.horizontal(|ui| {
        let label = widgets::sized_label(ui, "What to take", "What of the reference goes into the picture", NAMES);
        let combo = widgets::combo("mode", ui.available_width(), words::mode(&reference.role));
        let combo = combo.show_ui(ui, |ui| {
            for (role, name, tip) in words::MODES {
                ui.selectable_value(&mut reference.role, role, name).on_hover_text(tip);
            }
        });
        // Not a line of its own: it would move a block's slider away from under the pointer that moves it.
        let custom = "Each block has a strength of its own, under Advanced";
        let tip = words::MODES.iter().find(|(role, ..)| *role == reference.role).map_or(custom, |(_, _, tip)| *tip);
        combo.response.labelled_by(label.id).on_hover_text(tip);
    });
}

/// A square picture is the same in every crop. True when the editor is asked for.
fn crop(ui: &mut Ui, reference: &mut Reference, size: Option<(u32, u32)>) -> bool {
    let asked = ui.horizontal(|ui| {
        let tip = "The part of the reference that the model sees, always a square";
        let label = widgets::sized_label(ui, "What is seen", tip, NAMES);
        // The button first, so that the list takes what is left.
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let edit = egui::Button::new(egui::RichText::new("Adjust…").small());
            let edit = ui.scope(|ui| {
                ui.spacing_mut().button_padding.x = 7.0;
                ui.add(edit).on_hover_text("See what the model sees, and choose it")
            });
            let edit = edit.inner;
            let combo = widgets::combo("crop", ui.available_width(), words::crop(&reference.crop));
            let combo = combo.show_ui(ui, |ui| {
                for (crop, name, tip) in words::CROPS {
                    ui.selectable_value(&mut reference.crop, crop, name).on_hover_text(tip);
                }
            });
            combo.response.labelled_by(label.id).on_hover_text(tip);
            edit.clicked()
        })
        .inner
    });
    if let Some(lost) = size.and_then(|size| loss(reference.crop, size)) {
        ui.label(egui::RichText::new(lost).small().color(tokens::palette(ui).accent));
    }
    asked.inner
}

fn subtraction(ui: &mut Ui, reference: &mut Reference) {
    let before = reference.subtract.clone().unwrap_or_default();
    let mut subtract = before.clone();
    ui.horizontal(|ui| {
        let tip = "Words for what the reference shows, so that only its style is left";
        let label = widgets::sized_label(ui, "What to subtract", tip, NAMES);
        let field = TextEdit::singleline(&mut subtract.words).hint_text("What it shows: a house");
        let field = field.char_limit(1000).desired_width(ui.available_width()).margin(egui::Margin::symmetric(8, 6));
        widgets::text_field(ui, field.id_salt("subtract")).labelled_by(label.id).on_hover_text(tip);
    });
    let has_words = !subtract.words.trim().is_empty();
    ui.add_enabled_ui(has_words, |ui| {
        let row = SliderRow {
            label: "Subtraction strength",
            tip: "How much of those words is taken out",
            range: 0.0..=1.0,
            limits: LIMITS,
            default: Subtraction::default().strength,
            decimals: 2,
        };
        row.show(ui, &mut subtract.strength);
    });
    if subtract != before {
        let is_usual = subtract == Subtraction::default();
        reference.subtract = (!is_usual).then_some(subtract);
    }
}
