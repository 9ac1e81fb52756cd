//! [`Weights`]: the tensors of one model component, from one file, several shards, or bytes built into the program.
//!
//! File names as diffusers and transformers write them: `STEM.safetensors`, `STEM.safetensors.index.json` with shards,
//! and the same with the variant `fp16` (diffusers `models/model_loading_utils.py`, transformers `modeling_utils.py`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use safetensors::Dtype;

use super::backend;
use super::error::{shown, shown_path};
use super::header::{Entry, Header};
use super::lora::Delta;
use super::source::Source;
use super::{Impostor, WeightsError};

/// One file of a [`Weights`].
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) name: String,
    pub(super) source: Arc<Source>,
    hash: blake3::Hash,
    len: u64,
}

/// Where a tensor of a [`Weights::view`] comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pick {
    pub(super) from: String,
    pub(super) cut: Cut,
}

/// What a view makes of a tensor. Only [`Cut::Transposed`] moves data; the others name a part of it or another shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Whole,
    /// One of several blocks of rows of equal height.
    Rows {
        block: usize,
        of: usize,
    },
    /// A convolution of one by one as a matrix; a matrix stays one.
    Matrix,
    Transposed,
}

impl Cut {
    fn apply(self, entry: &Entry) -> Option<Entry> {
        let mut out = entry.clone();
        match (self, entry.shape.as_slice()) {
            (Self::Whole, _) | (Self::Matrix, [_, _]) => {}
            (Self::Rows { block, of }, [rows, ..])
                if of > 0 && block < of && rows.is_multiple_of(of) && entry.bytes.is_multiple_of(of) =>
            {
                out.bytes = entry.bytes / of;
                out.start = entry.start + (block * out.bytes) as u64;
                *out.shape.first_mut()? = rows / of;
            }
            (Self::Matrix, [_, _, 1, 1]) => out.shape.truncate(2),
            (Self::Transposed, [_, _]) => out.shape.reverse(),
            _ => return None,
        }
        Some(out)
    }
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole => f.write_str("used"),
            Self::Rows { of, .. } => write!(f, "split into {of} equal parts"),
            Self::Matrix => f.write_str("read as a matrix"),
            Self::Transposed => f.write_str("transposed"),
        }
    }
}

/// Tensors of one component, known by their headers; data is read when a tensor is asked for.
#[derive(Debug)]
pub struct Weights {
    name: String,
    pub(super) pieces: Vec<Piece>,
    /// Name in the file to (piece, place).
    tensors: BTreeMap<String, (usize, Entry)>,
    metadata: BTreeMap<String, String>,
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

    /// Opens a component of a diffusers folder by the stem of its file: `diffusion_pytorch_model` or `model`.
    ///
    /// The plain name wins over shards, and both over the `fp16` variant.
    pub fn open_component(folder: &Path, stem: &str) -> Result<Self, WeightsError> {
        let file = shown_path(folder);
        if !folder.is_dir() {
            return Err(WeightsError::NotFound { file });
        }
        for name in Self::file_names(stem) {
            let path = folder.join(name);
            if path.is_file() {
                return Self::open(&path);
            }
        }
        for pickle in [format!("{stem}.bin"), format!("{stem}.fp16.bin"), "pytorch_model.bin".to_owned()] {
            let path = folder.join(pickle);
            if path.is_file() {
                return Err(WeightsError::NotSafetensors { file: shown_path(&path), what: Impostor::Pickle });
            }
        }
        let advice = "download the folder again, with its .safetensors files".to_owned();
        Err(WeightsError::MissingFile { file, wanted: format!("{stem}.safetensors"), advice })
    }

    /// The names under which a component's weights may lie, best first.
    pub(super) fn file_names(stem: &str) -> [String; 5] {
        [
            format!("{stem}.safetensors"),
            format!("{stem}.safetensors.index.json"),
            format!("{stem}.fp16.safetensors"),
            // diffusers puts the variant before the last dot, older versions before "safetensors".
            format!("{stem}.safetensors.index.fp16.json"),
            format!("{stem}.fp16.safetensors.index.json"),
        ]
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

    fn empty(name: String) -> Self {
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

    /// The same files under other names: a part of them, or their tensors cut and turned as `picks` say.
    pub(super) fn view(&self, picks: impl IntoIterator<Item = (String, Pick)>) -> Result<Self, WeightsError> {
        let mut out = Self { pieces: self.pieces.clone(), ..Self::empty(self.name.clone()) };
        out.metadata.clone_from(&self.metadata);
        for (name, Pick { from, cut }) in picks {
            let missing = || WeightsError::MissingTensor { file: self.name.clone(), tensor: shown(&from) };
            let (piece, entry) = self.tensors.get(&from).ok_or_else(missing)?;
            let cut_entry = cut.apply(entry).ok_or_else(|| {
                let found = entry.shape.clone();
                WeightsError::CannotCut { file: self.name.clone(), tensor: shown(&from), found, cut }
            })?;
            if cut == Cut::Transposed {
                out.transposed.insert(name.clone());
            }
            out.tensors.insert(name, (*piece, cut_entry));
        }
        Ok(out)
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

    fn gather(name: String, sources: Vec<(String, Source)>) -> Result<Self, WeightsError> {
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

    fn open_index(path: &Path) -> Result<Self, WeightsError> {
        /// An index is a list of names; SDXL's UNet needs 200 KB.
        const LONGEST: u64 = 32 << 20;
        #[derive(serde::Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        let file = shown_path(path);
        let bad = |why: String| WeightsError::BadIndex { file: file.clone(), why };
        let source = Source::open(path)?;
        if source.len() > LONGEST {
            return Err(bad("it is too long".to_owned()));
        }
        let mut json = vec![0; source.len() as usize];
        source.read_at(0, &mut json).map_err(|e| WeightsError::io(&file, &e))?;
        let index: Index = serde_json::from_slice(&json).map_err(|e| bad(shown(&e.to_string())))?;
        let mut shards: Vec<&String> = index.weight_map.values().collect();
        shards.sort();
        shards.dedup();
        if shards.is_empty() {
            return Err(bad("it lists no file".to_owned()));
        }
        let mut sources = Vec::new();
        for shard in shards {
            // A name from a file is never followed out of its folder.
            if Path::new(shard).file_name().is_none_or(|name| name != shard.as_str()) || shard.contains(['/', '\\']) {
                return Err(bad(format!("'{}' is not a plain file name", shown(shard))));
            }
            let path: PathBuf = path.with_file_name(shard);
            if !path.is_file() {
                return Err(bad(format!("its file '{}' is not beside it", shown(shard))));
            }
            sources.push((shown_path(&path), Source::open(&path)?));
        }
        let all = Self::gather(file.clone(), sources)?;
        match index.weight_map.keys().find(|key| !all.tensors.contains_key(*key)) {
            Some(key) => Err(bad(format!("tensor '{}' is in none of its files", shown(key)))),
            None => Ok(all),
        }
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

    /// Bytes of all tensors in memory: F16 and BF16 stay as they are, all else, and what a LoRA changes, becomes F32.
    pub fn held_bytes(&self) -> u64 {
        self.tensors.iter().fold(0, |sum, (name, (_, entry))| {
            let is_half = matches!(entry.dtype, Dtype::F16 | Dtype::BF16) && !self.deltas.contains_key(name);
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
