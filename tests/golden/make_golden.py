"""Makes the golden fixtures of this folder. See README.md.

Run: python tests/golden/make_golden.py [models] [cases [again | NAME…]] [parts] [headers] [check]
"""
import importlib.metadata
import json
import platform
import sys
import warnings
from pathlib import Path

import diffusers
import torch
import transformers
from safetensors.torch import load_file, save_file

from maker import adapters, cases, configs, models, pictures, reference

HERE = Path(__file__).parent
TOLERANCE = 1e-3


def make_versions():
    names = ["torch", "diffusers", "transformers", "tokenizers", "safetensors", "numpy", "pillow", "accelerate", "open_clip_torch"]
    lines = {"python": platform.python_version()} | {n: importlib.metadata.version(n) for n in names}
    (HERE / "versions.json").write_text(json.dumps(lines, indent=1) + "\n")


def make_models():
    pictures.make_pictures(HERE)
    for name in (n for n, spec in configs.MODELS.items() if not spec.get("by_rule")):
        models.make_model(HERE, name)
    for name in configs.VISIONS:
        models.make_vision(HERE, name)
    for name in (n for n, spec in configs.ADAPTERS.items() if not configs.MODELS[spec["model"]].get("by_rule")):
        adapters.make_adapter(HERE, name)


def make_cases(only):
    """Runs the named cases, or those that have no latents yet, or (word `again`) all; writes after each."""
    path = HERE / "latents.safetensors"
    kept = load_file(path) if path.exists() and only != ["again"] else {}
    table = []
    for case in cases.all_cases():
        name = case["name"]
        if name in only or name not in kept:
            kept[name] = reference.run(HERE, case).contiguous()
            assert torch.isfinite(kept[name]).all(), name
            print(f"{name:32} std {kept[name].std():.3f} max {kept[name].abs().max():.3f}", flush=True)
            write(path, kept, table)
        table.append({"name": name, "model": case["model"], "flags": cases.flags(case), "latents": name, "tolerance": TOLERANCE})
    write(path, kept, table)


def write(path, kept, table):
    names = {c["latents"] for c in table}
    save_file({k: v for k, v in kept.items() if k in names}, path)
    lines = ",\n".join(json.dumps(c, ensure_ascii=True) for c in table)
    (HERE / "cases.json").write_text("[\n" + lines + "\n]\n")


def main(words):
    warnings.filterwarnings("ignore")
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    what = [w for w in words if w in ("models", "cases", "parts", "headers", "check")] or ["models", "cases", "parts", "headers"]
    make_versions()
    if "models" in what:
        make_models()
    if "cases" in what:
        make_cases([w for w in words if w not in what] if words else ["again"])
    if "parts" in what:
        from maker import parts
        parts.make_parts(HERE)
    if "headers" in what:
        from maker import headers, more_headers
        headers.make_headers(HERE / "headers")
        more_headers.make_more_headers(HERE / "headers")
    if "check" in what:
        from maker import check
        check.report(HERE)


if __name__ == "__main__":
    main(sys.argv[1:])
