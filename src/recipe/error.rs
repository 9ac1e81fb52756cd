/// What is wrong with a recipe, in one sentence that says what to do.
#[derive(Debug, Clone, PartialEq)]
pub enum RecipeError {
    /// A number outside its range, or not a number at all.
    OutOfRange { what: &'static str, value: String, range: &'static str },
    /// A block that the loaded model does not have.
    UnknownBlock { name: String, valid: Vec<String> },
    /// A mode that needs a block which the loaded model does not name.
    NoSuchRole { role: &'static str, block: &'static str, valid: Vec<String> },
    /// The mode "precise" works on the unconditional side, which guidance of 1 or less leaves out.
    PreciseNeedsGuidance { guidance: f64 },
    /// A word that is not in the list of choices.
    UnknownChoice { what: &'static str, value: String, valid: &'static [&'static str] },
    /// Scales of blocks as text that cannot be read; the words go on from the name of the flag or field.
    BlockScales { why: String },
    /// A recipe written by a newer program.
    NewerVersion { found: u32, known: u32 },
}

impl std::fmt::Display for RecipeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OutOfRange { what, value, range } => write!(f, "{what} is {value}, but must be {range}"),
            Self::UnknownBlock { name, valid } => {
                write!(f, "the model has no block '{name}'; its blocks are {}", valid.join(", "))
            }
            Self::NoSuchRole { role, block, valid } => write!(
                f,
                "mode '{role}' needs a {block} block, and this model names none; choose blocks by name instead: {}",
                valid.join(", ")
            ),
            Self::PreciseNeedsGuidance { guidance } => write!(
                f,
                "mode 'precise' works on the unconditional side, which guidance {guidance} leaves out; set guidance above 1 or choose another mode"
            ),
            Self::UnknownChoice { what, value, valid } => {
                write!(f, "'{value}' is no {what}; choose one of {}", valid.join(", "))
            }
            Self::BlockScales { why } => write!(f, "blocks {why}"),
            Self::NewerVersion { found, known } => write!(
                f,
                "the recipe has version {found}, but this program knows versions up to {known}; update the program"
            ),
        }
    }
}

impl std::error::Error for RecipeError {}

/// A value as it is shown in a sentence: long ones are cut.
pub fn shown(value: &str) -> String {
    const LONGEST: usize = 100;
    if value.chars().count() <= LONGEST {
        return value.to_owned();
    }
    value.chars().take(LONGEST).chain(std::iter::once('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut() {
        assert_eq!(shown(&"é".repeat(500)).chars().count(), 101);
        assert_eq!(shown("short"), "short");
    }
}
