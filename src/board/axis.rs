//! One axis of a board: a field of the recipe, and the values that it takes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::change::{Change, PictureName, Target};
use super::field::{Field, Kind};
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
        let about = match Field::named(field) {
            _ if blocks.names.iter().any(|block| block == field) => About::Block(field),
            Some(field) => About::Field(field),
            None => return Err(BoardError::UnknownAxis { name: name.to_owned(), blocks: blocks.names.clone() }),
        };
        let (kind, is_numbered) = match about {
            About::Field(field) => (field.kind(), field.is_numbered()),
            About::Block(_) => (Kind::Decimal, true),
        };
        if target != Target::All && !is_numbered {
            return Err(BoardError::NotNumbered { axis: name.to_owned(), field: field.to_owned() });
        }
        let mut settings = Vec::new();
        for value in values::split(name, list)? {
            let numbers: Option<Vec<String>> = match kind {
                Kind::Decimal => values::range(name, &value)?.map(|all| all.iter().map(f64::to_string).collect()),
                Kind::Whole => values::whole_range(name, &value)?.map(|all| all.iter().map(i128::to_string).collect()),
                Kind::Other => None,
            };
            for value in numbers.unwrap_or_else(|| vec![value]) {
                settings.push(setting(name, &about, &value)?);
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

/// `strength@2` to the field and the reference or LoRA that it is about.
fn target(name: &str) -> Result<(&str, Target), BoardError> {
    match name.split_once('@') {
        None => Ok((name, Target::All)),
        Some((field, number)) => match number.trim().parse() {
            Ok(number) if number > 0 => Ok((field.trim(), Target::Only(number))),
            _ => Err(wrong(name, number, "the number of a reference, such as strength@2")),
        },
    }
}

/// What an axis is about.
enum About<'a> {
    Field(Field),
    /// A block of the model, by its name.
    Block(&'a str),
}

/// One value of the axis, checked against the recipe's own ranges.
fn setting(axis: &str, about: &About, value: &str) -> Result<Setting, BoardError> {
    let (change, label) = match about {
        About::Field(field) => change(axis, *field, value)?,
        About::Block(name) => (Change::Block { name: (*name).to_owned(), scale: decimal(value) }, None),
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
        RecipeError::OutOfRange { range, .. } => {
            wrong(axis, value, &format!("a number {range}").replace("a number a ", "a "))
        }
        other => other.into(),
    })?;
    Ok(Setting::new(label.unwrap_or(value.trim()), [change]))
}

/// What a value of `field` changes, and how it is labelled where not as it is written.
fn change(axis: &str, field: Field, value: &str) -> Result<(Change, Option<&'static str>), BoardError> {
    let wrong = |allowed: &str| wrong(axis, value, allowed);
    let whole = |must: &str| value.trim().parse::<u32>().map_err(|_| wrong(must));
    let picture = || PictureName { hash: String::new(), name: value.to_owned() };
    Ok(match field {
        Field::Mode => (Change::Mode(choice(axis, value)?), None),
        Field::Blocks => (Change::Mode(Role::Custom(blocks(axis, value)?)), None),
        Field::Strength => (Change::Strength(decimal(value)), None),
        Field::LayoutStrength => (Change::LayoutStrength(decimal(value)), None),
        Field::Crop => (Change::Crop(choice(axis, value)?), None),
        Field::Subtract if value.trim().is_empty() => (Change::Subtract(String::new()), Some("nothing")),
        Field::Subtract => (Change::Subtract(value.to_owned()), None),
        Field::SubtractStrength => (Change::SubtractStrength(decimal(value)), None),
        Field::Reference | Field::Init if value.trim().is_empty() => return Err(wrong("a picture's file")),
        Field::Reference => (Change::Reference(picture()), None),
        Field::Init => (Change::Init(picture()), None),
        Field::LoraStrength => (Change::LoraStrength(decimal(value)), None),
        Field::LoraBlocks => {
            (Change::LoraBlocks(Lora::read_blocks(value)), value.trim().is_empty().then_some("all blocks"))
        }
        Field::Prompt => (Change::Prompt(value.to_owned()), None),
        Field::Negative => (Change::Negative(value.to_owned()), value.is_empty().then_some("nothing")),
        Field::Start => (Change::Start(decimal(value)), None),
        Field::End => (Change::End(decimal(value)), None),
        Field::Denoise => (Change::Denoise(decimal(value)), None),
        Field::Guidance => (Change::Guidance(decimal(value)), None),
        Field::Steps => (Change::Steps(whole("a whole number from 1 to 1000")?), None),
        Field::Scheduler => (Change::Scheduler(choice(axis, value)?), None),
        Field::Seed => {
            let must = "a whole number from 0 to 18446744073709551615";
            (Change::Seed(value.trim().parse().map_err(|_| wrong(must))?), None)
        }
        Field::Width => (Change::Width(whole(SIDE)?), None),
        Field::Height => (Change::Height(whole(SIDE)?), None),
        Field::Size => {
            let (width, height) = value.split_once('x').ok_or_else(|| wrong(SIZE))?;
            let side = |text: &str| text.trim().parse().map_err(|_| wrong(SIZE));
            (Change::Size { width: side(width)?, height: side(height)? }, None)
        }
    })
}

fn wrong(axis: &str, value: &str, allowed: &str) -> BoardError {
    BoardError::Value { axis: axis.to_owned(), value: value.to_owned(), allowed: allowed.to_owned() }
}

/// What is no number at all gets the range's words too: no range holds NaN.
fn decimal(value: &str) -> f64 {
    value.trim().parse::<f64>().map_or(f64::NAN, |number| number + 0.0)
}

const SIDE: &str = "a multiple of 8 from 8 to 8192";
const SIZE: &str = "WIDTHxHEIGHT, such as 512x768";

/// A word out of a list that the recipe knows.
fn choice<T: std::str::FromStr<Err = RecipeError>>(axis: &str, value: &str) -> Result<T, BoardError> {
    value.parse().map_err(|error| match error {
        RecipeError::UnknownChoice { valid, .. } => wrong(axis, value, &format!("one of {}", valid.join(", "))),
        other => other.into(),
    })
}

fn blocks(axis: &str, value: &str) -> Result<BTreeMap<String, f64>, BoardError> {
    block_scales(value).map_err(|error| match error {
        RecipeError::BlockScales { why } => BoardError::BlockScales { axis: axis.to_owned(), why },
        other => other.into(),
    })
}
