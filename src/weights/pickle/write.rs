//! Tensors written as safetensors, one after the other, so that no more than one lies in memory.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};

use serde_json::{Map, Value as Json, json};

use super::Refusal;
use super::archive::Archive;
use super::tensors::{Named, item_bytes, reach};
use super::values::{State, Storage, Tensor};

/// What came out of a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Converted {
    pub tensors: usize,
    pub bytes: u64,
    /// Values that are no tensors, such as the number of an epoch.
    pub left_out: usize,
}

pub(super) enum Failure {
    Refused(Refusal),
    Output(io::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Writes the header and then the numbers (safetensors README, "Format").
pub(super) fn write(state: &State, named: &Named, archive: &mut Archive, to: &mut File) -> Result<Converted, Failure> {
    let lost = || Failure::Refused(Refusal::Bad("a tensor has no storage".to_owned()));
    let mut order: Vec<(&String, &Tensor, &Storage, u64)> = Vec::new();
    for (name, index) in &named.tensors {
        let tensor = state.tensors.get(*index).ok_or_else(lost)?;
        let storage = state.storages.get(tensor.storage).ok_or_else(lost)?;
        let (elements, _) = reach(tensor).ok_or_else(lost)?;
        order.push((name, tensor, storage, elements * item_bytes(storage)));
    }
    // Wide numbers first, so that all are aligned; then by storage, so that each is read once.
    order.sort_by_key(|(name, _, storage, _)| (std::cmp::Reverse(item_bytes(storage)), &storage.key, *name));
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut at = 0;
    for (name, tensor, storage, bytes) in &order {
        let place = json!({"dtype": storage.dtype, "shape": tensor.shape, "data_offsets": [at, at + bytes]});
        header.insert((*name).clone(), place);
        at += bytes;
    }
    let mut text = Json::Object(header).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut out = BufWriter::with_capacity(1 << 20, to);
    out.write_all(&(text.len() as u64).to_le_bytes())?;
    out.write_all(&text)?;
    let mut open: Option<(&String, Vec<u8>)> = None;
    for (_, tensor, storage, _) in &order {
        let bytes = match &open {
            Some((key, bytes)) if **key == storage.key => bytes,
            _ => {
                // The old one goes before the new one comes.
                open = None;
                &open.insert((&storage.key, archive.storage(&storage.key)?)).1
            }
        };
        copy(tensor, item_bytes(storage) as usize, bytes, &mut out)?;
    }
    out.flush()?;
    Ok(Converted { tensors: order.len(), bytes: at, left_out: named.left_out })
}

/// The elements of a view in row-major order.
fn copy(tensor: &Tensor, item: usize, storage: &[u8], out: &mut impl io::Write) -> Result<(), Failure> {
    let outside = || Failure::Refused(Refusal::Bad("a tensor reaches beyond its storage".to_owned()));
    let Some((elements, _)) = reach(tensor).filter(|(elements, _)| *elements > 0) else { return Ok(()) };
    let slice = |at: u64, count: u64| {
        let start = usize::try_from(at).ok()?.checked_mul(item)?;
        storage.get(start..start.checked_add(usize::try_from(count).ok()?.checked_mul(item)?)?)
    };
    if is_contiguous(tensor) {
        out.write_all(slice(tensor.offset, elements).ok_or_else(outside)?)?;
        return Ok(());
    }
    let mut place = vec![0; tensor.shape.len()];
    for _ in 0..elements {
        let at = place.iter().zip(&tensor.strides).fold(tensor.offset, |at, (n, stride)| at + n * stride);
        out.write_all(slice(at, 1).ok_or_else(outside)?)?;
        for (n, size) in place.iter_mut().zip(&tensor.shape).rev() {
            *n += 1;
            if *n < *size as u64 {
                break;
            }
            *n = 0;
        }
    }
    Ok(())
}

fn is_contiguous(tensor: &Tensor) -> bool {
    let mut wanted = 1;
    tensor.shape.iter().zip(&tensor.strides).rev().all(|(size, stride)| {
        let fits = *size == 1 || *stride == wanted;
        wanted *= *size as u64;
        fits
    })
}
