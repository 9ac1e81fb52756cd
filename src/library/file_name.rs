//! Names for exported pictures from a template such as `{date}-{prompt}-{seed}`, fit for every file system.

use super::LibraryError;
use crate::recipe::{BUILT_IN, Recipe, split_id};

/// Bytes of a name without its ending; file systems take 255 with it.
const LONGEST_NAME: usize = 180;
/// Bytes that one field may take of it.
const LONGEST_FIELD: usize = 80;
/// Names that Windows keeps for devices, with any ending.
const RESERVED: &[&str] = &["con", "prn", "aux", "nul", "com", "lpt"];

/// A checked template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTemplate(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(&'static str),
}

/// What the fields stand for.
#[derive(Debug, Clone, Copy)]
pub struct NameParts<'a> {
    pub recipe: &'a Recipe,
    /// What a cell of a board is called; empty for any other picture.
    pub cell: &'a str,
    /// The picture's number in this export, from 1.
    pub number: usize,
    pub now: jiff::civil::DateTime,
}

impl NameTemplate {
    /// What may stand in braces.
    pub const FIELDS: &[&str] = &[
        "date",
        "time",
        "n",
        "cell",
        "prompt",
        "seed",
        "mode",
        "strength",
        "reference",
        "model",
        "scheduler",
        "steps",
        "guidance",
        "width",
        "height",
    ];
    pub const DEFAULT: &str = "{prompt}-{seed}";

    /// Reads a template: text, and fields in braces.
    ///
    /// # Errors
    /// A field that is none, or a brace without its partner.
    pub fn parse(text: &str) -> Result<Self, LibraryError> {
        let fault = |why: String| LibraryError::Template { why, template: text.to_owned() };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| fault("a brace is open".to_owned()))?;
            let field = Self::FIELDS.iter().find(|field| **field == name.trim());
            let unknown = || fault(format!("there is no field {{{name}}}; choose from {}", Self::FIELDS.join(", ")));
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Field(field.ok_or_else(unknown)?));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// The name without ending: letters, digits and harmless signs, never empty, never a folder, a hidden file or a device.
    /// This is what a window shows as a preview, too.
    pub fn fill(&self, parts: &NameParts) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(&safe(text, LONGEST_NAME)),
                Part::Field(field) => out.push_str(&safe(&value(field, parts), LONGEST_FIELD)),
            }
        }
        let out = safe(&out, LONGEST_NAME);
        let out = out.trim_matches(|c: char| c == '.' || c == '-' || c.is_whitespace());
        let stem = out.split('.').next().unwrap_or_default().trim_end().to_lowercase();
        let device = stem.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_reserved = RESERVED.contains(&device) && stem.len() - device.len() <= 1;
        match out {
            "" => "picture".to_owned(),
            _ if is_reserved => format!("picture-{out}"),
            _ => out.to_owned(),
        }
    }
}

fn value(field: &str, NameParts { recipe, cell, number, now }: &NameParts) -> String {
    let first = recipe.references.first();
    let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned();
    let number_or_none = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    match field {
        "date" => now.date().to_string(),
        "time" => format!("{:02}{:02}{:02}", now.hour(), now.minute(), now.second()),
        "n" => format!("{number:03}"),
        "cell" => cell.replace(", ", "_"),
        "prompt" => recipe.prompt.split_whitespace().collect::<Vec<_>>().join("-"),
        "seed" => recipe.seed.map(|seed| seed.to_string()).unwrap_or_default(),
        "mode" => first.map_or("off", |reference| reference.role.name()).to_owned(),
        "strength" => number_or_none(first.map(|reference| reference.strength)),
        "reference" => first.map(|reference| stem(&reference.name)).unwrap_or_default(),
        "model" if recipe.model.model.is_empty() => BUILT_IN.to_owned(),
        "model" => split_id(&recipe.model.model).0.to_owned(),
        "scheduler" => recipe.scheduler.map(|scheduler| scheduler.name().to_owned()).unwrap_or_default(),
        "steps" => number_or_none(recipe.steps.map(f64::from)),
        "guidance" => number_or_none(recipe.guidance),
        "width" => number_or_none(recipe.width.map(f64::from)),
        _ => number_or_none(recipe.height.map(f64::from)),
    }
}

