"""Random IP-Adapters in the published layout: `image_proj.*` and `ip_adapter.N.to_{k,v}_ip.weight`."""
import zlib

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file

from .configs import ADAPTERS, MODELS, VISIONS


def cross_attention_widths(unet):
    """Inner width of every cross-attention, in the order that the adapter's file counts them: down, up, mid."""
    return [unet.get_submodule(name[: -len(".processor")]).to_k.weight.shape[0]
            for name in unet.attn_processors if name.endswith("attn2.processor")]


def make_adapter(root, name):
    spec = ADAPTERS[name]
    vision, unet_config = VISIONS[spec["vision"]], MODELS[spec["model"]]["unet"]
    cross = unet_config["cross_attention_dim"]
    gen = torch.Generator().manual_seed(zlib.crc32(f"adapter {name}".encode()))
    out = {}

    def matrix(key, rows, cols, gain=1.0):
        out[key] = torch.randn(rows, cols, generator=gen) * gain / cols**0.5

    def vector(key, size):
        out[key] = torch.randn(size, generator=gen) * 0.2

    def norm(key, size):
        out[key + ".weight"] = torch.rand(size, generator=gen) + 0.5
        vector(key + ".bias", size)

    if spec["kind"] == "base":
        matrix("image_proj.proj.weight", 4 * cross, vision["projection_dim"])
        vector("image_proj.proj.bias", 4 * cross)
        norm("image_proj.norm", cross)
    elif spec["kind"] == "full":
        hidden = vision["hidden_size"]
        matrix("image_proj.proj.0.weight", hidden, hidden)
        vector("image_proj.proj.0.bias", hidden)
        matrix("image_proj.proj.2.weight", cross, hidden)
        vector("image_proj.proj.2.bias", cross)
        norm("image_proj.proj.3", cross)
    else:
        width, inner = spec["width"], 64 * spec["heads"]
        out["image_proj.latents"] = torch.randn(1, spec["tokens"], width, generator=gen)
        matrix("image_proj.proj_in.weight", width, vision["hidden_size"])
        vector("image_proj.proj_in.bias", width)
        matrix("image_proj.proj_out.weight", cross, width)
        vector("image_proj.proj_out.bias", cross)
        norm("image_proj.norm_out", cross)
        for layer in (f"image_proj.layers.{i}." for i in range(4)):  # diffusers knows depth 4 only
            norm(layer + "0.norm1", width)
            norm(layer + "0.norm2", width)
            matrix(layer + "0.to_q.weight", inner, width, 1.5)
            matrix(layer + "0.to_kv.weight", 2 * inner, width, 1.5)
            matrix(layer + "0.to_out.weight", width, inner)
            norm(layer + "1.0", width)
            matrix(layer + "1.1.weight", 4 * width, width)
            matrix(layer + "1.3.weight", width, 4 * width)
    unet = UNet2DConditionModel(**unet_config)
    for i, inner in enumerate(cross_attention_widths(unet)):
        matrix(f"ip_adapter.{2 * i + 1}.to_k_ip.weight", inner, cross, 1.5)
        matrix(f"ip_adapter.{2 * i + 1}.to_v_ip.weight", inner, cross, 1.5)
    save_file({k: v.half().contiguous() for k, v in out.items()}, root / f"adapter_{name}.safetensors")


def load_adapter(root, name):
    """As diffusers' loader wants it: two flat tables, in f32."""
    parts = {"image_proj": {}, "ip_adapter": {}}
    for key, value in load_file(root / f"adapter_{name}.safetensors").items():
        part, rest = key.split(".", 1)
        parts[part][rest] = value.float()
    return parts
