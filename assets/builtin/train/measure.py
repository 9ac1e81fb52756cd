"""Figures for the model card: python measure.py [--pictures N]

Needs the trained judge (train.py --stage judge) and the exported folder.  Prints
one line per setting: the share of pictures in which the judge sees the prompt's
subject, the wanted style, and the reference's subject.
"""
import argparse
import json
import os
import sys

import numpy as np
import torch

import common
import dataset
import judge
import sample
from captions import STYLE_PHRASES
from config import PLANS

if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--plan", default="short")
    p.add_argument("--pictures", type=int, default=84)
    p.add_argument("--settings", default="text,off,all,style,layout,blocks")
    p.add_argument("--model", default=os.path.join(sample.HERE, "..", "model"))
    a = p.parse_args()
    plan = PLANS[a.plan]
    torch.set_num_threads(2)
    net = judge.build(len(dataset.SHAPES), len(dataset.STYLES))
    net.load_state_dict(common.load("judge.pt")["modules"]["judge"])
    net.eval()
    subjects, styles, count = list(dataset.SHAPES), list(dataset.STYLES), len(dataset.SHAPES)
    rng = np.random.default_rng(2024)
    meta = json.load(open(os.path.join(a.model, "instantstyle.json")))
    fresh, wanted, shown, refs = [], [], [], []
    for i in range(a.pictures):
        s = dataset.scene(rng, plan["unet_subjects"], plan["unet_styles"], plan["spread"])
        refs.append(dataset.render(s, plan["size"], rng))
        fresh.append((subjects.index(s["subject"]), styles.index(s["style"])))
        wanted.append(str(rng.choice([x for x in plan["unet_subjects"] if x != s["subject"]])))
    refs, fresh = np.stack(refs), np.array(fresh)
    got = judge.verdict(net, refs, count)
    print(f"judge on {len(refs)} fresh made pictures: subject {np.mean(got[0] == fresh[:, 0]):.3f} style {np.mean(got[1] == fresh[:, 1]):.3f}", flush=True)
    pipe = sample.pipeline(a.model)
    article = lambda s: ("an " if s[0] in "aeiou" else "a ") + s
    target = np.array([subjects.index(w) for w in wanted])

    def report(name, images):
        s, y = judge.verdict(net, images, count)
        print(f"{name}: prompt's subject {np.mean(s == target):.3f} style {np.mean(y == fresh[:, 1]):.3f} reference's subject {np.mean(s == fresh[:, 0]):.3f} ({len(images)} pictures)", flush=True)
    settings = a.settings.split(",")
    if "text" in settings:
        report("style named in the prompt", sample.draw(pipe, [f"{article(w)} in {STYLE_PHRASES[styles[y]][0]}" for w, y in zip(wanted, fresh[:, 1])], meta))
    prompts = [article(w) for w in wanted]
    if "off" in settings:
        report("no reference", sample.draw(pipe, prompts, meta))
    e = sample.embeds(a.model, refs)[:, None]
    sample.with_adapter(pipe, a.model)
    from adapter import LAYOUT
    blocks = [n.split(".transformer")[0] for n in pipe.unet.attn_processors if n.endswith("attn2.processor")]
    blocks = [b for b in dict.fromkeys(blocks) if b != "mid_block.attentions.0"]
    modes = [("all", "all", None), ("style", "style: " + meta["style_block"], [meta["style_block"]]), ("layout", "layout: " + LAYOUT, [LAYOUT])]
    modes += [("blocks", "block:" + b, [b]) for b in blocks]
    for key, name, opened in modes:
        if key in settings:
            pipe.set_ip_adapter_scale(1.0 if opened is None else sample.block_scales(opened))
            report(name, sample.draw(pipe, prompts, meta, ip_adapter_image_embeds=e))
