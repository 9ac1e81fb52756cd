//! [`Weights`]: the tensors of one model component, from one file, several shards, or bytes built into the program.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use safetensors::Dtype;

use super::WeightsError;
use super::backend;
use super::error::{shown, shown_path};
use super::header::{Entry, Header};
use super::lora::Delta;
use super::source::Source;

/// One file of a [`Weights`].
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) name: String,
    pub(super) source: Arc<Source>,
    hash: blake3::Hash,
    len: u64,
}

/// Tensors of one component, known by their headers; data is read when a tensor is asked for.
#[derive(Debug)]
pub struct Weights {
    pub(super) name: String,
    pub(super) pieces: Vec<Piece>,
    /// Name in the file to (piece, place).
    pub(super) tensors: BTreeMap<String, (usize, Entry)>,
    pub(super) metadata: BTreeMap<String, String>,
    /// Names whose data lies with rows and columns swapped.
    pub(super) transposed: BTreeSet<String>,
    /// What LoRAs add to a tensor, by its name in the file.
    pub(super) deltas: BTreeMap<String, Vec<Delta>>,
    /// The first thing that went wrong while a tensor was read; candle passes on the text only.
    pub(super) failure: OnceLock<WeightsError>,
}

/// Other spellings of a name, tried in order where the name itself is absent: (in the name asked for, in the file).
/// The first column must stand at the start, or after a dot.
const SPELLINGS: &[(&str, &str)] = &[
    // transformers 5 writes CLIPTextModel and CLIPVisionModel without their prefix.
    ("text_model.", ""),
    ("vision_model.", ""),
    // Some IP-Adapter trainers.
    ("ip_adapter.", "adapter_modules."),
    // AutoencoderKL's attention before diffusers 0.18 (`_fix_state_dict_keys_on_load`).
    ("to_q.", "query."),
    ("to_k.", "key."),
    ("to_v.", "value."),
    ("to_out.0.", "proj_attn."),
];

