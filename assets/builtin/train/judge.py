"""A judge of subject and style, trained on made pictures and never used for conditioning."""
import json
import os

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import nn


def build(subjects, styles):
    def block(i, o, stride):
        return [nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True)]
    return nn.Sequential(*block(3, 24, 2), *block(24, 48, 1), *block(48, 64, 2), *block(64, 96, 2), *block(96, 128, 2), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
                         nn.Dropout(0.2), nn.Linear(128 * 16, 160), nn.ReLU(), nn.Linear(160, subjects + styles))


def shipped(folder):
    """(the judge as export.py wrote it, names of its subjects, of its styles)"""
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    state = {k: v.float() for k, v in load_file(os.path.join(folder, "model.safetensors")).items()}
    layers, channels = [], 3
    for out, stride in config["convolutions"]:
        layers += [nn.Conv2d(channels, out, 3, stride, 1), nn.ReLU()]
        channels = out
    shapes = [state[f"linear{i}.weight"].shape for i in (1, 2)]
    layers += [nn.Flatten(), nn.Linear(*shapes[0][::-1]), nn.ReLU(), nn.Linear(*shapes[1][::-1])]
    with_weights = [layer for layer in layers if isinstance(layer, (nn.Conv2d, nn.Linear))]
    names = [f"convolutions.{i}" for i in range(len(config["convolutions"]))] + ["linear1", "linear2"]
    for layer, name in zip(with_weights, names):
        layer.load_state_dict({k: state[f"{name}.{k}"] for k in ("weight", "bias")})
    return nn.Sequential(*layers).eval(), config["subjects"], config["styles"]


def prepare(images):
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def shaken(x):
    """Small shifts, blur and noise, so that a generator's softness does not fool the judge."""
    dx, dy = np.random.randint(-4, 5, 2)
    x = torch.roll(x, (int(dy), int(dx)), (2, 3))
    if np.random.rand() < 0.3:
        x = F.avg_pool2d(x, 3, 1, 1)
    return x + torch.randn_like(x) * 0.1 * np.random.rand()


def loss(net, x, subject, style, subjects):
    out = net(shaken(x))
    a, b = out[:, :subjects], out[:, subjects:]
    return F.cross_entropy(a, subject) + F.cross_entropy(b, style), (a.argmax(1) == subject).float().mean(), (b.argmax(1) == style).float().mean()


@torch.no_grad()
def verdict(net, images, subjects, side=64):
    if images.shape[1] != side:
        images = np.stack([np.asarray(Image.fromarray(i).resize((side, side), Image.BICUBIC)) for i in images])
    out = torch.cat([net(prepare(images[i:i + 128])) for i in range(0, len(images), 128)])
    return out[:, :subjects].argmax(1).numpy(), out[:, subjects:].argmax(1).numpy()
