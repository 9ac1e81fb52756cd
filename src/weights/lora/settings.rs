//! What PEFT says about a LoRA beside its tensors: alpha, for single modules too, and how it is divided by the rank.
//!
//! Sources: peft `tuners/lora/config.py` (fields and defaults), `tuners/lora/model.py` and `layer.py` (which pattern is
//! taken, the two divisions), `utils/other.py` (`get_pattern_key`); diffusers `loaders/lora_base.py` for the header's
//! `lora_adapter_metadata`, which holds the same fields with a part's name before each.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::names::{LoraPart, ModuleName};
use crate::weights::error::shown;
use crate::weights::{Weights, WeightsError};

/// By how much a module's product is multiplied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scaling {
    pub alpha: f64,
    /// Divided by the root of the rank in place of the rank (rsLoRA, arXiv 2312.03732).
    pub is_rank_stabilised: bool,
}

impl Scaling {
    pub(super) fn factor(self, rank: usize) -> f64 {
        let rank = rank as f64;
        self.alpha / if self.is_rank_stabilised { rank.sqrt() } else { rank }
    }
}

/// The fields of PEFT's `LoraConfig` that matter when a LoRA is merged; PEFT's own defaults where one is absent.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(default)]
pub(super) struct PeftConfig {
    peft_type: Option<String>,
    lora_alpha: f64,
    alpha_pattern: Option<Patterns>,
    use_rslora: bool,
    use_dora: bool,
}

impl Default for PeftConfig {
    fn default() -> Self {
        Self { peft_type: None, lora_alpha: 8.0, alpha_pattern: None, use_rslora: false, use_dora: false }
    }
}

/// Ends of modules' names with a number each, in the order of the file: the first that matches is taken.
#[derive(Debug, Clone, Default, PartialEq)]
struct Patterns(Vec<(String, f64)>);

impl<'de> Deserialize<'de> for Patterns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Patterns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Patterns, A::Error> {
                let mut out = Patterns::default();
                while let Some(pair) = map.next_entry()? {
                    out.0.push(pair);
                }
                Ok(out)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl PeftConfig {
    /// What cannot be merged, in words.
    pub(super) fn unsupported(&self) -> Option<String> {
        let odd = |(pattern, _): &&(String, f64)| literal(pattern).is_none();
        match (&self.peft_type, self.use_dora) {
            (Some(kind), _) if kind != "LORA" => return Some(format!("PEFT's {}", shown(kind))),
            (_, true) => return Some("DoRA".to_owned()),
            _ => {}
        }
        let pattern = self.alpha_patterns().find(odd).map(|(pattern, _)| shown(pattern))?;
        Some(format!("one whose alpha_pattern '{pattern}' is more than the end of a name"))
    }

    fn alpha_patterns(&self) -> impl Iterator<Item = &(String, f64)> {
        self.alpha_pattern.iter().flat_map(|patterns| &patterns.0)
    }

    fn scaling(&self, module: &ModuleName) -> Scaling {
        let own = self.alpha_patterns().find(|(pattern, _)| is_meant(pattern, &module.path));
        let alpha = own.map_or(self.lora_alpha, |(_, alpha)| *alpha);
        Scaling { alpha, is_rank_stabilised: self.use_rslora }
    }
}

/// A pattern without regular expressions: the text, and whether it must be the whole name.
fn literal(pattern: &str) -> Option<(String, bool)> {
    let (rest, is_whole) = pattern.strip_prefix('^').map_or((pattern, false), |rest| (rest, true));
    let plain = rest.replace("\\.", ".");
    plain.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-')).then_some((plain, is_whole))
}

/// As `re.match(rf"(.*\.)?({pattern})$", path)`.
fn is_meant(pattern: &str, path: &str) -> bool {
    let Some((text, is_whole)) = literal(pattern) else { return false };
    path.strip_suffix(&text).is_some_and(|before| before.is_empty() || (before.ends_with('.') && !is_whole))
}

/// The settings of one LoRA.
pub(super) enum Settings {
    /// PEFT's `adapter_config.json`, for all modules.
    Beside(PeftConfig),
    /// The header's, one set a part, as far as it has them.
    InHeader([Option<PeftConfig>; 3]),
}

impl Settings {
    /// Errors: a header whose settings cannot be read.
    pub(super) fn of_header(file: &Weights) -> Result<Self, WeightsError> {
        let Some(text) = file.metadata().get("lora_adapter_metadata") else {
            return Ok(Self::InHeader([const { None }; 3]));
        };
        let broken = |error: serde_json::Error| {
            let why = format!("its settings cannot be read ({})", shown(&error.to_string()));
            WeightsError::BrokenLora { file: file.name().to_owned(), why }
        };
        let whole: Map<String, Value> = serde_json::from_str(text).map_err(broken)?;
        let part = |name: &str| -> Result<Option<PeftConfig>, WeightsError> {
            let fields =
                whole.iter().filter_map(|(field, value)| Some((field.strip_prefix(name)?.to_owned(), value.clone())));
            let fields: Map<String, Value> = fields.collect();
            let is_there = !fields.is_empty();
            is_there.then(|| serde_json::from_value(Value::Object(fields)).map_err(broken)).transpose()
        };
        Ok(Self::InHeader([part("unet.")?, part("text_encoder.")?, part("text_encoder_2.")?]))
    }

