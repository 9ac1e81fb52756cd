//! References to keys and values for the UNet's cross-attentions.
//!
//! References of one role form one group: one softmax over all their image tokens, as diffusers does for several images
//! of one adapter; custom roles are the same where all their scales are, as diffusers takes one dict of scales an adapter. A
//! reference's strength relative to the group's largest enters as ln(w / w_max) on its logits, and the
//! group's scale is the largest. Groups are computed apart and summed.

use candle_core::{DType, Tensor};

use super::EngineError;
use super::cache::Recent;
use super::device::Place;
use super::model::Model;
use super::networks::Networks;
use crate::nn::attention_processor::ImagePrompt;
use crate::nn::cancel::Cancel;
use crate::recipe::{Crop, Injection, Reference, Role, Subtraction};

/// Image tokens of one reference, each `[1, tokens, cross_attention_dim]`.
#[derive(Debug, Clone)]
pub struct ReferenceTokens {
    pub image: Tensor,
    /// Tokens of a zero image: the unconditional side.
    pub zero: Tensor,
}

/// What a reference's tokens are made from.
#[derive(Debug, Clone, PartialEq)]
struct TokensKey {
    hash: String,
    crop: Crop,
    subtract: Option<Subtraction>,
}

/// What keys and values in one block are made from: the references of a group and the sides that they stand on. Strengths
/// enter later, so that moving one computes nothing again.
#[derive(Debug, Clone, PartialEq)]
struct KeyValueKey {
    block: usize,
    guided: bool,
    pushed_away: bool,
    members: Vec<TokensKey>,
}

/// Keys and values of a block's cross-attentions, in their order.
type BlockKeyValues = Vec<(Tensor, Tensor)>;

/// Keys and values of earlier pictures. One entry of SDXL takes about 1 MB, with a Plus adapter 4.
pub struct KeyValues(Recent<KeyValueKey, BlockKeyValues>);

impl Default for KeyValues {
    fn default() -> Self {
        Self(Recent::new(64))
    }
}

/// One reference at work: its group, how it enters each block, its tokens.
pub struct ActiveReference<'a> {
    pub reference: &'a Reference,
    pub injections: Vec<Injection>,
    pub tokens: ReferenceTokens,
}

/// References that attend together in one block.
#[derive(Debug, PartialEq)]
struct Group<'a> {
    role: &'a Role,
    pushed_away: bool,
    is_negative: bool,
    /// Index of each reference and its weight.
    members: Vec<(usize, f64)>,
}

/// The groups that enter one block: of the same role, the same side and the same sign, since a logarithm has no negative
/// weights.
fn groups_of_block<'a>(references: &[(&'a Role, Injection)]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, (role, Injection { scale, pushed_away })) in references.iter().enumerate() {
        if *scale == 0.0 {
            continue;
        }
        let is_negative = *scale < 0.0;
        let joins = |g: &&mut Group| (g.role, g.pushed_away, g.is_negative) == (*role, *pushed_away, is_negative);
        match groups.iter_mut().find(joins) {
            Some(group) => group.members.push((index, *scale)),
            None => {
                let members = vec![(index, *scale)];
                groups.push(Group { role, pushed_away: *pushed_away, is_negative, members });
            }
        }
    }
    groups
}