impl Weights {
    /// Opens a `.safetensors` file, or a `*.index.json` with the shards beside it.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        if path.extension().is_some_and(|e| e == "json") && path.is_file() {
            return Self::open_index(path);
        }
        Self::gather(shown_path(path), vec![(shown_path(path), Source::open(path)?)])
    }

    /// Weights built into the program; `name` is for messages.
    pub fn from_static(name: &str, bytes: &'static [u8]) -> Result<Self, WeightsError> {
        Self::gather(name.to_owned(), vec![(name.to_owned(), Source::Static(bytes))])
    }

    /// Names, dtypes and shapes without data: every read fails, all else works. For checks against a list of keys.
    pub fn header_only(name: &str, tensors: BTreeMap<String, (Dtype, Vec<usize>)>) -> Self {
        let entry = |(dtype, shape): (Dtype, Vec<usize>)| {
            let bits = shape.iter().fold(dtype.bitsize(), |product, n| product.saturating_mul(*n));
            Entry { dtype, shape, start: 0, bytes: bits / 8 }
        };
        let tensors: BTreeMap<_, _> = tensors.into_iter().map(|(key, about)| (key, (0, entry(about)))).collect();
        let len = tensors.values().map(|(_, entry)| entry.bytes as u64).sum();
        let mut hash = blake3::Hasher::new();
        for (key, (_, entry)) in &tensors {
            hash.update(format!("{key} {} {:?}\n", entry.dtype, entry.shape).as_bytes());
        }
        let source = Arc::new(Source::Nothing);
        let piece = Piece { name: name.to_owned(), source, hash: hash.finalize(), len };
        Self { pieces: vec![piece], tensors, ..Self::empty(name.to_owned()) }
    }

    pub(super) fn empty(name: String) -> Self {
        Self {
            name,
            pieces: vec![],
            tensors: BTreeMap::new(),
            metadata: BTreeMap::new(),
            transposed: BTreeSet::new(),
            deltas: BTreeMap::new(),
            failure: OnceLock::new(),
        }
    }

    /// The same weights with LoRAs merged in, which happens when a tensor is read. Several may change one tensor.
    pub fn with_deltas(&self, deltas: impl IntoIterator<Item = (String, Delta)>) -> Self {
        let mut out = Self {
            name: self.name.clone(),
            pieces: self.pieces.clone(),
            tensors: self.tensors.clone(),
            metadata: self.metadata.clone(),
            transposed: self.transposed.clone(),
            deltas: self.deltas.clone(),
            failure: OnceLock::new(),
        };
        for (tensor, delta) in deltas {
            out.deltas.entry(tensor).or_default().push(delta);
        }
        out
    }

    pub(super) fn gather(name: String, sources: Vec<(String, Source)>) -> Result<Self, WeightsError> {
        let mut all = Self::empty(name);
        for (name, source) in sources {
            let header = Header::from_source(&name, &source)?;
            let index = all.pieces.len();
            for (key, entry) in header.tensors {
                if let Some((other, _)) = all.tensors.insert(key.clone(), (index, entry)) {
                    let other = all.pieces.get(other).map_or("another file", |p| p.name.as_str());
                    let why = format!("tensor '{}' lies in {name} and in {other}", shown(&key));
                    return Err(WeightsError::BadIndex { file: all.name, why });
                }
            }
            all.metadata.extend(header.metadata);
            all.pieces.push(Piece { name, source: Arc::new(source), hash: header.hash, len: header.file_len });
        }
        Ok(all)
    }

    /// What messages call these weights: the path of the file or of the index.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names as they stand in the file, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Name in the file and header entry of each tensor, sorted by name.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.tensors.iter().map(|(name, (_, entry))| (name.as_str(), entry))
    }

    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The name under which the file holds `asked`: the same, or another spelling of it (`text_model.` and
    /// `vision_model.` may be present or absent, `adapter_modules.` may stand for `ip_adapter.`, old VAE attention).
    pub fn resolve(&self, asked: &str) -> Option<&str> {
        self.find(asked).map(|(name, _, _)| name)
    }

    pub(super) fn find(&self, asked: &str) -> Option<(&str, &Piece, &Entry)> {
        let exact = |name: &str| self.tensors.get_key_value(name);
        let (name, (piece, entry)) = exact(asked).or_else(|| {
            SPELLINGS.iter().find_map(|(new, old)| {
                let (before, after) = asked.split_once(new)?;
                let whole_word = before.is_empty() || before.ends_with('.');
                whole_word.then(|| exact(&format!("{before}{old}{after}")))?
            })
        })?;
        Some((name, self.pieces.get(*piece)?, entry))
    }

    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// One more than the highest number that follows `prefix` in a name: how many parts there are, a damaged one among
    /// them too.
    pub(super) fn count(&self, prefix: &str) -> usize {
        let after = self.tensors.range(prefix.to_owned()..).map_while(|(name, _)| name.strip_prefix(prefix));
        let number = |rest: &str| rest.split('.').next().and_then(|n| n.parse::<usize>().ok());
        after.filter_map(number).max().map_or(0, |highest| highest.saturating_add(1))
    }

    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.find(name).map(|(_, _, entry)| entry.shape.as_slice())
    }

    pub fn dtype(&self, name: &str) -> Option<Dtype> {
        self.find(name).map(|(_, _, entry)| entry.dtype)
    }

    /// The `__metadata__` of the header(s).
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Bytes of all files together.
    pub fn byte_len(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len).sum()
    }

    /// Number of weights (elements of all tensors).
    pub fn parameters(&self) -> u64 {
        self.tensors.values().fold(0, |sum, (_, entry)| sum.saturating_add(entry.elements()))
    }

    /// What LoRAs add to a tensor.
    pub(super) fn deltas_of(&self, name: &str) -> Option<&[Delta]> {
        self.deltas.get(self.resolve(name)?).map(Vec::as_slice)
    }

    /// Bytes of all tensors in memory as the CPU's kernels hold them: F16 and BF16 stay as they are, F8_E4M3 becomes F16,
    /// all else, and what a LoRA changes, F32.
    pub fn held_bytes(&self) -> u64 {
        self.sum_held(|name| self.deltas.contains_key(name))
    }

    /// The same as if no LoRA changed anything.
    pub fn held_bytes_without_loras(&self) -> u64 {
        self.sum_held(|_| false)
    }

    /// Number of weights in the tensors that LoRAs change.
    pub fn changed_parameters(&self) -> u64 {
        let changed = self.tensors.iter().filter(|(name, _)| self.deltas.contains_key(*name));
        changed.fold(0, |sum, (_, (_, entry))| sum.saturating_add(entry.elements()))
    }

    fn sum_held(&self, is_merged: impl Fn(&str) -> bool) -> u64 {
        self.tensors.iter().fold(0, |sum, (name, (_, entry))| {
            let is_half = matches!(entry.dtype, Dtype::F16 | Dtype::BF16 | Dtype::F8_E4M3) && !is_merged(name);
            let element = if is_half { 2 } else { 4 };
            sum.saturating_add(entry.elements().saturating_mul(element))
        })
    }

    /// A cheap identity, blake3 in hex: of each file its header, its length, and 64 samples of 256 bytes spread evenly
    /// over it (two fine-tunes of one model differ in nothing else). Not a checksum: damage between the samples goes
    /// unseen. Does not depend on file names.
    pub fn content_id(&self) -> Result<String, WeightsError> {
        const SAMPLES: u64 = 64;
        const BYTES: u64 = 256;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = [0u8; BYTES as usize];
        for piece in &self.pieces {
            hasher.update(piece.hash.as_bytes());
            hasher.update(&piece.len.to_le_bytes());
            let room = piece.source.len().saturating_sub(BYTES);
            for i in 0..SAMPLES {
                let at = (room / SAMPLES) * i + (room % SAMPLES) * i / SAMPLES;
                let part = piece.source.len().min(BYTES) as usize;
                let Some(sample) = buffer.get_mut(..part) else { continue };
                piece.source.read_at(at, sample).map_err(|e| WeightsError::io(&piece.name, &e))?;
                hasher.update(sample);
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// A candle builder that reads each tensor when a network asks for it, and converts it to `dtype` on `device`.
    ///
    /// Tensors may be F64, F32, F16, BF16 or F8_E4M3. A missing name, another shape or another dtype is an error.
    pub fn var_builder(self: &Arc<Self>, dtype: DType, device: &Device) -> VarBuilder<'static> {
        backend::var_builder(self.clone(), dtype, device)
    }

    /// The first failure of a read through [`Weights::var_builder`]: candle's own error keeps its text only.
    pub fn failure(&self) -> Option<&WeightsError> {
        self.failure.get()
    }
}
