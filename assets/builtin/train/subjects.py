"""Subjects as part maps: a picture of small integers saying which part each pixel shows.

0 background, 1 body, 2 second part, 3 detail.  Every subject is a list of
(part, polygon) in a square of about -1..1 with y pointing down; later polygons
cover earlier ones.  Styles turn the map into colours, so subject, style and
palette of every made picture are known exactly.
"""
import math

import numpy as np
from PIL import Image, ImageDraw

BODY, SECOND, DETAIL = 1, 2, 3


def ellipse(cx, cy, rx, ry, start=0.0, end=360.0, n=36):
    a = np.radians(np.linspace(start, end, n))
    return np.stack([cx + rx * np.cos(a), cy + ry * np.sin(a)], 1)


def box(x0, y0, x1, y1):
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)


def poly(*points):
    return np.array(points, float)


def line(width, *points):
    """A thick polyline as one polygon per segment with round joints."""
    shapes = []
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        d = math.hypot(x1 - x0, y1 - y0) or 1.0
        nx, ny = -(y1 - y0) / d * width / 2, (x1 - x0) / d * width / 2
        shapes.append(poly((x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny)))
        shapes.append(ellipse(x1, y1, width / 2, width / 2, n=10))
    return shapes


def star(points, outer, inner, turn=-90.0, cx=0.0, cy=0.0):
    a = np.radians(turn + np.arange(points * 2) * 180.0 / points)
    r = np.where(np.arange(points * 2) % 2 == 0, outer, inner)
    return np.stack([cx + r * np.cos(a), cy + r * np.sin(a)], 1)


def heart_curve(scale=0.058, cy=-0.05):
    t = np.linspace(0, 2 * math.pi, 48)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x * scale, y * scale + cy], 1)


def parts(part, shapes):
    return [(part, s) for s in shapes]


def fish():
    return [(2, poly((0.35, 0), (0.95, -0.5), (0.8, 0), (0.95, 0.5))), (2, poly((-0.25, -0.35), (0.3, -0.75), (0.35, -0.25))),
            (1, ellipse(-0.15, 0, 0.72, 0.45)), (2, poly((0.0, 0.05), (0.35, 0.3), (0.35, -0.05))), (3, ellipse(-0.55, -0.1, 0.1, 0.1, n=16))]


def house():
    return [(2, box(0.3, -0.85, 0.55, -0.2)), (1, box(-0.65, -0.15, 0.65, 0.85)), (2, poly((-0.9, -0.1), (0, -0.9), (0.9, -0.1))),
            (3, box(-0.15, 0.3, 0.18, 0.85)), (3, box(-0.52, 0.1, -0.27, 0.38)), (3, box(0.32, 0.1, 0.55, 0.38))]


def tree():
    return [(2, box(-0.14, 0.3, 0.14, 0.95)), (1, ellipse(0, -0.45, 0.5, 0.45)), (1, ellipse(-0.42, 0, 0.42, 0.38)), (1, ellipse(0.42, 0, 0.42, 0.38)),
            (3, ellipse(-0.3, -0.1, 0.1, 0.1, n=14)), (3, ellipse(0.3, -0.25, 0.1, 0.1, n=14)), (3, ellipse(0.1, 0.12, 0.1, 0.1, n=14))]


def star_():
    return [(1, star(5, 0.98, 0.42)), (2, star(5, 0.5, 0.21))]


def heart():
    return [(1, heart_curve()), (2, ellipse(-0.42, -0.35, 0.2, 0.13))]


def cat():
    return [(1, poly((-0.72, -0.2), (-0.66, -0.95), (-0.12, -0.5))), (1, poly((0.72, -0.2), (0.66, -0.95), (0.12, -0.5))), (1, ellipse(0, 0.12, 0.78, 0.66)),
            (2, ellipse(0, 0.4, 0.34, 0.26)), (3, ellipse(-0.32, 0.0, 0.13, 0.16, n=18)), (3, ellipse(0.32, 0.0, 0.13, 0.16, n=18)), (3, poly((-0.1, 0.28), (0.1, 0.28), (0, 0.42)))]


def boat():
    return [(3, box(-0.06, -0.95, 0.06, 0.35)), (2, poly((0.1, -0.9), (0.1, 0.2), (0.75, 0.2))), (2, poly((-0.1, -0.65), (-0.1, 0.2), (-0.6, 0.2))),
            (1, poly((-0.95, 0.32), (0.95, 0.32), (0.6, 0.85), (-0.6, 0.85)))]


def flower():
    petals = [(1, ellipse(0.38 * math.cos(a), -0.35 + 0.38 * math.sin(a), 0.25, 0.25, n=22)) for a in np.arange(6) * math.pi / 3]
    return [(2, box(-0.06, -0.3, 0.06, 0.95)), (2, ellipse(0.28, 0.6, 0.28, 0.12))] + petals + [(3, ellipse(0, -0.35, 0.22, 0.22))]


