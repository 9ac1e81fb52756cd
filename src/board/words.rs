//! The words around a board's cells, for a contact sheet, a page and the window.

use super::{Axis, Board, Change, Field};
use crate::recipe::{Recipe, Reference};

/// Heading and labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SheetWords {
    /// The largest line.
    pub title: String,
    /// The prompt or what else the cells share; broken into up to two lines.
    pub subtitle: String,
    /// One line of settings.
    pub details: String,
    pub columns: Vec<String>,
    /// Empty: the board has one axis.
    pub rows: Vec<String>,
    /// Leaves room for a line under each cell.
    pub has_captions: bool,
}

impl Board {
    /// The lines around the cells. `model` is the model's name, `recipe` that of a finished cell, with nothing left open.
    pub fn words(&self, model: &str, recipe: &Recipe) -> SheetWords {
        let labels = |axis: &Axis| (0..axis.settings.len()).map(|place| axis.label(place)).collect();
        let (x, y) = (&self.x, self.y.as_ref());
        let title = match (self.title.as_str(), y) {
            ("", None) => x.name.clone(),
            ("", Some(y)) => format!("{} and {}", x.name, y.name),
            (question, None) => question.to_owned(),
            (question, Some(y)) => format!("{question} And {}", y.name),
        };
        SheetWords {
            title: capitalised(&title),
            subtitle: self.base.prompt.clone(),
            details: self.details(model, recipe),
            columns: labels(x),
            rows: y.map(labels).unwrap_or_default(),
            has_captions: false,
        }
    }

    /// What all cells share: the model, the references, and the settings that no axis changes.
    fn details(&self, model: &str, recipe: &Recipe) -> String {
        let axes = [Some(&self.x), self.y.as_ref()];
        let changes =
            |fields: &[Field]| axes.iter().flatten().any(|axis| fields.iter().any(|field| field.name() == axis.name));
        // A ready-made board's axis is called by its question.
        let settings = axes.iter().flatten().flat_map(|axis| &axis.settings);
        let all: Vec<&Change> = settings.flat_map(|setting| &setting.changes).collect();
        let are_words_changed = all.iter().any(|change| matches!(change, Change::Subtract(_)));
        let is_strength_changed = all.iter().any(|change| matches!(change, Change::SubtractStrength(_)));
        let mut parts = vec![model.to_owned()];
        if !changes(&[Field::Reference]) {
            parts.extend(self.base.references.iter().map(|reference| {
                let Reference { name, subtract, .. } = reference;
                match subtract.as_ref().filter(|_| !are_words_changed) {
                    Some(subtract) if is_strength_changed => format!("{name} minus {}", subtract.words),
                    Some(subtract) => format!("{name} minus {} × {}", subtract.words, subtract.strength),
                    None => name.clone(),
                }
            }));
        }
        let mut add = |fields: &[Field], text: Option<String>| parts.extend(text.filter(|_| !changes(fields)));
        add(&[Field::Scheduler], recipe.scheduler.map(|s| s.name().to_owned()));
        add(&[Field::Steps], recipe.steps.map(|n| format!("{n} steps")));
        add(&[Field::Guidance], recipe.guidance.map(|g| format!("guidance {g}")));
        add(&[Field::Seed], recipe.seed.map(|seed| format!("seed {seed}")));
        let size = recipe.width.zip(recipe.height).map(|(width, height)| format!("{width} × {height}"));
        add(&[Field::Size, Field::Width, Field::Height], size);
        parts.join(" · ")
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
