//! The modes that are compared, as far as the model can do them.

use crate::engine::ModelInfo;
use crate::recipe::{Reference, Role, Subtraction};

/// One row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Mode {
    pub name: String,
    role: Role,
    strength: f64,
    subtracts: bool,
}

impl Mode {
    fn new(name: &str, role: Role) -> Self {
        Self { name: name.to_owned(), role, strength: 1.0, subtracts: false }
    }

    fn subtracting(&self) -> Self {
        Self { name: format!("{}+subtract", self.name), subtracts: true, ..self.clone() }
    }

    /// How the reference enters; `words` say what it shows.
    pub fn reference(&self, words: &str) -> Reference {
        Reference {
            role: self.role.clone(),
            strength: self.strength,
            subtract: self.subtracts.then(|| Subtraction { words: words.to_owned(), ..Subtraction::default() }),
            ..Reference::default()
        }
    }
}

/// The modes for a model, and a sentence for each that it cannot do.
pub fn modes(model: &ModelInfo, can_subtract: bool) -> (Vec<Mode>, Vec<String>) {
    let everything = Mode::new("everything", Role::Everything);
    let style = Mode::new("style", Role::Style);
    let mut out = vec![
        Mode::new("off", Role::Off),
        everything.clone(),
        Mode { name: "everything-0.5".to_owned(), strength: 0.5, ..everything.clone() },
        style.clone(),
        Mode::new("layout", Role::Layout),
        Mode::new("style-layout", Role::StyleLayout),
        Mode::new("precise", Role::Precise),
    ];
    let mut notices = Vec::new();
    let blocks = &model.blocks;
    if blocks.style.is_empty() || blocks.layout.is_empty() {
        out.retain(|mode| match mode.role {
            Role::Style => !blocks.style.is_empty(),
            Role::Layout => !blocks.layout.is_empty(),
            Role::StyleLayout | Role::Precise => false,
            _ => true,
        });
        notices.push("the model names no style or no layout block, so the modes that need it are left out".to_owned());
    }
    // What `precise` does happens on the unconditional side.
    if model.defaults.guidance <= 1.0 && out.iter().any(|mode| mode.role == Role::Precise) {
        out.retain(|mode| mode.role != Role::Precise);
        notices.push("the model's guidance is 1, which leaves out the mode precise".to_owned());
    }
    if can_subtract {
        out.push(everything.subtracting());
        if !blocks.style.is_empty() {
            out.push(style.subtracting());
        }
    } else {
        notices
            .push("words cannot be subtracted with this adapter, so the modes with +subtract are left out".to_owned());
    }
    for block in &blocks.names {
        out.push(Mode::new(&format!("block:{block}"), Role::Custom([(block.clone(), 1.0)].into())));
    }
    (out, notices)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::recipe::{ModelBlocks, ModelDefaults, SchedulerName};

    fn model(names: &[&str], guidance: f64) -> ModelInfo {
        let defaults = ModelDefaults { scheduler: SchedulerName::Euler, steps: 4, guidance, width: 64, height: 64 };
        let blocks = ModelBlocks::new(names.iter().map(|name| (*name).to_owned()).collect(), None, None);
        let built_in = crate::engine::describe(&Default::default()).unwrap();
        ModelInfo { name: String::new(), blocks, defaults, size_step: 8, ..built_in }
    }

    fn names(model: &ModelInfo, can_subtract: bool) -> Vec<String> {
        modes(model, can_subtract).0.into_iter().map(|mode| mode.name).collect()
    }

    #[test]
    fn a_model_like_sdxl_has_them_all() {
        let model = model(&["down_blocks.2.attentions.1", "up_blocks.0.attentions.1"], 5.0);
        let expected = "off everything everything-0.5 style layout style-layout precise everything+subtract style+subtract \
                        block:down_blocks.2.attentions.1 block:up_blocks.0.attentions.1";
        assert_eq!(names(&model, true).join(" "), expected);
    }

    #[test]
    fn what_a_model_cannot_do_is_left_out_and_said() {
        let bare = model(&["up_blocks.9.attentions.0"], 1.0);
        assert_eq!(names(&bare, false).join(" "), "off everything everything-0.5 block:up_blocks.9.attentions.0");
        assert_eq!(modes(&bare, false).1.len(), 2);
        let fast = model(&["down_blocks.2.attentions.1", "up_blocks.0.attentions.1"], 1.0);
        assert!(!names(&fast, true).contains(&"precise".to_owned()));
        assert_eq!(modes(&fast, true).1.len(), 1);
    }
}