def mushroom():
    return [(2, poly((-0.22, -0.1), (0.22, -0.1), (0.32, 0.85), (-0.32, 0.85))), (1, ellipse(0, 0.08, 0.9, 0.9, 180, 360)),
            (3, ellipse(-0.4, -0.25, 0.14, 0.14, n=18)), (3, ellipse(0.1, -0.5, 0.16, 0.16, n=18)), (3, ellipse(0.5, -0.15, 0.12, 0.12, n=18))]


def moon():
    a, b = ellipse(0, 0, 0.9, 0.9, 40, 320, n=40), ellipse(0.32, 0, 0.72, 0.66, 308, 52, n=30)
    return [(1, np.concatenate([a, b])), (2, ellipse(-0.58, -0.15, 0.11, 0.11, n=14)), (2, ellipse(-0.5, 0.35, 0.08, 0.08, n=14)), (3, star(5, 0.26, 0.11, cx=0.45))]


def car():
    return [(1, poly((-0.5, -0.05), (-0.3, -0.5), (0.3, -0.5), (0.55, -0.05))), (1, box(-0.95, -0.08, 0.95, 0.38)), (3, poly((-0.36, -0.08), (-0.22, -0.38), (-0.04, -0.38), (-0.04, -0.08))),
            (3, poly((0.06, -0.08), (0.06, -0.38), (0.24, -0.38), (0.4, -0.08))), (2, ellipse(-0.5, 0.4, 0.25, 0.25, n=24)), (2, ellipse(0.5, 0.4, 0.25, 0.25, n=24))]


def bird():
    return [(2, poly((-0.98, 0.32), (-0.45, -0.02), (-0.3, 0.3))), (3, poly((0.68, -0.42), (1.0, -0.28), (0.66, -0.2))), (1, ellipse(0, 0.15, 0.6, 0.42)), (1, ellipse(0.46, -0.32, 0.3, 0.28)),
            (2, poly((-0.35, 0.0), (0.3, -0.02), (-0.1, 0.5))), (3, ellipse(0.52, -0.38, 0.07, 0.07, n=12))] + parts(3, line(0.06, (-0.1, 0.5), (-0.1, 0.9)) + line(0.06, (0.15, 0.5), (0.15, 0.9)))


def cup():
    return [(1, ellipse(0.55, 0.1, 0.38, 0.36)), (0, ellipse(0.55, 0.1, 0.22, 0.2)), (1, poly((-0.75, -0.45), (0.55, -0.45), (0.42, 0.65), (-0.6, 0.65))), (2, ellipse(-0.1, -0.45, 0.65, 0.15)),
            (2, box(-0.85, 0.68, 0.65, 0.8))] + parts(3, line(0.08, (-0.3, -0.68), (-0.22, -0.95)) + line(0.08, (0.1, -0.68), (0.18, -0.95)))


def umbrella():
    return [(3, box(-0.05, -0.9, 0.05, 0.7))] + parts(3, line(0.1, (0, 0.65), (0.06, 0.82), (0.2, 0.84), (0.28, 0.7))) + [
        (1, ellipse(0, 0.05, 0.95, 0.85, 180, 360)), (2, ellipse(0, 0.05, 0.32, 0.85, 180, 360)), (0, ellipse(-0.63, 0.07, 0.31, 0.14, 180, 360)), (0, ellipse(0, 0.07, 0.3, 0.14, 180, 360)), (0, ellipse(0.63, 0.07, 0.31, 0.14, 180, 360))]


def cactus():
    return parts(1, line(0.4, (0, 0.5), (0, -0.65)) + line(0.24, (0, 0.1), (-0.55, 0.1), (-0.55, -0.35)) + line(0.24, (0, -0.1), (0.55, -0.1), (0.55, -0.5))) + [
        (2, poly((-0.45, 0.45), (0.45, 0.45), (0.32, 0.95), (-0.32, 0.95))), (3, star(6, 0.2, 0.1, cy=-0.85))]


def rocket():
    return [(2, poly((-0.3, 0.3), (-0.7, 0.75), (-0.3, 0.65))), (2, poly((0.3, 0.3), (0.7, 0.75), (0.3, 0.65))), (3, poly((-0.2, 0.65), (0.2, 0.65), (0, 0.98))),
            (1, np.concatenate([ellipse(0, -0.2, 0.34, 0.76, 180, 360, n=24), poly((0.3, 0.65), (-0.3, 0.65))])), (3, ellipse(0, -0.2, 0.16, 0.16, n=20))]


def apple():
    return [(2, ellipse(0.28, -0.75, 0.26, 0.12)), (3, poly((-0.06, -0.85), (0.05, -0.85), (0.05, -0.4), (-0.05, -0.4))), (1, ellipse(-0.28, 0.12, 0.48, 0.62)), (1, ellipse(0.28, 0.12, 0.48, 0.62)), (2, ellipse(-0.38, -0.1, 0.12, 0.2))]


