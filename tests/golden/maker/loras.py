"""LoRAs by rule, in the dialects that artists have: the same numbers under other names."""
from safetensors.torch import save_file

from . import by_rule, single_file

RANK = 4
# Modules of another rank in PEFT's files, by the end of their names.
PEFT_RANKS = {"ff.net.0.proj": 9}
UNET_ENDS = ("attn1.to_q", "attn1.to_out.0", "attn2.to_k", "attn2.to_v", "ff.net.0.proj", "proj_in")
CONVS = ("down_blocks.1.resnets.0.conv1", "up_blocks.0.resnets.1.conv2", "mid_block.resnets.0.conv_shortcut", "down_blocks.0.downsamplers.0.conv")
TEXT_ENDS = ("self_attn.q_proj", "self_attn.out_proj", "mlp.fc1")


def modules(about, parts, convs=True):
    """{component.module: weight shape} of what the LoRA changes."""
    out = {}
    for name, (shape, _) in about.items():
        part, rest = name.split(".", 1)
        module = rest.removesuffix(".weight")
        if part not in parts or module == rest:
            continue
        ends = UNET_ENDS if part == "unet" else TEXT_ENDS
        if module.endswith(ends) or (part == "unet" and convs and module in CONVS):
            out[f"{part}.{module}"] = shape
    return out


def table(prefix, changed, rank=RANK, ranks={}):
    """Tensors by rule: two for each module. A 3x3 convolution goes down with its kernel and up with 1x1."""
    out, usual = {}, rank
    for module, shape in changed.items():
        rank = next((r for end, r in ranks.items() if module.endswith(end)), usual)
        down, up = [rank, *shape[1:]], [shape[0], rank] + [1] * (len(shape) - 2)
        out[f"{prefix}.{module}.down"] = [down, by_rule.kind_of("weight", down)]
        out[f"{prefix}.{module}.up"] = [up, by_rule.kind_of("weight", up)]
    return out


def peft(prefix, changed):
    """PEFT's own files: the module's name inside its network, after a word of PEFT's."""
    out = {}
    for module in changed:
        path = f"base_model.model.{module.split('.', 1)[1]}"
        out |= {f"{path}.lora_A.weight": [f"{prefix}.{module}.down", 1], f"{path}.lora_B.weight": [f"{prefix}.{module}.up", 1]}
    return out


def peft_configs():
    """{folder: PEFT's settings}: alpha and rank of single modules, one of them named by its end and by its whole name; and
    a division by the root of the rank."""
    from peft import LoraConfig
    whole = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
    ends = [end for end in UNET_ENDS if end not in PEFT_RANKS] + list(PEFT_RANKS)
    patterns = dict(rank_pattern=dict(PEFT_RANKS), alpha_pattern={whole: 12, "attn2.to_k": 1.5, "proj_in": 6, "to_k": 40})
    return {"peft_patterns": LoraConfig(r=RANK, lora_alpha=3, target_modules=ends, **patterns),
            "peft_root": LoraConfig(r=RANK, lora_alpha=2, target_modules=ends, rank_pattern=dict(PEFT_RANKS), use_rslora=True)}


def kohya(prefix, changed, config, ldm, one_tower=False):
    """{name in the file: [tensor by rule, factor]}; the number 0 stands for alpha, whose value is the factor."""
    names = single_file.modules(config)
    out = {}
    for module in changed:
        part, path = module.split(".", 1)
        if part == "unet" and ldm:
            own = next(m for m in names if path == m or path.startswith(m + "."))
            rest = path[len(own) + 1:]
            rest = single_file.RES.get(rest, rest) if ".resnets." in own + "." else rest
            path = names[own] + (f".{rest}" if rest else "")
        start = {"unet": "lora_unet", "text_encoder": "lora_te" if one_tower else "lora_te1", "text_encoder_2": "lora_te2"}[part]
        word = f"{start}_{path.replace('.', '_')}"
        out |= {f"{word}.lora_down.weight": [f"{prefix}.{module}.down", 1], f"{word}.lora_up.weight": [f"{prefix}.{module}.up", 1],
                f"{word}.alpha": [0, RANK / 2]}
    return out


def dotted(prefix, changed, down, up, factor=0.5):
    """diffusers' and PEFT's layouts hold no alpha: it is in the numbers."""
    out = {}
    for module in changed:
        if down == "lora.down" and module.startswith("text_encoder"):
            # In text encoders the old layout says so.
            out |= {f"{module}.lora_linear_layer.down.weight": [f"{prefix}.{module}.down", 1],
                    f"{module}.lora_linear_layer.up.weight": [f"{prefix}.{module}.up", factor]}
            continue
        out |= {f"{module}.{down}.weight": [f"{prefix}.{module}.down", 1], f"{module}.{up}.weight": [f"{prefix}.{module}.up", factor]}
    return out


def tensors(names, about):
    import torch
    return {name: (torch.tensor(float(factor)) if of == 0 else by_rule.values(of, *about[of]) * factor) for name, (of, factor) in names.items()}


def save(path, names, about):
    path.parent.mkdir(exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors(names, about).items()}, path, metadata={"format": "pt"})
