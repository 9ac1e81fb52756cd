#!/usr/bin/env python3
"""Reads pictures of this program with the package sd-parsers (PyPI), which others wrote: python tests/read_by_others.py FILE…

Prints what it finds, and exits with 1 where it does not find prompt, seed, sampler and size as the recipe inside has them.
PNG, JPEG and WebP are read; the recipe is taken from the PNG of the same name as the others'.
"""
import json
import pathlib
import sys

import sd_parsers
from PIL import Image

failed = False
for name in sys.argv[1:]:
    path = pathlib.Path(name)
    recipe = json.loads(Image.open(path.with_suffix(".png")).text["instantstyle"])
    info = sd_parsers.ParserManager().parse(path)
    if info is None:
        print(f"{path.name}: nothing found")
        failed = True
        continue
    prompts = [str(prompt) for prompt in info.prompts]
    negatives = [str(prompt) for prompt in info.negative_prompts]
    sampler = info.samplers[0]
    settings = {**sampler.parameters, **info.metadata}
    found = {
        "prompt": prompts == [recipe["prompt"]],
        "negative": negatives == ([recipe["negative_prompt"]] if recipe["negative_prompt"] else []),
        "seed": str(settings.get("Seed", settings.get("seed"))) == str(recipe["seed"]),
        "steps": str(settings.get("Steps", settings.get("steps"))) == str(recipe["steps"]),
        "cfg": float(settings.get("CFG scale", settings.get("cfg_scale", -1))) == recipe["guidance"],
        "size": settings.get("Size") == f"{recipe['width']}x{recipe['height']}",
    }
    print(f"{path.name}: {info.generator.value}; prompts {prompts}, negative {negatives}, sampler {sampler.name}, {settings}")
    wrong = [what for what, holds in found.items() if not holds]
    if wrong:
        print(f"{path.name}: differs in {', '.join(wrong)}")
        failed = True
sys.exit(failed)
