"""The references that `instantstyle evaluate` shows, in ../evaluation: python references.py [--plan full]

Freshly drawn, of subjects and styles that the UNet knows; pairs that were held out of
training come first. The list goes round the styles, so that its beginning is balanced too.
Beside them lie pictures in styles that no part of the model has seen (unseen_*.png): no
judge counts those, they are for the eye.
"""
import argparse
import json
import os
import shutil

import numpy as np
from PIL import Image

import dataset
from captions import ARTICLE, STYLE_PHRASES
from config import PLANS

PER_STYLE, SEED = 3, 2025

if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--plan", default="full", choices=PLANS)
    plan = PLANS[p.parse_args().plan]
    target = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "evaluation")
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    rng, used, chosen = np.random.default_rng(SEED), {s: 0 for s in plan["unet_subjects"]}, {}
    for style in plan["unet_styles"]:
        # the least shown first, held-out pairs before all others, never a subject twice
        order = sorted(plan["unet_subjects"], key=lambda s: (not dataset.held_pair(s, style), used[s], rng.random()))[:PER_STYLE]
        for subject in order:
            used[subject] += 1
        chosen[style] = order
    a = lambda s: f"{ARTICLE.get(s, 'a')} {s}"
    rows = []
    for turn in range(PER_STYLE):
        for style in plan["unet_styles"]:
            subject = chosen[style][turn]
            scene = dataset.scene(rng, [subject], [style], plan["spread"], held=True)
            scene.update(count=1, places=scene["places"][:1])
            picture = dataset.render(scene, plan["size"], rng)
            name = f"{len(rows):02}.png"
            Image.fromarray(picture).save(os.path.join(target, name), optimize=True)
            rows.append({"file": name, "subject": subject, "style": style, "held_out": bool(dataset.held_pair(subject, style))})
    rng = np.random.default_rng(SEED + 1)
    unseen = [style for style in dataset.STYLES if style not in plan["styles"]]
    for style, subject in zip(unseen, plan["unet_subjects"][5:] + plan["unet_subjects"]):
        scene = dataset.scene(rng, [subject], [style], plan["spread"], held=True)
        scene.update(count=1, places=scene["places"][:1])
        Image.fromarray(dataset.render(scene, plan["size"], rng)).save(os.path.join(target, f"unseen_{style.replace(' ', '_')}.png"), optimize=True)
    out = {"subjects": [{"name": s, "words": a(s)} for s in plan["unet_subjects"]], "styles": [{"name": s, "words": STYLE_PHRASES[s][0]} for s in plan["unet_styles"]], "references": rows}
    with open(os.path.join(target, "references.json"), "w") as f:
        json.dump(out, f, indent=1)
        f.write("\n")
    print(f"{len(rows)} references, {sum(r['held_out'] for r in rows)} of held-out pairs, {sum(os.path.getsize(os.path.join(target, r['file'])) for r in rows) / 1e3:.0f} kB")
