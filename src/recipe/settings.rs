use serde::{Deserialize, Serialize};

use super::{Lora, RecipeError, Reference, Role};

/// The version written into every recipe; a reader refuses newer ones.
pub const VERSION: u32 = 1;

/// Everything that shapes one picture.
///
/// What is `None` comes from the model ([`Recipe::resolved`]); a stored recipe has every value filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    pub version: u32,
    pub prompt: String,
    pub negative_prompt: String,
    pub references: Vec<Reference>,
    /// Part of the steps in which references enter, 0 to 1, as diffusers' `control_guidance_start` and `_end`.
    pub start: f64,
    pub end: f64,
    /// Image to image: the picture to begin from.
    pub init: Option<Init>,
    pub scheduler: Option<SchedulerName>,
    pub steps: Option<u32>,
    pub guidance: Option<f64>,
    pub seed: Option<u64>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// Merged into the model in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loras: Vec<Lora>,
    pub model: ModelFiles,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            version: VERSION,
            prompt: String::new(),
            negative_prompt: String::new(),
            references: Vec::new(),
            start: 0.0,
            end: 1.0,
            init: None,
            scheduler: None,
            steps: None,
            guidance: None,
            seed: None,
            width: None,
            height: None,
            loras: Vec::new(),
            model: ModelFiles::default(),
        }
    }
}

/// The picture that image to image begins from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Init {
    /// Content hash (blake3, hex) of the picture's file.
    pub hash: String,
    pub name: String,
    /// How much is repainted, 0 to 1: diffusers' `strength`.
    pub denoise: f64,
}

impl Default for Init {
    fn default() -> Self {
        Self { hash: String::new(), name: String::new(), denoise: 0.6 }
    }
}

/// Which weights a picture was made with, each as [`super::file_id`] writes it: file names for people, content hashes for
/// the program. Never opened as paths.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelFiles {
    /// Empty: the built-in model.
    pub model: String,
    /// Empty: the model's own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub vae: String,
    pub adapter: String,
    pub image_encoder: String,
}

/// What a model brings for settings that a recipe leaves open.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelDefaults {
    pub scheduler: SchedulerName,
    pub steps: u32,
    pub guidance: f64,
    pub width: u32,
    pub height: u32,
}

/// The samplers; each is one scheduler of diffusers with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SchedulerName {
    Euler,
    EulerTrailing,
    EulerAncestral,
    Ddim,
    #[serde(rename = "dpmpp-2m")]
    Dpmpp2m,
    #[serde(rename = "dpmpp-2m-karras")]
    Dpmpp2mKarras,
    Lcm,
}

impl SchedulerName {
    pub const ALL: [Self; 7] = [
        Self::Euler,
        Self::EulerTrailing,
        Self::EulerAncestral,
        Self::Ddim,
        Self::Dpmpp2m,
        Self::Dpmpp2mKarras,
        Self::Lcm,
    ];
    /// The words that `--scheduler` takes, in the order of [`SchedulerName::ALL`].
    pub const NAMES: &[&str] =
        &["euler", "euler-trailing", "euler-ancestral", "ddim", "dpmpp-2m", "dpmpp-2m-karras", "lcm"];

    pub fn name(self) -> &'static str {
        match self {
            Self::Euler => "euler",
            Self::EulerTrailing => "euler-trailing",
            Self::EulerAncestral => "euler-ancestral",
            Self::Ddim => "ddim",
            Self::Dpmpp2m => "dpmpp-2m",
            Self::Dpmpp2mKarras => "dpmpp-2m-karras",
            Self::Lcm => "lcm",
        }
    }
}

impl std::str::FromStr for SchedulerName {
    type Err = RecipeError;

    fn from_str(word: &str) -> Result<Self, RecipeError> {
        Self::ALL.into_iter().find(|s| s.name() == word).ok_or_else(|| RecipeError::UnknownChoice {
            what: "scheduler",
            value: word.to_owned(),
            valid: Self::NAMES,
        })
    }
}

impl Recipe {
    /// "a red fish, seed 7", for lists and for those who listen.
    pub fn title(&self) -> String {
        let prompt = self.prompt.trim();
        let prompt = if prompt.is_empty() { "no prompt" } else { prompt };
        format!("{prompt}, seed {}", self.seed.unwrap_or_default())
    }

    /// The recipe with every open setting filled in from the model, and `seed` where none is set.
    pub fn resolved(&self, defaults: &ModelDefaults, seed: u64) -> Self {
        let mut out = self.clone();
        out.scheduler.get_or_insert(defaults.scheduler);
        out.steps.get_or_insert(defaults.steps);
        out.guidance.get_or_insert(defaults.guidance);
        out.width.get_or_insert(defaults.width);
        out.height.get_or_insert(defaults.height);
        out.seed.get_or_insert(seed);
        out
    }

    /// Whether a reference enters anywhere by its mode, which takes an adapter.
    pub fn takes_references(&self) -> bool {
        self.references.iter().any(|reference| reference.role != Role::Off)
    }

    /// Checks every number against its range (product.md "Ranges"); names the first that is outside.
    pub fn validate(&self) -> Result<(), RecipeError> {
        if self.version > VERSION {
            return Err(RecipeError::NewerVersion { found: self.version, known: VERSION });
        }
        if let Some(steps) = self.steps {
            check("steps", f64::from(steps), 1.0, 1000.0, "from 1 to 1000")?;
        }
        if let Some(guidance) = self.guidance {
            check("guidance", guidance, 0.0, 100.0, "from 0 to 100")?;
        }
        for (what, size) in [("width", self.width), ("height", self.height)] {
            if let Some(size) = size
                && (!(8..=8192).contains(&size) || size % 8 != 0)
            {
                let range = "a multiple of 8 from 8 to 8192";
                return Err(RecipeError::OutOfRange { what, value: size.to_string(), range });
            }
        }
        check("start", self.start, 0.0, 1.0, "from 0 to 1")?;
        check("end", self.end, 0.0, 1.0, "from 0 to 1")?;
        if self.start > self.end {
            return Err(RecipeError::OutOfRange {
                what: "start",
                value: self.start.to_string(),
                range: "at most the end",
            });
        }
        if let Some(init) = &self.init {
            check("denoise", init.denoise, 0.0, 1.0, "from 0 to 1")?;
        }
        for lora in &self.loras {
            strength("lora-strength", lora.strength)?;
        }
        for reference in &self.references {
            reference.validate()?;
            if reference.role == Role::Precise
                && let Some(guidance) = self.guidance
                && guidance <= 1.0
            {
                return Err(RecipeError::PreciseNeedsGuidance { guidance });
            }
        }
        Ok(())
    }
}

impl Reference {
    fn validate(&self) -> Result<(), RecipeError> {
        strength("strength", self.strength)?;
        strength("layout-strength", self.layout_strength)?;
        if let Some(subtract) = &self.subtract {
            strength("subtract-strength", subtract.strength)?;
        }
        if let Role::Custom(scales) = &self.role {
            for scale in scales.values() {
                strength("a block's scale", *scale)?;
            }
        }
        Ok(())
    }
}

fn strength(what: &'static str, value: f64) -> Result<(), RecipeError> {
    check(what, value, -1.0, 5.0, "from -1 to 5")
}

fn check(what: &'static str, value: f64, low: f64, high: f64, range: &'static str) -> Result<(), RecipeError> {
    // NaN is in no range, so the comparison is written to fail for it.
    if value >= low && value <= high {
        Ok(())
    } else {
        Err(RecipeError::OutOfRange { what, value: value.to_string(), range })
    }
}
