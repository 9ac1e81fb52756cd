"""A judge of subject and style, trained on made pictures and never used for conditioning."""
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn


def build(subjects, styles):
    def block(i, o, stride):
        return [nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True)]
    return nn.Sequential(*block(3, 24, 2), *block(24, 48, 1), *block(48, 64, 2), *block(64, 96, 2), *block(96, 128, 2), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
                         nn.Dropout(0.2), nn.Linear(128 * 16, 160), nn.ReLU(), nn.Linear(160, subjects + styles))


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
