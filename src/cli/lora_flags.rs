//! `--lora` and the flags that belong to it, read as those of `--reference` are: after a `--lora` they are its own, before
//! the first they are for all.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgMatches;

use super::error::CliError;
use super::flags::{STRENGTH, float, non_empty};
use crate::recipe::Lora;

/// The flags of LoRAs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoraFlags {
    pub all: LoraScope,
    pub each: Vec<(PathBuf, LoraScope)>,
}

/// Flags that belong to one LoRA, or to all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoraScope {
    pub strength: Option<f64>,
    pub blocks: Option<Vec<String>>,
}

impl LoraFlags {
    /// # Errors
    /// A strength that is outside its range, an empty path.
    pub fn read(matches: &ArgMatches) -> Result<Self, CliError> {
        let mut out = Self::default();
        let mut starts = Vec::new();
        let paths = matches.get_many::<OsString>("lora").into_iter().flatten();
        for (path, place) in paths.zip(matches.indices_of("lora").into_iter().flatten()) {
            out.each.push((non_empty("lora", path)?, LoraScope::default()));
            starts.push(place);
        }
        for name in ["lora-strength", "lora-blocks"] {
            let values = matches.get_many::<String>(name).into_iter().flatten();
            for (value, place) in values.zip(matches.indices_of(name).into_iter().flatten()) {
                let before = starts.iter().filter(|start| **start < place).count();
                let own = before.checked_sub(1).and_then(|index| out.each.get_mut(index)).map(|(_, scope)| scope);
                own.unwrap_or(&mut out.all).set(name, value)?;
            }
        }
        Ok(out)
    }
}

impl LoraScope {
    fn set(&mut self, name: &str, value: &str) -> Result<(), CliError> {
        if name == "lora-strength" {
            self.strength = Some(float(name, value, STRENGTH)?);
            return Ok(());
        }
        self.blocks = Some(Lora::read_blocks(value));
        Ok(())
    }

    /// These flags, or those of `all`, win over what the recipe holds.
    pub fn apply(&self, all: &Self, lora: &mut Lora) {
        if let Some(strength) = self.strength.or(all.strength) {
            lora.strength = strength;
        }
        if let Some(blocks) = self.blocks.as_ref().or(all.blocks.as_ref()) {
            lora.blocks.clone_from(blocks);
        }
    }
}
