use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RecipeError;

/// A picture whose style (or layout) is taken, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reference {
    /// Content hash (blake3, hex) of the picture's file. Empty until the picture has been read.
    pub hash: String,
    /// The picture's file name, for messages and lists only; never opened.
    pub name: String,
    pub role: Role,
    /// Strength in the style block (in every block for [`Role::Everything`]); -1 to 5.
    pub strength: f64,
    /// Strength in the layout block; -1 to 5.
    pub layout_strength: f64,
    pub crop: Crop,
    pub subtract: Option<Subtraction>,
}

impl Default for Reference {
    fn default() -> Self {
        Self {
            hash: String::new(),
            name: String::new(),
            role: Role::Style,
            strength: 1.0,
            layout_strength: 1.0,
            crop: Crop::Fill,
            subtract: None,
        }
    }
}

/// What is taken from a reference: the blocks that it enters, and how strongly.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    #[default]
    Style,
    Layout,
    StyleLayout,
    /// Plain IP-Adapter: every block.
    Everything,
    /// Style, with the reference's layout pushed away on the unconditional side.
    Precise,
    Off,
    /// Block name (as diffusers names it) to scale, used as given; a block not named is 0.
    Custom(BTreeMap<String, f64>),
}

impl Role {
    /// The words that `--mode` takes.
    pub const MODES: &[&str] = &["style", "layout", "style-layout", "everything", "precise", "off"];

    pub fn name(&self) -> &'static str {
        match self {
            Self::Style => "style",
            Self::Layout => "layout",
            Self::StyleLayout => "style-layout",
            Self::Everything => "everything",
            Self::Precise => "precise",
            Self::Off => "off",
            Self::Custom(_) => "custom",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = RecipeError;

    fn from_str(word: &str) -> Result<Self, RecipeError> {
        Ok(match word {
            "style" => Self::Style,
            "layout" => Self::Layout,
            "style-layout" => Self::StyleLayout,
            "everything" => Self::Everything,
            "precise" => Self::Precise,
            "off" => Self::Off,
            _ => return Err(RecipeError::UnknownChoice { what: "mode", value: word.to_owned(), valid: Self::MODES }),
        })
    }
}

/// Which part of a reference CLIP sees. CLIP's input is a square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// Short side to CLIP's size, centre cut out: what transformers' CLIPImageProcessor does.
    #[default]
    Fill,
    /// The whole picture on a white square.
    Fit,
    /// The whole picture squeezed into the square.
    Stretch,
    /// A rectangle of the upright picture, in its pixels, then as [`Crop::Fill`].
    Rect { x: u32, y: u32, width: u32, height: u32 },
}

impl std::str::FromStr for Crop {
    type Err = RecipeError;

    /// Reads `fill`, `fit`, `stretch` or `X,Y,W,H`.
    fn from_str(text: &str) -> Result<Self, RecipeError> {
        let unknown = || RecipeError::UnknownChoice {
            what: "crop",
            value: text.to_owned(),
            valid: &["fit", "fill", "stretch", "X,Y,W,H"],
        };
        match text {
            "fill" => Ok(Self::Fill),
            "fit" => Ok(Self::Fit),
            "stretch" => Ok(Self::Stretch),
            _ => {
                let numbers: Vec<u32> =
                    text.split(',').map(|n| n.trim().parse()).collect::<Result<_, _>>().map_err(|_| unknown())?;
                match numbers[..] {
                    [x, y, width, height] if width > 0 && height > 0 => Ok(Self::Rect { x, y, width, height }),
                    _ => Err(unknown()),
                }
            }
        }
    }
}

/// `image_embedding - strength * text_embedding`: words for what the reference shows, so that style is what is left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Subtraction {
    pub words: String,
    pub strength: f64,
}

impl Default for Subtraction {
    fn default() -> Self {
        Self { words: String::new(), strength: 0.5 }
    }
}

impl Subtraction {
    /// Nothing to subtract: no words, or a strength of zero.
    pub fn is_nothing(&self) -> bool {
        self.words.trim().is_empty() || self.strength == 0.0
    }
}
