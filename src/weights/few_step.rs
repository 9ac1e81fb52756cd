//! Models distilled to few steps: which they are, as far as a name or metadata tells, and what they want.
//!
//! Tensors do not tell: a distilled model has those of the model it was made from. Settings: the cards of
//! stabilityai/sdxl-turbo, ByteDance/SDXL-Lightning, ByteDance/Hyper-SD and latent-consistency/lcm-sdxl.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use super::error::count;

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
    /// Made to be guided all the same (Hyper-SD's files with CFG in their name).
    pub is_guided: bool,
    /// sdxl-turbo itself, which paints 512 pixels; what others made with its help paints 1024.
    pub is_small: bool,
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
            Some(steps) => write!(f, ", {}", count(steps as usize, "step")),
            None => Ok(()),
        }
    }
}

impl FewStep {
    /// What the name of a file or folder and the titles in its header say. Files that all repositories call alike, and the
    /// folders of Hugging Face's cache, are known by what they lie in.
    pub fn told(path: &str, metadata: &BTreeMap<String, String>) -> Option<Self> {
        let titles = ["modelspec.title", "ss_output_name"].iter().filter_map(|key| metadata.get(*key));
        [&given_name(path)].into_iter().chain(titles).find_map(|text| Self::in_words(text))
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
        let is_guided = distillation == Distillation::Hyper && any(&|word| word == "cfg");
        let is_small = distillation == Distillation::Turbo && words.concat().starts_with("sdxlturbo");
        Some(Self { distillation, steps: joined.or_else(apart), is_guided, is_small })
    }

    /// Steps where nobody says how many.
    pub fn steps(&self) -> u32 {
        self.steps.unwrap_or(match self.distillation {
            Distillation::Turbo | Distillation::Lightning | Distillation::Lcm => 4,
            Distillation::Hyper => 8,
        })
    }

    /// 1 is no guidance, which diffusers' cards call 0.
    pub fn guidance(&self) -> f64 {
        match self.distillation {
            Distillation::Hyper if self.is_guided => 5.0,
            Distillation::Turbo | Distillation::Lightning | Distillation::Hyper => 1.0,
            Distillation::Lcm => 1.5,
        }
    }

    /// The sampler that it was made for, and the spacing of that sampler's timesteps where its name does not tell: LCM's
    /// has its own.
    fn scheduler(&self) -> (&'static str, Option<&'static str>) {
        match self.distillation {
            Distillation::Turbo => ("euler-ancestral", Some("trailing")),
            Distillation::Lightning => ("euler-trailing", None),
            Distillation::Hyper => ("ddim", Some("trailing")),
            Distillation::Lcm => ("lcm", None),
        }
    }

    /// SDXL-Lightning's model of one step predicts the picture itself.
    pub fn prediction_type(&self) -> Option<&'static str> {
        ((self.distillation, self.steps) == (Distillation::Lightning, Some(1))).then_some("sample")
    }

    /// The settings for `instantstyle.json`: steps, guidance, sampler, and size where they differ from the family's own.
    pub fn settings(&self) -> Value {
        let (scheduler, spacing) = self.scheduler();
        let mut out = json!({"steps": self.steps(), "guidance": self.guidance(), "scheduler": scheduler});
        let Some(fields) = out.as_object_mut() else { return out };
        if let Some(spacing) = spacing {
            fields.insert("timestep_spacing".to_owned(), json!(spacing));
        }
        if self.is_small {
            fields.insert("width".to_owned(), json!(512));
            fields.insert("height".to_owned(), json!(512));
        }
        out
    }
}

/// The name that somebody gave to what lies at `path`.
fn given_name(path: &str) -> String {
    /// Names that diffusers, transformers and PEFT write.
    const COMMON: &[&str] = &["pytorch_lora_weights", "adapter_model", "diffusion_pytorch_model", "model"];
    let parts: Vec<&str> = path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").collect();
    let is_common = |part: &&str| {
        let stem = part.strip_suffix(".safetensors").unwrap_or(part);
        COMMON.contains(&stem.strip_suffix(".fp16").unwrap_or(stem))
    };
    match parts.as_slice() {
        // models--OWNER--NAME/snapshots/REVISION, with or without a file.
        [.., repository, "snapshots", _] => cached_name(repository),
        [.., repository, "snapshots", _, file] if is_common(file) => cached_name(repository),
        [.., folder, file] if is_common(file) => (*folder).to_owned(),
        [.., name] => (*name).to_owned(),
        [] => String::new(),
    }
}

/// `NAME` of Hugging Face's `models--OWNER--NAME`.
fn cached_name(folder: &str) -> String {
    folder.rsplit("--").next().unwrap_or(folder).to_owned()
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
            ("Hyper-SDXL-1step-lora", "Hyper, 1 step"),
            ("hyperrealistic_xl_v2.safetensors", ""),
            ("lcm-sdxl", "LCM"),
            ("sd_xl_base_1.0.safetensors", ""),
            ("turbo/plain.safetensors", ""),
            ("lora/lcm-lora-sdxl/pytorch_lora_weights.safetensors", "LCM"),
            ("C:\\sdxl_lightning_2step\\model.fp16.safetensors", "Lightning, 2 steps"),
            ("hub/models--stabilityai--sdxl-turbo/snapshots/71153311d3", "Turbo"),
            ("models--latent-consistency--lcm-lora-sdxl/snapshots/a1/pytorch_lora_weights.safetensors", "LCM"),
            ("models--ByteDance--SDXL-Lightning/snapshots/c9/README.safetensors", ""),
            ("models--lightning-lab--plain/snapshots/c9", ""),
        ] {
            assert_eq!(told(name), wanted, "{name}");
        }
        let guided = |name: &str| FewStep::told(name, &BTreeMap::new()).map(|few| (few.guidance(), few.is_small));
        assert_eq!(guided("Hyper-SDXL-8steps-lora.safetensors"), Some((1.0, false)));
        assert_eq!(guided("Hyper-SDXL-8steps-CFG-lora.safetensors"), Some((5.0, false)));
        assert_eq!(guided("sd_xl_turbo_1.0_fp16.safetensors"), Some((1.0, true)));
        assert_eq!(guided("DreamShaperXL_Turbo_v2.safetensors"), Some((1.0, false)));
        let titled = BTreeMap::from([("modelspec.title".to_owned(), "My model, LCM 6 steps".to_owned())]);
        assert_eq!(FewStep::told("x", &titled).and_then(|few| few.steps), Some(6));
    }
}
