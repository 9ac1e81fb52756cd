//! CLIP's byte-pair tokenizer, and prompts cut into chunks that the text encoders can read.
//!
//! Source: `transformers/models/clip/tokenization_clip.py` (5.23) and the special-token rules of
//! `tokenization_utils_tokenizers.py`: special tokens are found in the raw text first, so SDXL's second tokenizer, whose
//! padding is `!`, turns every exclamation mark into that padding token.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::{Lowercase, NFC, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, Tokenizer};

/// What CLIP reads at once where the file does not say.
const CLIP_LENGTH: usize = 77;
/// Above this, `model_max_length` is transformers' way to say that nobody set it.
const LONGEST: f64 = 65_536.0;
const END: &str = "<|endoftext|>";
/// The order in which transformers adds special tokens; the later of two rules for one token wins.
const ROLES: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
/// Words, single digits, and runs of anything else but white space.
const PATTERN: &str = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// Why a tokenizer's files cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TokenizerError {
    #[error("the tokenizer's {file} cannot be read: {why}; take the tokenizer folder from the model's page again")]
    File { file: &'static str, why: String },
    #[error("the tokenizer has neither vocab.json with merges.txt nor tokenizer.json; add them to its folder")]
    NoVocabulary,
    #[error("the tokenizer does not work: {why}; take the tokenizer folder from the model's page again")]
    Build { why: String },
}

/// The texts of a tokenizer folder's files, as far as they are there.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenizerTexts<'a> {
    /// `vocab.json`
    pub vocab: Option<&'a str>,
    /// `merges.txt`
    pub merges: Option<&'a str>,
    /// `tokenizer.json`, which transformers 5 writes alone; where it is there, it wins over the two above, as in
    /// transformers.
    pub tokenizer: Option<&'a str>,
    /// `tokenizer_config.json`
    pub config: Option<&'a str>,
    /// `special_tokens_map.json`
    pub special_tokens_map: Option<&'a str>,
}

/// A CLIP tokenizer with its special tokens and the length of its model's input.
#[derive(Debug, Clone)]
pub struct ClipTokenizer {
    inner: Tokenizer,
    bos: u32,
    eos: u32,
    pad: u32,
    max_length: usize,
}

/// One special token as the files write it.
#[derive(Deserialize)]
struct Written {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    normalized: Option<bool>,
    #[serde(default)]
    special: bool,
}

impl Written {
    fn token(self, special: bool) -> AddedToken {
        let special = special || self.special;
        AddedToken::from(self.content, special)
            .single_word(self.single_word)
            .lstrip(self.lstrip)
            .rstrip(self.rstrip)
            .normalized(self.normalized.unwrap_or(!special))
    }
}

