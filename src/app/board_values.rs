//! Values of an axis to begin with, so that it is seen how they are written.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use super::background::Done;
use super::notes::Place;
use super::references::{self, Dropped, Opened};
use super::state::AppState;
use crate::board::Field;
use crate::recipe::{Recipe, Role, SchedulerName};

impl AppState {
    /// The fields that an axis of the window can be about: a LoRA's only where there is one.
    pub fn axis_fields(&self) -> impl Iterator<Item = Field> {
        let has_loras = !self.recipe.loras.is_empty();
        Field::ALL.into_iter().filter(move |field| has_loras || !field.is_of_loras())
    }

    /// Values for a field or a block, of which the axis can be painted as it is; empty where there are none.
    pub fn example_values(&self, name: &str) -> String {
        const SCALES: &str = "0, 0.5, 1";
        let Some(field) = Field::named(name) else { return SCALES.to_owned() };
        let prompt = self.recipe.prompt.trim();
        let (width, height) = self.open_size().unwrap_or((512, 512));
        match field {
            Field::Mode => Role::MODES.join(", "),
            Field::Scheduler => listed(SchedulerName::ALL.iter().map(|scheduler| scheduler.name())),
            Field::Crop => "fill, fit, stretch".to_owned(),
            Field::Prompt if prompt.is_empty() => "a fish, a cat, a house".to_owned(),
            Field::Prompt => listed([prompt, "a cat", "a house"]),
            Field::Negative => "\"\", blurry".to_owned(),
            Field::LoraBlocks => "\"\", style, content".to_owned(),
            Field::Subtract => "\"\", a house".to_owned(),
            Field::Blocks => {
                let names = self.model_info().map(|info| info.blocks.names.as_slice()).unwrap_or_default();
                listed(names.iter().map(|name| format!("{name}=1")))
            }
            Field::Reference | Field::Init => {
                let Recipe { references, init, .. } = &self.recipe;
                let init = init.iter().filter(|_| field == Field::Init).map(|init| &init.hash);
                let own: Vec<&String> = references.iter().map(|reference| &reference.hash).chain(init).collect();
                let names = self.axis_names().into_iter().filter(|(_, hash)| own.iter().any(|own| *own == hash));
                let mut names: Vec<String> = names.map(|(name, _)| name).collect();
                names.sort_unstable();
                listed(names)
            }
            Field::Seed => "1..4".to_owned(),
            Field::Steps => "8, 16, 32".to_owned(),
            Field::Guidance => "1..9 step 2".to_owned(),
            Field::Width => format!("{width}, {}", width * 2),
            Field::Height => format!("{height}, {}", height * 2),
            Field::Size => format!("{width}x{height}, {}x{height}, {width}x{}", width * 2, height * 2),
            Field::Strength | Field::LayoutStrength => "0..1 step 0.25".to_owned(),
            Field::Start => "0, 0.25, 0.5".to_owned(),
            Field::End => "0.5, 0.75, 1".to_owned(),
            Field::Denoise => "0.4, 0.6, 0.8".to_owned(),
            Field::SubtractStrength | Field::LoraStrength => SCALES.to_owned(),
        }
    }

    /// Opens pictures for an axis; each then says its name in [`AppState::board_pictures`].
    pub fn add_board_pictures(&mut self, paths: Vec<PathBuf>) {
        self.notes.clear(Place::Board);
        for path in paths {
            let folder = self.folder("references");
            let file = Dropped::File(path);
            if self.submit(move || references::open(&file, folder.as_deref()), Done::ForBoard) {
                self.opening += 1;
            }
        }
    }

    pub(super) fn take_board_picture(&mut self, result: Result<Box<Opened>, String>) {
        self.opening = self.opening.saturating_sub(1);
        match result {
            Ok(opened) => {
                let hash = opened.picture.hash.clone();
                self.take_picture(*opened);
                self.board_pictures.extend(self.axis_name(&hash));
            }
            Err(why) => self.notes.error(Place::Board, why),
        }
    }

    /// All pictures that an axis may name, by name and hash. Where several share a name, those opened later are counted:
    /// "ref.png (2)".
    pub(super) fn axis_names(&self) -> Vec<(String, &str)> {
        let opened: Vec<_> = self.pictures.all_known().collect();
        let names: BTreeSet<&str> = opened.iter().map(|(name, _)| *name).collect();
        let mut out: Vec<(String, &str)> = Vec::new();
        let mut counts: HashMap<&str, u32> = HashMap::new();
        for (name, hash) in opened {
            let count = counts.entry(name).or_default();
            let told = loop {
                *count += 1;
                match *count {
                    1 => break name.to_owned(),
                    number => {
                        let told = format!("{name} ({number})");
                        // A file may be called so.
                        if !names.contains(told.as_str()) {
                            break told;
                        }
                    }
                }
            };
            out.push((told, hash));
        }
        out
    }

    /// What an axis calls the picture with this hash.
    pub(super) fn axis_name(&self, hash: &str) -> Option<String> {
        self.axis_names().into_iter().find(|(_, known)| *known == hash).map(|(name, _)| name)
    }
}

/// As a list of values is written: one with a comma stands in quotation marks.
pub fn listed(names: impl IntoIterator<Item: AsRef<str>>) -> String {
    let quoted = |name: &str| match name.contains([',', '"']) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name.to_owned(),
    };
    names.into_iter().map(|name| quoted(name.as_ref())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::recipe::Lora;

    #[test]
    fn a_loras_fields_are_offered_where_there_is_one() {
        let home = tempfile::tempdir().unwrap();
        let mut state = AppState::for_tests(home.path());
        let without: Vec<Field> = state.axis_fields().collect();
        state.recipe.loras.push(Lora::default());
        let with: Vec<Field> = state.axis_fields().collect();
        assert_eq!(with, Field::ALL);
        assert!(with.len() == without.len() + 2 && !without.contains(&Field::LoraBlocks), "{without:?}");
    }
}
