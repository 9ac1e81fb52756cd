"""Key lists and shapes of the true SDXL files, as published, from their configs on the meta device. No weights."""
import json

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import (CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPVisionConfig,
                          CLIPVisionModelWithProjection)

from .adapters import cross_attention_widths
from . import single_file
from .models import prefixed

UNET = {
    "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.19.0.dev0", "act_fn": "silu",
    "addition_embed_type": "text_time", "addition_embed_type_num_heads": 64, "addition_time_embed_dim": 256,
    "attention_head_dim": [5, 10, 20], "block_out_channels": [320, 640, 1280], "center_input_sample": False,
    "class_embed_type": None, "class_embeddings_concat": False, "conv_in_kernel": 3, "conv_out_kernel": 3,
    "cross_attention_dim": 2048, "cross_attention_norm": None,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"], "downsample_padding": 1,
    "dual_cross_attention": False, "encoder_hid_dim": None, "encoder_hid_dim_type": None, "flip_sin_to_cos": True,
    "freq_shift": 0, "in_channels": 4, "layers_per_block": 2, "mid_block_only_cross_attention": None,
    "mid_block_scale_factor": 1, "mid_block_type": "UNetMidBlock2DCrossAttn", "norm_eps": 1e-05, "norm_num_groups": 32,
    "num_attention_heads": None, "num_class_embeds": None, "only_cross_attention": False, "out_channels": 4,
    "projection_class_embeddings_input_dim": 2816, "resnet_out_scale_factor": 1.0, "resnet_skip_time_act": False,
    "resnet_time_scale_shift": "default", "sample_size": 128, "time_cond_proj_dim": None,
    "time_embedding_act_fn": None, "time_embedding_dim": None, "time_embedding_type": "positional",
    "timestep_post_act": None, "transformer_layers_per_block": [1, 2, 10],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], "upcast_attention": None,
    "use_linear_projection": True,
}
VAE = {
    "_class_name": "AutoencoderKL", "_diffusers_version": "0.20.0.dev0", "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512], "down_block_types": ["DownEncoderBlock2D"] * 4, "force_upcast": True,
    "in_channels": 3, "latent_channels": 4, "layers_per_block": 2, "norm_num_groups": 32, "out_channels": 3,
    "sample_size": 1024, "scaling_factor": 0.13025, "up_block_types": ["UpDecoderBlock2D"] * 4,
}


SD15_UNET = {
    "act_fn": "silu", "attention_head_dim": 8, "block_out_channels": [320, 640, 1280, 1280], "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"], "in_channels": 4, "layers_per_block": 2,
    "out_channels": 4, "sample_size": 64, "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}


def text(arch, hidden, layers, heads, mlp, act, projection):
    return {"architectures": [arch], "attention_dropout": 0.0, "bos_token_id": 0, "dropout": 0.0, "eos_token_id": 2,
            "hidden_act": act, "hidden_size": hidden, "initializer_factor": 1.0, "initializer_range": 0.02,
            "intermediate_size": mlp, "layer_norm_eps": 1e-05, "max_position_embeddings": 77,
            "model_type": "clip_text_model", "num_attention_heads": heads, "num_hidden_layers": layers,
            "pad_token_id": 1, "projection_dim": projection, "torch_dtype": "float16", "vocab_size": 49408}


def vision(hidden, layers, heads, mlp, projection):
    return {"architectures": ["CLIPVisionModelWithProjection"], "attention_dropout": 0.0, "dropout": 0.0,
            "hidden_act": "gelu", "hidden_size": hidden, "image_size": 224, "initializer_factor": 1.0,
            "initializer_range": 0.02, "intermediate_size": mlp, "layer_norm_eps": 1e-05,
            "model_type": "clip_vision_model", "num_attention_heads": heads, "num_channels": 3,
            "num_hidden_layers": layers, "patch_size": 14, "projection_dim": projection, "torch_dtype": "float16"}


TOWERS = {
    "text_encoder": (CLIPTextModel, CLIPTextConfig, text("CLIPTextModel", 768, 12, 12, 3072, "quick_gelu", 768)),
    "text_encoder_2": (CLIPTextModelWithProjection, CLIPTextConfig,
                       text("CLIPTextModelWithProjection", 1280, 32, 20, 5120, "gelu", 1280)),
    "image_encoder_bigg": (CLIPVisionModelWithProjection, CLIPVisionConfig, vision(1664, 48, 16, 8192, 1280)),
    "image_encoder_vit_h": (CLIPVisionModelWithProjection, CLIPVisionConfig, vision(1280, 32, 16, 5120, 1024)),
}


