use std::collections::BTreeMap;

use super::{RecipeError, Reference, Role, shown};

/// The UNet's blocks with cross-attention, as the loaded model names them, in its own order.
///
/// A block is one `attentions.N` group; SDXL has eleven. The list comes from the model, never from a constant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelBlocks {
    pub names: Vec<String>,
    /// Where style lives: the model's own word for it, else that of its family ([`FAMILIES`]). Empty: unknown.
    pub style: Vec<String>,
    /// Where layout lives, in the same way.
    pub layout: Vec<String>,
}

/// Style and layout as the official code of InstantStyle has them (its README, "SDXL" and "SD1.5"). A family is told by its
/// style block; a stage stands for all of its blocks.
const FAMILIES: &[(&str, &[&str])] = &[
    ("up_blocks.0.attentions.1", &["down_blocks.2.attentions.1"]),
    // SD 1.5 has four levels, and no attention in the innermost.
    ("up_blocks.1", &["down_blocks.2", "mid_block"]),
];

/// How a reference enters one block.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Injection {
    /// The strength; 0 = the branch is not computed.
    pub scale: f64,
    /// Image tokens on the unconditional side, tokens of a zero image on the conditional side.
    pub pushed_away: bool,
}

impl ModelBlocks {
    pub fn new(names: Vec<String>, style: Option<String>, layout: Option<String>) -> Self {
        let within = |stages: &[&str]| -> Vec<String> {
            let inside = |name: &String, stage: &str| {
                name.strip_prefix(stage).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            names.iter().filter(|name| stages.iter().any(|stage| inside(name, stage))).cloned().collect()
        };
        let family = FAMILIES.iter().find(|(style, _)| !within(&[style]).is_empty());
        let style = style.map_or_else(|| family.map_or(vec![], |(style, _)| within(&[style])), |name| vec![name]);
        let layout = layout.map_or_else(|| family.map_or(vec![], |(_, stages)| within(stages)), |name| vec![name]);
        Self { names, style, layout }
    }

    fn index(&self, name: &str) -> Result<usize, RecipeError> {
        self.names
            .iter()
            .position(|n| n == name)
            .ok_or_else(|| RecipeError::UnknownBlock { name: name.to_owned(), valid: self.names.clone() })
    }

    fn named(&self, role: &Role, block: &'static str, names: &[String]) -> Result<Vec<usize>, RecipeError> {
        if names.is_empty() {
            return Err(RecipeError::NoSuchRole { role: role.name(), block, valid: self.names.clone() });
        }
        names.iter().map(|name| self.index(name)).collect()
    }

    /// How `reference` enters each block of the model, in the order of [`ModelBlocks::names`].
    pub fn injections(&self, reference: &Reference) -> Result<Vec<Injection>, RecipeError> {
        let mut out = vec![Injection::default(); self.names.len()];
        let role = &reference.role;
        let mut set = |indices: Vec<usize>, scale: f64, pushed_away: bool| {
            for index in indices {
                if let Some(slot) = out.get_mut(index) {
                    *slot = Injection { scale, pushed_away };
                }
            }
        };
        match role {
            Role::Off => {}
            Role::Everything => set((0..self.names.len()).collect(), reference.strength, false),
            Role::Style => set(self.named(role, "style", &self.style)?, reference.strength, false),
            Role::Layout => set(self.named(role, "layout", &self.layout)?, reference.layout_strength, false),
            Role::StyleLayout | Role::Precise => {
                set(self.named(role, "style", &self.style)?, reference.strength, false);
                set(self.named(role, "layout", &self.layout)?, reference.layout_strength, *role == Role::Precise);
            }
            Role::Custom(scales) => {
                for (name, scale) in scales {
                    set(vec![self.index(name)?], *scale, false);
                }
            }
        }
        Ok(out)
    }
}

/// Reads the scales of [`Role::Custom`] from `NAME=SCALE,…`. Whether a model has blocks of these names, it says itself
/// ([`ModelBlocks::injections`]).
///
/// # Errors
/// A part that is no pair, a name without letters or one that comes twice, a scale out of its range.
pub fn block_scales(text: &str) -> Result<BTreeMap<String, f64>, RecipeError> {
    let wrong = |why: String| RecipeError::BlockScales { why };
    let must_be = |words: &str| wrong(format!("has the value '{}', but must be {words}", shown(text)));
    let mut out = BTreeMap::new();
    for part in text.split(',') {
        let Some((name, scale)) = part.split_once('=').map(|(name, scale)| (name.trim(), scale.trim())) else {
            return Err(must_be("NAME=SCALE,…, such as up_blocks.0.attentions.1=1.0"));
        };
        if name.is_empty() {
            return Err(must_be("NAME=SCALE,…, and one name is empty"));
        }
        let Some(number) = scale.parse::<f64>().ok().filter(|scale| (-1.0..=5.0).contains(scale)) else {
            return Err(wrong(format!(
                "gives block '{}' the scale '{}', but it must be a number from -1 to 5",
                shown(name),
                shown(scale)
            )));
        };
        // Minus zero is zero, so that a recipe has one way to say it.
        if out.insert(name.to_owned(), number + 0.0).is_some() {
            return Err(wrong(format!("names the block '{}' twice; give it one scale", shown(name))));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn blocks() -> ModelBlocks {
        let names = ["down_blocks.2.attentions.1", "mid_block.attentions.0", "up_blocks.0.attentions.1"];
        ModelBlocks::new(names.iter().map(|s| s.to_string()).collect(), None, None)
    }

    fn scales(role: Role) -> Vec<(f64, bool)> {
        let reference = Reference { role, strength: 0.8, layout_strength: 0.3, ..Reference::default() };
        blocks().injections(&reference).unwrap().iter().map(|i| (i.scale, i.pushed_away)).collect()
    }

    #[test]
    fn every_role_has_its_blocks() {
        assert_eq!(scales(Role::Style), [(0.0, false), (0.0, false), (0.8, false)]);
        assert_eq!(scales(Role::Layout), [(0.3, false), (0.0, false), (0.0, false)]);
        assert_eq!(scales(Role::StyleLayout), [(0.3, false), (0.0, false), (0.8, false)]);
        assert_eq!(scales(Role::Precise), [(0.3, true), (0.0, false), (0.8, false)]);
        assert_eq!(scales(Role::Everything), [(0.8, false); 3]);
        assert_eq!(scales(Role::Off), [(0.0, false); 3]);
        let custom = Role::Custom([("mid_block.attentions.0".to_owned(), 2.0)].into());
        assert_eq!(scales(custom), [(0.0, false), (2.0, false), (0.0, false)]);
    }

    #[test]
    fn sd15_has_stages_for_style_and_layout() {
        let names: Vec<String> =
            ["down_blocks.0", "down_blocks.1", "down_blocks.2", "up_blocks.1", "up_blocks.2", "up_blocks.3"]
                .iter()
                .flat_map(|stage| {
                    (0..if stage.starts_with("up") { 3 } else { 2 }).map(move |i| format!("{stage}.attentions.{i}"))
                })
                .chain(["mid_block.attentions.0".to_owned()])
                .collect();
        assert_eq!(names.len(), 16);
        let blocks = ModelBlocks::new(names, None, None);
        assert_eq!(blocks.style, [0, 1, 2].map(|i| format!("up_blocks.1.attentions.{i}")));
        let layout = ["down_blocks.2.attentions.0", "down_blocks.2.attentions.1", "mid_block.attentions.0"];
        assert_eq!(blocks.layout, layout);
        let reference = Reference { role: Role::StyleLayout, layout_strength: 0.5, ..Reference::default() };
        let scales: Vec<f64> = blocks.injections(&reference).unwrap().iter().map(|i| i.scale).collect();
        assert_eq!(scales.iter().filter(|s| **s == 1.0).count(), 3);
        assert_eq!(scales.iter().filter(|s| **s == 0.5).count(), 3);
    }

    #[test]
    fn an_unknown_block_lists_the_valid_ones() {
        let reference =
            Reference { role: Role::Custom([("up_blocks.9".to_owned(), 1.0)].into()), ..Reference::default() };
        let said = blocks().injections(&reference).unwrap_err().to_string();
        assert!(said.contains("up_blocks.9") && said.contains("mid_block.attentions.0"), "{said}");
    }

    #[test]
    fn a_model_without_a_layout_block_says_so() {
        let model = ModelBlocks::new(vec!["up_blocks.0.attentions.1".into()], None, None);
        let reference = Reference { role: Role::Layout, ..Reference::default() };
        assert!(model.injections(&reference).unwrap_err().to_string().contains("layout block"));
    }
}
