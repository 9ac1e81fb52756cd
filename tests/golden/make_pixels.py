"""Makes tests/golden/pixels/: what Pillow, transformers and diffusers do with pictures, for tests/pixels.rs.

Run: .venv/bin/python tests/golden/make_pixels.py   (pillow, numpy, torch, transformers, diffusers; no torchvision)

Sources of the resampling cases are made from a formula that the tests repeat, and results are kept as hashes, so that
many sizes cost few bytes. The files in the folder are pictures of every kind with what Pillow makes of them.
"""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from diffusers.image_processor import VaeImageProcessor
from PIL import Image, ImageCms, ImageOps, PngImagePlugin
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

OUT = Path(__file__).parent / "pixels"
FILTERS = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}


def source(width, height, seed):
    """A picture without structure: every byte from its index and the seed."""
    x = np.arange(width * height * 3, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x85EBCA77)
    x ^= x >> np.uint32(13)
    # A third of the bytes at the ends of the range, so that overshoot is cut.
    b = (x & np.uint32(255)).astype(np.uint8)
    b[(x >> np.uint32(8)) % np.uint32(6) == 0] = 255
    b[(x >> np.uint32(8)) % np.uint32(6) == 1] = 0
    return Image.fromarray(b.reshape(height, width, 3))


def fnv(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def resample_cases():
    sizes = [(1, 1), (1, 7), (7, 1), (2, 3), (13, 17), (31, 8), (64, 48), (97, 61), (224, 131), (300, 5), (511, 257)]
    targets = [(1, 1), (1, 9), (10, 1), (3, 2), (16, 16), (17, 13), (37, 64), (97, 20), (224, 224)]
    cases, seed = [], 1
    for name, resample in FILTERS.items():
        for width, height in sizes:
            for w, h in targets + [(width, 11), (11, height), (width, height), (width + 1, height - 1 or 2)]:
                seed += 1
                data = source(width, height, seed).resize((w, h), resample).tobytes()
                cases.append([name, width, height, seed, w, h, fnv(data)])
    # Pillow 13 chooses which direction goes first: sizes on both sides of its rule, and exactly on it.
    for width, height, w, h in [(40, 90, 30, 71), (40, 90, 30, 70), (40, 90, 30, 69), (90, 60, 40, 10), (10, 60, 40, 70),
                                (20, 60, 40, 59), (700, 900, 224, 288), (450, 1400, 100, 300), (1500, 700, 480, 224)]:
        for name, resample in FILTERS.items():
            seed += 1
            data = source(width, height, seed).resize((w, h), resample).tobytes()
            cases.append([name, width, height, seed, w, h, fnv(data)])
    return cases


def clip_cases():
    cases = []
    configs = [
        {},
        {"size": 32, "crop_size": 32},
        {"size": {"shortest_edge": 37}, "crop_size": {"height": 33, "width": 33}},
        {"size": {"height": 40, "width": 48}, "crop_size": {"height": 31, "width": 31}},
        {"size": {"shortest_edge": 56}, "crop_size": 56, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.25, 0.2]},
    ]
    sizes = [(24, 16), (224, 224), (300, 201), (201, 300), (37, 333), (640, 479), (1, 5), (63, 64), (1023, 767)]
    for index, config in enumerate(configs):
        processor = CLIPImageProcessorPil(**config)
        for width, height in sizes if index else sizes[:7]:
            picture = source(width, height, 7 * width + index)
            values = processor(picture, return_tensors="np")["pixel_values"][0]
            assert values.dtype == np.float32
            cases.append([json.dumps(config), width, height, 7 * width + index, fnv(values.tobytes())])
    return cases


def init_cases():
    processor, cases = VaeImageProcessor(vae_scale_factor=8), []
    for width, height in [(64, 64), (24, 16), (65, 71), (100, 37), (255, 129), (8, 15)]:
        values = processor.preprocess(source(width, height, width))[0].numpy()
        cases.append([width, height, width, values.shape[2], values.shape[1], fnv(values.tobytes())])
    for width, height, w, h in [(64, 64, 128, 128), (96, 48, 64, 32), (30, 20, 120, 80)]:
        values = processor.preprocess(source(width, height, width), height=h, width=w)[0].numpy()
        cases.append([width, height, width, w, h, fnv(values.tobytes())])
    return cases


def xyz_tag(x, y, z):
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in (x, y, z))


