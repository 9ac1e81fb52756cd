"""Models whose weights follow from a rule, so that only names, shapes and configs are kept in the repository.

A tensor's n-th value comes from splitmix64, seeded with the FNV-1a hash of its name. Values have four significant bits:
they are the same in f32, f16, bf16 and f8e4m3. tests/common/by_rule.rs is the same rule in Rust.
"""
import json
import math
import shutil
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

MASK = (1 << 64) - 1


def fnv(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def draws(name, count):
    with np.errstate(over="ignore"):
        z = np.uint64(fnv(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def values(name, shape, kind):
    """`kind` None: about one, for norms. An integer e: odd numbers from -15 to 15 times 2^e."""
    z = draws(name, math.prod(shape))
    if kind is None:
        out = 1 + ((z >> np.uint64(61)).astype(np.int64) - 4) / 8
    else:
        out = (2 * (z >> np.uint64(60)).astype(np.int64) - 15) * 2.0**kind
    return torch.from_numpy(out.astype(np.float32)).reshape(shape)


def kind_of(key, shape, gain=1.0):
    if "position_embedding" in key or "class_embedding" in key:
        return -5
    if "token_embedding" in key or key.endswith("latents"):
        return -4
    if key.endswith("bias"):
        return -6
    if len(shape) == 1:
        return None
    # The root mean square of the odd numbers is 9.2; f8e4m3 ends at 2^-9.
    return max(-9, round(math.log2(gain / (9.2 * math.prod(shape[1:]) ** 0.5))))


def table(component, tensors, gain=1.0):
    """{name: [shape, kind]} of a state dict, with the component's name before each."""
    return {f"{component}.{key}": [list(t.shape), kind_of(key, t.shape, gain)] for key, t in tensors.items()
            if not key.endswith("position_ids")}


def tensors_of(component, whole):
    start = component + "."
    return {k[len(start):]: values(k, *about) for k, about in whole.items() if k.startswith(start)}


def fill_file(path, component, gain=1.0, rename=lambda key: key):
    """Replaces the values in a safetensors file by the rule's; returns its table."""
    old = {rename(k): v for k, v in load_file(path).items()}
    about = table(component, old, gain)
    save_file({k: v.half().contiguous() for k, v in tensors_of(component, about).items()}, path, metadata={"format": "pt"})
    return about


def write(path, about, **more):
    """One tensor a line."""
    lines = lambda rows: "{\n" + ",\n".join(f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in rows.items()) + "\n}"
    parts = [f'"tensors":{lines(about)}'] + [f'"{k}":{lines(v)}' for k, v in more.items()]
    path.write_text("{" + ",\n".join(parts) + "}\n")
