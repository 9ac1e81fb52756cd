//! From what a pickle made to a flat list of named tensors that fit into their storages.

use std::collections::BTreeMap;

use super::archive::Archive;
use super::values::{State, Storage, Tensor, Value};
use super::{Refusal, bad};
use crate::weights::error::shown;

/// Dictionaries within dictionaries; IP-Adapters have two.
const DEEPEST: usize = 8;
const MOST_VISITS: usize = 1_000_000;
const LONGEST_NAME: usize = 512;

/// The tensors by name, and how much else there was.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub tensors: BTreeMap<String, usize>,
    pub left_out: usize,
}

/// Walks the dictionaries from the top.
pub(super) fn flatten(state: &State) -> Result<Named, Refusal> {
    let Some(top @ Value::Dict(_)) = state.top else { return bad("it is no dictionary of tensors") };
    let mut named = Named::default();
    let mut waiting = vec![(String::new(), top, 0)];
    // Dictionaries may be shared and circular, so visits are counted and depth is bounded.
    let mut visits = 0;
    while let Some((name, value, depth)) = waiting.pop() {
        visits += 1;
        if visits > MOST_VISITS || depth > DEEPEST {
            return bad("its dictionaries lie too deep in each other");
        }
        match value {
            Value::Dict(index) => {
                for (key, value) in state.dicts.get(index).into_iter().flatten() {
                    let key = if let Value::Text(text) = key { state.text(*text) } else { None };
                    let Some(key) = key else {
                        named.left_out += 1;
                        continue;
                    };
                    let name = if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
                    if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
                        return bad(format!("it has a tensor with an impossible name, '{}'", shown(&name)));
                    }
                    waiting.push((name, *value, depth + 1));
                    if waiting.len() > MOST_VISITS {
                        return bad("its dictionaries lie too deep in each other");
                    }
                }
            }
            Value::Tensor(index) => {
                if name == "__metadata__" || named.tensors.insert(name.clone(), index).is_some() {
                    return bad(format!("the name '{}' stands twice in it", shown(&name)));
                }
            }
            _ => named.left_out += 1,
        }
    }
    if named.tensors.is_empty() {
        return bad("it holds no tensors");
    }
    Ok(named)
}

/// Number of elements, and one more than the highest element of the storage that is touched.
pub(super) fn reach(tensor: &Tensor) -> Option<(u64, u64)> {
    let elements = tensor.shape.iter().try_fold(1u64, |n, size| n.checked_mul(*size as u64))?;
    if elements == 0 {
        return Some((0, 0));
    }
    let last = tensor
        .shape
        .iter()
        .zip(&tensor.strides)
        .try_fold(tensor.offset, |at, (size, stride)| at.checked_add((*size as u64 - 1).checked_mul(*stride)?))?;
    Some((elements, last.checked_add(1)?))
}

pub(super) fn item_bytes(storage: &Storage) -> u64 {
    storage.dtype.bitsize() as u64 / 8
}

/// Every tensor lies within its storage, every storage is in the zip, and all of them together are no more than the
/// file can have been made of.
pub(super) fn ensure_covered(state: &State, named: &Named, archive: &Archive) -> Result<(), Refusal> {
    let mut total = 0u64;
    for (name, index) in &named.tensors {
        let tensor = state.tensors.get(*index);
        let storage = tensor.and_then(|tensor| state.storages.get(tensor.storage));
        let (Some(tensor), Some(storage)) = (tensor, storage) else { return bad("a tensor has no storage") };
        let Some(has) = archive.storage_bytes(&storage.key) else {
            return bad(format!("the numbers of '{}' are missing", shown(name)));
        };
        let item = item_bytes(storage);
        let Some((elements, end)) = reach(tensor).filter(|(_, end)| *end <= storage.elements) else {
            return bad(format!("'{}' is larger than its storage", shown(name)));
        };
        if storage.elements.checked_mul(item) != Some(has) {
            return bad(format!("the storage of '{}' is {has} bytes long, and its header says otherwise", shown(name)));
        }
        debug_assert!(end <= storage.elements);
        total = total.saturating_add(elements.saturating_mul(item));
    }
    // Weights that are tied appear twice; a tensor that repeats one number a million times is a bomb.
    if total > archive.len().saturating_mul(2) {
        return bad(format!("it is {} bytes long and claims to hold {total}", archive.len()));
    }
    Ok(())
}
