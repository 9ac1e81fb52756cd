//! The settings that AUTOMATIC1111's web UI and its many kin write into pictures, read.
//!
//! Format: `modules/infotext_utils.py`: prompt, `Negative prompt: …`, and a last line of `key: value` pairs, which is one
//! if it holds at least three. What this program has no place for is named, not dropped in silence.

use super::infotext::{BUILT_IN_THERE, LORA, LORA_TAG};
use super::{BUILT_IN, Recipe, SchedulerName};

/// Fewer pairs than this are a part of the prompt.
const FEWEST_PAIRS: usize = 3;
const NEGATIVE: &str = "Negative prompt:";
/// Pairs that say something about a picture but do not shape it.
const SILENT: &[&str] = &["Version", "Model hash", "Schedule type", "VAE hash", "Lora hashes", "TI hashes", "Hashes"];

/// What the text says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ForeignSettings {
    /// Everything else is as in a new recipe: what the text does not say is not kept from before.
    pub recipe: Recipe,
    /// What could not be taken over, such as "Clip skip 2".
    pub ignored: Vec<String>,
}

/// Reads the text of the PNG keyword `parameters`. `None` where it is empty.
pub fn read_a1111_parameters(text: &str) -> Option<ForeignSettings> {
    if text.trim().is_empty() {
        return None;
    }
    let text = text.replace("\r\n", "\n");
    let (body, last) = text.rsplit_once('\n').unwrap_or(("", &text));
    let pairs = pairs(last);
    let (body, pairs) = if pairs.len() >= FEWEST_PAIRS { (body, pairs) } else { (text.as_str(), Vec::new()) };
    let (prompt, negative) = match body.strip_prefix(NEGATIVE) {
        Some(negative) => ("", negative),
        None => body.split_once(&format!("\n{NEGATIVE}")).unwrap_or((body, "")),
    };
    let recipe = Recipe {
        prompt: prompt.to_owned(),
        negative_prompt: negative.strip_prefix(' ').unwrap_or(negative).to_owned(),
        ..Recipe::default()
    };
    let mut settings = ForeignSettings { recipe, ignored: Vec::new() };
    let schedule = pairs.iter().find(|(key, _)| key == "Schedule type").map(|(_, value)| value.as_str());
    for (key, value) in &pairs {
        if !settings.take(key, value, schedule) {
            settings.ignored.push(format!("{key} {value}"));
        }
    }
    // Ours: what they say stands in the settings too, and the prompt was another.
    for _ in pairs.iter().filter(|(key, _)| key.starts_with(LORA)) {
        let prompt = &mut settings.recipe.prompt;
        let tag = prompt.rfind(LORA_TAG).filter(|_| prompt.ends_with('>'));
        tag.into_iter().for_each(|at| prompt.truncate(at));
    }
    Some(settings)
}

impl ForeignSettings {
    /// False where there is no place for it.
    fn take(&mut self, key: &str, value: &str, schedule: Option<&str>) -> bool {
        let recipe = &mut self.recipe;
        match key {
            "Steps" => {
                recipe.steps = value.parse().ok().filter(|steps| (1..=1000).contains(steps));
                recipe.steps.is_some()
            }
            "CFG scale" => {
                recipe.guidance = value.parse().ok().filter(|scale| (0.0..=100.0).contains(scale));
                recipe.guidance.is_some()
            }
            "Seed" => {
                recipe.seed = value.parse().ok();
                recipe.seed.is_some()
            }
            "Size" => {
                let side = |text: &str| {
                    text.trim().parse().ok().filter(|n: &u32| (8..=8192).contains(n) && n.is_multiple_of(8))
                };
                let size = value.split_once('x').and_then(|(width, height)| side(width).zip(side(height)));
                (recipe.width, recipe.height) = size.unzip();
                size.is_some()
            }
            "Sampler" => {
                recipe.scheduler = scheduler(value, schedule);
                recipe.scheduler.is_some()
            }
            "Model" => {
                recipe.model.model = match value.strip_prefix(BUILT_IN_THERE) {
                    Some("") => String::new(),
                    Some(content) if content.starts_with('@') => format!("{BUILT_IN}{content}"),
                    _ => value.to_owned(),
                };
                true
            }
            key => SILENT.contains(&key),
        }
    }
}

