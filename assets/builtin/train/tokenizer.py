"""A tokenizer in CLIP's format with a reduced vocabulary.

Keeps CLIP's first merges (from open_clip_torch's bpe_simple_vocab_16e6.txt.gz, MIT)
and every merge on the way to the domain's words, so those stay single tokens.
A subset that holds all merges of a word's own derivation derives it the same way.
"""
import gzip
import json
import os

import importlib.util

import captions
from dataset import HUES
from subjects import SHAPES

KEEP = 2000


def byte_letters():
    """CLIP's order of the 256 bytes, each as a printable letter."""
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    rest = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]


def all_merges():
    name = os.path.join(importlib.util.find_spec("open_clip").submodule_search_locations[0], "bpe_simple_vocab_16e6.txt.gz")
    lines = gzip.open(name).read().decode("utf-8").split("\n")
    return [tuple(line.split()) for line in lines[1:49152 - 256 - 2 + 1]]


def words():
    found = set("a an the of in on at as is and with two three picture painting drawing style left right light dark ground background white black grey brown "
                "small large big little photo image art".split()) | set(HUES) | set(SHAPES)
    for phrases in list(captions.STYLE_PHRASES.values()) + list(captions.SUBJECT_WORDS.values()):
        found |= {w for p in phrases for w in p.split()}
    return found | {captions.noun(s, None, True) for s in SHAPES}


def derivation(word, ranks):
    letters, used = list(word[:-1]) + [word[-1] + "</w>"], []
    while len(letters) > 1:
        pairs = [(ranks[p], p) for p in zip(letters, letters[1:]) if p in ranks]
        if not pairs:
            break
        _, pair = min(pairs)
        used.append(pair)
        merged, i = [], 0
        while i < len(letters):
            if tuple(letters[i:i + 2]) == pair:
                merged.append(letters[i] + letters[i + 1])
                i += 2
            else:
                merged.append(letters[i])
                i += 1
        letters = merged
    return used


def write(folder, pad):
    merges = all_merges()
    ranks = {m: i for i, m in enumerate(merges)}
    kept = set(merges[:KEEP])
    for word in words():
        kept |= set(derivation(word, ranks))
    merges = [m for m in merges if m in kept]
    letters = byte_letters()
    vocab = letters + [c + "</w>" for c in letters] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    os.makedirs(folder, exist_ok=True)
    dump = lambda name, value: json.dump(value, open(os.path.join(folder, name), "w", encoding="utf-8"), ensure_ascii=False, indent=None if name == "vocab.json" else 2)
    dump("vocab.json", {t: i for i, t in enumerate(vocab)})
    open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8").write("#version: 0.2\n" + "\n".join(" ".join(m) for m in merges) + "\n")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": pad}
    dump("special_tokens_map.json", special)
    dump("tokenizer_config.json", {**special, "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, "add_prefix_space": False, "errors": "replace"})
    return len(vocab)


def load(folder):
    from transformers import CLIPTokenizer
    return CLIPTokenizer.from_pretrained(folder)
