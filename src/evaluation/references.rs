//! The references of the evaluation, part of the program: made pictures whose subject and style are known.

use std::sync::Arc;

use serde::Deserialize;

use crate::engine::EngineError;
use crate::pixels::Picture;

macro_rules! pictures {
    ($($name:literal),* $(,)?) => {
        &[$((concat!($name, ".png"), include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/builtin/evaluation/", $name, ".png")).as_slice())),*]
    };
}

static LIST: &str = include_str!("../../assets/builtin/evaluation/references.json");
static PICTURES: &[(&str, &[u8])] = pictures![
    "00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16", "17", "18",
    "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31", "32", "33", "34", "35", "36", "37",
    "38", "39", "40", "41",
];

/// A subject or style: the name that the judge gives it, and the words that a prompt has for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Named {
    pub name: String,
    pub words: String,
}

/// `references.json` (`assets/builtin/train/references.py` writes it).
#[derive(Debug, Deserialize)]
struct File {
    subjects: Vec<Named>,
    styles: Vec<Named>,
    references: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    file: String,
    subject: String,
    style: String,
}

/// One reference with what it shows.
#[derive(Debug, Clone)]
pub struct KnownPicture {
    pub picture: Arc<Picture>,
    pub subject: Named,
    pub style: Named,
}

#[derive(Debug)]
pub struct ReferenceSet {
    pub subjects: Vec<Named>,
    pub styles: Vec<Named>,
    /// They go round the styles, so that any number from the beginning is balanced.
    pub pictures: Vec<KnownPicture>,
}

/// A reference, and the prompt and seed that it is tried with.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    pub reference: &'a KnownPicture,
    /// Never the reference's own subject.
    pub prompt: &'a Named,
    pub seed: u64,
}

impl ReferenceSet {
    pub fn built_in() -> Result<Self, EngineError> {
        let damaged = |what: &str| EngineError::Compute(format!("the evaluation's own pictures are damaged ({what})"));
        let file: File = serde_json::from_str(LIST).map_err(|error| damaged(&error.to_string()))?;
        let named = |list: &[Named], name: &str| {
            list.iter().find(|entry| entry.name == name).cloned().ok_or_else(|| damaged(name))
        };
        let mut pictures = Vec::with_capacity(file.references.len());
        for row in &file.references {
            let (_, bytes) = PICTURES.iter().find(|(name, _)| *name == row.file).ok_or_else(|| damaged(&row.file))?;
            pictures.push(KnownPicture {
                picture: Arc::new(Picture::from_bytes(bytes, row.file.clone())?),
                subject: named(&file.subjects, &row.subject)?,
                style: named(&file.styles, &row.style)?,
            });
        }
        Ok(Self { subjects: file.subjects, styles: file.styles, pictures })
    }

    /// The `index`-th case; with more cases than references, a reference comes again with another prompt and seed.
    pub fn case(&self, index: usize) -> Option<Case<'_>> {
        let reference = self.pictures.get(index.checked_rem(self.pictures.len())?)?;
        let round = index / self.pictures.len();
        let others: Vec<&Named> = self.subjects.iter().filter(|subject| **subject != reference.subject).collect();
        // A stride, so that neighbours have different prompts and a reference's rounds have too.
        let prompt = others.get((index * 4 + round * 7).checked_rem(others.len())?)?;
        Some(Case { reference, prompt, seed: 1000 + index as u64 })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_picture_is_there_and_the_beginning_is_balanced() {
        let set = ReferenceSet::built_in().unwrap();
        assert_eq!(set.pictures.len(), PICTURES.len());
        let styles: BTreeSet<_> = set.pictures.iter().take(set.styles.len()).map(|p| &p.style.name).collect();
        assert_eq!(styles.len(), set.styles.len());
    }

    #[test]
    fn a_prompt_never_names_what_the_reference_shows() {
        let set = ReferenceSet::built_in().unwrap();
        let cases: Vec<_> = (0..3 * set.pictures.len()).map(|i| set.case(i).unwrap()).collect();
        assert!(cases.iter().all(|case| case.prompt.name != case.reference.subject.name));
        let prompts: BTreeSet<_> = cases.iter().map(|case| &case.prompt.name).collect();
        assert_eq!(prompts.len(), set.subjects.len(), "every subject is asked for");
        let of_the_first: BTreeSet<_> =
            cases.iter().step_by(set.pictures.len()).map(|case| (&case.prompt.name, case.seed)).collect();
        assert_eq!(of_the_first.len(), 3, "a reference comes again with another prompt");
    }
}