def butterfly():
    return [(1, ellipse(-0.5, -0.32, 0.44, 0.42)), (1, ellipse(0.5, -0.32, 0.44, 0.42)), (2, ellipse(-0.4, 0.42, 0.34, 0.36)), (2, ellipse(0.4, 0.42, 0.34, 0.36)),
            (3, ellipse(-0.5, -0.32, 0.16, 0.16, n=18)), (3, ellipse(0.5, -0.32, 0.16, 0.16, n=18)), (3, ellipse(0, 0.05, 0.1, 0.65))] + parts(3, line(0.05, (0, -0.5), (-0.2, -0.9)) + line(0.05, (0, -0.5), (0.2, -0.9)))


def snail():
    return [(2, poly((-0.95, 0.7), (-0.8, 0.35), (-0.55, 0.3), (-0.4, 0.5), (0.95, 0.5), (0.8, 0.75)))] + parts(2, line(0.07, (-0.75, 0.4), (-0.9, -0.05)) + line(0.07, (-0.65, 0.4), (-0.6, -0.05))) + [
        (1, ellipse(0.2, 0.0, 0.62, 0.6)), (3, ellipse(0.22, 0.02, 0.4, 0.38)), (1, ellipse(0.26, 0.04, 0.24, 0.22)), (3, ellipse(0.27, 0.05, 0.1, 0.09))]


def crown():
    return [(1, poly((-0.85, 0.6), (-0.95, -0.5), (-0.45, 0.05), (0, -0.75), (0.45, 0.05), (0.95, -0.5), (0.85, 0.6))), (2, box(-0.85, 0.45, 0.85, 0.75)),
            (3, ellipse(0, 0.15, 0.13, 0.16, n=16)), (3, ellipse(-0.93, -0.55, 0.11, 0.11, n=12)), (3, ellipse(0.93, -0.55, 0.11, 0.11, n=12)), (3, ellipse(0, -0.8, 0.11, 0.11, n=12))]


def balloon():
    return [(1, ellipse(0, -0.3, 0.62, 0.66)), (1, poly((-0.38, 0.2), (0.38, 0.2), (0.2, 0.5), (-0.2, 0.5))), (2, ellipse(0, -0.3, 0.24, 0.66))] + parts(3, line(0.04, (-0.18, 0.5), (-0.15, 0.72)) + line(0.04, (0.18, 0.5), (0.15, 0.72))) + [(3, box(-0.2, 0.7, 0.2, 0.97))]


def snowman():
    return [(1, ellipse(0, 0.5, 0.5, 0.46)), (1, ellipse(0, -0.12, 0.36, 0.33)), (1, ellipse(0, -0.55, 0.26, 0.25)), (2, box(-0.34, -0.78, 0.34, -0.7)), (2, box(-0.2, -1.0, 0.2, -0.7)),
            (3, ellipse(0, -0.15, 0.06, 0.06, n=10)), (3, ellipse(0, 0.3, 0.07, 0.07, n=10)), (3, poly((0, -0.55), (0.4, -0.48), (0, -0.45)))]


def lamp():
    return [(3, box(-0.06, 0.0, 0.06, 0.8)), (2, ellipse(0, 0.85, 0.45, 0.13)), (1, poly((-0.35, -0.85), (0.35, -0.85), (0.75, 0.05), (-0.75, 0.05))), (2, poly((-0.68, -0.1), (0.68, -0.1), (0.75, 0.05), (-0.75, 0.05)))]


def anchor():
    arc = ellipse(0, 0.15, 0.72, 0.68, 15, 165, n=14)
    return parts(1, line(0.17, *map(tuple, arc))) + [(1, box(-0.09, -0.5, 0.09, 0.85)), (2, box(-0.42, -0.42, 0.42, -0.25)), (3, ellipse(0, -0.7, 0.24, 0.24)), (0, ellipse(0, -0.7, 0.11, 0.11)),
        (1, poly((-0.95, 0.4), (-0.5, 0.4), (-0.75, 0.05))), (1, poly((0.95, 0.4), (0.5, 0.4), (0.75, 0.05)))]


SUBJECTS = {"fish": fish, "house": house, "tree": tree, "star": star_, "heart": heart, "cat": cat, "boat": boat, "flower": flower,
            "mushroom": mushroom, "moon": moon, "car": car, "bird": bird, "cup": cup, "umbrella": umbrella, "cactus": cactus, "rocket": rocket,
            "apple": apple, "butterfly": butterfly, "snail": snail, "crown": crown, "balloon": balloon, "snowman": snowman, "lamp": lamp, "anchor": anchor}
SHAPES = {name: make() for name, make in SUBJECTS.items()}


def part_map(name, places, size):
    """Draws `name` at each of `places` (cx, cy, scale, tilt in degrees, mirror); all lengths are parts of the picture's side."""
    canvas = Image.new("L", (size, size), 0)
    pen = ImageDraw.Draw(canvas)
    for cx, cy, scale, tilt, mirror in places:
        a = math.radians(tilt)
        turn = np.array([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]]) * (scale * size / 2)
        flip = np.array([-1.0 if mirror else 1.0, 1.0])
        for part, shape in SHAPES[name]:
            points = (shape * flip) @ turn + (cx * size, cy * size)
            pen.polygon([tuple(p) for p in points], fill=part)
    return np.asarray(canvas)
