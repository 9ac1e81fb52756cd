"""Single-file checkpoints: LDM's names of a model's tensors, as the original modules count them.

Written from openaimodel.py's `UNetModel`, diffusionmodules/model.py's `Encoder` and `Decoder` and open_clip's
`TextTransformer`; `confirm` lets diffusers' own converters undo it.
"""
import re

import torch
from diffusers.loaders import single_file_utils as theirs

RES = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
       "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}


def modules(config):
    """{diffusers module: LDM module} of a UNet."""
    out = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0",
           "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2", "conv_norm_out": "out.0",
           "conv_out": "out.2", "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1",
           "mid_block.resnets.1": "middle_block.2"}
    levels, layers = len(config["block_out_channels"]), config["layers_per_block"]
    layers = [layers] * levels if isinstance(layers, int) else list(layers)
    count = 0
    for level, kind in enumerate(config["down_block_types"]):
        for layer in range(layers[level]):
            count += 1
            out[f"down_blocks.{level}.resnets.{layer}"] = f"input_blocks.{count}.0"
            if kind.startswith("Cross"):
                out[f"down_blocks.{level}.attentions.{layer}"] = f"input_blocks.{count}.1"
        if level != levels - 1:
            count += 1
            out[f"down_blocks.{level}.downsamplers.0.conv"] = f"input_blocks.{count}.0.op"
    count = -1
    for level, kind in enumerate(config["up_block_types"]):
        for layer in range(layers[levels - 1 - level] + 1):
            count += 1
            inside = 1
            out[f"up_blocks.{level}.resnets.{layer}"] = f"output_blocks.{count}.0"
            if kind.startswith("Cross"):
                out[f"up_blocks.{level}.attentions.{layer}"] = f"output_blocks.{count}.1"
                inside = 2
        if level != levels - 1:
            out[f"up_blocks.{level}.upsamplers.0.conv"] = f"output_blocks.{count}.{inside}.conv"
    return out


def unet_names(config, keys):
    table = modules(config)
    out = {}
    for key in keys:
        module = next(m for m in table if key.startswith(m + "."))
        rest = key[len(module) + 1:]
        if ".resnets." in module + ".":
            part, end = rest.split(".", 1)
            rest = f"{RES[part]}.{end}"
        out[f"model.diffusion_model.{table[module]}.{rest}"] = key
    return out


def vae_name(key, levels):
    key = re.sub(r"encoder\.down_blocks\.(\d+)\.resnets\.", r"encoder.down.\1.block.", key)
    key = re.sub(r"decoder\.up_blocks\.(\d+)\.resnets\.", lambda m: f"decoder.up.{levels - 1 - int(m[1])}.block.", key)
    key = re.sub(r"encoder\.down_blocks\.(\d+)\.downsamplers\.0", r"encoder.down.\1.downsample", key)
    key = re.sub(r"decoder\.up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"decoder.up.{levels - 1 - int(m[1])}.upsample", key)
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    for new, old in (("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
        key = key.replace(f"mid_block.attentions.0.{new}.", f"mid.attn_1.{old}.")
    return "first_stage_model." + key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")


def open_clip_names(keys):
    """{OpenCLIP name: (transformers names, what is done with them)}."""
    out = {"positional_embedding": (["text_model.embeddings.position_embedding.weight"], "whole"),
           "token_embedding.weight": (["text_model.embeddings.token_embedding.weight"], "whole"),
           "text_projection": (["text_projection.weight"], "transposed")}
    for end in ("weight", "bias"):
        out[f"ln_final.{end}"] = ([f"text_model.final_layer_norm.{end}"], "whole")
    layers = 1 + max(int(m[1]) for k in keys if (m := re.match(r"text_model\.encoder\.layers\.(\d+)\.", k)))
    for i in range(layers):
        old, new = f"transformer.resblocks.{i}.", f"text_model.encoder.layers.{i}."
        for end in ("weight", "bias"):
            out[f"{old}attn.in_proj_{end}"] = ([f"{new}self_attn.{p}_proj.{end}" for p in "qkv"], "rows")
            for a, b in (("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"), ("attn.out_proj", "self_attn.out_proj"),
                         ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2")):
                out[f"{old}{a}.{end}"] = ([f"{new}{b}.{end}"], "whole")
    return out


def names(config, keys):
    """{LDM name: [names with their component, what is done]} for {component: its tensors' names}."""
    out = {ldm: [["unet." + key], "whole"] for ldm, key in unet_names(config, keys["unet"]).items()}
    levels = 1 + max(int(m[1]) for k in keys["vae"] if (m := re.match(r"decoder\.up_blocks\.(\d+)\.", k)))
    for key in keys["vae"]:
        matrix = re.search(r"attentions\.0\.to_(q|k|v|out\.0)\.weight", key)
        out[vae_name(key, levels)] = [["vae." + key], "pixel" if matrix else "whole"]
    first = "conditioner.embedders.0.transformer." if "text_encoder_2" in keys else "cond_stage_model.transformer."
    out |= {first + key: [["text_encoder." + key], "whole"] for key in keys["text_encoder"]}
    for ldm, (of, how) in open_clip_names(keys["text_encoder_2"]).items() if "text_encoder_2" in keys else ():
        out["conditioner.embedders.1.model." + ldm] = [["text_encoder_2." + key for key in of], how]
    return dict(sorted(out.items()))


def apply(how, parts):
    if how == "rows":
        return torch.cat(parts)
    one = parts[0]
    return {"whole": lambda: one, "pixel": lambda: one[:, :, None, None], "transposed": lambda: one.T}[how]().contiguous()


def confirm(table, values, unet, vae, tower):
    """diffusers' converters make the models' own tensors of the single file again."""
    single = {name: apply(how, [values[key] for key in of]) for name, (of, how) in table.items()}

    def same(component, found):
        own = {k: v for k, v in values.items() if k.startswith(component + ".")}
        found = {f"{component}.{k}": v for k, v in found.items()}
        assert sorted(own) == sorted(found), sorted(set(own) ^ set(found))[:5]
        assert all(torch.equal(own[k], found[k]) for k in own)

    same("unet", theirs.convert_ldm_unet_checkpoint(dict(single), dict(unet.config)))
    same("vae", theirs.convert_ldm_vae_checkpoint(dict(single), dict(vae.config)))
    first = theirs.convert_ldm_clip_checkpoint(dict(single))
    prefix = lambda k: k if k.startswith(("text_model.", "text_projection")) else "text_model." + k
    same("text_encoder", {prefix(k): v for k, v in first.items() if "text_model" in k})
    if tower is not None:
        # Their split of in_proj takes the height of text_projection for the width, which only fits where both are one.
        prefix_g = "conditioner.embedders.1.model."
        square = {k: v for k, v in single.items()} | {prefix_g + "text_projection": torch.zeros(tower.config.hidden_size, 1)}
        found = theirs.convert_open_clip_checkpoint(tower, square, prefix_g)
        found["text_projection.weight"] = single[prefix_g + "text_projection"].T
        same("text_encoder_2", found)
    return single
