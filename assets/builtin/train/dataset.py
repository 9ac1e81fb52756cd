"""Made pictures: a scene is drawn at random, painted, and kept with everything known about it.

Beside every picture stands its twin: another subject in the same style, the same
palette and the same texture parameters, as small as the image tower sees it. It
is what the style block is shown in training.
"""
import colorsys
import os
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from PIL import Image

from captions import caption
from styles import STYLES, paint
from subjects import SHAPES, part_map

HUES = {"red": 0.0, "orange": 0.075, "yellow": 0.145, "green": 0.33, "teal": 0.48, "blue": 0.61, "purple": 0.77, "pink": 0.91}
# never seen in training: whole styles and pairs, for the evaluation; only the judge knows them
HELD_STYLES = ("woodcut", "pointillism")
SEEN = 64  # what the image tower and the judge see of a picture, bicubic


def held_pair(subject, style):
    return (list(SHAPES).index(subject) * 5 + list(STYLES).index(style) * 3) % 19 == 0


def hsv(h, s, v):
    return np.array(colorsys.hsv_to_rgb(h % 1.0, s, v))


def palette(rng):
    """Background, body, second, detail, line; and the words for body and ground."""
    name = str(rng.choice(list(HUES)))
    hue = HUES[name] + rng.uniform(-0.02, 0.02)
    other = hue + rng.uniform(0.2, 0.8)
    body = hsv(hue, rng.uniform(0.65, 0.95), rng.uniform(0.7, 0.95))
    dark = rng.random() < 0.35
    ground_hue = hue + rng.uniform(0.25, 0.75)
    back = hsv(ground_hue, rng.uniform(0.4, 0.8), rng.uniform(0.12, 0.3)) if dark else hsv(ground_hue, rng.uniform(0.05, 0.35), rng.uniform(0.88, 1.0))
    second = hsv(other, rng.uniform(0.5, 0.9), rng.uniform(0.55, 0.95))
    detail = hsv(rng.random(), rng.uniform(0.1, 0.5), 1.0) if body.mean() < 0.62 else hsv(other + 0.1, 0.8, 0.25)
    line = hsv(hue + 0.5, 0.5, rng.uniform(0.1, 0.3))
    return np.stack([back, body, second, detail, line]), name, "dark" if dark else "white"


def scene(rng, subjects, styles, spread=1.0, held=False):
    """spread scales how freely position, size, tilt and mirroring vary (1: fully, 0: not at all); held: held-out pairs too."""
    while True:
        subject, style = str(rng.choice(subjects)), str(rng.choice(styles))
        if held or not held_pair(subject, style):
            break
    count = 2 if rng.random() < 0.08 * spread else 1
    places = []
    for i in range(count):
        scale = rng.uniform(0.84 - 0.22 * spread, 0.84) * (0.52 if count == 2 else 1.0)
        room = max(0.0, 0.47 - scale / 2) + 0.06
        cx = (0.26 + 0.48 * i) if count == 2 else 0.5 + rng.uniform(-room, room) * spread
        cy = 0.5 + rng.uniform(-room, room) * spread
        places.append((cx, cy, scale, rng.normal(0, 9) * spread, rng.random() < 0.3 * spread))
    colours, colour, ground = palette(rng)
    cx = places[0][0]
    side = ("left" if cx < 0.42 else "right" if cx > 0.58 else None) if count == 1 else None
    return dict(subject=subject, style=style, count=count, places=places, palette=colours, colour=colour, ground="a dark ground" if ground == "dark" else "a light ground",
                side=side, named_style=rng.random() < 0.7)


def twin_of(s, rng, subjects, spread):
    """Another subject, placed anew, in the style and the palette of `s`."""
    t = scene(rng, [x for x in subjects if x != s["subject"]], [s["style"]], spread)
    return {**t, "palette": s["palette"]}


