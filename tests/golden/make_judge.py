"""Makes tests/golden/judge.json: what PyTorch says of the evaluation's references with the judge's weights.

Run: python tests/golden/make_judge.py   (torch, safetensors, pillow), after a new judge or new references.
The network is built from assets/builtin/judge/config.json with torch's own layers, in f32; pictures are squeezed by
Pillow's bicubic filter.
"""
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

ASSETS = Path(__file__).parents[2] / "assets/builtin"
PICTURES = 12

config = json.loads((ASSETS / "judge/config.json").read_text())
layers, channels = [], 3
for i, (out, stride) in enumerate(config["convolutions"]):
    layers += [(f"convolutions.{i}", nn.Conv2d(channels, out, 3, stride, 1)), (f"relu{i}", nn.ReLU())]
    channels = out
named = {name.replace(".", "_"): module for name, module in layers}
net = nn.Sequential()
for name, module in named.items():
    net.add_module(name, module)
weights = {k: v.float() for k, v in load_file(ASSETS / "judge/model.safetensors").items()}
for name, module in layers:
    if name.startswith("conv"):
        module.load_state_dict({k: weights[f"{name}.{k}"] for k in ("weight", "bias")})
rows = []
for reference in json.loads((ASSETS / "evaluation/references.json").read_text())["references"][:PICTURES]:
    picture = Image.open(ASSETS / "evaluation" / reference["file"]).convert("RGB").resize((config["side"],) * 2, Image.Resampling.BICUBIC)
    x = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        x = net(x).flatten(1)
        x = nn.functional.linear(x, weights["linear1.weight"], weights["linear1.bias"]).relu()
        x = nn.functional.linear(x, weights["linear2.weight"], weights["linear2.bias"])[0]
    rows.append({"file": reference["file"], "subjects": x[:len(config["subjects"])].tolist(), "styles": x[len(config["subjects"]):].tolist()})
target = Path(__file__).with_name("judge.json")
target.write_text(json.dumps({"torch": torch.__version__, "pictures": rows}) + "\n")
print(f"{len(rows)} pictures in {target}")
