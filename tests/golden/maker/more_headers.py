"""Key lists and shapes of published files beside SDXL's own: the refiner, a ControlNet, TAESDXL, SD 1.5's adapters, FaceID.
No weights. The adapters' lists follow tencent-ailab/IP-Adapter (`ip_adapter/ip_adapter_faceid.py`, `resampler.py`)."""
import json

import torch
from diffusers import AutoencoderTiny, ControlNetModel, UNet2DConditionModel

from . import single_file
from .adapters import cross_attention_widths
from .headers import SD15_UNET, UNET, of_parts, plus, shapes, write

REFINER = UNET | {
    "attention_head_dim": [6, 12, 24, 24], "block_out_channels": [384, 768, 1536, 1536], "cross_attention_dim": 1280,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "projection_class_embeddings_input_dim": 2560, "transformer_layers_per_block": 4,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
}


def key_values(unet, cross):
    return {f"ip_adapter.{2 * i + 1}.{m}_ip.weight": [inner, cross]
            for i, inner in enumerate(cross_attention_widths(unet)) for m in ("to_k", "to_v")}


def loras(unet, cross, rank=128):
    """FaceID's own LoRA on every attention, counted as the processors are."""
    out = {}
    for i, inner in enumerate(w for width in cross_attention_widths(unet) for w in (width, width)):
        for m in ("q", "k", "v", "out"):
            wide = cross if i % 2 and m in "kv" else inner
            out[f"ip_adapter.{i}.to_{m}_lora.down.weight"] = [rank, wide]
            out[f"ip_adapter.{i}.to_{m}_lora.up.weight"] = [inner, rank]
    return out


def face(cross):
    """MLPProjModel on a recogniser's embedding, to four tokens."""
    sizes = {"proj.0": (1024, 512), "proj.2": (4 * cross, 1024)}
    out = {f"image_proj.{k}.weight": [*v] for k, v in sizes.items()} | {f"image_proj.{k}.bias": [v[0]] for k, v in sizes.items()}
    return out | {"image_proj.norm.weight": [cross], "image_proj.norm.bias": [cross]}


def make_more_headers(folder):
    with torch.device("meta"):
        sdxl, sd15 = UNet2DConditionModel.from_config(UNET), UNet2DConditionModel.from_config(SD15_UNET)
        write(folder, "controlnet-canny-sdxl-1.0", shapes(ControlNetModel.from_unet(sdxl)))
        write(folder, "taesdxl", shapes(AutoencoderTiny()))
        refiner = shapes(UNet2DConditionModel.from_config(REFINER))
    read = lambda name: {k: v[1] for k, v in json.loads((folder / f"{name}.json").read_text()).items()}
    parts = {"unet": refiner, "vae": read("vae"), "text_encoder": {}, "text_encoder_2": read("text_encoder_2")}
    flat = {f"{part}.{k}": v for part, table in parts.items() for k, v in table.items()}
    table = of_parts(single_file.names(REFINER, parts), flat) | {"conditioner.embedders.1.model.logit_scale": []}
    # It has one text encoder, the second of the base.
    write(folder, "sd_xl_refiner_1.0", {k.replace("embedders.1.", "embedders.0."): v for k, v in table.items()})
    kv = key_values(sd15, 768)
    base = {"image_proj.proj.weight": [4 * 768, 1024], "image_proj.proj.bias": [4 * 768],
            "image_proj.norm.weight": [768], "image_proj.norm.bias": [768]}
    full = {"image_proj.proj.0.weight": [1280, 1280], "image_proj.proj.0.bias": [1280], "image_proj.proj.2.weight": [768, 1280],
            "image_proj.proj.2.bias": [768], "image_proj.proj.3.weight": [768], "image_proj.proj.3.bias": [768]}
    write(folder, "ip-adapter_sd15", base | kv)
    write(folder, "ip-adapter-plus_sd15", plus(1280, 768, 12, cross=768) | kv)
    write(folder, "ip-adapter-full-face_sd15", full | kv)
    write(folder, "ip-adapter-faceid_sdxl", face(2048) | key_values(sdxl, 2048) | loras(sdxl, 2048))
    faces = {k.replace("image_proj.", "image_proj.perceiver_resampler."): v
             for k, v in plus(1280, 768, 12, cross=768).items() if "latents" not in k}
    write(folder, "ip-adapter-faceid-plusv2_sd15", face(768) | faces | kv | loras(sd15, 768))
