"""Pictures from the exported folder with diffusers: contact sheets to look at.

python sample.py OUT.png                         prompts: subjects x styles
python sample.py OUT.png --blocks all|BLOCK,...  subjects x references through the IP-Adapter
"""
import argparse
import json
import os

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPVisionModelWithProjection

HERE = os.path.dirname(os.path.abspath(__file__))


def pipeline(folder):
    pipe = StableDiffusionXLPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def with_adapter(pipe, folder):
    state = load_file(os.path.join(folder, "ip_adapter.safetensors"))
    split = {part: {k[len(part) + 1:]: v.float() for k, v in state.items() if k.startswith(part + ".")} for part in ("image_proj", "ip_adapter")}
    pipe.load_ip_adapter(split, subfolder=None, weight_name=None, image_encoder_folder=None)
    # diffusers repeats the embeddings of one reference over a batch; here every row of a batch has its own
    pipe.prepare_ip_adapter_image_embeds = lambda _, rows, *rest: rows


def block_scales(names):
    """diffusers' nested dictionary for the named blocks, 1.0 each."""
    out = {}
    for name in names:
        side, index, _, attention = name.split(".")
        side = side.split("_")[0]
        out.setdefault(side, {}).setdefault("block_" + index, {})[int(attention)] = 1.0
    return {s: {b: [a.get(i, 0.0) for i in range(3 if s == "up" else 2)] for b, a in blocks.items()} for s, blocks in out.items()}


def draw(pipe, prompts, meta, seed=0, batch=14, **extra):
    out = []
    for i in range(0, len(prompts), batch):
        part = prompts[i:i + batch]
        more = {k: [torch.cat([torch.zeros_like(v[i:i + batch]), v[i:i + batch]])] for k, v in extra.items()}
        if more and meta["guidance"] <= 1:
            more = {k: [v[0][len(part):]] for k, v in more.items()}
        g = [torch.Generator().manual_seed(seed + i + j) for j in range(len(part))]
        out += [np.asarray(x) for x in pipe(part, num_inference_steps=meta["steps"], guidance_scale=meta["guidance"], height=meta["height"], width=meta["width"], generator=g, **more).images]
    return np.stack(out)


def grid(images, columns):
    rows = [np.concatenate(images[i:i + columns], 1) for i in range(0, len(images), columns)]
    return Image.fromarray(np.concatenate(rows, 0))


def embeds(folder, images):
    from clip import normalise
    see = CLIPVisionModelWithProjection.from_pretrained(os.path.join(folder, "image_encoder")).float()
    side = see.config.image_size
    small = np.stack([np.asarray(Image.fromarray(i).resize((side, side), Image.BICUBIC)) for i in images])
    with torch.no_grad():
        return see(pixel_values=normalise(torch.from_numpy(small))).image_embeds


def references(styles, size, seed=99):
    """One fresh made picture per style, each with another subject."""
    import dataset
    rng = np.random.default_rng(seed)
    subjects = [s for s in ("apple", "snail", "crown", "heart", "moon", "cup")]
    out = []
    for i, style in enumerate(styles):
        s = dataset.scene(rng, list(dataset.SHAPES), list(dataset.STYLES), 0.3)
        s.update(subject=subjects[i % len(subjects)], style=style)
        out.append(dataset.render(s, size, rng))
    return np.stack(out)


if __name__ == "__main__":
    from config import PLANS
    p = argparse.ArgumentParser()
    p.add_argument("out")
    p.add_argument("--model", default=os.path.join(HERE, "..", "model"))
    p.add_argument("--blocks")
    p.add_argument("--subjects", default=",".join(PLANS["full"]["unet_subjects"]))
    p.add_argument("--styles", default=",".join(PLANS["full"]["unet_styles"]))
    p.add_argument("--steps", type=int)
    p.add_argument("--guidance", type=float)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    meta = json.load(open(os.path.join(a.model, "instantstyle.json")))
    meta.update({k: v for k, v in (("steps", a.steps), ("guidance", a.guidance)) if v})
    pipe = pipeline(a.model)
    subjects, styles = a.subjects.split(","), a.styles.split(",")
    article = lambda s: ("an " if s[0] in "aeiou" else "a ") + s
    if not a.blocks:
        images = draw(pipe, [f"{article(s)} in {y}" for s in subjects for y in styles], meta)
        grid(images, len(styles)).save(a.out)
    else:
        refs = references(styles, PLANS["full"]["size"])
        e = embeds(a.model, refs)
        with_adapter(pipe, a.model)
        pipe.set_ip_adapter_scale(1.0 if a.blocks == "all" else block_scales(a.blocks.split(",")))
        prompts = [article(s) for s in subjects for _ in styles]
        images = draw(pipe, prompts, meta, ip_adapter_image_embeds=e.repeat(len(subjects), 1)[:, None])
        side = (meta["width"], meta["height"])
        shown = np.stack([np.asarray(Image.fromarray(r).resize(side, Image.BICUBIC)) for r in refs])
        grid(np.concatenate([shown, images]), len(styles)).save(a.out)