def icc_profile(space, tags):
    """A small version 2 display profile."""
    head = struct.pack(">I", 128 + 4 + 12 * len(tags))
    body, table = b"", struct.pack(">I", len(tags))
    for name, data in tags.items():
        offset = 128 + 4 + 12 * len(tags) + len(body)
        table += name + struct.pack(">II", offset, len(data))
        body += data + b"\0" * (-len(data) % 4)
    head = bytearray(128)
    head[0:4] = struct.pack(">I", 128 + len(table) + len(body))
    head[8:12] = b"\x02\x10\0\0"
    head[12:24] = b"mntr" + space + b"XYZ "
    head[24:36] = struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
    head[36:40] = b"acsp"
    head[68:80] = xyz_tag(0.9642, 1.0, 0.8249)[8:]
    return bytes(head) + table + body


def wide_profile():
    """Display P3's primaries (adapted to D50), gamma 2.2."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256))
    desc = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"wide\0" + b"\0" * 78
    return icc_profile(
        b"RGB ",
        {
            b"desc": desc,
            b"wtpt": xyz_tag(0.9642, 1.0, 0.8249),
            b"rXYZ": xyz_tag(0.51512, 0.24120, -0.00105),
            b"gXYZ": xyz_tag(0.29198, 0.69225, 0.04189),
            b"bXYZ": xyz_tag(0.15710, 0.06657, 0.78407),
            b"rTRC": curve,
            b"gTRC": curve,
            b"bTRC": curve,
        },
    )


def grey_profile():
    desc = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"grey\0" + b"\0" * 78
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(1.5 * 256))
    return icc_profile(b"GRAY", {b"desc": desc, b"wtpt": xyz_tag(0.9642, 1.0, 0.8249), b"kTRC": curve})


def to_srgb(picture, profile):
    return ImageCms.profileToProfile(
        picture,
        io.BytesIO(profile),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
    )


def scene(width=24, height=16):
    """Smooth, and different in every corner."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = x / (width - 1), y / (height - 1)
    rgb = np.stack([255 * x, 255 * y, 255 * (1 - x) * (1 - y) + 40 * x * y], -1)
    return Image.fromarray(np.round(rgb).astype(np.uint8))


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, *chunks):
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    data = png_chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + data + png_chunk(b"IEND", b"")


