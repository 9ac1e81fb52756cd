"""Writes what the program embeds, in f16: the diffusers folder with published key names, and the judge."""
import json
import os
import shutil

import torch
from safetensors.torch import save_file

import tokenizer


def half(state):
    return {k: v.detach().half().contiguous().cpu() if v.is_floating_point() else v.cpu().contiguous() for k, v in state.items() if not k.endswith("position_ids")}


def dump(folder, name, value):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w") as f:
        json.dump(value, f, indent=2, sort_keys=True)
        f.write("\n")


def diffusers_part(folder, module, **extra):
    config = {k: v for k, v in dict(module.config).items() if not k.startswith("_") or k == "_class_name"}
    dump(folder, "config.json", {"_class_name": type(module).__name__, "_diffusers_version": "0.42.1", **config, **extra})
    save_file(half(module.state_dict()), os.path.join(folder, "diffusion_pytorch_model.safetensors"), {"format": "pt"})


def clip_part(folder, module, prefix):
    """Published CLIP files keep their tower under `text_model.` or `vision_model.`; transformers 5 may leave that out."""
    state = {}
    for key, value in half(module.state_dict()).items():
        bare = key.startswith((prefix, "text_projection", "visual_projection"))
        state[key if bare else prefix + key] = value
    config = json.loads(module.config.to_json_string(use_diff=False))
    keep = ("attention_dropout bos_token_id eos_token_id pad_token_id hidden_act hidden_size image_size initializer_factor initializer_range intermediate_size layer_norm_eps "
            "max_position_embeddings model_type num_attention_heads num_channels num_hidden_layers patch_size projection_dim vocab_size").split()
    dump(folder, "config.json", {"architectures": [type(module).__name__], "torch_dtype": "float16", **{k: config[k] for k in keep if k in config}})
    save_file(state, os.path.join(folder, "model.safetensors"), {"format": "pt"})


def judge(target, net, side, subjects, styles):
    """The judge with its batch norms folded into the convolutions."""
    state, shapes, last = {}, [], None
    for module in net:
        if isinstance(module, torch.nn.Conv2d):
            last = module
        elif isinstance(module, torch.nn.BatchNorm2d):
            gain = module.weight / (module.running_var + module.eps).sqrt()
            name = f"convolutions.{len(shapes)}"
            state[name + ".weight"], state[name + ".bias"] = last.weight * gain[:, None, None, None], module.bias - module.running_mean * gain
            shapes.append([last.out_channels, last.stride[0]])
    one, two = (m for m in net if isinstance(m, torch.nn.Linear))
    for name, module in (("linear1", one), ("linear2", two)):
        state.update({f"{name}.{k}": v for k, v in module.state_dict().items()})
    dump(target, "config.json", {"side": side, "convolutions": shapes, "hidden": one.out_features, "subjects": subjects, "styles": styles})
    file = os.path.join(target, "model.safetensors")
    save_file(half(state), file, {"format": "pt"})
    os.chmod(file, 0o644)


def write(target, vae, unet, one, two, see, adapter, scheduler, meta):
    temporary = target.rstrip("/") + ".new"
    shutil.rmtree(temporary, ignore_errors=True)
    at = lambda *names: os.path.join(temporary, *names)
    diffusers_part(at("vae"), vae)
    diffusers_part(at("unet"), unet)
    clip_part(at("text_encoder"), one, "text_model.")
    clip_part(at("text_encoder_2"), two, "text_model.")
    clip_part(at("image_encoder"), see, "vision_model.")
    size = see.config.image_size
    dump(at("image_encoder"), "preprocessor_config.json", {"image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"shortest_edge": size}, "resample": 3, "do_center_crop": True,
         "crop_size": {"height": size, "width": size}, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "do_convert_rgb": True,
         "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]})
    tokenizer.write(at("tokenizer"), "<|endoftext|>")
    tokenizer.write(at("tokenizer_2"), "!")
    dump(at("scheduler"), "scheduler_config.json", {"_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.42.1", **scheduler})
    save_file(half(adapter.published()), at("ip_adapter.safetensors"), {"format": "pt"})
    dump(at(), "model_index.json", {"_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.42.1", "force_zeros_for_empty_prompt": True,
         "scheduler": ["diffusers", "EulerDiscreteScheduler"], "text_encoder": ["transformers", "CLIPTextModel"], "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
         "tokenizer": ["transformers", "CLIPTokenizer"], "tokenizer_2": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
         "feature_extractor": [None, None], "image_encoder": [None, None]})
    dump(at(), "instantstyle.json", meta)
    for folder, _, files in os.walk(temporary):
        for f in files:
            os.chmod(os.path.join(folder, f), 0o644)
    old = target.rstrip("/") + ".old"
    shutil.rmtree(old, ignore_errors=True)
    if os.path.exists(target):
        os.rename(target, old)
    os.rename(temporary, target)
    shutil.rmtree(old, ignore_errors=True)
    total = 0
    for folder, _, files in os.walk(target):
        for f in files:
            total += os.path.getsize(os.path.join(folder, f))
    print(f"{target}: {total / 1e6:.1f} MB")
