"""Runs `instantstyle bench` and its PyTorch counterpart in turn on this machine, and prints both and the ratio of medians.

    python3 tests/bench/compare.py [--program target/release/instantstyle] [--network unet|vae] [--size 512]
                                   [--batch N] [--repeat 3] [--threads 2] [--weights f16|f32] [--channels-last] [--parts]

Needs torch and diffusers for the Python that runs it, and a release build. Let nothing else run meanwhile. `--parts`
prints, for each kind of operation, the milliseconds of one pass on both sides.
"""
import argparse
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Names of the Rust side that torch's counterpart does not tell apart.
KINDS = {"group norm, SiLU": "group norm", "linear, GEGLU": "linear and GEGLU", "linear": "linear and GEGLU"}


def line(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{command[0]} failed ({done.returncode}): {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def by_kind(parts):
    """Milliseconds of one pass by kind of operation."""
    out = {}
    for part in parts:
        kind = KINDS.get(part["op"], part["op"])
        out[kind] = out.get(kind, 0.0) + part["ms"] * part["calls"]
    pass_ms = sum(out.values()) / max(sum(part["share"] for part in parts), 1e-9)
    out["everything else"] = pass_ms - sum(out.values())
    return out


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--program", default="target/release/instantstyle")
    args.add_argument("--network", choices=("unet", "vae"), default="unet")
    args.add_argument("--size", type=int, default=512)
    args.add_argument("--batch", type=int)
    args.add_argument("--repeat", type=int, default=3)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--weights", choices=("f16", "f32"), default="f16")
    args.add_argument("--channels-last", action="store_true", help="torch's memory format; its default is channels-first")
    args.add_argument("--parts", action="store_true")
    args = args.parse_args()
    batch = args.batch or (2 if args.network == "unet" else 1)
    shared = ["--network", args.network, "--size", str(args.size), "--batch", str(batch), "--repeat", str(args.repeat),
              "--threads", str(args.threads)] + ["--parts"] * args.parts
    ours = line([args.program, "bench", *shared, "--weights", args.weights])
    theirs = line([sys.executable, str(HERE / "reference.py"), *shared] + ["--channels-last"] * args.channels_last)
    for name, result in (("ours", ours), ("torch", theirs)):
        seconds = ", ".join(f"{s:.2f}" for s in result["all"])
        print(f"{name:6} {result['seconds']:8.2f} s   ({seconds})   {result['peak_rss_mb']:7.0f} MB peak")
    print(f"ratio  {ours['seconds'] / theirs['seconds']:8.2f}     memory {ours['peak_rss_mb'] / theirs['peak_rss_mb']:.2f}   "
          f"({args.network}, {args.size} x {args.size}, batch {batch}, {args.threads} threads, torch {theirs['torch']})")
    if args.parts:
        mine = by_kind(ours["parts"])
        other = {kind: entry["ms"] for kind, entry in theirs["parts"].items()}
        print(f"\n{'operation':18} {'ours ms':>10} {'torch ms':>10}")
        for kind in sorted(set(mine) | set(other), key=lambda kind: -mine.get(kind, 0.0)):
            print(f"{kind:18} {mine.get(kind, 0.0):10.1f} {other.get(kind, 0.0):10.1f}")


if __name__ == "__main__":
    main()