/// Our name for a sampler and a schedule, whether they stand apart (newer versions) or in one name.
fn scheduler(sampler: &str, schedule: Option<&str>) -> Option<SchedulerName> {
    let sampler = sampler.to_lowercase().replace('_', " ");
    let sampler = sampler.strip_prefix("k ").unwrap_or(&sampler);
    let (sampler, in_name) = match sampler.strip_suffix(" karras") {
        Some(sampler) => (sampler, Some("karras")),
        None => (sampler, None),
    };
    let schedule = schedule.map(str::to_lowercase);
    let schedule = in_name.or(schedule.as_deref()).unwrap_or("");
    Some(match (sampler, schedule) {
        ("euler", "sgm uniform") => SchedulerName::EulerTrailing,
        ("euler", "" | "automatic" | "uniform" | "normal") => SchedulerName::Euler,
        ("euler a" | "euler ancestral", "" | "automatic" | "uniform" | "normal") => SchedulerName::EulerAncestral,
        ("ddim", _) => SchedulerName::Ddim,
        // "Automatic" is Karras for this sampler; a picture that names no schedule is older than the choice.
        ("dpm++ 2m" | "dpmpp 2m", "karras" | "automatic") => SchedulerName::Dpmpp2mKarras,
        ("dpm++ 2m" | "dpmpp 2m", "" | "uniform" | "normal") => SchedulerName::Dpmpp2m,
        ("lcm", _) => SchedulerName::Lcm,
        _ => return None,
    })
}

/// The `key: value` pairs of a line. A value in quotes is a JSON string; any other ends at a comma.
fn pairs(line: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let Some((key, after)) = rest.split_once(':') else { break };
        // Commas before the key belong to a value that was not quoted.
        let key = key.rsplit(',').next().unwrap_or_default().trim();
        let after = after.trim_start();
        let (value, end) = match quoted(after) {
            Some((value, end)) => (value, end),
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (after.get(..end).unwrap_or_default().trim().to_owned(), end)
            }
        };
        if is_key(key) {
            pairs.push((key.to_owned(), value));
        }
        rest = after.get(end..).unwrap_or_default();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    pairs
}

fn is_key(key: &str) -> bool {
    let mut chars = key.chars();
    chars.next().is_some_and(|first| first.is_alphanumeric() || first == '_')
        && key.chars().count() > 1
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | ' ' | '-' | '/'))
}