def main():
    OUT.mkdir(exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    cases = []

    def case(name, expected, tolerance, notices=0):
        """`expected` is the upright sRGB picture; `tolerance` in levels a channel."""
        expected.convert("RGB").save(OUT / f"{name}.expected.png", optimize=True)
        cases.append({"file": name, "tolerance": tolerance, "notices": notices})

    rgb = scene()
    grey = rgb.convert("L")
    alpha = Image.fromarray(np.tile(np.linspace(0, 255, 24).astype(np.uint8), (16, 1)))
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    white = Image.new("RGBA", rgb.size, "white")
    on_white = Image.alpha_composite(white, rgba)

    def save(name, picture, **options):
        picture.save(OUT / name, **options)
        return Image.open(OUT / name)

    for name, options in {
        "plain.png": {},
        "plain.bmp": {},
        "lzw.tif": {"compression": "tiff_lzw"},
        "lossless.webp": {"lossless": True},
    }.items():
        save(name, rgb, **options)
        case(name, rgb, 0)
    for name, options in {"plain.jpg": {}, "progressive.jpg": {"progressive": True}, "lossy.webp": {}}.items():
        case(name, save(name, rgb, quality=95, **({"subsampling": 0} if "jpg" in name else {}), **options), 3)
    case("subsampled.jpg", save("subsampled.jpg", rgb, quality=90, subsampling=2), 8)

    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        name = f"orientation-{orientation}.jpg"
        case(name, ImageOps.exif_transpose(save(name, rgb, quality=95, subsampling=0, exif=exif)), 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = rgb.transpose(Image.Transpose.ROTATE_270)
    for name, options in {"orientation-6.png": {}, "orientation-6.webp": {"lossless": True}}.items():
        save(name, rgb, exif=exif, **options)
        case(name, turned, 0)
    rgb.save(OUT / "orientation-6.tif", tiffinfo={274: 6})
    case("orientation-6.tif", turned, 0)

    wide = wide_profile()
    for name, options in {"wide.png": {}, "wide.webp": {"lossless": True}, "wide.tif": {}}.items():
        save(name, rgb, icc_profile=wide, **options)
        case(name, to_srgb(rgb, wide), 2)
    jpeg = save("wide.jpg", rgb, quality=95, subsampling=0, icc_profile=wide)
    case("wide.jpg", to_srgb(jpeg.convert("RGB"), wide), 4)
    save("wide-alpha.png", rgba, icc_profile=wide)
    converted = to_srgb(rgb, wide)
    converted.putalpha(alpha)
    case("wide-alpha.png", Image.alpha_composite(white, converted), 3)
    save("grey-profile.png", grey, icc_profile=grey_profile())
    case("grey-profile.png", to_srgb(grey, grey_profile()), 2)
    save("broken-profile.png", rgb, icc_profile=wide[:140] + b"\xff" * 60)
    case("broken-profile.png", rgb, 0, 1)

    save("alpha.png", rgba)
    case("alpha.png", on_white, 1)
    grey_alpha = grey.copy()
    grey_alpha.putalpha(alpha)
    save("grey-alpha.png", grey_alpha)
    case("grey-alpha.png", Image.alpha_composite(white, grey_alpha.convert("RGBA")), 1)
    save("grey.png", grey)
    case("grey.png", grey, 0)
    case("grey.jpg", save("grey.jpg", grey, quality=95), 2)
    case("one-bit.png", save("one-bit.png", rgb.convert("1")), 0)
    palette = rgb.quantize(16)
    save("palette.png", palette)
    case("palette.png", palette, 0)
    save("palette-clear.png", palette, transparency=3)
    clear = Image.open(OUT / "palette-clear.png").convert("RGBA")
    case("palette-clear.png", Image.alpha_composite(white, clear), 0)

    deep = (np.asarray(rgb).astype(np.uint32) * 257 + 100).clip(0, 65535).astype(np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    (OUT / "deep.png").write_bytes(png(24, 16, 16, 2, rows))
    case("deep.png", Image.fromarray(np.round(deep / 257).astype(np.uint8)), 0)
    deep_grey = deep[..., 0]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep_grey)
    (OUT / "deep-grey.png").write_bytes(png(24, 16, 16, 0, rows))
    case("deep-grey.png", Image.fromarray(np.round(deep_grey / 257).astype(np.uint8)), 0)

    other = ImageOps.invert(rgb)
    save("moving.gif", palette, save_all=True, append_images=[other.quantize(16)], duration=100)
    case("moving.gif", palette, 0, 1)
    save("still.gif", palette)
    case("still.gif", palette, 0)
    save("moving.webp", rgb, save_all=True, append_images=[other], lossless=True, duration=100)
    case("moving.webp", rgb, 0, 1)
    save("moving.png", rgb, save_all=True, append_images=[other], duration=100)
    case("moving.png", rgb, 0, 1)

    cmyk = rgb.convert("CMYK")
    black = Image.fromarray(np.tile(np.linspace(0, 120, 24).astype(np.uint8), (16, 1)))
    cmyk.putdata([(c, m, y, k) for (c, m, y, _), k in zip(cmyk.get_flattened_data(), black.get_flattened_data())])
    case("cmyk.jpg", save("cmyk.jpg", cmyk, quality=95, subsampling=0), 4, 1)
    case("cmyk.tif", save("cmyk.tif", cmyk), 1)
    save("tiny.png", rgb.crop((5, 5, 6, 6)))
    case("tiny.png", rgb.crop((5, 5, 6, 6)), 0, 1)

    # Never decoded: the header alone is refused.
    (OUT / "bomb.png").write_bytes(png(60000, 60000, 1, 0, bytes(7501 * 200)))
    (OUT / "bomb-memory.png").write_bytes(png(12000, 8000, 16, 6, bytes(96001 * 10)))

    info = PngImagePlugin.PngInfo()
    info.add_text("plain", "caf\xe9")
    info.add_text("squeezed", "long " * 100, zip=True)
    info.add_itxt("instantstyle", '{"prompt":"\u9b5a"}', zip=True)
    rgb.save(OUT / "text.png", pnginfo=info)
    inflating = png_chunk(b"zTXt", b"instantstyle\0\0" + zlib.compress(bytes([65]) * 3_000_000, 9))
    (OUT / "text-bomb.png").write_bytes(png(1, 1, 8, 0, b"\0\0", inflating))

    goldens = {"pictures": cases, "resample": resample_cases(), "clip": clip_cases(), "init": init_cases()}
    lines = [f'  "{key}": [\n' + ",\n".join("    " + json.dumps(row) for row in rows) + "\n  ]" for key, rows in goldens.items()]
    (OUT / "cases.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
