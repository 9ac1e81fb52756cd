"""Golden data for tests/tokenizer.rs, from transformers 5.23's CLIPTokenizer.

Run: python tests/golden/make_tokenizer.py   (needs transformers; writes tests/golden/tokenizer/)
The vocabulary is small and our own: CLIP's 256 byte letters, the same at a word's end, and merges counted on the text
below. The texts hold what prompts hold, and what nobody should type.
"""

import json
import re
import tempfile
from collections import Counter
from pathlib import Path

from transformers import CLIPTokenizer

HERE = Path(__file__).parent / "tokenizer"
TEXT = """
a painting of a cat in the style of the old masters, oil on canvas, warm light, the house by the river, a small boat
at sea, mountains in the morning, a portrait of a woman reading a letter at the window, don't, it's, they're, we've,
highly detailed drawing in ink, watercolour of flowers in a vase, the city at night with rain on the street, a red fox
in the snow, geometric patterns, paper cut, stained glass, woodcut print of a wave, a photograph of a mountain lake
"""


def byte_letters():
    """CLIP's printable letter for every byte: printable ones stand for themselves and come first."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in own]
    return [chr(b) for b in own] + [chr(256 + i) for i in range(len(rest))]


def count_merges(words, wanted):
    split = {w: [*w[:-1], w[-1] + "</w>"] for w in words}
    merges = []
    while len(merges) < wanted:
        pairs = Counter()
        for word, count in words.items():
            for pair in zip(split[word], split[word][1:]):
                pairs[pair] += count
        if not pairs:
            break
        best = max(sorted(pairs), key=pairs.get)
        merges.append(best)
        for parts in split.values():
            i = 0
            while i + 1 < len(parts):
                if (parts[i], parts[i + 1]) == best:
                    parts[i : i + 2] = ["".join(best)]
                i += 1
    return merges


START, END = "<|startoftext|>", "<|endoftext|>"


def rule(content, **more):
    return {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False} | more


MAP = {"bos_token": rule(START), "eos_token": rule(END), "unk_token": rule(END)}
VARIANTS = {
    "first": ({"model_max_length": 77}, MAP | {"pad_token": END}),
    "second": ({"model_max_length": 77, "pad_token": "!"}, MAP | {"pad_token": "!"}),
    "listed": (
        {
            "model_max_length": 16, "bos_token": START, "eos_token": END, "unk_token": END, "pad_token": "!",
            "added_tokens_decoder": {
                "0": rule("!", normalized=False, special=True), "IDS": rule(START, special=True),
                "IDE": rule(END, normalized=False, special=True),
            },
        },
        None,
    ),
    "bare": ({}, None),
    "unset": ({"model_max_length": 1e30, "pad_token": {"__type": "AddedToken"} | rule("!")}, None),
}
TEXTS = [
    "", " ", "a cat", "A Painting of a CAT, in the style of the old masters!", "wow!!! really!?", "!", "! !", "a!b",
    "don't it's they're we've I'M he'll she'd O'Neil's", "12 345 6.78e-9", "tab\tand\nnew line\r\n  spaces   ",
    "caf\u00e9 cafe\u0301 na\u00efve \u00c5ngstr\u00f6m \u212b", "\u65e5\u672c\u8a9e\u306e\u6d6e\u4e16\u7d75 \ud55c\uad6d\uc5b4 \u0420\u0443\u0441\u0441\u043a\u0438\u0439 \u0639\u0631\u0628\u064a",
    "\U0001f431\u200d\U0001f464 \U0001f3a8\U0001f3fd\ufe0f", "a\x00b \x01\x02 \x7f\x85\u200b\u2028z", "\u0130stanbul STRASSE \u1e9e \ufb01",
    "<|startoftext|>a cat<|endoftext|>", "<|StartOfText|> a <|ENDOFTEXT|>!", "x<|endoftext|>y<|endoftext|", "</w> #version",
    "(masterpiece:1.2), [bracket] {curly} \\escape", "\u00b2\u00bd\u2167 \u0663", "word" * 60, "a very long prompt, " * 30, "!" * 100, "x " * 75, "x " * 76,
]

MORE = [
    "masterpiece, best quality, ultra-detailed 8k wallpaper, artstation, by Alphonse Mucha & Katsushika Hokusai",
    "\u201csmart quotes\u201d \u2014 and \u2018more\u2019\u2026", "emoji \U0001f600\U0001f3f3\ufe0f\u200d\U0001f308 flag \U0001f1ef\U0001f1f5",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u4f60\u597d\uff01", "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "e=mc^2 50% $3.99 #hashtag @user http://example.com/a?b=c&d=e", "ALL CAPS lower MiXeD", "\u00df\u1e9e\u0149\u01c5 \u03c2\u03a3", "y\u0301y\u0308 a\u030a\u0301 \u1100\u1161\u11a8", "' ''s 'S 'Ll don't'",
    "\ufeff\u00a0\u3000x\u2003y", "\ud7ff\ue000\ufffd\U0010ffff", "a" * 300, "!?!?..,,;;::--__", "0123456789 \u0967\u0968 \u2460\u2461",
]


def main():
    HERE.mkdir(exist_ok=True)
    letters = byte_letters()
    merges = count_merges(Counter(re.findall(r"[a-z]+", TEXT)), 300)
    tokens = letters + [c + "</w>" for c in letters] + ["".join(m) for m in merges] + [START, END]
    vocab = {token: i for i, token in enumerate(tokens)}
    (HERE / "vocab.json").write_text(json.dumps(vocab, separators=(",", ":")) + "\n")
    (HERE / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    out = []
    for name, (config, special) in VARIANTS.items():
        config = json.loads(json.dumps(config).replace("IDS", str(vocab[START])).replace("IDE", str(vocab[END])))
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            for file in ("vocab.json", "merges.txt"):
                (folder / file).write_bytes((HERE / file).read_bytes())
            (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"} | config))
            if special:
                (folder / "special_tokens_map.json").write_text(json.dumps(special))
            tokenizer = CLIPTokenizer.from_pretrained(folder)
            length = tokenizer.model_max_length if tokenizer.model_max_length < 1e6 else 77
            rows = []
            for text in TEXTS:
                chunk = tokenizer(text, padding="max_length", max_length=length, truncation=True).input_ids
                rows.append({"text": text, "ids": tokenizer(text, add_special_tokens=False).input_ids, "chunk": chunk})
            saved = folder / "saved"
            tokenizer.save_pretrained(saved)
            read = lambda file: (saved / file).read_text() if (saved / file).exists() else None
            again = CLIPTokenizer.from_pretrained(saved)
            assert all(again(r["text"], add_special_tokens=False).input_ids == r["ids"] for r in rows)
            case = {"name": name, "config": config, "special_tokens_map": special, "length": length, "rows": rows}
            if name in ("first", "second"):
                # What transformers 5 writes: tokenizer.json alone. Its vocabulary is put back in by the test.
                written = json.loads(read("tokenizer.json"))
                written["model"]["vocab"] = written["model"]["merges"] = None
                case["saved"] = {"tokenizer": written, "config": json.loads(read("tokenizer_config.json"))}
            out.append(case)
    (HERE / "cases.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
    (HERE / "clip.json").write_text(json.dumps(whole_vocabulary(), separators=(",", ":")) + "\n")


def whole_vocabulary():
    """The same texts and some more with CLIP's own 49,408 tokens, straight from open_clip_torch's file, for both paddings."""
    from maker import vocab

    merges = vocab.merges(10**6)
    table = vocab.vocab(merges)
    assert len(table) == 49408 and table["cat</w>"] == 2368
    out = []
    for pad in (END, "!"):
        with tempfile.TemporaryDirectory() as folder:
            # The files of stabilityai/stable-diffusion-xl-base-1.0, whose special tokens are matched after lower-casing.
            vocab.write_tokenizer(Path(folder), merges, True, pad, False)
            tokenizer = CLIPTokenizer.from_pretrained(folder)
        for text in TEXTS + MORE:
            out.append({"pad": pad, "text": text, "ids": tokenizer(text, add_special_tokens=False).input_ids})
    return out


if __name__ == "__main__":
    main()