/// Letters and digits of any language stay; what some file system refuses, or could hide a name's true ending, becomes a
/// hyphen, several of them one. At most `longest` bytes.
fn safe(text: &str, longest: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let keeps = c.is_alphanumeric() || matches!(c, ' ' | '.' | '_' | '+' | '=' | '@' | '(' | ')');
        let c = if keeps { c } else { '-' };
        if c == '-' && out.ends_with('-') {
            continue;
        }
        if out.len() + c.len_utf8() > longest {
            break;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::recipe::{ModelFiles, Reference, Role};

    fn named(template: &str, recipe: &Recipe) -> String {
        let now = jiff::civil::date(2026, 2, 3).at(4, 5, 6, 0);
        NameTemplate::parse(template).unwrap().fill(&NameParts { recipe, cell: "strength 0.5, a cat", number: 7, now })
    }

    #[test]
    fn every_field_has_a_value() {
        let recipe = Recipe {
            prompt: "a  fish, in ../the \"snow\"".to_owned(),
            seed: Some(42),
            steps: Some(30),
            guidance: Some(5.5),
            references: vec![Reference { name: "sea.jpg".to_owned(), role: Role::Precise, ..Reference::default() }],
            ..Recipe::default()
        };
        assert_eq!(named(NameTemplate::DEFAULT, &recipe), "a-fish-in-..-the-snow-42");
        assert_eq!(named("{date} {time} {n}", &recipe), "2026-02-03 040506 007");
        assert_eq!(named("{n}-{cell}", &recipe), "007-strength 0.5_a cat");
        assert_eq!(named("{reference}_{mode}_{strength}", &recipe), "sea_precise_1");
        assert_eq!(named("{model}-{steps}-{guidance}-{width}", &recipe), "built-in-30-5.5");
        let model = ModelFiles { model: "ink@night.safetensors@1f0c".to_owned(), ..ModelFiles::default() };
        assert_eq!(named("{model}", &Recipe { model, ..Recipe::default() }), "ink@night.safetensors");
        let unknown = NameTemplate::parse("{seed}{dream}").unwrap_err().to_string();
        assert!(unknown.contains("{dream}") && unknown.contains("guidance"), "{unknown}");
        assert!(NameTemplate::parse("{seed").is_err());
    }

    #[test]
    fn whatever_the_prompt_the_name_is_one_file_everywhere() {
        let prompts = [
            "",
            "...",
            "/",
            "con",
            "COM1",
            "nul.txt",
            "a\0b",
            "\u{202e}gnp",
            "猫 と 魚",
            "x\ny",
            "-",
            "a/../../b",
            ". .",
        ];
        let long = ["é".repeat(500), "猫".repeat(500)];
        for prompt in prompts.iter().copied().chain(long.iter().map(String::as_str)) {
            let recipe = Recipe { prompt: prompt.to_owned(), ..Recipe::default() };
            for template in ["{prompt}", "{prompt}{prompt}{prompt}", "a/{prompt}\\b", "{prompt}.", "\u{202e}{seed}"] {
                let name = named(template, &recipe);
                assert!(!name.is_empty() && name.len() <= LONGEST_NAME + 8, "{template} {prompt}: {name}");
                assert!(
                    !name.starts_with(['.', '-', ' ']) && !name.ends_with(['.', ' ']),
                    "{template} {prompt}: {name}"
                );
                assert!(
                    !name.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|', '\0', '\n', '\u{202e}']),
                    "{name}"
                );
                let lower = name.to_lowercase();
                let stem = lower.split('.').next().unwrap();
                assert!(!["con", "com1", "nul"].contains(&stem), "{name}");
            }
        }
        let recipe = Recipe { prompt: "猫 と 魚".to_owned(), ..Recipe::default() };
        assert_eq!(named("{prompt}", &recipe), "猫-と-魚");
    }
}
