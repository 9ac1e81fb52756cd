//! What can be wrong with a file of weights, each in one line that names the file and says what to do.

use super::Impostor;

/// Every text is one line: foreign words (tensor names, parser messages) go through [`shown`] first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    #[error("{file} does not exist; check the path")]
    NotFound { file: String },
    #[error("{file} is a folder, not a file of weights; name the .safetensors file in it")]
    IsFolder { file: String },
    #[error("{file} is a file, not a folder; {advice}")]
    IsFile { file: String, advice: String },
    #[error("{file} cannot be read ({why}); check the disk and the file's permissions")]
    Io { file: String, why: String },
    #[error("{file} is {what}, not safetensors; {}", what.advice(file))]
    NotSafetensors { file: String, what: Impostor },
    #[error("{file} is cut short: {at_least}{missing} of its {whole} bytes are missing; download it again")]
    Truncated { file: String, missing: u64, whole: u64, at_least: &'static str },
    #[error("{file} has a damaged safetensors header ({why}); download it again")]
    BadHeader { file: String, why: String },
    #[error("{file} changed while it was being read; try again when nothing writes to it")]
    Changed { file: String },
    #[error("tensor '{tensor}' of {file} has dtype {dtype}, which cannot be used; get an F32, F16 or BF16 file")]
    Dtype { file: String, tensor: String, dtype: String },
    #[error("{file} lacks the tensor '{tensor}'; it belongs to another model or is incomplete")]
    MissingTensor { file: String, tensor: String },
    #[error("tensor '{tensor}' of {file} has shape {found:?} where {wanted:?} is wanted; it belongs to another model")]
    WrongShape { file: String, tensor: String, wanted: Vec<usize>, found: Vec<usize> },
    #[error("tensor '{tensor}' of {file} needs {bytes} bytes of memory, which this computer cannot give")]
    OutOfMemory { file: String, tensor: String, bytes: usize },
    #[error("{file} is known by its header only, so the tensor '{tensor}' has no data")]
    HeaderOnly { file: String, tensor: String },
    #[error("{file} cannot be used as an index of weights ({why}); download the folder again")]
    BadIndex { file: String, why: String },
    #[error("{file} holds no {wanted}; {advice}")]
    MissingFile { file: String, wanted: String, advice: String },
    #[error("{file} cannot be read as settings ({why}); download it again")]
    BadJson { file: String, why: String },
    #[error(
        "tensor '{tensor}' of {file} has shape {found:?} and cannot be {cut}; the file is damaged or of another model"
    )]
    CannotCut { file: String, tensor: String, found: Vec<usize>, cut: super::Cut },
    #[error("{file} cannot be used as a model: {why}; {advice}")]
    SingleFile { file: String, why: String, advice: &'static str },
    #[error(
        "{file} cannot be used as a VAE: {why}; put its config.json beside it, or choose the VAE of an SDXL or SD 1.5 model"
    )]
    SingleVae { file: String, why: String },
    #[error("{file} wants to run '{call}' when it is opened, which weights never need; do not use it")]
    PickleRunsCode { file: String, call: String },
    #[error("{file} cannot be converted: {why}; get its .safetensors file")]
    BadPickle { file: String, why: String },
    #[error("{file} is {what}, not a file of torch.save, so there is nothing to convert; {}", what.advice(file))]
    NotPickle { file: String, what: Impostor },
    #[error("{file} is {what}, not {wanted}; {advice}")]
    OtherKind { file: String, what: String, wanted: &'static str, advice: String },
    #[error("the adapter {file} is made for another model: {why}; choose an adapter made for the loaded model")]
    AdapterForOtherModel { file: String, why: String },
    #[error("the adapter {file} does not fit the image encoder: {why}; {advice}")]
    EncoderDoesNotFit { file: String, why: String, advice: String },
    #[error("the adapter {file} is {what}, which is not supported; use a base, Plus or full-face IP-Adapter")]
    UnsupportedAdapter { file: String, what: String },
    #[error("the LoRA {file} is {what}, which cannot be merged; get it as a plain LoRA")]
    UnsupportedLora { file: String, what: String },
    #[error("the LoRA {file} is made for another model: {why}; choose a LoRA made for the loaded model")]
    LoraForOtherModel { file: String, why: String },
    #[error("the LoRA {file} is damaged or of an unknown kind: {why}; download it again")]
    BrokenLora { file: String, why: String },
    #[error("the adapter {file} is incomplete: {why}; download it again")]
    BrokenAdapter { file: String, why: String },
}

impl WeightsError {
    /// An operating-system error about `file`, in the same words everywhere.
    pub(super) fn io(file: &str, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::NotFound { file: file.to_owned() },
            std::io::ErrorKind::IsADirectory => Self::IsFolder { file: file.to_owned() },
            // The file got shorter than its own header says: it is not the file that was opened.
            std::io::ErrorKind::UnexpectedEof => Self::Changed { file: file.to_owned() },
            _ => Self::Io { file: file.to_owned(), why: shown(&error.to_string()) },
        }
    }
}

/// Foreign text made fit for one line of a message: no control characters, at most 160 characters.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 160;
    let mut out: String = text.chars().take(MOST).map(|c| if is_plain(c) { c } else { '\u{FFFD}' }).collect();
    if text.chars().nth(MOST).is_some() {
        out.push('…');
    }
    out
}

/// Not a control character, a line separator or a sign that turns the direction of writing.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A number of things in words: `1 layer`, `2 layers`.
pub(super) fn count(n: usize, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

/// Several things by their number and the first one's name, one by its name: `2 tensors, the first is 'x'`, `the tensor 'x'`.
pub(super) fn count_named(n: usize, thing: &str, first: &str) -> String {
    match n {
        1 => format!("the {thing} '{}'", shown(first)),
        _ => format!("{}, the first is '{}'", count(n, thing), shown(first)),
    }
}

/// A path as messages show it.
pub(super) fn shown_path(path: &std::path::Path) -> String {
    // Paths are not cut: the end is what tells files apart.
    path.display().to_string().chars().map(|c| if is_plain(c) { c } else { '\u{FFFD}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_on_one_short_line() {
        assert_eq!(shown("a\nb\u{202E}c\0"), "a\u{FFFD}b\u{FFFD}c\u{FFFD}");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), 161);
        assert_eq!(shown("model.weight"), "model.weight");
    }
}
