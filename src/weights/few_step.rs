//! Models distilled to few steps: which they are, as far as a name or metadata tells, and what they want.
//!
//! Tensors do not tell: a distilled model has those of the model it was made from. Settings: the cards of
//! stabilityai/sdxl-turbo, ByteDance/SDXL-Lightning, ByteDance/Hyper-SD and latent-consistency/lcm-sdxl.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

/// How a model was distilled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distillation {
    Turbo,
    Lightning,
    Hyper,
    Lcm,
}

/// A few-step model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FewStep {
    pub distillation: Distillation,
    /// The steps that its name speaks of.
    pub steps: Option<u32>,
}

impl fmt::Display for FewStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.distillation {
            Distillation::Turbo => "Turbo",
            Distillation::Lightning => "Lightning",
            Distillation::Hyper => "Hyper",
            Distillation::Lcm => "LCM",
        })?;
        match self.steps {
            Some(steps) => write!(f, ", {steps} steps"),
            None => Ok(()),
        }
    }
}

impl FewStep {
    /// What a file's name and the titles in its header say.
    pub fn told(name: &str, metadata: &BTreeMap<String, String>) -> Option<Self> {
        let name = Path::new(name).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let titles = ["modelspec.title", "ss_output_name"].iter().filter_map(|key| metadata.get(*key));
        [&name].into_iter().chain(titles).find_map(|text| Self::in_words(text))
    }

    fn in_words(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let any = |test: &dyn Fn(&str) -> bool| words.iter().any(|word| test(word));
        // "hyper" alone: "hyperrealistic" is no way of distilling.
        let hyper =
            |word: &str| word.strip_prefix("hyper").is_some_and(|rest| rest.is_empty() || rest.starts_with("sd"));
        let distillation = if any(&|word| word.contains("lightning")) {
            Distillation::Lightning
        } else if any(&|word| word.contains("turbo")) {
            Distillation::Turbo
        } else if any(&hyper) {
            Distillation::Hyper
        } else if any(&|word| word.starts_with("lcm")) {
            Distillation::Lcm
        } else {
            return None;
        };
        let number = |word: &str| word.parse::<u32>().ok().filter(|n| (1..=50).contains(n));
        let joined = words.iter().find_map(|word| number(word.strip_suffix("steps").or(word.strip_suffix("step"))?));
        let apart = || {
            let pairs = words.iter().zip(words.iter().skip(1));
            pairs.filter(|(_, next)| matches!(**next, "step" | "steps")).find_map(|(word, _)| number(word))
        };
        Some(Self { distillation, steps: joined.or_else(apart) })
    }

    /// The settings for `instantstyle.json`: steps, guidance and size where they differ from the family's own.
    pub fn settings(&self) -> Value {
        let (steps, guidance) = match self.distillation {
            Distillation::Turbo | Distillation::Lightning => (4, 1.0),
            Distillation::Hyper => (8, 1.0),
            Distillation::Lcm => (4, 1.5),
        };
        let mut out = json!({"steps": self.steps.unwrap_or(steps), "guidance": guidance});
        if self.distillation == Distillation::Turbo
            && let Some(fields) = out.as_object_mut()
        {
            fields.insert("width".to_owned(), json!(512));
            fields.insert("height".to_owned(), json!(512));
        }
        out
    }

    /// Puts what its sampler must be into a `scheduler_config.json`.
    pub fn set_scheduler(&self, config: &mut Value) {
        let class = match self.distillation {
            Distillation::Turbo => "EulerAncestralDiscreteScheduler",
            Distillation::Lightning => "EulerDiscreteScheduler",
            Distillation::Hyper => "DDIMScheduler",
            Distillation::Lcm => "LCMScheduler",
        };
        let Some(fields) = config.as_object_mut() else { return };
        fields.insert("_class_name".to_owned(), json!(class));
        if self.distillation != Distillation::Lcm {
            fields.insert("timestep_spacing".to_owned(), json!("trailing"));
        }
        // SDXL-Lightning's model of one step predicts the picture itself.
        if (self.distillation, self.steps) == (Distillation::Lightning, Some(1)) {
            fields.insert("prediction_type".to_owned(), json!("sample"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_they_tell() {
        let told = |name: &str| FewStep::told(name, &BTreeMap::new()).map_or_else(String::new, |few| few.to_string());
        for (name, wanted) in [
            ("/m/sdxl_lightning_4step.safetensors", "Lightning, 4 steps"),
            ("juggernautXL_v9Rdphoto2Lightning.safetensors", "Lightning"),
            ("sd_xl_turbo_1.0_fp16.safetensors", "Turbo"),
            ("Hyper-SDXL-8steps.safetensors", "Hyper, 8 steps"),
            ("Hyper-SDXL-1step-lora", "Hyper, 1 steps"),
            ("hyperrealistic_xl_v2.safetensors", ""),
            ("lcm-sdxl", "LCM"),
            ("sd_xl_base_1.0.safetensors", ""),
            ("turbo/plain.safetensors", ""),
        ] {
            assert_eq!(told(name), wanted, "{name}");
        }
        let titled = BTreeMap::from([("modelspec.title".to_owned(), "My model, LCM 6 steps".to_owned())]);
        assert_eq!(FewStep::told("x", &titled).and_then(|few| few.steps), Some(6));
    }
}
