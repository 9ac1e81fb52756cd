//! A safetensors header: read and checked without touching the data.
//!
//! Format: github.com/huggingface/safetensors, README "Format": u64 little-endian length, JSON, data. The crate's own
//! reader wants the whole file in memory, buffers the JSON several times over and does not name the tensor at fault,
//! so only its types ([`TensorInfo`], [`Dtype`]) are used and its rules are applied here.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::error::{count, shown, shown_path};
use super::source::Source;
use super::{Impostor, WeightsError};

/// The longest header that is read, in bytes; the limit of the format's own reader.
pub const MAX_HEADER: u64 = 100_000_000;

/// One tensor as the header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// First byte of the data, counted from the start of the file.
    pub start: u64,
    pub bytes: usize,
}

impl Entry {
    /// Number of elements; the header's check has shown that it does not overflow.
    pub fn elements(&self) -> u64 {
        self.shape.iter().map(|n| *n as u64).product()
    }
}

/// A checked header: every tensor lies inside the file, none overlaps another, none is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub tensors: BTreeMap<String, Entry>,
    pub metadata: BTreeMap<String, String>,
    /// Length of the whole file in bytes.
    pub file_len: u64,
    /// blake3 of the header's bytes.
    pub hash: blake3::Hash,
}

impl Header {
    /// Reads the header of the file at `path`; at most [`MAX_HEADER`] bytes are read.
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        Self::from_source(&shown_path(path), &Source::open(path)?)
    }

    /// Reads the header of a safetensors file that is in memory; `name` is for messages.
    pub fn from_static(name: &str, bytes: &'static [u8]) -> Result<Self, WeightsError> {
        Self::from_source(name, &Source::Static(bytes))
    }

    pub(super) fn from_source(name: &str, source: &Source) -> Result<Self, WeightsError> {
        let file = || name.to_owned();
        let len = source.len();
        let mut first = vec![0; len.min(256) as usize];
        source.read_at(0, &mut first).map_err(|e| WeightsError::io(name, &e))?;
        let not_safetensors = || WeightsError::NotSafetensors { file: file(), what: Impostor::of(&first) };

        let json_len = match first.first_chunk::<8>() {
            Some(length) => u64::from_le_bytes(*length),
            None => return Err(not_safetensors()),
        };
        // The format lets the JSON begin with `{` only, which is what tells a header from any eight bytes.
        if json_len > MAX_HEADER || first.get(8).is_some_and(|b| *b != b'{') || json_len < 2 {
            return Err(not_safetensors());
        }
        let data_start = 8 + json_len;
        if data_start > len {
            let missing = data_start - len;
            return Err(WeightsError::Truncated { file: file(), missing, whole: data_start, at_least: "at least " });
        }
        let mut json = vec![0; json_len as usize];
        source.read_at(8, &mut json).map_err(|e| WeightsError::io(name, &e))?;
        let parsed: Parsed = serde_json::from_slice(&json)
            .map_err(|e| WeightsError::BadHeader { file: file(), why: shown(&e.to_string()) })?;
        let bad = |why: String| WeightsError::BadHeader { file: file(), why };
        let (tensors, data_len) = lay_out(parsed.tensors, data_start).map_err(bad)?;
        let whole = data_start.checked_add(data_len).ok_or_else(|| bad("it is larger than any file".to_owned()))?;
        if whole > len {
            return Err(WeightsError::Truncated { file: file(), missing: whole - len, whole, at_least: "" });
        }
        if whole < len {
            return Err(bad(format!("it is {} too long", count((len - whole) as usize, "byte"))));
        }
        Ok(Self { tensors, metadata: parsed.metadata, file_len: len, hash: blake3::hash(&json) })
    }
}

/// Applies the format's rules: each tensor's bytes follow the one before, and are as many as its shape and dtype say.
fn lay_out(mut tensors: Vec<(String, TensorInfo)>, data_start: u64) -> Result<(BTreeMap<String, Entry>, u64), String> {
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let mut end_of_last = 0;
    let mut out = BTreeMap::new();
    for (name, info) in tensors {
        let (start, end) = info.data_offsets;
        if start != end_of_last || end < start {
            return Err(format!("the data of tensor '{}' overlaps another's or leaves a gap", shown(&name)));
        }
        let bits = info.shape.iter().try_fold(info.dtype.bitsize(), |bits, n| bits.checked_mul(*n));
        // Strides are products too, and a zero among the sizes must not hide that they overflow.
        let strides = info.shape.iter().try_fold(1usize, |product, n| product.checked_mul((*n).max(1)));
        if strides.is_none() || bits.is_none_or(|bits| bits % 8 != 0 || bits / 8 != end - start) {
            return Err(format!(
                "tensor '{}' of shape {} and dtype {} cannot have {} bytes",
                shown(&name),
                shown(&format!("{:?}", info.shape)),
                info.dtype,
                end - start
            ));
        }
        let place = data_start.checked_add(start as u64).ok_or("an offset is larger than any file")?;
        let entry = Entry { dtype: info.dtype, shape: info.shape, start: place, bytes: end - start };
        match out.entry(name) {
            std::collections::btree_map::Entry::Vacant(free) => free.insert(entry),
            std::collections::btree_map::Entry::Occupied(taken) => {
                return Err(format!("tensor '{}' is listed twice", shown(taken.key())));
            }
        };
        end_of_last = end;
    }
    Ok((out, end_of_last as u64))
}

/// The JSON as it stands, before the rules. Typed while parsing, so that a hostile header costs a few times its own
/// length and no more.
struct Parsed {
    metadata: BTreeMap<String, String>,
    tensors: Vec<(String, TensorInfo)>,
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Parsed;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed, A::Error> {
                let mut parsed = Parsed { metadata: BTreeMap::new(), tensors: Vec::new() };
                while let Some(key) = map.next_key::<String>()? {
                    if key == "__metadata__" {
                        parsed.metadata = map.next_value::<Option<_>>()?.unwrap_or_default();
                    } else {
                        let info =
                            map.next_value().map_err(|e| A::Error::custom(format!("tensor '{}': {e}", shown(&key))))?;
                        parsed.tensors.push((key, info));
                    }
                }
                Ok(parsed)
            }
        }

        deserializer.deserialize_map(Reader)
    }
}