def base(clip):
    return {"image_proj.proj.weight": [8192, clip], "image_proj.proj.bias": [8192],
            "image_proj.norm.weight": [2048], "image_proj.norm.bias": [2048]}


def plus(clip, width=1280, heads=20, tokens=16, cross=2048, depth=4):
    inner = 64 * heads
    out = {"latents": [1, tokens, width], "proj_in.weight": [width, clip], "proj_in.bias": [width],
           "proj_out.weight": [cross, width], "proj_out.bias": [cross], "norm_out.weight": [cross], "norm_out.bias": [cross]}
    for i in range(depth):
        out |= {f"layers.{i}.0.{norm}.{k}": [width] for norm in ("norm1", "norm2") for k in ("weight", "bias")}
        out |= {f"layers.{i}.0.to_q.weight": [inner, width], f"layers.{i}.0.to_kv.weight": [2 * inner, width],
                f"layers.{i}.0.to_out.weight": [width, inner], f"layers.{i}.1.0.weight": [width],
                f"layers.{i}.1.0.bias": [width], f"layers.{i}.1.1.weight": [4 * width, width],
                f"layers.{i}.1.3.weight": [width, 4 * width]}
    return {"image_proj." + k: v for k, v in out.items()}


def shapes(module):
    return {k: list(v.shape) for k, v in module.state_dict().items() if not k.endswith("position_ids")}


def write(folder, name, table, config=None):
    lines = ",\n".join(f"{json.dumps(k)}:{json.dumps(['F16', v], separators=(',', ':'))}" for k, v in sorted(table.items()))
    (folder / f"{name}.json").write_text("{\n" + lines + "\n}\n")
    if config:
        (folder / f"{name}.config.json").write_text(json.dumps(config, indent=1) + "\n")


def of_parts(names, parts):
    """Shapes of a single file from its table of names and its parts' shapes."""
    out = {}
    for ldm, (of, how) in names.items():
        shape = list(parts[of[0]])
        if how == "rows":
            shape[0] *= len(of)
        out[ldm] = {"pixel": shape + [1, 1], "transposed": shape[::-1]}.get(how, shape)
    return out


def make_single_files(folder):
    """The published sd_xl_base_1.0.safetensors: 2,515 keys, counters and all."""
    read = lambda name: {k: v[1] for k, v in json.loads((folder / f"{name}.json").read_text()).items()}
    parts = {part: read(part) for part in ("unet", "vae", "text_encoder", "text_encoder_2")}
    flat = {f"{part}.{k}": v for part, shapes in parts.items() for k, v in shapes.items()}
    table = of_parts(single_file.names(UNET, parts), flat)
    table["conditioner.embedders.0.transformer.text_model.embeddings.position_ids"] = [1, 77]
    table["conditioner.embedders.1.model.logit_scale"] = []
    write(folder, "sd_xl_base_1.0", table)
    # v1-5-pruned-emaonly.safetensors; its VAE and text encoder have SDXL's shapes.
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(SD15_UNET)
    parts = {"unet": shapes(unet), "vae": parts["vae"], "text_encoder": parts["text_encoder"]}
    flat = {f"{part}.{k}": v for part, table in parts.items() for k, v in table.items()}
    table = of_parts(single_file.names(dict(unet.config), parts), flat)
    table["cond_stage_model.transformer.text_model.embeddings.position_ids"] = [1, 77]
    write(folder, "v1-5-pruned-emaonly", table)


def make_headers(folder):
    folder.mkdir(exist_ok=True)
    with torch.device("meta"):
        net = UNet2DConditionModel.from_config(UNET)
        write(folder, "unet", shapes(net), UNET)
        write(folder, "vae", shapes(AutoencoderKL.from_config(VAE)), VAE)
        for name, (cls, config, values) in TOWERS.items():
            rename = prefixed if name.startswith("text") else lambda key: key
            table = {rename(k): v for k, v in shapes(cls(config(**values))).items()}
            write(folder, name, table, values)
        kv = {f"ip_adapter.{2 * i + 1}.{m}_ip.weight": [inner, 2048]
              for i, inner in enumerate(cross_attention_widths(net)) for m in ("to_k", "to_v")}
    make_single_files(folder)
    write(folder, "ip-adapter_sdxl", base(1280) | kv)
    write(folder, "ip-adapter_sdxl_vit-h", base(1024) | kv)
    write(folder, "ip-adapter-plus_sdxl_vit-h", plus(1280) | kv)
