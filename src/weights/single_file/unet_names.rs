//! The UNet's names in single files (LDM's `input_blocks`, `middle_block`, `output_blocks`) as diffusers' names.
//!
//! The rule is that of diffusers' `convert_ldm_unet_checkpoint` (`loaders/single_file_utils.py`): blocks are numbered in
//! the order of their use, one number a layer and one a change of size. Which number is which follows from the layout of
//! the model at hand, so that any depth works.

use std::collections::BTreeMap;

use crate::weights::Weights;

/// Layers of one level, counted on the way down; the way up has one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Level {
    layers: usize,
    attends_down: bool,
    attends_up: bool,
}

/// What stands where in a UNet, outermost level first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnetLayout(Vec<Level>);

/// How the names inside a module differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Same,
    Resnet,
    /// `op.` and `conv.` of a change of size.
    Resample,
}

/// More blocks than any UNet has: a name may hold any number.
const MOST: usize = 256;

/// LDM's parts of a residual block, and diffusers'.
const RESNET: &[(&str, &str)] = &[
    ("in_layers.0", "norm1"),
    ("in_layers.2", "conv1"),
    ("emb_layers.1", "time_emb_proj"),
    ("out_layers.0", "norm2"),
    ("out_layers.3", "conv2"),
    ("skip_connection", "conv_shortcut"),
];

/// Modules outside of the blocks.
const OUTSIDE: &[(&str, &str)] = &[
    ("time_embed.0", "time_embedding.linear_1"),
    ("time_embed.2", "time_embedding.linear_2"),
    ("label_emb.0.0", "add_embedding.linear_1"),
    ("label_emb.0.2", "add_embedding.linear_2"),
    ("input_blocks.0.0", "conv_in"),
    ("out.0", "conv_norm_out"),
    ("out.2", "conv_out"),
];

impl UnetLayout {
    /// The layout of a UNet under LDM's names with `prefix` before them.
    pub fn of_ldm(weights: &Weights, prefix: &str) -> Self {
        let any =
            |part: String| weights.names().any(|name| name.strip_prefix(prefix).is_some_and(|n| n.starts_with(&part)));
        let mut levels = vec![Level::default()];
        for i in 1..weights.count(&format!("{prefix}input_blocks.")).min(MOST) {
            let block = format!("input_blocks.{i}.");
            let Some(level) = levels.last_mut() else { break };
            if any(format!("{block}0.op.")) {
                levels.push(Level::default());
            } else {
                level.layers += 1;
                level.attends_down |= any(format!("{block}1."));
            }
        }
        let mut output = 0;
        for level in levels.iter_mut().rev() {
            level.attends_up = any(format!("output_blocks.{output}.1.transformer_blocks."));
            output += level.layers + 1;
        }
        Self(levels)
    }

    /// The layout of a UNet under diffusers' names.
    pub fn of_diffusers(weights: &Weights) -> Self {
        let any = |start: String| weights.names().any(|name| name.starts_with(&start));
        let levels = weights.count("down_blocks.").min(MOST);
        let level = |i: usize| Level {
            layers: weights.count(&format!("down_blocks.{i}.resnets.")).min(MOST),
            attends_down: any(format!("down_blocks.{i}.attentions.")),
            attends_up: any(format!("up_blocks.{}.attentions.", levels - 1 - i)),
        };
        Self((0..levels).map(level).collect())
    }

