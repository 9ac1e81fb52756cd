"""Makes the seeds of tests/fuzz_replay.rs. Run: python tests/fuzz_seeds/make_seeds.py (torch).

header: whole safetensors files of a few tensors, in the names of each kind of model and damaged in the usual ways.
identify: names and shapes of the same files, and of a whole small model with its adapter and LoRA.
pickle: programs as torch writes them, and as an attacker would."""

import collections
import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import torch

here = Path(__file__).parent


def header(name, tensors, metadata=None, cut=0, extra=b"", length=None, text=None):
    entries, at = {}, 0
    if metadata is not None:
        entries["__metadata__"] = metadata
    for key, shape in tensors.items():
        size = 2
        for n in shape:
            size *= n
        entries[key] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    body = text if text is not None else json.dumps(entries, separators=(",", ":")).encode()
    data = struct.pack("<Q", len(body) if length is None else length) + body + bytes(at) + extra
    (here / "header" / name).write_bytes(data[: len(data) - cut])


vision = {"vision_model.embeddings.patch_embedding.weight": [2, 3, 1, 1], "visual_projection.weight": [2, 2],
          "vision_model.encoder.layers.0.self_attn.q_proj.weight": [2, 2]}
header("image_encoder", vision, {"format": "pt"})
header("text_encoder", {"text_model.embeddings.token_embedding.weight": [4, 2], "text_projection.weight": [2, 2]})
header("unet", {"conv_in.weight": [2, 4, 1, 1], "time_embedding.linear_1.weight": [2, 2],
                "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": [2, 8],
                "add_embedding.linear_1.weight": [2, 6]})
header("vae", {"decoder.conv_in.weight": [2, 4, 1, 1], "decoder.conv_out.weight": [3, 2, 1, 1]})
header("checkpoint", {"model.diffusion_model.input_blocks.0.0.weight": [2, 4, 1, 1],
                      "model.diffusion_model.label_emb.0.0.weight": [2, 6],
                      "conditioner.embedders.1.model.text_projection": [2, 2], "first_stage_model.decoder.conv_in.weight": [2, 4, 1, 1],
                      "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": [2, 8]})
header("adapter_base", {"image_proj.proj.weight": [8, 3], "image_proj.norm.weight": [4], "ip_adapter.1.to_k_ip.weight": [2, 4],
                        "ip_adapter.1.to_v_ip.weight": [2, 4]})
header("adapter_plus", {"image_proj.latents": [1, 2, 3], "image_proj.proj_in.weight": [3, 4], "ip_adapter.1.to_k_ip.weight": [2, 4]})
header("adapter_faceid", {"image_proj.proj.0.weight": [4, 5], "image_proj.norm.weight": [4], "ip_adapter.1.to_k_ip.weight": [2, 4]})
header("lora_kohya", {"lora_unet_input_blocks_4_1_proj_in.lora_down.weight": [1, 2], "lora_unet_input_blocks_4_1_proj_in.lora_up.weight": [2, 1],
                      "lora_unet_input_blocks_4_1_proj_in.alpha": []}, {"ss_network_dim": "1"})
header("lora_peft", {"unet.down_blocks.1.attn.to_q.lora_A.weight": [1, 2], "unet.down_blocks.1.attn.to_q.lora_B.weight": [2, 1]})
header("dora", {"lora_unet_a.lora_down.weight": [1, 2], "lora_unet_a.dora_scale": [2]})
header("controlnet", {"controlnet_cond_embedding.conv_in.weight": [2, 3, 1, 1]})
header("taesd", {"decoder.layers.0.weight": [2, 4, 1, 1], "encoder.layers.0.weight": [2, 3, 1, 1]})
header("empty_shapes", {"a": [], "b": [0], "c": [0, 3]})
header("cut", vision, cut=5)
header("longer", vision, extra=b"tail")
header("huge_length", {}, length=2**63)
header("overlap", {}, text=b'{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"F16","shape":[2],"data_offsets":[2,6]}}', extra=bytes(6))
header("twice", {}, text=b'{"a":{"dtype":"F16","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F16","shape":[0],"data_offsets":[0,0]}}')
header("overflow", {}, text=b'{"a":{"dtype":"F64","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}}', extra=bytes(8))
header("deep", {}, text=b"[" * 3000)
(here / "header" / "lfs").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")
(here / "header" / "html").write_bytes(b"<!DOCTYPE html><html><body>404</body></html>")


def program(value):
    out = io.BytesIO()
    torch.save(value, out)
    return zipfile.ZipFile(out).read("archive/data.pkl")


class Call:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


linear = torch.nn.Linear(2, 3)
seeds = {
    "adapter": program({"image_proj": {"proj.weight": torch.ones(2, 2).half()}, "ip_adapter": {"1.to_k_ip.weight": torch.ones(2, 2).t()}}),
    "state_dict": program(linear.state_dict()),
    "parameters": program(collections.OrderedDict(weight=linear.weight, list=[1, 2.5, None, True, "x", (1, -70000, 2**40)])),
    "os_system": pickle.dumps({"a": Call(os.system, "true")}, protocol=2),
    "eval": pickle.dumps([Call(eval, "1")], protocol=2),
    "object": pickle.dumps(Path("x"), protocol=2),
    "protocol_4": pickle.dumps({"a": Call(os.system, "true")}, protocol=4),
    "protocol_0": pickle.dumps({"a": [1, 2]}, protocol=0),
    "deep": b"\x80\x02" + b"(" * 200 + b"t" * 200 + b".",
    "circle": b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.",
}
for name, bytes_ in seeds.items():
    (here / "pickle" / name).write_bytes(bytes_)


def names(name, tensors, dtype="F16"):
    """A tensor a line, for what tells files apart by names and shapes."""
    (here / "identify" / name).write_text("".join(f"{dtype} {'x'.join(map(str, shape))} {key}\n" for key, shape in tensors.items()))


(here / "identify").mkdir(exist_ok=True)
for file in sorted((here / "header").iterdir()):
    data = file.read_bytes()
    if file.name in ("cut", "longer", "huge_length", "overflow"):
        continue
    try:
        entries = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        names(file.name, {key: about["shape"] for key, about in entries.items() if key != "__metadata__"})
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        continue
# A whole small model, its LoRA and its adapter.
model = json.loads((here.parent / "golden/by_rule/s.json").read_text())
shape = {key: about[0] for key, about in model["tensors"].items()}
cut = {"whole": lambda s: s, "transposed": lambda s: s[::-1], "pixel": lambda s: s + [1, 1]}
single = {key: cut.get(how, cut["whole"])(shape[of[0]]) if how != "rows" else [len(of) * shape[of[0]][0], *shape[of[0]][1:]]
          for key, (of, how) in model["single_file"].items()}
names("whole_checkpoint", single)
names("whole_vae", {key.replace("first_stage_model.", ""): s for key, s in single.items() if key.startswith("first_stage")})
names("whole_adapter", {key.removeprefix("adapter_s."): s for key, s in shape.items() if key.startswith("adapter_s.")})
names("whole_lora", {key: shape.get(of, []) if of else [] for key, (of, _) in model["loras"]["lora_ldm"].items()}, "F32")
