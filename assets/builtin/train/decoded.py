"""What the autoencoder keeps of each style: python decoded.py [--vae FOLDER] [--each 20]

Fresh pictures are encoded and decoded again, and the judge that ships says which style and
which subject it still sees. It is the most that the UNet can reach.
"""
import argparse
import os

import numpy as np
import torch
from diffusers import AutoencoderKL

import dataset
import judge
from config import PLANS

HERE = os.path.dirname(os.path.abspath(__file__))

if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--vae", default=os.path.join(HERE, "..", "model", "vae"))
    p.add_argument("--each", type=int, default=20, help="pictures of each style")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    plan, rng = PLANS["full"], np.random.default_rng(4242)
    net = AutoencoderKL.from_pretrained(a.vae).float()
    say, subjects, styles = judge.shipped(os.path.join(HERE, "..", "judge"))
    rates = []
    print("| style | subject kept | style kept |\n|---|---|---|")
    for style in plan["unet_styles"]:
        scenes = [dataset.scene(rng, plan["unet_subjects"], [style], plan["spread"]) for _ in range(a.each)]
        x = torch.from_numpy(np.stack([dataset.render(s, plan["finer_size"], rng) for s in scenes])).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.no_grad():
            y = net.decode(net.encode(x).latent_dist.mean).sample.clamp(-1, 1)
        images = ((y + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
        subject, seen = judge.verdict(say, images, len(subjects))
        rates.append(([subjects[i] == s["subject"] for i, s in zip(subject, scenes)], [styles[i] == style for i in seen]))
        print(f"| {style} | {np.mean(rates[-1][0]):.2f} | {np.mean(rates[-1][1]):.2f} |", flush=True)
    print(f"| all | {np.mean([r[0] for r in rates]):.2f} | {np.mean([r[1] for r in rates]):.2f} |")
