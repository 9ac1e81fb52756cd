"""Small random models in diffusers' folder layout. Every tensor is random: norms, biases and embeddings too."""
import json
import shutil
import zlib

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import (CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPVisionConfig,
                          CLIPVisionModelWithProjection)

from . import vocab
from .configs import MODELS, VISIONS


def randomise(module, name, gain=1.0):
    """Fills every parameter with values that f16 holds exactly, from a generator seeded by `name`."""
    gen = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    for key, p in module.named_parameters():
        noise = torch.randn(p.shape, generator=gen)
        if "embedding" in key and "time_embedding" not in key and "add_embedding" not in key and "patch" not in key:
            value = noise * (0.5 if "position" in key else 0.8)
        elif key.endswith("bias"):
            value = noise * 0.15
        elif p.ndim == 1:
            value = torch.rand(p.shape, generator=gen) + 0.5
        else:
            value = noise * gain / p[0].numel() ** 0.5
        p.data = value.half().float()
    return module.eval()


def rename(path, change):
    tensors = load_file(path)
    save_file({change(k): v.contiguous() for k, v in tensors.items()}, path, metadata={"format": "pt"})


def prefixed(key):
    return key if key.startswith("text_model.") or key.startswith("text_projection") else "text_model." + key


def make_model(root, name):
    spec, folder = MODELS[name], root / f"model_{name}"
    shutil.rmtree(folder, ignore_errors=True)
    merge_list = vocab.merges(spec["merges"])
    table = vocab.vocab(merge_list, spec["specials_last"])
    vocab.write_tokenizer(folder / "tokenizer", merge_list, spec["specials_last"], vocab.END, spec["tokenizer_json"])
    towers = [("text_encoder", CLIPTextModel)]
    if "text_encoder_2" in spec:
        vocab.write_tokenizer(folder / "tokenizer_2", merge_list, spec["specials_last"], "!", spec["tokenizer_json"])
        towers.append(("text_encoder_2", CLIPTextModelWithProjection))
    for part, cls in towers:
        c = dict(spec[part], vocab_size=len(table), bos_token_id=table[vocab.START], max_position_embeddings=77)
        c["eos_token_id"] = 2 if spec[part]["eos_rule"] == "highest" else table[vocab.END]
        c.pop("eos_rule")
        model = randomise(cls(CLIPTextConfig(**c)), f"{name}.{part}", 1.2)
        model.half().save_pretrained(folder / part)
        if spec["text_prefix"]:
            rename(folder / part / "model.safetensors", prefixed)
    unet = randomise(UNet2DConditionModel(**spec["unet"]), f"{name}.unet", spec["unet_gain"])
    unet.half().save_pretrained(folder / "unet", **spec["unet_save"])
    vae = randomise(AutoencoderKL(**spec["vae"]), f"{name}.vae")
    vae.half().save_pretrained(folder / "vae", **spec["vae_save"])
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(spec["scheduler"], indent=2) + "\n")
    index = {"_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.42.1",
             "force_zeros_for_empty_prompt": spec["force_zeros"], "add_watermarker": None,
             "scheduler": ["diffusers", "EulerDiscreteScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
             "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
             "tokenizer": ["transformers", "CLIPTokenizer"], "tokenizer_2": ["transformers", "CLIPTokenizer"],
             "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
             "image_encoder": [None, None], "feature_extractor": [None, None]}
    if "text_encoder_2" not in spec:
        second = ("text_encoder_2", "tokenizer_2", "force_zeros_for_empty_prompt", "add_watermarker")
        index = {k: v for k, v in index.items() if k not in second} | {"_class_name": "StableDiffusionPipeline"}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def make_vision(root, name):
    folder = root / f"vision_{name}"
    shutil.rmtree(folder, ignore_errors=True)
    model = randomise(CLIPVisionModelWithProjection(CLIPVisionConfig(**VISIONS[name])), f"{name}.vision", 1.2)
    model.half().save_pretrained(folder)