/// A JSON string at the beginning of `text`, and where it ends.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut is_escaped = false;
    let inner = text.strip_prefix('"')?;
    let (end, _) = inner.char_indices().find(|(_, c)| {
        let is_end = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_end
    })?;
    let whole = text.get(..end + 2)?;
    Some((serde_json::from_str(whole).ok()?, end + 2))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::{Lora, ModelFiles, Reference, a1111_parameters};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_of_the_web_ui() {
        let text = "a (red:1.2) fox,\nin the snow\nNegative prompt: blurry, (bad hands)\r\nSteps: 30, Sampler: DPM++ 2M, \
                    Schedule type: Karras, CFG scale: 6.5, Seed: 4294967295, Size: 832x1216, Model hash: 31e35c80fc, \
                    Model: sd_xl_base_1.0, Clip skip: 2, Lora hashes: \"a: 1f, b: 2c\", Hires prompt: \"x, \\\"y\\\"\", \
                    Version: v1.10.1";
        let ForeignSettings { recipe, ignored } = read_a1111_parameters(text).unwrap();
        let expected = Recipe {
            prompt: "a (red:1.2) fox,\nin the snow".to_owned(),
            negative_prompt: "blurry, (bad hands)".to_owned(),
            scheduler: Some(SchedulerName::Dpmpp2mKarras),
            steps: Some(30),
            guidance: Some(6.5),
            seed: Some(4_294_967_295),
            width: Some(832),
            height: Some(1216),
            model: ModelFiles { model: "sd_xl_base_1.0".to_owned(), ..ModelFiles::default() },
            ..Recipe::default()
        };
        assert_eq!(recipe, expected);
        assert_eq!(ignored, ["Clip skip 2", "Hires prompt x, \"y\""]);
    }

    #[test]
    fn what_is_out_of_range_or_unknown_is_named_and_left_open() {
        let text = "x\nSteps: 0, Sampler: UniPC, CFG scale: NaN, Seed: -1, Size: 500x501";
        let ForeignSettings { recipe, ignored } = read_a1111_parameters(text).unwrap();
        assert_eq!(recipe, Recipe { prompt: "x".to_owned(), ..Recipe::default() });
        assert_eq!(ignored, ["Steps 0", "Sampler UniPC", "CFG scale NaN", "Seed -1", "Size 500x501"]);
    }

    #[test]
    fn a_text_without_settings_is_a_prompt() {
        let read = |text: &str| read_a1111_parameters(text).unwrap().recipe;
        assert_eq!(read("time: 10:30, red").prompt, "time: 10:30, red");
        assert_eq!(read("Negative prompt: x").negative_prompt, "x");
        assert_eq!(read_a1111_parameters(" \n"), None);
    }

    #[test]
    fn samplers_go_by_all_of_their_names() {
        for (sampler, schedule, expected) in [
            ("DPM++ 2M Karras", None, Some(SchedulerName::Dpmpp2mKarras)),
            ("DPM++ 2M", Some("Automatic"), Some(SchedulerName::Dpmpp2mKarras)),
            ("DPM++ 2M", None, Some(SchedulerName::Dpmpp2m)),
            ("k_euler_ancestral", None, Some(SchedulerName::EulerAncestral)),
            ("Euler", Some("Exponential"), None),
            ("DPM++ SDE", Some("Karras"), None),
        ] {
            assert_eq!(scheduler(sampler, schedule), expected, "{sampler} {schedule:?}");
        }
    }

    fn recipes() -> impl Strategy<Value = Recipe> {
        // The format cannot say where a prompt ends that looks like what follows it; our own recipe can.
        let words =
            || any::<String>().prop_filter("ends the prompt", |text| !text.contains(NEGATIVE) && !text.contains('\r'));
        let numbers =
            (1_u32..=1000, 0.0..=100.0_f64, any::<u64>(), (1_u32..=1024, 1_u32..=1024), 0..SchedulerName::ALL.len());
        let loras = prop::collection::vec((".*", -1.0..=5.0_f64), 0..3);
        (words(), words(), numbers, ".*", 0..3_usize, loras).prop_map(
            |(prompt, negative, numbers, name, model, loras)| {
                let (steps, guidance, seed, (width, height), scheduler) = numbers;
                let model = ["", "built-in@37f1", "sdxl, \"fine\": 1\\2@1f0c"][model].to_owned();
                let lora = |(name, strength)| Lora { name, strength, ..Lora::default() };
                Recipe {
                    prompt,
                    negative_prompt: negative,
                    steps: Some(steps),
                    guidance: Some(guidance),
                    seed: Some(seed),
                    width: Some(8 * width),
                    height: Some(8 * height),
                    scheduler: Some(SchedulerName::ALL[scheduler]),
                    model: ModelFiles { model, ..ModelFiles::default() },
                    references: vec![Reference { name, ..Reference::default() }],
                    loras: loras.into_iter().map(lora).collect(),
                    ..Recipe::default()
                }
            },
        )
    }

    proptest! {
        #[test]
        fn our_text_reads_as_it_was_meant(recipe in recipes()) {
            let text = a1111_parameters(&recipe);
            let ForeignSettings { recipe: read, ignored } = read_a1111_parameters(&text).unwrap();
            let named = 1 + recipe.loras.len();
            prop_assert_eq!(ignored.len(), named, "the reference and the LoRAs are named: {:?}", ignored);
            prop_assert_eq!(read, Recipe { references: Vec::new(), loras: Vec::new(), ..recipe });
        }

        #[test]
        fn nothing_that_is_read_is_out_of_range(text in any::<String>(), line in "(Steps|Size|Seed|CFG scale|Sampler): [-0-9a-zA-Z.x]{0,9}, (Steps|Size): [0-9x]{0,9}, ab: c") {
            for text in [text.clone(), format!("{text}\n{line}")] {
                if let Some(settings) = read_a1111_parameters(&text) {
                    settings.recipe.validate().unwrap();
                }
            }
        }
    }
}
