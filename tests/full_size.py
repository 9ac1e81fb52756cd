"""SDXL at its true size on this machine: files of the published names and shapes with random weights, rendered from.

    python3 tests/full_size.py FOLDER [--program target/release/instantstyle] [--size 512]... [--keep] [--only WORD]

Needs numpy and safetensors, 16 GB of disk in FOLDER and a machine with 24 GB of memory; no part of CI. Weights are scaled by
their inputs, so that activations stay of order one as in a trained model, and are the same on every machine. For each case
one line: seconds to load, to encode, for each step and to decode, and the peak of resident memory beside what was estimated.
Fails where a render does, where latents are not finite, and where the estimate is too low or far too high.
"""
import argparse
import json
import math
import pathlib
import shutil
import subprocess
import sys
import zlib

import numpy as np
from safetensors.numpy import load_file

HEADERS = pathlib.Path(__file__).resolve().parent / "golden/headers"
SAMPLE = pathlib.Path(__file__).resolve().parents[1] / "assets/builtin/sample_reference.png"
CHUNK = 1 << 24
# File in the folder, list of its tensors, dtype as published.
FILES = [("sdxl.safetensors", "sd_xl_base_1.0", "F16"),
         ("ip-adapter_sdxl.safetensors", "ip-adapter_sdxl", "F16"),
         ("bigg/model.safetensors", "image_encoder_bigg", "F16"),
         ("ip-adapter-plus_sdxl_vit-h.safetensors", "ip-adapter-plus_sdxl_vit-h", "F16"),
         ("vit_h/model.safetensors", "image_encoder_vit_h", "F32")]
NUMPY = {"F16": np.float16, "F32": np.float32}


def values(name, shape, dtype):
    """The tensor's numbers, in chunks."""
    count = math.prod(shape)
    draw = np.random.Generator(np.random.SFC64(zlib.crc32(name.encode())))
    if name.endswith("position_ids"):
        yield np.arange(count).astype(dtype)
        return
    is_norm = len(shape) == 1 and name.endswith("weight")
    inputs = math.prod(shape[1:]) if len(shape) > 1 else 1
    is_table = "embedding" in name and "patch" not in name and "add_" not in name and "time_" not in name
    reach = 0.02 if is_table or len(shape) < 2 else 1 / math.sqrt(inputs)
    for start in range(0, count, CHUNK):
        numbers = draw.standard_normal(min(CHUNK, count - start), dtype=np.float32) * np.float32(reach)
        yield (numbers + np.float32(is_norm)).astype(dtype)


def write(path, header, dtype):
    """One tensor after the other, so that no more than a chunk lies in memory."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    entries, at, width = {}, 0, np.dtype(NUMPY[dtype]).itemsize
    for name, (_, shape) in header.items():
        end = at + math.prod(shape) * width
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = path.with_suffix(".part")
    with open(part, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for name, (_, shape) in header.items():
            for numbers in values(name, shape, NUMPY[dtype]):
                out.write(numbers.tobytes())
    part.rename(path)


def make(folder):
    for file, header, dtype in FILES:
        write(folder / file, json.loads((HEADERS / f"{header}.json").read_text()), dtype)
        if file.endswith("/model.safetensors"):
            shutil.copy(HEADERS / f"{header}.config.json", (folder / file).with_name("config.json"))


def cases(sizes):
    base = ["--adapter", "ip-adapter_sdxl.safetensors", "--image-encoder", "bigg", "--reference", SAMPLE]
    plus = ["--adapter", "ip-adapter-plus_sdxl_vit-h.safetensors", "--image-encoder", "vit_h", "--reference", SAMPLE]
    for size in sizes:
        yield f"style, bigG, {size}", size, base + ["--subtract", "a rabbit"]
    yield f"Plus, ViT-H, everything, {sizes[0]}", sizes[0], plus + ["--mode", "everything"]
    yield f"words alone, {sizes[0]}", sizes[0], []
    yield f"words alone, unguided, {sizes[0]}", sizes[0], ["--guidance", "1"]


def render(program, folder, size, flags):
    command = [program, "render", "--model", "sdxl.safetensors", "--prompt", "a cat, masterpiece", "--negative", "lowres",
               "--steps", "2", "--seed", "42", "--width", size, "--height", size, "--json", "--out", "out.png",
               "--save-latents", "latents.safetensors", *flags]
    done = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"render ended with {done.returncode}: {done.stderr.strip()[-600:]}")
    notices = [line for line in done.stderr.splitlines() if "notice" in line]
    return json.loads(done.stdout.strip().splitlines()[-1]), load_file(folder / "latents.safetensors")["latents"], notices


def main():
    args = argparse.ArgumentParser()
    args.add_argument("folder", type=pathlib.Path)
    args.add_argument("--program", type=pathlib.Path, default="target/release/instantstyle")
    args.add_argument("--size", type=int, action="append")
    args.add_argument("--only", default="", help="run the cases whose name holds this")
    args.add_argument("--keep", action="store_true", help="leave the files for another run")
    args = args.parse_args()
    make(args.folder)
    wrong = []
    for name, size, flags in cases(args.size or [512]):
        if args.only not in name:
            continue
        report, latents, notices = render(args.program.resolve(), args.folder, size, flags)
        if not np.isfinite(latents).all():
            sys.exit(f"{name}: the latents are not finite")
        seconds = report["seconds"]
        steps = ", ".join(f"{s:.1f}" for s in report["step_seconds"])
        peak, estimated = report["peak_rss_mb"] / 1024, report["estimated_mb"] / 1024
        print(f"{name:34} load {seconds['loading']:6.1f} s, encode {seconds['encoding']:6.1f} s, steps {steps} s, decode "
              f"{seconds['decoding']:6.1f} s, total {seconds['total']:6.1f} s, peak {peak:5.2f} GiB, estimated "
              f"{estimated:5.2f} ({estimated / peak - 1:+.0%})   (latents {latents.std():.2f})", flush=True)
        if not peak <= estimated <= 1.15 * peak:
            wrong.append(name)
        for notice in notices:
            print("   ", notice)
    if not args.keep:
        shutil.rmtree(args.folder)
    if wrong:
        sys.exit(f"the estimate of memory is below the truth, or more than 15% above it: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
