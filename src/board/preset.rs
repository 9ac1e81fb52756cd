//! Ready-made boards: a question, and the settings side by side that answer it.

use super::{Axis, BoardError, Change, Setting, Target};
use crate::recipe::{ModelBlocks, ModelDefaults, Recipe, Role};

/// A ready-made board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    WhichMode,
    HowStrong,
    SubtractHowMuch,
    WhichBlock,
    WeakOrLeaking,
}

impl Preset {
    pub const ALL: [Self; 5] =
        [Self::WhichMode, Self::HowStrong, Self::SubtractHowMuch, Self::WhichBlock, Self::WeakOrLeaking];

    /// The word that `--preset` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::WhichMode => "which-mode",
            Self::HowStrong => "how-strong",
            Self::SubtractHowMuch => "subtract-how-much",
            Self::WhichBlock => "which-block",
            Self::WeakOrLeaking => "weak-or-leaking",
        }
    }

    /// The question, as the window and the sheet show it.
    pub fn question(self) -> &'static str {
        match self {
            Self::WhichMode => "Which mode?",
            Self::HowStrong => "How strong?",
            Self::SubtractHowMuch => "Subtract how much?",
            Self::WhichBlock => "Which block holds the style?",
            Self::WeakOrLeaking => "Style weak or subject leaking?",
        }
    }

    /// Finds a preset by its word.
    ///
    /// # Errors
    /// A word that is none.
    pub fn named(name: &str) -> Result<Self, BoardError> {
        Self::ALL.into_iter().find(|preset| preset.name() == name).ok_or_else(|| BoardError::UnknownPreset {
            name: name.to_owned(),
            known: Self::ALL.map(Self::name).to_vec(),
        })
    }

    /// The axis of the board for `recipe` on a model with these blocks. What the model cannot do is left out: layout where it
    /// names no layout block, pushing it away at a guidance that leaves out the unconditional side.
    ///
    /// # Errors
    /// "Subtract how much?" of a recipe without words to subtract; "Which block?" of a model without blocks.
    pub fn axis(self, recipe: &Recipe, blocks: &ModelBlocks, defaults: &ModelDefaults) -> Result<Axis, BoardError> {
        let has_words =
            recipe.references.iter().any(|r| r.subtract.as_ref().is_some_and(|s| !s.words.trim().is_empty()));
        let has_layout = !blocks.layout.is_empty() && !blocks.style.is_empty();
        let is_guided = recipe.guidance.unwrap_or(defaults.guidance) > 1.0;
        let mode = |label: &str, role: Role| Setting::new(label, [Change::Mode(role)]);
        let settings = match self {
            Self::WhichMode => {
                let mut modes = vec![mode("off", Role::Off), mode("everything", Role::Everything)];
                if has_layout {
                    modes.push(mode("layout", Role::Layout));
                }
                modes.push(mode("style", Role::Style));
                if has_layout {
                    modes.push(mode("style and layout", Role::StyleLayout));
                }
                if has_layout && is_guided {
                    modes.push(mode("style, layout pushed away", Role::Precise));
                }
                modes
            }
            Self::HowStrong => {
                let strength = |f: f64| Setting::new(format!("strength {f}"), [Change::Strength(f)]);
                [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0].map(strength).into()
            }
            Self::SubtractHowMuch => {
                if !has_words {
                    return Err(BoardError::NoWords { axis: self.question().to_owned() });
                }
                let subtract = |f: f64| Setting::new(format!("minus {f}"), [Change::SubtractStrength(f)]);
                [0.0, 0.25, 0.5, 0.75, 1.0, 1.5].map(subtract).into()
            }
            Self::WhichBlock => {
                if blocks.names.is_empty() {
                    return Err(BoardError::NoValues { axis: self.question().to_owned() });
                }
                let strength = recipe.references.first().map_or(1.0, |r| r.strength);
                let alone = |name: &String| mode(name, Role::Custom([(name.clone(), strength)].into()));
                blocks.names.iter().map(alone).collect()
            }
            Self::WeakOrLeaking => weak_or_leaking(has_words, has_layout, is_guided),
        };
        Ok(Axis { name: self.question().to_owned(), target: Target::All, settings })
    }
}

/// From too weak to too much: the paper's remedy for a weak style is the layout block beside the style block, that for a
/// leaking subject is subtraction (and here what pushes the reference's layout away). Each remedy stands alone,
/// so that words are subtracted nowhere but where it says so.
fn weak_or_leaking(has_words: bool, has_layout: bool, is_guided: bool) -> Vec<Setting> {
    let remedy = |label: String, role: Role, strength: f64, subtract: f64| {
        let changes = [Change::Mode(role), Change::Strength(strength)].into_iter();
        let subtract = has_words.then_some(Change::SubtractStrength(subtract));
        Setting { label, changes: changes.chain(subtract).collect() }
    };
    let plain = |label: &str, role: Role, strength: f64| remedy(label.to_owned(), role, strength, 0.0);
    let mut out = vec![plain("style", Role::Style, 1.0), plain("style, stronger", Role::Style, 1.5)];
    if has_layout {
        out.push(plain("style and layout", Role::StyleLayout, 1.0));
    }
    if has_words {
        out.extend([0.5, 1.0].map(|f| remedy(format!("style, minus words × {f}"), Role::Style, 1.0, f)));
    }
    if has_layout && is_guided {
        out.push(plain("style, layout pushed away", Role::Precise, 1.0));
    }
    out.push(plain("style, weaker", Role::Style, 0.6));
    out
}
