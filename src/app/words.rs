//! The recipe's parts in plain words: one table for the panels, the board, and what tells two pictures apart.

use std::collections::BTreeMap;

use super::sampling_words::words_for_sampler;
use crate::board::{Axis, Change, Field, Setting};
use crate::recipe::{Crop, ModelBlocks, Role};

/// A mode, what it is called, and what it does in one sentence.
pub const MODES: [(Role, &str, &str); 6] = [
    (Role::Style, "Style", "Colours, strokes and material of the reference; nothing of what it shows"),
    (Role::StyleLayout, "Style and layout", "The style, and roughly where things are in the reference"),
    (Role::Layout, "Layout", "Roughly where things are in the reference; nothing of its style"),
    (Role::Precise, "Style, layout pushed away", "The style, and an arrangement unlike that of the reference"),
    (Role::Everything, "Everything", "Style, layout and subject together, as a plain IP-Adapter does"),
    (Role::Off, "Off", "The reference is set aside"),
];

/// What CLIP sees of a reference, what it is called, and what it does in one sentence.
pub const CROPS: [(Crop, &str, &str); 3] = [
    (Crop::Fill, "Middle square", "The longer sides are cut off"),
    (Crop::Fit, "All of it, on white", "Nothing is cut off; white fills the rest of the square"),
    (Crop::Stretch, "All of it, squeezed", "Nothing is cut off; shapes are squeezed into a square"),
];

/// What the window calls a field, and the short word that stands before a value of it.
fn field(field: Field) -> (&'static str, &'static str) {
    match field {
        Field::Mode => ("What to take", "takes"),
        Field::Blocks => ("Custom blocks", "takes"),
        Field::Strength => ("Style strength", "strength"),
        Field::LayoutStrength => ("Layout strength", "layout strength"),
        Field::Crop => ("What is seen", "seen"),
        Field::Subtract => ("What to subtract", "minus"),
        Field::SubtractStrength => ("Subtraction strength", "subtraction"),
        Field::Reference => ("Reference", "picture"),
        Field::LoraStrength => ("LoRA strength", "LoRA strength"),
        Field::LoraBlocks => ("Parts of a LoRA", "LoRA in"),
        Field::Prompt => ("Prompt", "prompt"),
        Field::Negative => ("Negative prompt", "negative prompt"),
        Field::Start => ("References enter at", "enter at"),
        Field::End => ("References leave at", "leave at"),
        Field::Init => ("Content picture", "content picture"),
        Field::Denoise => ("How much is repainted", "repainted"),
        Field::Steps => ("Steps", "steps"),
        Field::Guidance => ("Guidance", "guidance"),
        Field::Scheduler => ("Sampler", "sampler"),
        Field::Seed => ("Seed", "seed"),
        Field::Width => ("Width", "width"),
        Field::Height => ("Height", "height"),
        Field::Size => ("Size", "size"),
    }
}

pub fn crop(crop: &Crop) -> &'static str {
    CROPS.iter().find(|(known, ..)| known == crop).map_or("A part of it", |(_, words, _)| words)
}

pub fn mode(role: &Role) -> &'static str {
    MODES.iter().find(|(known, ..)| known == role).map_or("Custom blocks", |(_, words, _)| words)
}

/// A block in plain words: what it mostly decides where that is known, else which stage of the painting it is.
pub fn block(blocks: &ModelBlocks, name: &str) -> String {
    for (word, kind) in [("Style", &blocks.style), ("Layout", &blocks.layout)] {
        match kind.iter().position(|own| own == name) {
            Some(_) if kind.len() == 1 => return word.to_owned(),
            Some(place) => return format!("{word} {}", place + 1),
            None => {}
        }
    }
    let mut parts = name.split('.');
    let stage = parts.next().unwrap_or_default();
    let numbers: Vec<u32> = parts.filter_map(|part| part.parse().ok()).collect();
    match (stage, numbers.as_slice()) {
        ("down_blocks", [level, part]) => format!("Sketching {}.{}", level + 1, part + 1),
        ("up_blocks", [level, part]) => format!("Painting {}.{}", level + 1, part + 1),
        ("mid_block", _) => "Middle".to_owned(),
        _ => name.to_owned(),
    }
}

