//! Which settings of two pictures differ, in words.

use std::collections::{BTreeMap, BTreeSet};

use super::sampling_words::words_for_sampler;
use super::words;
use crate::board::Field;
use crate::recipe::{Init, Lora, ModelBlocks, ModelFiles, Recipe, Reference, Role};

/// One line for each setting that differs, such as "steps 8 → 16". `blocks` are the model's.
pub fn differences(from: &Recipe, to: &Recipe, blocks: &ModelBlocks) -> Vec<String> {
    let mut found = Found(Vec::new());
    // Named one by one, so that none is forgotten where the recipe gets another.
    let Recipe { version: _, prompt, negative_prompt, references, start, end, init, scheduler, steps, .. } = to;
    let Recipe { guidance, seed, width, height, loras, model, .. } = to;
    found.references(&from.references, references, blocks);
    found.add(words::short(Field::Prompt), &from.prompt, prompt, |text| text.clone());
    found.add(words::short(Field::Negative), &from.negative_prompt, negative_prompt, |text| text.clone());
    found.add(words::short(Field::Start), &from.start, start, f64::to_string);
    found.add(words::short(Field::End), &from.end, end, f64::to_string);
    found.content(from.init.as_ref(), init.as_ref());
    let sampler = |name: &Option<_>| name.map_or_else(open, |name| words_for_sampler(name).to_owned());
    found.add(words::short(Field::Scheduler), &from.scheduler, scheduler, sampler);
    found.add(words::short(Field::Steps), &from.steps, steps, or_open);
    found.add(words::short(Field::Guidance), &from.guidance, guidance, or_open);
    found.add(words::short(Field::Seed), &from.seed, seed, or_open);
    found.add(words::short(Field::Width), &from.width, width, or_open);
    found.add(words::short(Field::Height), &from.height, height, or_open);
    found.loras(&from.loras, loras);
    let ModelFiles { model, vae, adapter, image_encoder } = model;
    found.add("model", &from.model.model, model, |text| text.clone());
    found.add("VAE", &from.model.vae, vae, |text| text.clone());
    found.add("adapter", &from.model.adapter, adapter, |text| text.clone());
    found.add("image encoder", &from.model.image_encoder, image_encoder, |text| text.clone());
    found.0
}

struct Found(Vec<String>);

impl Found {
    fn add<T: PartialEq>(&mut self, name: &str, from: &T, to: &T, words: impl Fn(&T) -> String) {
        if from != to {
            self.0.push(format!("{name} {} → {}", short(&words(from)), short(&words(to))));
        }
    }

    /// A picture is its content: another one may have the same name, and the same one another name.
    fn picture(&mut self, name: &str, from: (&str, &str), to: (&str, &str)) {
        let ((hash, called), (other_hash, other)) = (from, to);
        let is_same = if hash.is_empty() && other_hash.is_empty() { called == other } else { hash == other_hash };
        if !is_same {
            let other = if called == other { format!("another {}", short(other)) } else { short(other) };
            self.0.push(format!("{name} {} → {other}", short(called)));
        }
    }