impl ClipTokenizer {
    /// Builds the tokenizer as transformers would from the same files.
    ///
    /// # Errors
    /// A file that is no JSON or has the wrong shape, a vocabulary that is absent, merges that do not fit it.
    pub fn from_texts(texts: &TokenizerTexts<'_>) -> Result<Self, TokenizerError> {
        let config = json("tokenizer_config.json", texts.config)?;
        let map = json("special_tokens_map.json", texts.special_tokens_map)?;
        let (vocab, merges, from_file) = match (texts.vocab, texts.merges, texts.tokenizer) {
            (_, _, Some(tokenizer)) => read_tokenizer_json(tokenizer)?,
            (Some(vocab), Some(merges), None) => (read_vocab(vocab)?, read_merges(merges)?, Vec::new()),
            _ => return Err(TokenizerError::NoVocabulary),
        };
        // A list of added tokens in tokenizer_config.json replaces what the other files say.
        let listed = config.get("added_tokens_decoder").and_then(Value::as_object);
        let mut added = match listed {
            Some(table) => {
                let mut rows: Vec<(u64, AddedToken)> = Vec::new();
                for (id, value) in table {
                    let id = id.parse().map_err(|_| wrong("tokenizer_config.json", "added_tokens_decoder"))?;
                    rows.push((id, written("tokenizer_config.json", value)?.token(false)));
                }
                rows.sort_by_key(|(id, _)| *id);
                rows.into_iter().map(|(_, token)| token).collect()
            }
            None => from_file,
        };
        let from_list = added.len();
        let mut names: HashMap<&str, String> = HashMap::new();
        for role in ROLES {
            let mapped = map.get(role).filter(|value| listed.is_none() && !value.is_null());
            let configured = config.get(role).filter(|value| !value.is_null());
            let token = match (mapped, configured) {
                (Some(Value::String(content)), _) | (None, Some(Value::String(content))) => {
                    AddedToken::from(content.clone(), true)
                }
                (Some(value), _) => written("special_tokens_map.json", value)?.token(true),
                (None, Some(value)) => written("tokenizer_config.json", value)?.token(false),
                (None, None) => match role {
                    "bos_token" => AddedToken::from("<|startoftext|>", true),
                    "eos_token" | "unk_token" | "pad_token" => AddedToken::from(END, true),
                    _ => continue,
                },
            };
            names.insert(role, token.content.clone());
            // A rule from a list of added tokens stays; among the roles, the later one counts.
            if added.iter().take(from_list).all(|other| other.content != token.content) {
                added.push(token);
            }
        }
        let name = |role: &str| names.get(role).cloned().unwrap_or_default();
        let mut inner = build(vocab, merges, name("unk_token"))?;
        inner.add_tokens(added).map_err(broken)?;
        let id = |role: &str| {
            let token = name(role);
            let missing = || TokenizerError::Build { why: format!("its {role} '{token}' is not in the vocabulary") };
            inner.token_to_id(&token).ok_or_else(missing)
        };
        let (bos, eos, pad) = (id("bos_token")?, id("eos_token")?, id("pad_token")?);
        let max_length = match config.get("model_max_length").and_then(Value::as_f64) {
            Some(length) if (3.0..=LONGEST).contains(&length) => length as usize,
            Some(length) if length < 3.0 => return Err(wrong("tokenizer_config.json", "model_max_length")),
            _ => CLIP_LENGTH,
        };
        Ok(Self { inner, bos, eos, pad, max_length })
    }

    /// Token ids of `text`, of any length, without start, end and padding.
    ///
    /// # Errors
    /// [`TokenizerError::Build`] where the pattern matcher gives up, which no text known to us makes it do.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.inner.encode_fast(text, false).map_err(broken)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// How many tokens `text` has, for the count beside the prompt.
    ///
    /// # Errors
    /// As [`ClipTokenizer::encode`].
    pub fn count(&self, text: &str) -> Result<usize, TokenizerError> {
        self.encode(text).map(|ids| ids.len())
    }

    /// `text` in pieces of [`ClipTokenizer::room`] tokens, each with start, end and padding to
    /// [`ClipTokenizer::max_length`]. At least one chunk; the first is what transformers gives with truncation.
    ///
    /// # Errors
    /// As [`ClipTokenizer::encode`].
    pub fn chunks(&self, text: &str) -> Result<Vec<Vec<u32>>, TokenizerError> {
        let ids = self.encode(text)?;
        if ids.is_empty() {
            return Ok(vec![self.empty_chunk()]);
        }
        Ok(ids.chunks(self.room()).map(|piece| self.chunk(piece)).collect())
    }

    /// The chunk of an empty text.
    pub fn empty_chunk(&self) -> Vec<u32> {
        self.chunk(&[])
    }

    fn chunk(&self, ids: &[u32]) -> Vec<u32> {
        let mut out = Vec::with_capacity(self.max_length);
        out.push(self.bos);
        out.extend_from_slice(ids);
        out.push(self.eos);
        out.resize(self.max_length, self.pad);
        out
    }

    /// Tokens of the text in one chunk: 75 for CLIP.
    pub fn room(&self) -> usize {
        self.max_length - 2
    }

    /// Length of a chunk: 77 for CLIP.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// One more than the highest token id: the least number of rows that the text encoder must have.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab(true).values().max().map_or(0, |id| *id as usize + 1)
    }
}

type Vocabulary = HashMap<String, u32>;
type Merges = Vec<(String, String)>;

fn wrong(file: &'static str, field: &str) -> TokenizerError {
    TokenizerError::File { file, why: format!("{field} has an unknown form") }
}

