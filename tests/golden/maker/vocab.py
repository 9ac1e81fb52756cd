"""A small CLIP vocabulary: the 512 byte tokens, the two special ones, and the first merges of CLIP's own list."""
import gzip
import json
from pathlib import Path

from importlib.util import find_spec
from transformers import CLIPTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

START, END = "<|startoftext|>", "<|endoftext|>"


def merges(count):
    path = Path(find_spec("open_clip").origin).with_name("bpe_simple_vocab_16e6.txt.gz")
    lines = gzip.open(path, "rt", encoding="utf-8").read().split("\n")
    return [line for line in lines[1 : 49152 - 256 - 2 + 1]][:count]


def vocab(merge_list, specials_last=True):
    """Token to id. With `specials_last` false the special tokens sit before the merges, so END is not the highest id."""
    letters = list(bytes_to_unicode().values())
    tokens = letters + [letter + "</w>" for letter in letters]
    joined = ["".join(m.split()) for m in merge_list]
    tokens += joined + [START, END] if specials_last else [START, END] + joined
    return {token: i for i, token in enumerate(tokens)}


def write_tokenizer(folder, merge_list, specials_last, pad, with_json):
    """Writes the published layout; with `with_json` also the tokenizer.json that transformers 5 adds."""
    folder.mkdir(parents=True, exist_ok=True)
    table = vocab(merge_list, specials_last)
    if with_json:
        CLIPTokenizer(vocab=table, merges=[tuple(m.split()) for m in merge_list], pad_token=pad, model_max_length=77).save_pretrained(folder)
    token = lambda text: {"content": text, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    special = {"bos_token": token(START), "eos_token": token(END), "pad_token": pad, "unk_token": token(END)}
    config = {"add_prefix_space": False, "bos_token": {"__type": "AddedToken", **token(START)}, "do_lower_case": True,
              "eos_token": {"__type": "AddedToken", **token(END)}, "errors": "replace", "model_max_length": 77,
              "pad_token": pad, "tokenizer_class": "CLIPTokenizer", "unk_token": {"__type": "AddedToken", **token(END)}}
    (folder / "vocab.json").write_text(json.dumps(table, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merge_list) + "\n")
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=1))
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))


def load_tokenizer(folder):
    return CLIPTokenizer.from_pretrained(folder)