    fn references(&mut self, from: &[Reference], to: &[Reference], blocks: &ModelBlocks) {
        if from.len() != to.len() {
            self.add("references", &from.len(), &to.len(), usize::to_string);
            return;
        }
        for (index, (from, to)) in from.iter().zip(to).enumerate() {
            let of = |name: &str| format!("reference {} {name}", index + 1);
            let Reference { hash, name, role, strength, layout_strength, crop, subtract } = to;
            self.picture(&of(words::short(Field::Reference)), (&from.hash, &from.name), (hash, name));
            match (&from.role, role) {
                (Role::Custom(a), Role::Custom(b)) => {
                    for block in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                        let scale = |map: &BTreeMap<String, f64>| map.get(block).copied();
                        let (a, b) = (scale(a).unwrap_or_default(), scale(b).unwrap_or_default());
                        self.add(&of(&words::block(blocks, block)), &a, &b, f64::to_string);
                    }
                }
                (a, b) => self.add(&of(words::short(Field::Mode)), a, b, |role| words::lowered(words::mode(role))),
            }
            self.add(&of(words::short(Field::Strength)), &from.strength, strength, f64::to_string);
            self.add(&of(words::short(Field::LayoutStrength)), &from.layout_strength, layout_strength, f64::to_string);
            self.add(&of(words::short(Field::Crop)), &from.crop, crop, |crop| words::lowered(words::crop(crop)));
            let (a, b) = (from.subtract.clone().unwrap_or_default(), subtract.clone().unwrap_or_default());
            let named = |text: &String| if text.is_empty() { "nothing".to_owned() } else { text.clone() };
            self.add(&of(words::short(Field::Subtract)), &a.words, &b.words, named);
            self.add(&of(words::short(Field::SubtractStrength)), &a.strength, &b.strength, f64::to_string);
        }
    }

    fn content(&mut self, from: Option<&Init>, to: Option<&Init>) {
        let name = words::short(Field::Init);
        match (from, to) {
            (Some(from), Some(Init { hash, name: called, denoise })) => {
                self.picture(name, (&from.hash, &from.name), (hash, called));
                self.add(words::short(Field::Denoise), &from.denoise, denoise, f64::to_string);
            }
            (from, to) => {
                let called = |init: Option<&Init>| init.map_or_else(|| "none".to_owned(), |init| init.name.clone());
                self.add(name, &called(from), &called(to), String::clone);
            }
        }
    }

    fn loras(&mut self, from: &[Lora], to: &[Lora]) {
        if from.len() != to.len() {
            self.add("LoRAs", &from.len(), &to.len(), usize::to_string);
            return;
        }
        for (index, (from, Lora { name, hash, strength, blocks })) in from.iter().zip(to).enumerate() {
            let of = |name: &str| format!("LoRA {} {name}", index + 1);
            self.picture(&of("file"), (&from.hash, &from.name), (hash, name));
            self.add(&of("strength"), &from.strength, strength, f64::to_string);
            let listed = |blocks: &Vec<String>| match blocks.is_empty() {
                true => "everything".to_owned(),
                false => blocks.join(", "),
            };
            self.add(&of("kept to"), &from.blocks, blocks, listed);
        }
    }
}

fn open() -> String {
    "the model's".to_owned()
}

fn or_open<T: std::fmt::Display>(value: &Option<T>) -> String {
    value.as_ref().map_or_else(open, T::to_string)
}

fn short(text: &str) -> String {
    const LONGEST: usize = 40;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None if text.is_empty() => "none".to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_named() {
        let told = |from: &Recipe, to: &Recipe| differences(from, to, &ModelBlocks::default());
        let from = Recipe { steps: Some(8), references: vec![Reference::default()], ..Recipe::default() };
        let mut to = from.clone();
        assert!(told(&from, &to).is_empty());
        to.steps = Some(16);
        to.references[0].layout_strength = 0.5;
        to.references[0].role = Role::Precise;
        let said = ["reference 1 takes style → style, layout pushed away", "reference 1 layout strength 1 → 0.5"];
        assert_eq!(told(&from, &to), [&said[..], &["steps 8 → 16"]].concat());
        to.references.clear();
        assert_eq!(told(&from, &to)[0], "references 1 → 0");
    }

    #[test]
    fn two_pictures_of_one_name_are_told_apart() {
        let with = |hash: &str, name: &str| Recipe {
            references: vec![Reference { hash: hash.to_owned(), name: name.to_owned(), ..Reference::default() }],
            ..Recipe::default()
        };
        let told = |from: &Recipe, to: &Recipe| differences(from, to, &ModelBlocks::default());
        assert_eq!(
            told(&with("a", "ref.png"), &with("b", "ref.png")),
            ["reference 1 picture ref.png → another ref.png"]
        );
        assert_eq!(told(&with("a", "ref.png"), &with("b", "sea.png")), ["reference 1 picture ref.png → sea.png"]);
        assert!(told(&with("a", "ref.png"), &with("a", "sea.png")).is_empty());
    }
}
