//! The settings of a picture as AUTOMATIC1111's web UI writes them, for galleries and other programs.
//!
//! Format: `modules/infotext_utils.py`. It is for others to read: a prompt may look like a settings line, so this
//! program restores its own pictures from their recipe and never from this text. [`super::read_a1111_parameters`] reads
//! the text of others.

use std::fmt::Write as _;

use super::{BUILT_IN, Lora, Recipe, Reference, Role, SchedulerName, split_id};

/// How the built-in model is called there. A recipe says nothing, or [`BUILT_IN`] with its content.
pub(super) const BUILT_IN_THERE: &str = "InstantStyle built-in";
/// Settings that say how a LoRA is used. The prompt ends in as many `<lora:NAME:STRENGTH>`, as the web UI has them.
pub(super) const LORA: &str = "LoRA ";
pub(super) const LORA_TAG: &str = " <lora:";

/// The text of the PNG keyword `parameters`: prompt, negative prompt, and one line of settings.
///
/// Settings that the recipe leaves open are left out.
pub fn a1111_parameters(recipe: &Recipe) -> String {
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut add = |key: &str, value: String| fields.push((key.to_owned(), value));
    if let Some(steps) = recipe.steps {
        add("Steps", steps.to_string());
    }
    if let Some(scheduler) = recipe.scheduler {
        let (sampler, schedule) = sampler_names(scheduler);
        add("Sampler", sampler.to_owned());
        if let Some(schedule) = schedule {
            add("Schedule type", schedule.to_owned());
        }
    }
    if let Some(guidance) = recipe.guidance {
        add("CFG scale", guidance.to_string());
    }
    if let Some(seed) = recipe.seed {
        add("Seed", seed.to_string());
    }
    if let (Some(width), Some(height)) = (recipe.width, recipe.height) {
        add("Size", format!("{width}x{height}"));
    }
    let model = &recipe.model.model;
    let called = match split_id(model) {
        ("", None) => BUILT_IN_THERE.to_owned(),
        (BUILT_IN, Some(content)) => format!("{BUILT_IN_THERE}@{content}"),
        _ => model.clone(),
    };
    add("Model", called);
    if let Some(init) = &recipe.init {
        add("Denoising strength", init.denoise.to_string());
    }
    for (index, reference) in recipe.references.iter().enumerate() {
        add(&format!("Reference {}", index + 1), describe(reference));
    }
    for (index, Lora { name, strength, blocks, .. }) in recipe.loras.iter().enumerate() {
        let part = if blocks.is_empty() { String::new() } else { format!("; {}", blocks.join(" ")) };
        add(&format!("{LORA}{}", index + 1), format!("{name}; {strength}{part}"));
    }
    add("Version", concat!("InstantStyle Studio ", env!("CARGO_PKG_VERSION")).to_owned());

    let mut out = recipe.prompt.clone();
    for Lora { name, strength, .. } in &recipe.loras {
        let name = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        let name = name.replace([':', '<', '>', '\n', '\r'], "_");
        // Writing to a string cannot fail.
        let _ = write!(out, "{LORA_TAG}{name}:{strength}>");
    }
    if !recipe.negative_prompt.is_empty() {
        out.push_str("\nNegative prompt: ");
        out.push_str(&recipe.negative_prompt);
    }
    let line: Vec<String> = fields.iter().map(|(key, value)| format!("{key}: {}", quoted(value))).collect();
    out.push('\n');
    out.push_str(&line.join(", "));
    out
}

/// Sampler and schedule in the words of the web UI.
fn sampler_names(scheduler: SchedulerName) -> (&'static str, Option<&'static str>) {
    match scheduler {
        SchedulerName::Euler => ("Euler", None),
        SchedulerName::EulerTrailing => ("Euler", Some("SGM Uniform")),
        SchedulerName::EulerAncestral => ("Euler a", None),
        SchedulerName::Ddim => ("DDIM", None),
        SchedulerName::Dpmpp2m => ("DPM++ 2M", None),
        SchedulerName::Dpmpp2mKarras => ("DPM++ 2M", Some("Karras")),
        SchedulerName::Lcm => ("LCM", None),
    }
}

/// A reference in words: name, what is taken, how strongly, what is subtracted.
fn describe(reference: &Reference) -> String {
    let mut out = format!("{}; {}", reference.name, reference.role.name());
    // Writing to a string cannot fail.
    let _ = match &reference.role {
        Role::Off => Ok(()),
        Role::Style | Role::Everything => write!(out, " {}", reference.strength),
        Role::Layout => write!(out, " {}", reference.layout_strength),
        Role::StyleLayout | Role::Precise => write!(out, " {} {}", reference.strength, reference.layout_strength),
        Role::Custom(scales) => scales.iter().try_for_each(|(block, scale)| write!(out, " {block}={scale}")),
    };
    if let Some(subtract) = reference.subtract.as_ref().filter(|s| !s.is_nothing()) {
        let _ = write!(out, "; minus {} x {}", subtract.strength, subtract.words);
    }
    out
}

/// A value as a JSON string where it holds a character that would end it, else as it is.
fn quoted(value: &str) -> String {
    if !value.contains([',', ':', '\n', '\r', '"']) {
        return value.to_owned();
    }
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::{Init, Subtraction};
    use super::*;

    #[test]
    fn the_three_parts() {
        let mut recipe = Recipe {
            prompt: "a fish, \"big\"".to_owned(),
            negative_prompt: "blurry".to_owned(),
            steps: Some(30),
            scheduler: Some(SchedulerName::Dpmpp2mKarras),
            guidance: Some(5.0),
            seed: Some(42),
            width: Some(1024),
            height: Some(768),
            ..Recipe::default()
        };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            a1111_parameters(&recipe),
            format!(
                "a fish, \"big\"\nNegative prompt: blurry\nSteps: 30, Sampler: DPM++ 2M, Schedule type: Karras, \
                 CFG scale: 5, Seed: 42, Size: 1024x768, Model: InstantStyle built-in, \
                 Version: InstantStyle Studio {version}"
            )
        );
        recipe.negative_prompt.clear();
        recipe.init = Some(Init::default());
        recipe.references = vec![Reference {
            name: "a, b\n\"c\".png".to_owned(),
            subtract: Some(Subtraction { words: "rabbit".to_owned(), strength: 0.5 }),
            ..Reference::default()
        }];
        let text = a1111_parameters(&recipe);
        assert!(!text.contains("Negative prompt"));
        assert!(text.contains("Denoising strength: 0.6, "), "{text}");
        let reference = r#"Reference 1: "a, b\n\"c\".png; style 1; minus 0.5 x rabbit", "#;
        assert!(text.contains(reference), "{text}");
        assert_eq!(text.lines().count(), 2);
        recipe.model.model = "built-in@37f1".to_owned();
        recipe.loras = vec![
            Lora { name: "ink: wash.v2.safetensors".to_owned(), strength: 0.8, ..Lora::default() },
            Lora { name: "b".to_owned(), blocks: vec!["style".to_owned()], ..Lora::default() },
        ];
        let text = a1111_parameters(&recipe);
        assert!(text.starts_with("a fish, \"big\" <lora:ink_ wash.v2:0.8> <lora:b:1>\n"), "{text}");
        assert!(text.contains("LoRA 1: \"ink: wash.v2.safetensors; 0.8\", LoRA 2: b; 1; style, "), "{text}");
        assert!(text.contains("Model: InstantStyle built-in@37f1, "), "{text}");
    }
}