/// What the window calls an axis: a field, a block, or a ready-made board's question as it is.
pub fn axis(name: &str, blocks: &ModelBlocks) -> String {
    of_reference(name, blocks, |(words, _)| words)
}

/// The short word before a value of this field.
pub fn short(of: Field) -> &'static str {
    field(of).1
}

/// `strength@2` is about one reference, `lora-strength@2` about one LoRA.
fn of_reference(name: &str, blocks: &ModelBlocks, words: fn((&'static str, &'static str)) -> &'static str) -> String {
    let (name, number) = name.split_once('@').map_or((name, None), |(name, number)| (name, Some(number)));
    let known = Field::named(name.trim());
    let said = known.map_or_else(|| block(blocks, name), |known| words(field(known)).to_owned());
    let what = if known.is_some_and(Field::is_of_loras) { "LoRA" } else { "reference" };
    number.map_or_else(|| said.clone(), |number| format!("{said} of {what} {}", number.trim()))
}

/// What the window calls one column or row.
pub fn label(of: &Axis, setting: &Setting, blocks: &ModelBlocks) -> String {
    let written = &setting.label;
    match setting.changes.as_slice() {
        [Change::Mode(Role::Custom(scales))] => custom(scales, blocks, written),
        [Change::Mode(role)] => lowered(mode(role)),
        [Change::Crop(shown)] if !matches!(shown, Crop::Rect { .. }) => lowered(crop(shown)),
        [Change::Scheduler(name)] => words_for_sampler(*name).to_owned(),
        // A bare number says nothing without its field.
        _ if written.parse::<f64>().is_ok() => {
            format!("{} {written}", of_reference(&of.name, blocks, |(_, short)| short))
        }
        _ => written.clone(),
    }
}

/// A block alone by its name; else each with its strength.
fn custom(scales: &BTreeMap<String, f64>, blocks: &ModelBlocks, written: &str) -> String {
    match scales.iter().next() {
        None => lowered(mode(&Role::Off)),
        Some((name, _)) if name == written => block(blocks, name),
        Some(_) => {
            let each = scales.iter().map(|(name, scale)| format!("{} {scale}", block(blocks, name)));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

/// As within a sentence.
pub fn lowered(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Errors of the rooms below begin small, as parts of a line; here they stand alone.
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn blocks() -> ModelBlocks {
        let names = [
            "down_blocks.2.attentions.1",
            "mid_block.attentions.0",
            "up_blocks.0.attentions.1",
            "up_blocks.1.attentions.2",
        ];
        ModelBlocks::new(names.map(str::to_owned).to_vec(), None, None)
    }

    #[test]
    fn blocks_have_plain_names() {
        let blocks = blocks();
        let words: Vec<String> = blocks.names.iter().map(|name| block(&blocks, name)).collect();
        assert_eq!(words, ["Layout", "Middle", "Style", "Painting 2.3"]);
    }

    #[test]
    fn every_axis_and_its_values_have_plain_words() {
        let blocks = blocks();
        for field in Field::ALL {
            let words = axis(field.name(), &blocks);
            assert!(words.starts_with(char::is_uppercase) && !words.contains(['-', '_']), "{field:?}: {words}");
        }
        let labels = |text: &str| {
            let axis = Axis::parse(text, &blocks).unwrap();
            axis.settings.iter().map(|setting| label(&axis, setting, &blocks)).collect::<Vec<_>>()
        };
        assert_eq!(labels("mode=precise, off"), ["style, layout pushed away", "off"]);
        assert_eq!(labels("layout-strength@2=0.5"), ["layout strength of reference 2 0.5"]);
        assert_eq!(labels("lora-strength@2=0.5"), ["LoRA strength of LoRA 2 0.5"]);
        assert_eq!(labels("up_blocks.0.attentions.1=0, 1"), ["Style 0", "Style 1"]);
        assert_eq!(labels("blocks=\"up_blocks.0.attentions.1=1,mid_block.attentions.0=0.5\""), ["Middle 0.5, Style 1"]);
        assert_eq!(labels("crop=fit"), ["all of it, on white"]);
        assert_eq!(labels("prompt=a cat"), ["a cat"]);
    }
}
