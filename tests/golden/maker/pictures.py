"""Made reference pictures: gradients, stripes and noise, non-square."""
import numpy as np
from PIL import Image

SIZES = {"ref1": (67, 45), "ref2": (40, 74), "ref3": (90, 90), "init_64x64": (64, 64), "init_88x56": (88, 56), "init_72x48": (72, 48)}


def make_pictures(root):
    rng = np.random.default_rng(7)
    for index, (name, (w, h)) in enumerate(SIZES.items()):
        y, x = np.mgrid[0:h, 0:w].astype(float)
        picture = np.stack([255 * x / w, 255 * y / h, 127 + 127 * np.sin((x + index * y) / (2 + index))], -1)
        picture = np.roll(picture, index, axis=-1) * 0.7 + rng.normal(40, 30, (h, w, 3))
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(root / f"{name}.png", optimize=True)


def crop(picture, how, size):
    """What the vision tower's preparation is given. `fill` is left to CLIPImageProcessor."""
    w, h = picture.size
    if how == "fit":
        side = max(w, h)
        square = Image.new("RGB", (side, side), "white")
        square.paste(picture, ((side - w) // 2, (side - h) // 2))
        return square
    if how == "stretch":
        return picture.resize((size, size), Image.Resampling.BICUBIC)
    if how != "fill":
        left, top, width, height = map(int, how.split(","))
        return picture.crop((left, top, left + width, top + height))
    return picture
