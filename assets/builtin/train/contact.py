"""The contact sheet of the README: python contact.py PROGRAM OUT.png

Six references that the model has not been trained on (four held-out pairs, two styles
that no part of it has seen) by six prompts, painted by `PROGRAM board`, the references at the left.
"""
import os
import subprocess
import sys
import tempfile

from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
REFERENCES = ["02", "05", "08", "13", "unseen_woodcut", "unseen_pointillism"]
PROMPTS = ["a house", "a cat", "a butterfly", "a mushroom", "a star", "a rocket"]
SIDE, GAP = 128, 4

if __name__ == "__main__":
    program, out = sys.argv[1:]
    pictures = [os.path.join(HERE, "..", "evaluation", name + ".png") for name in REFERENCES]
    with tempfile.TemporaryDirectory() as folder:
        cells = os.path.join(folder, "cells")
        subprocess.run([program, "board", "--reference", pictures[0], "--y", "reference=" + ",".join(pictures), "--x", "prompt=" + ",".join(PROMPTS),
                        "--seed", "11", "--cells", cells, "--out", os.path.join(folder, "sheet.png")], check=True, env={**os.environ, "INSTANTSTYLE_HOME": folder})
        made = sorted(f for f in os.listdir(cells) if f.endswith(".png"))
        assert len(made) == len(pictures) * len(PROMPTS), made
        step = SIDE + GAP
        sheet = Image.new("RGB", (step * (len(PROMPTS) + 1) + 4 * GAP, step * len(pictures)), (246, 246, 244))
        for row, picture in enumerate(pictures):
            sheet.paste(Image.open(picture).convert("RGB").resize((SIDE, SIDE), Image.BICUBIC), (0, row * step))
            for column in range(len(PROMPTS)):
                cell = Image.open(os.path.join(cells, made[row * len(PROMPTS) + column])).convert("RGB")
                sheet.paste(cell.resize((SIDE, SIDE), Image.BICUBIC), (step * (column + 1) + 4 * GAP, row * step))
    sheet.quantize(256).save(out, optimize=True)
    print(f"{out}: {sheet.width} x {sheet.height}, {os.path.getsize(out) / 1e3:.0f} kB")