/// Keys and values for every cross-attention in the order of `model.block_infos`; empty lists where no reference enters.
/// With them, how often some were computed that were not known.
///
/// `guided`: batch rows are unconditional, conditional; else conditional only.
pub fn image_prompts(
    networks: &mut Networks,
    model: &Model,
    place: &Place,
    references: &[ActiveReference],
    guided: bool,
    known: &mut KeyValues,
    cancel: Cancel,
) -> Result<(Vec<Vec<ImagePrompt>>, usize), EngineError> {
    let count: usize = model.block_infos.iter().map(|block| block.cross_attentions.len()).sum();
    let mut out: Vec<Vec<ImagePrompt>> = vec![Vec::new(); count];
    let mut runs = 0;
    let Some(parts) = &model.image_prompt else { return Ok((out, runs)) };

    for (block_index, block) in model.block_infos.iter().enumerate() {
        let entering: Vec<_> = references
            .iter()
            .map(|r| (&r.reference.role, r.injections.get(block_index).copied().unwrap_or_default()))
            .collect();
        for Group { pushed_away, members, .. } in groups_of_block(&entering) {
            let largest = members.iter().map(|(_, w)| *w).fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
            let mut bias = Vec::new();
            let mut active = Vec::new();
            for (index, weight) in &members {
                let Some(reference) = references.get(*index) else { continue };
                active.push(reference);
                let tokens = &reference.tokens;
                bias.extend(std::iter::repeat_n((weight / largest).ln() as f32, tokens.image.dim(1)?));
            }
            let logit_bias = match bias.iter().any(|b| *b != 0.0) {
                true => Some(Tensor::from_vec(bias.clone(), bias.len(), &place.device)?.to_dtype(DType::F32)?),
                false => None,
            };
            let members = active.iter().map(|active| active.key()).collect();
            let key = KeyValueKey { block: block_index, guided, pushed_away, members };
            let pairs = known.0.get_or_try(key, || {
                runs += 1;
                let tokens = group_tokens(&active, pushed_away, guided)?;
                let pair =
                    |index| Ok(networks.key_value(parts, index, block.inner_dim, place, cancel)?.forward(&tokens)?);
                block.cross_attentions.clone().map(pair).collect::<Result<BlockKeyValues, EngineError>>()
            })?;
            for (cross_attention, (key, value)) in block.cross_attentions.clone().zip(pairs) {
                if let Some(slot) = out.get_mut(cross_attention) {
                    slot.push(ImagePrompt { key, value, scale: largest, first_row: 0, logit_bias: logit_bias.clone() });
                }
            }
        }
    }
    networks.keep_key_values(|index| out.get(index).is_some_and(|prompts| !prompts.is_empty()));
    Ok((out, runs))
}

impl ActiveReference<'_> {
    fn key(&self) -> TokensKey {
        let Reference { hash, crop, subtract, .. } = self.reference;
        TokensKey { hash: hash.clone(), crop: *crop, subtract: subtract.clone() }
    }
}

/// The tokens of a group, one reference behind the other: `[2 or 1, tokens, cross_attention_dim]`.
fn group_tokens(group: &[&ActiveReference], pushed_away: bool, guided: bool) -> Result<Tensor, EngineError> {
    let mut rows = [Vec::new(), Vec::new()];
    for ActiveReference { tokens, .. } in group {
        // "precise": the image works on the unconditional side, and guidance turns it around.
        let (unconditional, conditional) =
            if pushed_away { (&tokens.image, &tokens.zero) } else { (&tokens.zero, &tokens.image) };
        rows[0].push(unconditional);
        rows[1].push(conditional);
    }
    let [unconditional, conditional] = rows;
    let conditional = Tensor::cat(&conditional, 1)?;
    Ok(match guided {
        true => Tensor::cat(&[Tensor::cat(&unconditional, 1)?, conditional], 0)?,
        false => conditional,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(scale: f64) -> Injection {
        Injection { scale, pushed_away: false }
    }

    #[test]
    fn groups_are_by_role_and_side_and_leave_out_what_is_muted() {
        let entering = [
            (&Role::Style, at(1.0)),
            (&Role::Style, at(0.0)),
            (&Role::Style, at(0.5)),
            (&Role::Everything, at(1.0)),
            (&Role::Style, at(-0.5)),
            (&Role::Style, Injection { scale: 1.0, pushed_away: true }),
        ];
        let found: Vec<_> =
            groups_of_block(&entering).into_iter().map(|g| (g.role, g.pushed_away, g.members)).collect();
        let wanted = [
            (&Role::Style, false, vec![(0, 1.0), (2, 0.5)]),
            (&Role::Everything, false, vec![(3, 1.0)]),
            (&Role::Style, false, vec![(4, -0.5)]),
            (&Role::Style, true, vec![(5, 1.0)]),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn custom_roles_are_one_group_where_their_scales_are_the_same() {
        let custom = |scales: &[(&str, f64)]| Role::Custom(scales.iter().map(|(b, s)| ((*b).to_owned(), *s)).collect());
        let (one, same) = (custom(&[("mid", 0.5), ("up", 1.0)]), custom(&[("up", 1.0), ("mid", 0.5)]));
        let other = custom(&[("up", 1.0)]);
        let found: Vec<_> = groups_of_block(&[(&one, at(1.0)), (&other, at(1.0)), (&same, at(1.0))])
            .into_iter()
            .map(|g| g.members)
            .collect();
        assert_eq!(found, [vec![(0, 1.0), (2, 1.0)], vec![(1, 1.0)]]);
    }
}
