"""Styles: how a part map and a palette become a picture.

A style is a function (parts, palette, rng) -> float array [H, W, 3] in 0..1.
`parts` is the part map at twice the final size; `palette` has five colours:
background, body, second part, detail, line.  Every style draws its own texture
parameters (spacing, angle, roughness) from `rng`, so style is continuous.
"""
import math

import numpy as np
from PIL import Image, ImageFilter

BACK, BODY, SECOND, DETAIL, LINE = range(5)
BASE = 256  # the map's size for which cell sizes are given; lines and dots keep their size in pixels


def grid(parts):
    h, w = parts.shape
    return np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))


def blur(a, radius):
    """Gaussian blur of a 2-D array with values in 0..1."""
    image = Image.fromarray((np.clip(a, 0, 1) * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255


def edges(parts, width):
    """Where parts meet, about `width` pixels wide."""
    image = Image.fromarray((parts * 80).astype(np.uint8))
    size = max(3, int(width) // 2 * 2 + 1)
    return np.asarray(image.filter(ImageFilter.MaxFilter(size)), int) != np.asarray(image.filter(ImageFilter.MinFilter(size)), int)


def noise(rng, shape, cell):
    """Smooth noise in 0..1 with features of about `cell` pixels."""
    n = max(2, int(round(shape[0] / cell)) + 1)
    coarse = Image.fromarray((rng.random((n, n)) * 255).astype(np.uint8))
    return np.asarray(coarse.resize(shape[::-1], Image.BICUBIC), np.float32) / 255


def rotated(parts, angle):
    x, y = grid(parts)
    return x * math.cos(angle) + y * math.sin(angle), -x * math.sin(angle) + y * math.cos(angle)


def fill(parts, palette):
    return palette[parts]


def over(base, colour, mask):
    m = mask.astype(np.float32)[..., None]
    return base * (1 - m) + colour * m


def brightness(palette):
    return palette @ np.array([0.3, 0.59, 0.11])


def flat(parts, palette, rng):
    return fill(parts, palette)


def ink(parts, palette, rng):
    paper = over(np.ones(parts.shape + (3,), np.float32) * 0.97, palette[BODY], np.zeros(parts.shape))
    wobble = noise(rng, parts.shape, 12) > 0.2
    return over(paper, palette[LINE] * 0.3, edges(parts, rng.uniform(5, 9)) & wobble | (parts == DETAIL))


def hatching(parts, palette, rng):
    u, v = rotated(parts, rng.uniform(0.5, 1.1))
    period = rng.uniform(9, 13)
    tone = np.array([0.0, 0.45, 0.45, 0.9])[parts]
    strokes = (u % period < period * 0.42) & (tone > 0.2) | (v % period < period * 0.42) & (tone > 0.6) & (parts == DETAIL)
    strokes |= (v % (period) < period * 0.42) & (parts == SECOND)
    paper = np.ones(parts.shape + (3,), np.float32) * (0.75 + 0.25 * palette[BACK])
    return over(paper, palette[BODY] * 0.6, strokes | edges(parts, 4))


def halftone(parts, palette, rng):
    u, v = rotated(parts, rng.uniform(0.5, 1.0))
    period = rng.uniform(12, 17)
    radius = period * np.array([0.2, 0.47, 0.36, 0.6])[parts]
    dots = np.hypot(u % period - period / 2, v % period - period / 2) < radius
    ink_colour = palette[[BODY, BODY, SECOND, DETAIL]][parts]
    paper = np.ones(parts.shape + (3,), np.float32) * (0.5 + 0.5 * palette[BACK])
    m = dots[..., None]
    return np.where(m, ink_colour, paper)


def mosaic(parts, palette, rng):
    cell = int(rng.integers(10, 15) * len(parts) / BASE)
    x, y = grid(parts)
    cx, cy = (x // cell).astype(int), (y // cell).astype(int)
    h, w = parts.shape
    centre = parts[np.minimum(cy * cell + cell // 2, h - 1), np.minimum(cx * cell + cell // 2, w - 1)]
    n = h // cell + 2
    shade = 1 + 0.22 * (rng.random((n, n)) - 0.5)[cy, cx]
    joint = (x % cell < 2) | (y % cell < 2)
    return over(palette[centre] * shade[..., None], palette[LINE] * 0.5 + 0.3, joint)


def cells(parts, rng, spacing):
    """Jittered Voronoi cells: the index of the nearest seed and the gap to the second nearest."""
    h, w = parts.shape
    x, y = grid(parts)
    n = int(h / spacing) + 4
    jitter = rng.uniform(0.1, 0.9, (n, n, 2)) - 1
    gx, gy = (x / spacing).astype(int) + 1, (y / spacing).astype(int) + 1  # a row of seeds beyond every border
    first = np.full(parts.shape, 1e9, np.float32)
    second = first.copy()
    which = np.zeros(parts.shape, int)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            ix, iy = gx + dx, gy + dy
            d = np.hypot((ix + jitter[iy, ix, 0]) * spacing - x, (iy + jitter[iy, ix, 1]) * spacing - y)
            closer = d < first
            second = np.where(closer, first, np.minimum(second, d))
            which = np.where(closer, iy * n + ix, which)
            first = np.minimum(first, d)
    return which, second - first, n * n


def stained_glass(parts, palette, rng):
    which, gap, count = cells(parts, rng, rng.uniform(34, 46))
    shade = 0.8 + 0.4 * rng.random(count)[which]
    glass = np.clip(fill(parts, palette) * shade[..., None], 0, 1)
    return over(glass, np.full(3, 0.04), (gap < 5) | edges(parts, 7))


def watercolour(parts, palette, rng):
    paper = np.full(3, 0.97)
    out = np.ones(parts.shape + (3,), np.float32) * (paper * 0.7 + palette[BACK] * 0.3)
    wash = noise(rng, parts.shape, 22) * 0.6 + noise(rng, parts.shape, 9) * 0.4
    for part in (BODY, SECOND, DETAIL):
        mask = blur((parts == part).astype(np.float32), rng.uniform(2.5, 4.0))
        rim = np.clip(1 - np.abs(mask - 0.45) / 0.3, 0, 1)
        alpha = np.clip(mask * (0.35 + 0.5 * wash) + rim * 0.25, 0, 1)
        out = over(out, palette[part], alpha)
    return out


def oil(parts, palette, rng):
    """Short thick strokes: noise stretched along one direction moves colours and shades them."""
    angle, length = rng.uniform(0, math.pi), rng.uniform(14, 22)
    u, v = rotated(parts, angle)
    h, w = parts.shape
    n = 96
    field = rng.random((n, n))
    a = field[(v / 4.5).astype(int) % n, ((u + (v / 4.5).astype(int) % 7 * 9) / length).astype(int) % n]
    x, y = grid(parts)
    push = (a - 0.5) * 22
    sx = np.clip(x + push * math.cos(angle), 0, w - 1).astype(int)
    sy = np.clip(y + push * math.sin(angle), 0, h - 1).astype(int)
    shade = 0.72 + 0.5 * a
    return np.clip(palette[parts[sy, sx]] * shade[..., None], 0, 1)


def neon(parts, palette, rng):
    night = np.full(3, 0.03) + 0.05 * palette[BACK]
    out = np.ones(parts.shape + (3,), np.float32) * night
    for part in (BODY, SECOND, DETAIL):
        rim = edges((parts == part).astype(np.uint8), 5)
        tube = palette[part] / max(palette[part].max(), 0.2)
        glow = blur(rim, rng.uniform(6, 9))
        out = np.clip(out + tube * (glow * 1.3)[..., None], 0, 1)
        out = over(out, tube * 0.6 + 0.4, rim)
    return out


def chalk(parts, palette, rng):
    board = np.array([0.13, 0.17, 0.16]) * 0.8 + palette[BACK] * 0.08
    grain = rng.random(parts.shape) + 0.35 * noise(rng, parts.shape, 10)
    u, _ = rotated(parts, rng.uniform(0.4, 1.2))
    strokes = 0.5 + 0.5 * np.sin(u * rng.uniform(0.7, 1.0))
    pale = palette * 0.6 + 0.4
    alpha = (parts > 0) * np.clip(0.15 + 0.55 * strokes, 0, 1) * (grain > 0.55) + edges(parts, 4) * (grain > 0.3)
    base = np.ones(parts.shape + (3,), np.float32) * board
    return over(base, pale[np.where(parts == 0, LINE * 0 + BODY, parts)], np.clip(alpha, 0, 1))


def stripes(parts, palette, rng):
    u, _ = rotated(parts, rng.uniform(-0.3, 0.3) + math.pi / 2)
    period = rng.uniform(14, 20)
    band = (u + parts * period / 2) % period < period / 2
    light = palette * 0.45 + 0.55
    return np.where(band[..., None], palette[parts], light[parts])


def woodcut(parts, palette, rng):
    u, v = rotated(parts, rng.uniform(-0.4, 0.4))
    wave = v + 4 * np.sin(u / rng.uniform(14, 22)) + 5 * noise(rng, parts.shape, 30)
    period = rng.uniform(10, 13)
    cut = np.array([0.3, 0.72, 0.5, 0.95])[parts]
    printed = (wave % period) / period < cut
    paper, block = palette[BACK] * 0.3 + np.array([0.66, 0.6, 0.5]), palette[LINE] * 0.4
    base = np.ones(parts.shape + (3,), np.float32) * paper
    return np.clip(over(over(base, palette[BODY] * 0.55, printed & (parts > 0)), block, printed & (parts == 0) | edges(parts, 5)), 0, 1)


def pixel_art(parts, palette, rng):
    cell = 8 * len(parts) // BASE
    small = parts[cell // 2::cell, cell // 2::cell]
    rim = np.zeros(small.shape, bool)
    body = small > 0
    rim[:, :-1] |= ~body[:, :-1] & body[:, 1:]
    rim[:, 1:] |= ~body[:, 1:] & body[:, :-1]
    rim[:-1] |= ~body[:-1] & body[1:]
    rim[1:] |= ~body[1:] & body[:-1]
    out = over(palette[small], palette[LINE] * 0.35, rim)
    return np.repeat(np.repeat(out, cell, 0), cell, 1)


def blueprint(parts, palette, rng):
    blue = np.array([0.08, 0.22, 0.55]) * rng.uniform(0.8, 1.15)
    x, y = grid(parts)
    step = rng.uniform(20, 28)
    lines = (x % step < 2) | (y % step < 2)
    out = over(np.ones(parts.shape + (3,), np.float32) * blue, np.array([0.35, 0.5, 0.8]), lines * 0.55)
    u, _ = rotated(parts, math.pi / 4)
    out = over(out, np.full(3, 0.9), (parts == DETAIL) & (u % 8 < 3))
    return over(out, np.full(3, 0.95), edges(parts, 4))


def paper_cut(parts, palette, rng):
    out = np.ones(parts.shape + (3,), np.float32) * palette[BACK]
    dx, dy = int(rng.integers(5, 10)), int(rng.integers(5, 10))
    pale = palette * 0.75 + 0.25
    for part in (BODY, SECOND, DETAIL):
        mask = (parts >= part) if part == BODY else (parts == part)
        shadow = blur(np.roll(mask, (dy, dx), (0, 1)).astype(np.float32), 3.5)
        out = out * (1 - 0.55 * shadow[..., None])
        out = over(out, pale[part], mask)
    return np.clip(out + 0.03 * (rng.random(parts.shape)[..., None] - 0.5), 0, 1)


def pointillism(parts, palette, rng):
    which, gap, count = cells(parts, rng, rng.uniform(8, 11))
    h, w = parts.shape
    x, y = grid(parts)
    flat_parts = parts.ravel()
    # the colour of a dot: the part at its first pixel, with a hue jitter of its own
    first = np.zeros(count, int)
    first[which.ravel()[::-1]] = flat_parts[::-1]
    jitter = (rng.random((count, 3)) - 0.5) * 0.35
    dots = np.clip(palette[first] + jitter, 0, 1)[which]
    return over(dots, np.full(3, 0.95), gap < 2.2)


STYLES = {"flat": flat, "ink": ink, "hatching": hatching, "halftone": halftone, "mosaic": mosaic, "stained glass": stained_glass,
          "watercolour": watercolour, "oil": oil, "neon": neon, "chalk": chalk, "stripes": stripes, "woodcut": woodcut,
          "pixel art": pixel_art, "blueprint": blueprint, "paper cut": paper_cut, "pointillism": pointillism}


def paint(style, parts, palette, rng):
    """The picture as uint8 [H/2, W/2, 3]: painted at the map's size and halved."""
    image = np.clip(STYLES[style](parts, palette.astype(np.float32), rng), 0, 1)
    h, w = parts.shape
    image = image.reshape(h // 2, 2, w // 2, 2, 3).mean((1, 3))
    return (image * 255 + 0.5).astype(np.uint8)
