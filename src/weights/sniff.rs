//! What a file is that was taken for safetensors: the usual things that end up under that name.

use serde::Serialize;

use super::error::shown;

/// Something that is not safetensors, named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Impostor {
    Empty,
    LfsPointer,
    Html,
    Json,
    Text,
    Picture,
    /// What `styles export` writes.
    Style,
    Pickle,
    Gguf,
    Zeros,
    Unknown,
}

impl std::fmt::Display for Impostor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::LfsPointer => "a git-LFS pointer (a note of where the real file lies)",
            Self::Html => "a web page",
            Self::Json => "a JSON text",
            Self::Text => "a text file",
            Self::Picture => "a picture",
            Self::Style => "a style of this program",
            Self::Pickle => "a PyTorch pickle",
            Self::Gguf => "a GGUF file",
            Self::Zeros => "filled with zeros (an unfinished download)",
            Self::Unknown => "of a format that this program does not know",
        })
    }
}

impl Impostor {
    /// What the artist can do about `file`.
    pub fn advice(&self, file: &str) -> String {
        let advice = match self {
            Self::LfsPointer => "run `git lfs pull` in its folder, or download the file itself",
            Self::Html => {
                "the site sent a page in place of the file; download it again, logged in if the site asks for it"
            }
            Self::Json => "name the .safetensors file itself, or download it again if this is an error message",
            Self::Pickle => {
                let twin = match twin_name(file) {
                    // It has the ending, and nothing else of the format.
                    twin if file.ends_with(&twin) => "the true .safetensors file".to_owned(),
                    twin => shown(&twin),
                };
                return format!(
                    "a pickle can run code and is never opened as it is; use {twin} in its place, or convert it with `instantstyle models import`"
                );
            }
            Self::Gguf => "quantised GGUF weights cannot be used; get the .safetensors file",
            Self::Empty | Self::Zeros => "download it again",
            Self::Picture => "choose a .safetensors file; a picture serves as a reference",
            Self::Style => "take it in with `instantstyle styles import`, then paint with --style",
            Self::Text | Self::Unknown => "choose a .safetensors file, or download it again",
        };
        advice.to_owned()
    }

    /// Names a file by its first bytes. Ask only when the bytes are not a plausible safetensors header: the signatures
    /// of other formats can also be the length of one.
    pub fn of(first: &[u8]) -> Self {
        let text = first.strip_prefix(BYTE_ORDER_MARK).unwrap_or(first).trim_ascii_start();
        let starts = |word: &[u8]| text.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word));
        if first.is_empty() {
            Self::Empty
        } else if first.starts_with(b"version https://git-lfs") {
            Self::LfsPointer
        } else if first.starts_with(b"GGUF") {
            Self::Gguf
        } else if is_picture(first) {
            Self::Picture
        } else if first.starts_with(ZIP) && first.get(FIRST_ENTRY..).is_some_and(|rest| rest.starts_with(MANIFEST)) {
            Self::Style
        } else if first.starts_with(ZIP) || matches!(first, [0x80, 1..=5, ..]) {
            Self::Pickle
        } else if [&b"<!doctype"[..], b"<html", b"<head", b"<?xml", b"<!--"].into_iter().any(starts) {
            Self::Html
        } else if first.iter().all(|b| *b == 0) {
            Self::Zeros
        } else if starts(b"{") || starts(b"[") {
            Self::Json
        } else if is_text(text) {
            Self::Text
        } else {
            Self::Unknown
        }
    }
}

/// What Windows' editors put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
const ZIP: &[u8] = b"PK\x03\x04";
/// Where the name of a zip's first entry begins; in a style it is that of the manifest.
const FIRST_ENTRY: usize = 30;
const MANIFEST: &[u8] = b"manifest.json";

/// PNG, JPEG, GIF, WebP, TIFF of both byte orders, and the family of AVIF and HEIC.
fn is_picture(first: &[u8]) -> bool {
    let starts: [&[u8]; 6] = [b"\x89PNG\r\n\x1a\n", b"\xFF\xD8\xFF", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"];
    let has = |at: usize, word: &[u8]| first.get(at..).is_some_and(|rest| rest.starts_with(word));
    starts.iter().any(|start| first.starts_with(start))
        || (first.starts_with(b"RIFF") && has(8, b"WEBP"))
        || has(4, b"ftypavif")
        || has(4, b"ftyphei")
}

/// UTF-8 without control characters; the last character may be cut.
fn is_text(first: &[u8]) -> bool {
    let whole = match std::str::from_utf8(first) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            first.get(..error.valid_up_to()).and_then(|text| std::str::from_utf8(text).ok())
        }
        Err(_) => None,
    };
    whole.is_some_and(|text| text.chars().all(|c| c.is_whitespace() || !c.is_control()))
}

/// What the file of the same weights in safetensors is called where both are published.
pub fn twin_name(pickle: &str) -> String {
    let name = pickle.rsplit(['/', '\\']).next().unwrap_or(pickle);
    match name.rsplit_once('.').map_or(name, |(stem, _)| stem) {
        // transformers has another name for it.
        "pytorch_model" => "model.safetensors".to_owned(),
        stem => format!("{stem}.safetensors"),
    }
}
