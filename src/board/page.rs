//! A board as a page for a browser: one file of its own beside the cells' pictures, from `file://`, with no network.

use serde::Serialize;

use super::{Board, Cell, SheetWords};
use crate::recipe::{Crop, Recipe, Role};

const TEMPLATE: &str = include_str!("page.html");
/// Where the template takes the board's data.
const DATA: &str = "/*BOARD*/null";
const TITLE: &str = "<title></title>";

/// What the page shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Page {
    pub title: String,
    pub subtitle: String,
    pub details: String,
    pub columns: Vec<String>,
    /// Empty: one row without a label.
    pub rows: Vec<String>,
    pub cells: Vec<PageCell>,
}

/// One cell of the page.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PageCell {
    pub column: usize,
    pub row: usize,
    /// The picture, relative to the page; none where the cell failed.
    pub file: Option<String>,
    /// Names and values in plain words; those that differ between cells the page finds by itself.
    pub settings: Vec<(String, String)>,
    /// Names and values of the numbers under the picture.
    pub numbers: Vec<(String, f64)>,
    /// Why there is no picture.
    pub fault: Option<String>,
}

impl Board {
    /// The name of a cell's file beside the page, by its place counted from 1.
    pub fn file_name(&self, cell: &Cell, ending: &str) -> String {
        match self.rows() {
            1 => format!("cell-{:02}.{ending}", cell.column + 1),
            _ => format!("cell-r{:02}-c{:02}.{ending}", cell.row + 1, cell.column + 1),
        }
    }
}

impl Page {
    pub fn new(words: SheetWords, cells: Vec<PageCell>) -> Self {
        let SheetWords { title, subtitle, details, columns, rows, .. } = words;
        Self { title, subtitle, details, columns, rows, cells }
    }

    /// The whole page as HTML.
    ///
    /// # Errors
    /// A number that JSON cannot hold.
    pub fn html(&self) -> Result<String, serde_json::Error> {
        // Inside a script element only "<" can end the data; as \u003c it is the same JSON.
        let data = serde_json::to_string(self)?.replace('<', "\\u003c");
        let title = self.title.replace('&', "&amp;").replace('<', "&lt;");
        Ok(TEMPLATE.replacen(TITLE, &format!("<title>{title}</title>"), 1).replacen(DATA, &data, 1))
    }
}

/// Everything that shapes a picture, as names and values in plain words. What is left open is left out.
pub fn settings_in_words(recipe: &Recipe) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut add = |name: &str, value: String| out.push((name.to_owned(), value));
    add("prompt", recipe.prompt.clone());
    if !recipe.negative_prompt.is_empty() {
        add("negative prompt", recipe.negative_prompt.clone());
    }
    for (index, reference) in recipe.references.iter().enumerate() {
        let name = |what: &str| match recipe.references.len() {
            1 => what.to_owned(),
            _ => format!("{what} of reference {}", index + 1),
        };
        let named =
            if recipe.references.len() == 1 { "reference".to_owned() } else { format!("reference {}", index + 1) };
        add(&named, reference.name.clone());
        let mode = match &reference.role {
            Role::Custom(scales) => {
                scales.iter().map(|(block, scale)| format!("{block} {scale}")).collect::<Vec<_>>().join(", ")
            }
            role => role.name().to_owned(),
        };
        add(&name("mode"), mode);
        add(&name("strength"), reference.strength.to_string());
        add(&name("layout strength"), reference.layout_strength.to_string());
        let crop = match reference.crop {
            Crop::Fill => "fill".to_owned(),
            Crop::Fit => "fit".to_owned(),
            Crop::Stretch => "stretch".to_owned(),
            Crop::Rect { x, y, width, height } => format!("{width} × {height} from {x}, {y}"),
        };
        add(&name("crop"), crop);
        if let Some(subtract) = reference.subtract.as_ref().filter(|s| !s.is_nothing()) {
            add(&name("subtracted"), format!("{} × {}", subtract.words, subtract.strength));
        }
    }
    if recipe.start != 0.0 || recipe.end != 1.0 {
        add("references enter", format!("{} to {}", recipe.start, recipe.end));
    }
    for (index, lora) in recipe.loras.iter().enumerate() {
        let named = if recipe.loras.len() == 1 { "LoRA".to_owned() } else { format!("LoRA {}", index + 1) };
        let part = if lora.blocks.is_empty() { String::new() } else { format!(" in {}", lora.blocks.join(", ")) };
        add(&named, format!("{} × {}{part}", lora.name, lora.strength));
    }
    if let Some(init) = &recipe.init {
        add("begins from", init.name.clone());
        add("denoise", init.denoise.to_string());
    }
    if let Some(scheduler) = recipe.scheduler {
        add("sampler", scheduler.name().to_owned());
    }
    if let Some(steps) = recipe.steps {
        add("steps", steps.to_string());
    }
    if let Some(guidance) = recipe.guidance {
        add("guidance", guidance.to_string());
    }
    if let Some(seed) = recipe.seed {
        add("seed", seed.to_string());
    }
    if let (Some(width), Some(height)) = (recipe.width, recipe.height) {
        add("size", format!("{width} × {height}"));
    }
    out
}