fn broken(why: impl std::fmt::Display) -> TokenizerError {
    TokenizerError::Build { why: why.to_string().replace('\n', " ") }
}

fn json(file: &'static str, text: Option<&str>) -> Result<Value, TokenizerError> {
    let text = text.unwrap_or("{}");
    serde_json::from_str(text).map_err(|why| TokenizerError::File { file, why: why.to_string() })
}

fn written(file: &'static str, value: &Value) -> Result<Written, TokenizerError> {
    Written::deserialize(value).map_err(|why| TokenizerError::File { file, why: why.to_string() })
}

fn read_vocab(text: &str) -> Result<Vocabulary, TokenizerError> {
    serde_json::from_str(text).map_err(|why| TokenizerError::File { file: "vocab.json", why: why.to_string() })
}

/// Lines of two parts each, best merge first; a first line with the version is no merge.
fn read_merges(text: &str) -> Result<Merges, TokenizerError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with("#version"));
    lines.map(|(at, line)| pair(line).ok_or_else(|| wrong("merges.txt", &format!("line {}", at + 1)))).collect()
}

fn pair(line: &str) -> Option<(String, String)> {
    let (left, right) = line.split_once(' ')?;
    (!right.contains(' ')).then(|| (left.to_owned(), right.to_owned()))
}

/// Vocabulary, merges and added tokens of a `tokenizer.json`; its other parts are the same for every CLIP.
fn read_tokenizer_json(text: &str) -> Result<(Vocabulary, Merges, Vec<AddedToken>), TokenizerError> {
    const FILE: &str = "tokenizer.json";
    let root = json(FILE, Some(text))?;
    let field = |name: &str| root.get("model").and_then(|model| model.get(name)).ok_or_else(|| wrong(FILE, name));
    let vocab = Vocabulary::deserialize(field("vocab")?)
        .map_err(|why| TokenizerError::File { file: FILE, why: why.to_string() })?;
    let merge = |value: &Value| match value {
        Value::String(line) => pair(line),
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(left), Value::String(right)] => Some((left.clone(), right.clone())),
            _ => None,
        },
        _ => None,
    };
    let rows = field("merges")?.as_array().ok_or_else(|| wrong(FILE, "merges"))?;
    let merges: Option<Merges> = rows.iter().map(merge).collect();
    let mut added = Vec::new();
    for value in root.get("added_tokens").and_then(Value::as_array).into_iter().flatten() {
        let id = value.get("id").and_then(Value::as_u64).unwrap_or(u64::MAX);
        added.push((id, written(FILE, value)?.token(false)));
    }
    added.sort_by_key(|(id, _)| *id);
    let merges = merges.ok_or_else(|| wrong(FILE, "merges"))?;
    Ok((vocab, merges, added.into_iter().map(|(_, token)| token).collect()))
}

fn build(vocab: Vocabulary, merges: Merges, unknown: String) -> Result<Tokenizer, TokenizerError> {
    if vocab.is_empty() {
        return Err(TokenizerError::NoVocabulary);
    }
    let bpe = BPE::builder()
        .vocab_and_merges(vocab.into_iter().collect::<tokenizers::models::bpe::Vocab>(), merges)
        .unk_token(unknown)
        .continuing_subword_prefix(String::new())
        .end_of_word_suffix("</w>".to_owned())
        .build()
        .map_err(broken)?;
    let mut inner = Tokenizer::new(bpe);
    let spaces = Replace::new(tokenizers::normalizers::replace::ReplacePattern::Regex(r"\s+".to_owned()), " ");
    let normalizers = vec![NFC.into(), spaces.map_err(broken)?.into(), Lowercase.into()];
    inner.with_normalizer(Some(Normalizers::new(normalizers))).map_err(broken)?;
    let pattern = SplitPattern::Regex(PATTERN.to_owned());
    let split = Split::new(pattern, SplitDelimiterBehavior::Removed, true).map_err(broken)?;
    let bytes = ByteLevel::new(false, true, true);
    inner.with_pre_tokenizer(Some(PreTokenizers::new(vec![split.into(), bytes.into()])));
    Ok(inner)
}
