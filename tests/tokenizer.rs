//! The tokenizer against transformers 5.23 (tests/golden/make_tokenizer.py).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use instantstyle::nn::tokenizer::{ClipTokenizer, TokenizerTexts};
use instantstyle::weights::{Dtype, ModelFolder, Weights};
use serde::Deserialize;
use serde_json::Value;

const VOCAB: &str = include_str!("golden/tokenizer/vocab.json");
const MERGES: &str = include_str!("golden/tokenizer/merges.txt");

#[derive(Deserialize)]
struct Case {
    name: String,
    config: Value,
    special_tokens_map: Value,
    length: usize,
    rows: Vec<Row>,
    saved: Option<Saved>,
}

#[derive(Deserialize)]
struct Row {
    text: String,
    ids: Vec<u32>,
    chunk: Vec<u32>,
}

#[derive(Deserialize)]
struct Saved {
    tokenizer: Value,
    config: Value,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("golden/tokenizer/cases.json")).unwrap()
}

fn tokenizer(case: &Case) -> ClipTokenizer {
    let (config, map) = (case.config.to_string(), case.special_tokens_map.to_string());
    let texts = TokenizerTexts {
        vocab: Some(VOCAB),
        merges: Some(MERGES),
        tokenizer: None,
        config: Some(&config),
        special_tokens_map: Some(&map),
    };
    ClipTokenizer::from_texts(&texts).unwrap()
}

fn compare(tokenizer: &ClipTokenizer, case: &Case) {
    assert_eq!(tokenizer.max_length(), case.length, "{}", case.name);
    for row in &case.rows {
        let label = format!("{}: {:?}", case.name, row.text);
        assert_eq!(tokenizer.encode(&row.text).unwrap(), row.ids, "{label}");
        assert_eq!(tokenizer.count(&row.text).unwrap(), row.ids.len(), "{label}");
        let chunks = tokenizer.chunks(&row.text).unwrap();
        assert_eq!(chunks[0], row.chunk, "{label}");
        assert_eq!(chunks.len(), row.ids.len().div_ceil(case.length - 2).max(1), "{label}");
        assert!(chunks.iter().all(|chunk| chunk.len() == case.length), "{label}");
        // The chunks hold every token, in order.
        let room = tokenizer.room();
        let held: Vec<u32> = chunks.iter().flat_map(|chunk| chunk[1..=room].to_vec()).take(row.ids.len()).collect();
        assert_eq!(held, row.ids, "{label}");
    }
    assert_eq!(tokenizer.chunks("").unwrap(), [tokenizer.empty_chunk()]);
}

#[test]
fn texts_become_transformers_tokens() {
    let cases = cases();
    assert_eq!(cases.len(), 5);
    cases.iter().for_each(|case| compare(&tokenizer(case), case));
}

#[test]
fn a_folder_with_tokenizer_json_alone_is_the_same() {
    let mut seen = 0;
    for case in cases() {
        let Some(saved) = &case.saved else { continue };
        let mut root = saved.tokenizer.clone();
        root["model"]["vocab"] = serde_json::from_str(VOCAB).unwrap();
        let merges: Vec<Value> = MERGES.lines().skip(1).map(|line| Value::from_iter(line.split(' '))).collect();
        root["model"]["merges"] = Value::from(merges);
        let (tokenizer, config) = (root.to_string(), saved.config.to_string());
        let texts = TokenizerTexts { tokenizer: Some(&tokenizer), config: Some(&config), ..Default::default() };
        compare(&ClipTokenizer::from_texts(&texts).unwrap(), &case);
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn the_second_tokenizer_pads_with_an_exclamation_mark() {
    let cases = cases();
    let second = tokenizer(cases.iter().find(|case| case.name == "second").unwrap());
    let empty = second.empty_chunk();
    let (begin, end) = (empty[0], empty[1]);
    assert_eq!((begin + 1, empty[2], empty[76]), (end, 0, 0));
    assert_eq!(second.encode("a!").unwrap()[1], 0);
    assert_eq!(second.vocab_size(), end as usize + 1);
}

#[test]
fn strange_texts_do_not_panic() {
    let cases = cases();
    let first = tokenizer(&cases[0]);
    let every: String = ('\0'..='\u{2fff}').collect();
    assert!(first.count(&every).unwrap() > 10_000);
    assert!(first.count(&"a".repeat(100_000)).unwrap() > 1000);
    assert!(first.count(&"\u{301}!\0".repeat(10_000)).unwrap() > 10_000);
}

#[test]
fn broken_files_are_named() {
    let said = |texts: TokenizerTexts| ClipTokenizer::from_texts(&texts).unwrap_err().to_string();
    assert!(said(TokenizerTexts::default()).contains("vocab.json"));
    let good = TokenizerTexts { vocab: Some(VOCAB), merges: Some(MERGES), ..Default::default() };
    assert!(said(TokenizerTexts { vocab: Some("[1]"), ..good }).contains("vocab.json"));
    assert!(said(TokenizerTexts { merges: Some("a b c"), ..good }).contains("merges.txt"));
    assert!(said(TokenizerTexts { merges: Some("zzzz qqqq"), ..good }).contains("zzzz"));
    assert!(said(TokenizerTexts { config: Some("{\"model_max_length\": 2}"), ..good }).contains("model_max_length"));
    assert!(said(TokenizerTexts { config: Some("{"), ..good }).contains("tokenizer_config.json"));
    assert!(said(TokenizerTexts { tokenizer: Some("{}"), ..good }).contains("tokenizer.json"));
    let absent = said(TokenizerTexts { vocab: Some("{}"), merges: Some(""), ..good });
    assert!(!absent.contains('\n'), "{absent}");
}

/// CLIP's own vocabulary, as single files get it.
#[test]
fn the_whole_vocabulary_is_clips() {
    #[derive(Deserialize)]
    struct Row {
        pad: String,
        text: String,
        ids: Vec<u32>,
    }
    let header: BTreeMap<String, (Dtype, Vec<usize>)> =
        serde_json::from_str(include_str!("golden/headers/sd_xl_base_1.0.json")).unwrap();
    let model = ModelFolder::of_checkpoint(&Weights::header_only("sdxl", header)).unwrap();
    let tokenizer = |folder: &str| {
        let text = |name: &str| model.text(&format!("{folder}/{name}")).unwrap();
        let (vocab, merges) = (text("vocab.json"), text("merges.txt"));
        let (config, map) = (text("tokenizer_config.json"), text("special_tokens_map.json"));
        let texts = TokenizerTexts {
            vocab: vocab.as_deref(),
            merges: merges.as_deref(),
            tokenizer: None,
            config: config.as_deref(),
            special_tokens_map: map.as_deref(),
        };
        ClipTokenizer::from_texts(&texts).unwrap()
    };
    let (first, second) = (tokenizer("tokenizer"), tokenizer("tokenizer_2"));
    assert_eq!((first.empty_chunk()[76], second.empty_chunk()[76]), (49407, 0));
    let rows: Vec<Row> = serde_json::from_str(include_str!("golden/tokenizer/clip.json")).unwrap();
    assert!(rows.len() > 80);
    for row in rows {
        let tokenizer = if row.pad == "!" { &second } else { &first };
        assert_eq!(tokenizer.encode(&row.text).unwrap(), row.ids, "{:?} padded with {}", row.text, row.pad);
    }
}
