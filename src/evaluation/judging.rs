//! Who says what a picture shows.

use image::RgbImage;

use super::references::ReferenceSet;
use crate::engine::{BuiltInJudge, ClipMeasure, Compute, Embedding, EngineError, ModelPaths};
use crate::recipe::Crop;

pub enum Judge {
    /// A network of its own, never used for conditioning; it knows the built-in model's kind of picture.
    Network(BuiltInJudge),
    /// The model's CLIP towers, zero-shot among the names of the set (Radford et al. 2021, section 3.1).
    Clip { clip: Box<ClipMeasure>, subjects: Vec<(String, Embedding)>, styles: Vec<(String, Embedding)> },
    /// Nobody: picture and text have no space in common.
    None,
}

/// What a judge sees in a picture, by the names of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub subject: String,
    pub style: String,
}

impl Judge {
    /// The judge for a model.
    pub fn open(paths: &ModelPaths, compute: Compute, set: &ReferenceSet) -> Result<Self, EngineError> {
        if *paths == ModelPaths::default() {
            return Ok(Self::Network(BuiltInJudge::open()?));
        }
        let Some(mut clip) = ClipMeasure::open(paths, compute)? else { return Ok(Self::None) };
        let subjects = set.subjects.iter().map(|subject| Ok((subject.name.clone(), clip.text(&subject.words)?)));
        let subjects = subjects.collect::<Result<_, EngineError>>()?;
        let styles = set
            .styles
            .iter()
            .map(|style| Ok((style.name.clone(), clip.text(&format!("a picture in {}", style.words))?)));
        let styles = styles.collect::<Result<_, EngineError>>()?;
        Ok(Self::Clip { clip: Box::new(clip), subjects, styles })
    }

    /// For people and for the report.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Network(_) => "the built-in judge network",
            Self::Clip { .. } => "the model's CLIP towers, zero-shot",
            Self::None => "none",
        }
    }

    pub fn look(&mut self, picture: &RgbImage) -> Result<Option<Seen>, EngineError> {
        Ok(match self {
            Self::Network(judge) => {
                let verdict = judge.look(picture)?;
                let name = |names: &[String], logits: &[f32]| {
                    names.iter().zip(logits).max_by(|a, b| a.1.total_cmp(b.1)).map(|(name, _)| name.clone())
                };
                let subject = name(judge.subjects(), &verdict.subject_logits).unwrap_or_default();
                Some(Seen { subject, style: name(judge.styles(), &verdict.style_logits).unwrap_or_default() })
            }
            Self::Clip { clip, subjects, styles } => {
                // The whole picture: what leaks may stand at its edge.
                let seen = clip.image(picture, Crop::Stretch)?;
                let nearest = |names: &[(String, Embedding)]| {
                    let by_cosine = |a: &&(String, Embedding), b: &&(String, Embedding)| {
                        seen.cosine(&a.1).total_cmp(&seen.cosine(&b.1))
                    };
                    names.iter().max_by(by_cosine).map(|(name, _)| name.clone()).unwrap_or_default()
                };
                Some(Seen { subject: nearest(subjects), style: nearest(styles) })
            }
            Self::None => None,
        })
    }
}