    fn all(&self) -> impl Iterator<Item = &PeftConfig> {
        let (one, three) = match self {
            Self::Beside(config) => (Some(config), None),
            Self::InHeader(parts) => (None, Some(parts)),
        };
        one.into_iter().chain(three.into_iter().flatten().flatten())
    }

    pub(super) fn unsupported(&self) -> Option<String> {
        self.all().find_map(PeftConfig::unsupported)
    }

    /// None where nothing is said of the module's part.
    pub(super) fn scaling(&self, module: &ModuleName) -> Option<Scaling> {
        match self {
            Self::Beside(config) => Some(config),
            Self::InHeader([unet, first, second]) => match module.part {
                LoraPart::Unet => unet.as_ref(),
                LoraPart::TextEncoder => first.as_ref(),
                LoraPart::TextEncoder2 => second.as_ref(),
            },
        }
        .map(|config| config.scaling(module))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn factor(config: &str, path: &str, rank: usize) -> f64 {
        let config: PeftConfig = serde_json::from_str(config).unwrap();
        assert_eq!(config.unsupported(), None);
        let module = ModuleName { part: LoraPart::Unet, path: path.to_owned(), is_one_word: false };
        Settings::Beside(config).scaling(&module).unwrap().factor(rank)
    }

    #[test]
    fn the_first_pattern_that_matches_is_taken() {
        let config = r#"{"lora_alpha": 4, "alpha_pattern": {"z.to_q": 32, "to_q": 8, "^a.to_k": 2, "b\\.to_v": 1}}"#;
        for (path, wanted) in
            [("y.z.to_q", 8.0), ("y.to_q", 2.0), ("a.to_k", 0.5), ("b.a.to_k", 1.0), ("b.to_v", 0.25), ("x_to_q", 1.0)]
        {
            assert_eq!(factor(config, path, 4), wanted, "{path}");
        }
        // In the file's order, though another is longer.
        assert_eq!(factor(r#"{"alpha_pattern": {"to_q": 8, "z.to_q": 32}}"#, "z.to_q", 4), 2.0);
        assert_eq!(factor(r#"{"use_rslora": true, "lora_alpha": 6, "r": 9, "alpha_pattern": null}"#, "x", 9), 2.0);
        assert_eq!(factor("{}", "x", 16), 0.5);
    }

    #[test]
    fn what_cannot_be_merged_is_said() {
        let said = |config: &str| serde_json::from_str::<PeftConfig>(config).unwrap().unsupported().unwrap();
        assert_eq!(said(r#"{"peft_type": "LOHA"}"#), "PEFT's LOHA");
        assert_eq!(said(r#"{"peft_type": "LORA", "use_dora": true}"#), "DoRA");
        assert!(said(r#"{"alpha_pattern": {"to_(q|k)": 2}}"#).contains("'to_(q|k)'"));
    }
}