    /// Every module by its name in LDM.
    pub fn names(&self) -> UnetNames {
        let mut modules = BTreeMap::new();
        let mut set = |ldm: String, diffusers: String, inside| {
            modules.insert(ldm, (diffusers, inside));
        };
        for (ldm, diffusers) in OUTSIDE {
            set((*ldm).to_owned(), (*diffusers).to_owned(), Inside::Same);
        }
        for (ldm, diffusers, inside) in [
            ("middle_block.0", "mid_block.resnets.0", Inside::Resnet),
            ("middle_block.1", "mid_block.attentions.0", Inside::Same),
            ("middle_block.2", "mid_block.resnets.1", Inside::Resnet),
        ] {
            set(ldm.to_owned(), diffusers.to_owned(), inside);
        }
        let innermost = self.0.len().saturating_sub(1);
        let mut input = 1;
        for (i, level) in self.0.iter().enumerate() {
            for j in 0..level.layers {
                set(format!("input_blocks.{input}.0"), format!("down_blocks.{i}.resnets.{j}"), Inside::Resnet);
                if level.attends_down {
                    set(format!("input_blocks.{input}.1"), format!("down_blocks.{i}.attentions.{j}"), Inside::Same);
                }
                input += 1;
            }
            if i < innermost {
                set(format!("input_blocks.{input}.0"), format!("down_blocks.{i}.downsamplers.0"), Inside::Resample);
                input += 1;
            }
        }
        let mut output = 0;
        for (i, level) in self.0.iter().rev().enumerate() {
            for j in 0..=level.layers {
                set(format!("output_blocks.{output}.0"), format!("up_blocks.{i}.resnets.{j}"), Inside::Resnet);
                if level.attends_up {
                    set(format!("output_blocks.{output}.1"), format!("up_blocks.{i}.attentions.{j}"), Inside::Same);
                }
                if j == level.layers && i < innermost {
                    let place = if level.attends_up { 2 } else { 1 };
                    let ldm = format!("output_blocks.{output}.{place}");
                    set(ldm, format!("up_blocks.{i}.upsamplers.0"), Inside::Resample);
                }
                output += 1;
            }
        }
        UnetNames { modules }
    }
}

/// LDM's module names and what they are in diffusers.
#[derive(Debug, Clone)]
pub struct UnetNames {
    modules: BTreeMap<String, (String, Inside)>,
}

impl UnetNames {
    /// LDM's name of a module under diffusers' names.
    pub fn ldm(&self, diffusers: &str) -> Option<String> {
        let inside = |whole: &str, module: &str| -> Option<String> {
            let rest = whole.strip_prefix(module)?;
            if rest.is_empty() { Some(String::new()) } else { rest.strip_prefix('.').map(str::to_owned) }
        };
        self.modules.iter().find_map(|(ldm, (name, kind))| {
            let rest = inside(diffusers, name)?;
            let rest = match kind {
                Inside::Same => rest,
                Inside::Resnet => RESNET.iter().find(|(_, new)| *new == rest)?.0.to_owned(),
                Inside::Resample if ldm.starts_with("input_blocks.") => rest.replace("conv", "op"),
                Inside::Resample => rest,
            };
            Some(if rest.is_empty() { ldm.clone() } else { format!("{ldm}.{rest}") })
        })
    }

    /// diffusers' name of a tensor or module; `None` for what this UNet does not have.
    pub fn diffusers(&self, ldm: &str) -> Option<String> {
        // A module's name has two or three parts; the dots where it may end.
        let ends = ldm.match_indices('.').map(|(at, _)| at).chain([ldm.len()]).skip(1).take(2);
        ends.filter_map(|end| {
            let (module, rest) = ldm.split_at_checked(end)?;
            let (diffusers, inside) = self.modules.get(module)?;
            let rest = rest.strip_prefix('.').unwrap_or_default();
            let rest = match inside {
                Inside::Same => rest.to_owned(),
                Inside::Resnet => RESNET.iter().find_map(|(old, new)| {
                    let end = rest.strip_prefix(old)?;
                    (end.is_empty() || end.starts_with('.')).then(|| format!("{new}{end}"))
                })?,
                Inside::Resample => {
                    let end = rest.strip_prefix("op").or_else(|| rest.strip_prefix("conv"))?;
                    (end.is_empty() || end.starts_with('.')).then(|| format!("conv{end}"))?
                }
            };
            Some(if rest.is_empty() { diffusers.clone() } else { format!("{diffusers}.{rest}") })
        })
        .next()
    }
}