def render(s, size, rng):
    return paint(s["style"], part_map(s["subject"], s["places"], size * 2), s["palette"], rng)


def seen(image):
    return image if len(image) == SEEN else np.asarray(Image.fromarray(image).resize((SEEN, SEEN), Image.BICUBIC))


def make_part(args):
    seed, count, size, subjects, styles, spread = args
    rng = np.random.default_rng(seed)
    images, small, twins, rows = np.empty((count, size, size, 3), np.uint8), np.empty((count, SEEN, SEEN, 3), np.uint8), np.empty((count, SEEN, SEEN, 3), np.uint8), []
    for i in range(count):
        s = scene(rng, subjects, styles, spread)
        texture = int(rng.integers(1 << 31))  # the same texture parameters for both
        images[i] = render(s, size, np.random.default_rng(texture))
        small[i] = seen(images[i])
        twins[i] = seen(render(twin_of(s, rng, subjects, spread), size, np.random.default_rng(texture)))
        rows.append((list(SHAPES).index(s["subject"]), list(STYLES).index(s["style"]), s["count"], caption(s, rng), caption(s, rng, "subject"), caption(s, rng, "style")))
    return images, small, twins, rows


def make(path, count, size, subjects, styles, spread, seed=1, workers=None):
    """Writes images.npy, what the towers see of them (small.npy), their twins (twins.npy) and rows.npz."""
    os.makedirs(path, exist_ok=True)
    chunk = 250
    jobs = [(seed * 100003 + i, chunk, size, subjects, styles, spread) for i in range(-(-count // chunk))]
    new = lambda name, side: np.lib.format.open_memmap(f"{path}/{name}.tmp.npy", "w+", np.uint8, (len(jobs) * chunk, side, side, 3))
    arrays, rows = {"small": new("small", SEEN), "twins": new("twins", SEEN), "images": new("images", size)}, []
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        for i, (images, small, twins, part_rows) in enumerate(pool.map(make_part, jobs)):
            for name, part in (("images", images), ("small", small), ("twins", twins)):
                arrays[name][i * chunk:(i + 1) * chunk] = part
            rows += part_rows
            if i % 20 == 19:
                print(f"pictures {len(rows)}/{len(jobs) * chunk}", flush=True)
    names = ("subject", "style", "count", "caption", "subject_caption", "style_caption")
    np.savez(f"{path}/rows.npz", **{n: np.array(c) for n, c in zip(names, zip(*rows))})
    for name, array in arrays.items():  # images last: they say that all is there
        array.flush()
        os.replace(f"{path}/{name}.tmp.npy", f"{path}/{name}.npy")


def load(path):
    return np.load(f"{path}/images.npy", mmap_mode="r"), dict(np.load(f"{path}/rows.npz"))


def judged_part(args):
    """Pictures for the judge: every subject in every style, held-out ones too, at the sizes that models paint."""
    seed, count, sizes = args
    rng = np.random.default_rng(seed)
    images, rows = np.empty((count, SEEN, SEEN, 3), np.uint8), []
    for i in range(count):
        s = scene(rng, list(SHAPES), list(STYLES), rng.uniform(0.0, 1.0), held=True)
        images[i] = seen(render(s, int(rng.choice(sizes)), rng))
        rows.append((list(SHAPES).index(s["subject"]), list(STYLES).index(s["style"])))
    return images, rows


def make_judged(path, count, sizes=(96, 128), seed=3):
    os.makedirs(path, exist_ok=True)
    chunk = 250
    jobs = [(seed * 100003 + i, chunk, sizes) for i in range(-(-count // chunk))]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(judged_part, jobs))
    rows = np.array([row for part in parts for row in part[1]])
    np.savez(f"{path}/judged.tmp.npz", images=np.concatenate([part[0] for part in parts]), subject=rows[:, 0], style=rows[:, 1])
    os.replace(f"{path}/judged.tmp.npz", f"{path}/judged.npz")
