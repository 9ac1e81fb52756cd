//! The field of the seed. egui's fields for numbers count in f64, which does not hold every seed.

use egui::{Id, Key, Modifiers, Response, TextEdit, Ui, vec2};

use super::tokens;
use super::widgets;

pub const SEED_WIDTH: f32 = 110.0;
const MARGIN: i8 = 8;

/// What is being typed, and the seed that it stands for or has left alone.
#[derive(Clone)]
struct Typed {
    text: String,
    seed: u64,
}

/// What is wrong with the text in it, while it is no seed; the seed then stays as it was.
pub fn seed_field(ui: &mut Ui, seed: &mut u64, label: &Response) -> Option<String> {
    let id = Id::unique("the field of the seed");
    if ui.memory(|memory| memory.has_focus(id)) {
        let presses = |ui: &Ui, key| ui.input_mut(|input| input.count_and_consume_key(Modifiers::NONE, key)) as u64;
        *seed = seed.saturating_add(presses(ui, Key::ArrowUp)).saturating_sub(presses(ui, Key::ArrowDown));
    }
    // What changed the seed meanwhile, such as a roll, counts more than the text.
    let typed = ui.data(|data| data.get_temp::<Typed>(id)).filter(|typed| typed.seed == *seed);
    let mut text = typed.map_or_else(|| seed.to_string(), |typed| typed.text);
    let field = TextEdit::singleline(&mut text).id(id).char_limit(40).margin(egui::Margin::symmetric(MARGIN, 6));
    let field = field.desired_width(SEED_WIDTH - 2.0 * f32::from(MARGIN));
    let field = field.min_size(vec2(SEED_WIDTH, tokens::CONTROL_HEIGHT));
    let response = widgets::text_field(ui, field).labelled_by(label.id).on_hover_text(seed.to_string());
    let digits: String = text.chars().filter(|sign| !sign.is_whitespace()).collect();
    let read = digits.parse::<u64>();
    if let (true, Ok(read)) = (response.changed(), &read) {
        *seed = *read;
    }
    if !response.has_focus() {
        ui.data_mut(|data| data.remove::<Typed>(id));
        return None;
    }
    ui.data_mut(|data| data.insert_temp(id, Typed { text, seed: *seed }));
    read.is_err().then(|| format!("A seed is a whole number from 0 to {}; it stays {seed}", u64::MAX))
}
