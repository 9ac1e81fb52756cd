//! One axis of a board: a field of the recipe, and the values that it takes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::change::{Change, PictureName, Target};
use super::{BoardError, MOST_CELLS, values};
use crate::recipe::{Init, Lora, ModelBlocks, Recipe, RecipeError, Reference, Role, block_scales};

/// A row or column of settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// What the artist reads at the side of the board: the field's name, or a ready-made board's question.
    pub name: String,
    #[serde(default)]
    pub target: Target,
    pub settings: Vec<Setting>,
}

/// What one column (or row) changes, and how it is labelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    pub label: String,
    pub changes: Vec<Change>,
}

impl Setting {
    pub fn new(label: impl Into<String>, changes: impl Into<Vec<Change>>) -> Self {
        Self { label: label.into(), changes: changes.into() }
    }
}

impl Axis {
    /// The fields that an axis may be about, beside the model's blocks.
    pub const FIELDS: &[&str] = &[
        "mode",
        "blocks",
        "strength",
        "layout-strength",
        "crop",
        "subtract",
        "subtract-strength",
        "reference",
        "lora-strength",
        "lora-blocks",
        "prompt",
        "negative",
        "start",
        "end",
        "init",
        "denoise",
        "steps",
        "guidance",
        "scheduler",
        "seed",
        "width",
        "height",
        "size",
    ];

    /// Reads `FIELD=V1,V2,…`. A number may be a range `FROM..TO step STEP`; a value with a comma stands in quotation marks;
    /// `FIELD@2` is about the second reference (or LoRA) only, without `@` a field of references is about all of them
    /// (`reference`: about the first). A block's name as the field is that block's scale.
    ///
    /// The values of `reference` and `init` are words for pictures: [`Axis::resolve_pictures`] reads them.
    ///
    /// # Errors
    /// A field or value that is none, or a number outside its range.
    pub fn parse(text: &str, blocks: &ModelBlocks) -> Result<Self, BoardError> {
        let (name, list) = text.split_once('=').ok_or_else(|| BoardError::NoAxis { text: text.to_owned() })?;
        let name = name.trim();
        let (field, target) = target(name)?;
        let is_block = blocks.names.iter().any(|block| block == field);
        if !is_block && !Self::FIELDS.contains(&field) {
            let blocks = blocks.names.clone();
            return Err(BoardError::UnknownAxis { name: name.to_owned(), known: Self::FIELDS, blocks });
        }
        if target != Target::All && !is_block && !NUMBERED.contains(&field) {
            return Err(BoardError::NotNumbered { axis: name.to_owned(), field: field.to_owned() });
        }
        let mut settings = Vec::new();
        for value in values::split(name, list)? {
            let numbers: Option<Vec<String>> = match kind(field, is_block) {
                Kind::Decimal => values::range(name, &value)?.map(|all| all.iter().map(f64::to_string).collect()),
                Kind::Whole => values::whole_range(name, &value)?.map(|all| all.iter().map(i128::to_string).collect()),
                Kind::Other => None,
            };
            for value in numbers.unwrap_or_else(|| vec![value]) {
                settings.push(setting(name, field, is_block, &value)?);
            }
            if settings.len() > MOST_CELLS {
                return Err(BoardError::TooManyCells { cells: settings.len(), most: MOST_CELLS });
            }
        }
        Ok(Self { name: name.to_owned(), target, settings })
    }

    /// Gives every picture of the axis its hash and its file's name. `find` gets the word that names it.
    ///
    /// # Errors
    /// Those of `find`.
    pub fn resolve_pictures<E>(
        &mut self,
        mut find: impl FnMut(&PictureName) -> Result<PictureName, E>,
    ) -> Result<(), E> {
        for setting in &mut self.settings {
            for change in &mut setting.changes {
                if let Change::Reference(picture) | Change::Init(picture) = change {
                    *picture = find(picture)?;
                    setting.label.clone_from(&picture.name);
                }
            }
        }
        Ok(())
    }

    /// What column or row `place` is called, such as "strength 0.5"; empty beyond the last.
    pub fn label(&self, place: usize) -> String {
        let label = self.settings.get(place).map(|setting| setting.label.as_str()).unwrap_or_default();
        // A bare number says nothing without its field.
        if label.parse::<f64>().is_ok() { format!("{} {label}", self.name) } else { label.to_owned() }
    }

    /// The pictures of the axis as they stand.
    pub fn pictures(&self) -> impl Iterator<Item = &PictureName> {
        self.settings.iter().flat_map(|setting| &setting.changes).filter_map(|change| match change {
            Change::Reference(picture) | Change::Init(picture) => Some(picture),
            _ => None,
        })
    }
}

/// The fields that belong to one reference or one LoRA, beside the model's blocks.
const NUMBERED: &[&str] = &[
    "mode",
    "blocks",
    "strength",
    "layout-strength",
    "crop",
    "subtract",
    "subtract-strength",
    "reference",
    "lora-strength",
    "lora-blocks",
];

/// `strength@2` to the field and the reference or LoRA that it is about.
fn target(name: &str) -> Result<(&str, Target), BoardError> {
    match name.split_once('@') {
        None => Ok((name, Target::All)),
        Some((field, number)) => match number.trim().parse() {
            Ok(number) if number > 0 => Ok((field.trim(), Target::Only(number))),
            _ => Err(BoardError::Value {
                axis: name.to_owned(),
                value: number.to_owned(),
                allowed: "the number of a reference, such as strength@2".to_owned(),
            }),
        },
    }
}

