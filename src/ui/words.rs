//! Names of the recipe's parts in plain words.

pub use crate::app::{words_for_sampler as sampler, words_for_sampling as sampling};
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_plain_names() {
        let names = [
            "down_blocks.2.attentions.1",
            "mid_block.attentions.0",
            "up_blocks.0.attentions.1",
            "up_blocks.1.attentions.2",
        ];
        let blocks = ModelBlocks::new(names.map(str::to_owned).to_vec(), None, None);
        assert_eq!(names.map(|name| block(&blocks, name)), ["Layout", "Middle", "Style", "Painting 2.3"]);
    }
}
