"""Copies to tests/fuzz_seeds the fewest and smallest of the inputs that a fuzz target found and that reach code which the
seeds there do not reach, as far as each adds a few places. Run, from the repository's root, after a run of the target:

    python tests/fuzz/choose_seeds.py TARGET PROGRAM [--most-bytes 2048] [--least 8]
        [--corpus tests/fuzz/corpus/TARGET]

PROGRAM is the target's binary, as cargo-fuzz left it in its target folder."""
import argparse
import pathlib
import shutil
import subprocess
import tempfile

SEEDS = pathlib.Path(__file__).resolve().parents[1] / "fuzz_seeds"


def covered(program, files):
    """{file: the places in the code that it reaches}, from libFuzzer's own notes of a merge."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        inputs, out, notes = folder / "in", folder / "out", folder / "notes"
        inputs.mkdir(), out.mkdir()
        for number, file in enumerate(files):
            shutil.copy(file, inputs / f"{number:06}")
        subprocess.run([program, "-set_cover_merge=1", f"-merge_control_file={notes}", out, inputs], check=True, capture_output=True)
        lines = notes.read_text().splitlines()
    names, reached = [line.rsplit("/", 1)[-1] for line in lines[2:2 + int(lines[0])]], {}
    for line in lines:
        # A feature is a place in the code and one of eight sorts of how often it was passed.
        if line.startswith("FT "):
            _, number, *features = line.split()
            reached[files[int(names[int(number)])]] = {int(feature) // 8 for feature in features}
    return reached


def main():
    args = argparse.ArgumentParser()
    args.add_argument("target")
    args.add_argument("program", type=pathlib.Path)
    args.add_argument("--corpus", type=pathlib.Path)
    args.add_argument("--most-bytes", type=int, default=2048)
    args.add_argument("--least", type=int, default=8, help="places that an input must add")
    args = args.parse_args()
    own = sorted((SEEDS / args.target).iterdir())
    found = sorted((args.corpus or pathlib.Path(f"tests/fuzz/corpus/{args.target}")).iterdir())
    reached = covered(args.program.resolve(), own + found)
    known = set().union(*(reached.get(file, set()) for file in own))
    before = len(known)
    candidates = [file for file in found if file.stat().st_size <= args.most_bytes]
    while True:
        best = max(candidates, key=lambda file: (len(reached.get(file, set()) - known), -file.stat().st_size), default=None)
        if best is None or len(reached.get(best, set()) - known) < args.least:
            break
        known |= reached[best]
        shutil.copy(best, SEEDS / args.target / f"found_{best.name[:10]}")
        print(f"found_{best.name[:10]}: {best.stat().st_size} bytes")
    print(f"{len(own)} seeds reached {before} places; all together now reach {len(known)}")


if __name__ == "__main__":
    main()