enum Kind {
    Decimal,
    Whole,
    Other,
}

fn kind(field: &str, is_block: bool) -> Kind {
    match field {
        _ if is_block => Kind::Decimal,
        "strength" | "layout-strength" | "subtract-strength" | "lora-strength" | "start" | "end" | "denoise"
        | "guidance" => Kind::Decimal,
        "steps" | "seed" | "width" | "height" => Kind::Whole,
        _ => Kind::Other,
    }
}

/// One value of `field`, checked against the recipe's own ranges.
fn setting(axis: &str, field: &str, is_block: bool, value: &str) -> Result<Setting, BoardError> {
    let wrong = |allowed: &str| BoardError::Value {
        axis: axis.to_owned(),
        value: value.to_owned(),
        allowed: allowed.to_owned(),
    };
    // What is no number at all gets the range's words too: no range holds NaN.
    let decimal = || value.trim().parse::<f64>().map_or(f64::NAN, |number| number + 0.0);
    let whole = |must: &str| value.trim().parse::<u32>().map_err(|_| wrong(must));
    let picture = || PictureName { hash: String::new(), name: value.to_owned() };
    let (change, label) = match field {
        _ if is_block => (Change::Block { name: field.to_owned(), scale: decimal() }, None),
        "mode" => (Change::Mode(choice(axis, value)?), None),
        "blocks" => (Change::Mode(Role::Custom(blocks(axis, value)?)), None),
        "strength" => (Change::Strength(decimal()), None),
        "layout-strength" => (Change::LayoutStrength(decimal()), None),
        "crop" => (Change::Crop(choice(axis, value)?), None),
        "subtract" if value.trim().is_empty() => (Change::Subtract(String::new()), Some("nothing")),
        "subtract" => (Change::Subtract(value.to_owned()), None),
        "subtract-strength" => (Change::SubtractStrength(decimal()), None),
        "reference" | "init" if value.trim().is_empty() => return Err(wrong("a picture's file")),
        "reference" => (Change::Reference(picture()), None),
        "init" => (Change::Init(picture()), None),
        "lora-strength" => (Change::LoraStrength(decimal()), None),
        "lora-blocks" => {
            (Change::LoraBlocks(Lora::read_blocks(value)), value.trim().is_empty().then_some("all blocks"))
        }
        "prompt" => (Change::Prompt(value.to_owned()), None),
        "negative" => (Change::Negative(value.to_owned()), value.is_empty().then_some("nothing")),
        "start" => (Change::Start(decimal()), None),
        "end" => (Change::End(decimal()), None),
        "denoise" => (Change::Denoise(decimal()), None),
        "guidance" => (Change::Guidance(decimal()), None),
        "steps" => (Change::Steps(whole("a whole number from 1 to 1000")?), None),
        "scheduler" => (Change::Scheduler(choice(axis, value)?), None),
        "seed" => {
            let must = "a whole number from 0 to 18446744073709551615";
            (Change::Seed(value.trim().parse().map_err(|_| wrong(must))?), None)
        }
        "width" => (Change::Width(whole(SIDE)?), None),
        "height" => (Change::Height(whole(SIDE)?), None),
        _ => {
            let (width, height) = value.split_once('x').ok_or_else(|| wrong(SIZE))?;
            let side = |text: &str| text.trim().parse().map_err(|_| wrong(SIZE));
            (Change::Size { width: side(width)?, height: side(height)? }, None)
        }
    };
    // A recipe in which every field can be set, to ask its ranges.
    let mut probe = Recipe {
        references: vec![Reference { subtract: Some(Default::default()), ..Reference::default() }],
        init: Some(Init::default()),
        loras: vec![Lora::default()],
        ..Recipe::default()
    };
    change.apply(Target::All, &mut probe, &ModelBlocks::new(Vec::new(), Some(String::new()), None), axis).or_else(
        |error| match (&change, error) {
            // The probe knows no model's blocks: its scale is checked as a block of its own.
            (Change::Block { name, scale }, _) => {
                probe.references.iter_mut().for_each(|r| r.role = Role::Custom([(name.clone(), *scale)].into()));
                Ok(())
            }
            (_, error) => Err(error),
        },
    )?;
    probe.validate().map_err(|error| match error {
        RecipeError::OutOfRange { range, .. } => wrong(&format!("a number {range}").replace("a number a ", "a ")),
        other => other.into(),
    })?;
    Ok(Setting::new(label.unwrap_or(value.trim()), [change]))
}

const SIDE: &str = "a multiple of 8 from 8 to 8192";
const SIZE: &str = "WIDTHxHEIGHT, such as 512x768";

/// A word out of a list that the recipe knows.
fn choice<T: std::str::FromStr<Err = RecipeError>>(axis: &str, value: &str) -> Result<T, BoardError> {
    value.parse().map_err(|error| match error {
        RecipeError::UnknownChoice { valid, .. } => BoardError::Value {
            axis: axis.to_owned(),
            value: value.to_owned(),
            allowed: format!("one of {}", valid.join(", ")),
        },
        other => other.into(),
    })
}

fn blocks(axis: &str, value: &str) -> Result<BTreeMap<String, f64>, BoardError> {
    block_scales(value).map_err(|error| match error {
        RecipeError::BlockScales { why } => BoardError::BlockScales { axis: axis.to_owned(), why },
        other => other.into(),
    })
}
