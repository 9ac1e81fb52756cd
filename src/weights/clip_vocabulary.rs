//! CLIP's own vocabulary, for models that come as a single file and so without a tokenizer.
//!
//! Source: openai/CLIP `simple_tokenizer.py` (the order of the ids) and its `bpe_simple_vocab_16e6.txt.gz`, whose merges
//! lie in `assets/clip/`; the rest of the tokenizer folder is as in stabilityai/stable-diffusion-xl-base-1.0.

use serde_json::{Map, Value, json};

const MERGES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/clip/merges.txt"));
const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";
/// A letter for every byte, inside a word and at its end.
const LETTERS: usize = 512;

/// The files of `tokenizer/`, by name.
pub fn tokenizer_files(rows: usize, pad: &str) -> Result<Vec<(&'static str, String)>, String> {
    let (vocab, merges) = vocabulary(rows)?;
    let token = |content: &str| json!({"content": content, "lstrip": false, "normalized": true, "rstrip": false, "single_word": false});
    let special =
        json!({"bos_token": token(START), "eos_token": token(END), "pad_token": pad, "unk_token": token(END)});
    let config = json!({"model_max_length": 77, "pad_token": pad, "tokenizer_class": "CLIPTokenizer"});
    Ok(vec![
        ("vocab.json", vocab.to_string()),
        ("merges.txt", merges),
        ("special_tokens_map.json", special.to_string()),
        ("tokenizer_config.json", config.to_string()),
    ])
}

/// vocab.json and merges.txt for a text encoder of `rows` tokens: the letters, one token a merge, start and end.
///
/// CLIP has 49,408. A smaller encoder was trained with the first of the merges; a larger one was extended, and knows
/// CLIP's.
fn vocabulary(rows: usize) -> Result<(Value, String), String> {
    let Some(most) = rows.checked_sub(LETTERS + 2) else {
        return Err(format!("its text encoder knows {rows} tokens, fewer than CLIP's letters"));
    };
    let merges: Vec<&str> = MERGES.lines().skip(1).take(most).collect();
    let letters = byte_letters();
    let ends = letters.iter().map(|letter| format!("{letter}</w>"));
    let joined = merges.iter().map(|merge| merge.replace(' ', ""));
    let words = letters.iter().cloned().chain(ends).chain(joined).chain([START.to_owned(), END.to_owned()]);
    let vocab: Map<String, Value> = words.enumerate().map(|(id, word)| (word, json!(id))).collect();
    Ok((Value::Object(vocab), format!("#version: 0.2\n{}\n", merges.join("\n"))))
}

/// `bytes_to_unicode` of openai/CLIP: printable bytes stand for themselves and come first, the others follow from U+0100.
fn byte_letters() -> Vec<String> {
    let own = |byte: &u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let printable = (0..=255u8).filter(own).map(char::from);
    let others = (0..=255u8).filter(|byte| !own(byte)).zip(0x100u32..).filter_map(|(_, code)| char::from_u32(code));
    printable.chain(others).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_whole_vocabulary_has_clips_ids() {
        let (vocab, merges) = vocabulary(49408).unwrap();
        let vocab = vocab.as_object().unwrap();
        assert_eq!((vocab.len(), merges.lines().count()), (49408, 48895));
        // Known from the published vocab.json.
        for (word, id) in [("!", 0), ("!</w>", 256), ("a</w>", 320), ("cat</w>", 2368), (START, 49406), (END, 49407)] {
            assert_eq!(vocab.get(word), Some(&json!(id)), "{word}");
        }
        // An encoder with tokens of its own still knows CLIP's; a small one the first of them.
        assert_eq!(vocabulary(50_000).unwrap().0.as_object().unwrap().len(), 49408);
        assert_eq!(vocabulary(600).unwrap().0.get(END), Some(&json!(599)));
        assert!(vocabulary(513).is_err());
    }
}
