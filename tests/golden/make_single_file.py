"""Golden data of single-file checkpoints, SD 1.5 and LoRAs: by_rule/. See README.md.

Run: OMP_NUM_THREADS=1 python tests/golden/make_single_file.py
"""
import json
import shutil
import tempfile
import warnings
from pathlib import Path

import diffusers
import torch
import transformers
from safetensors.torch import save_file

from maker import adapters, by_rule, cases, configs, loras, models, pictures, reference, reference_sd15, single_file

HERE = Path(__file__).parent
OUT = HERE / "by_rule"
TOLERANCE = 1e-3
PARTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model", "text_encoder_2": "model"}


def make_model(root, name):
    """A diffusers folder with the rule's weights under `root`; returns the table of its tensors."""
    models.make_model(root, name)
    about = {}
    for part, stem in PARTS.items():
        path = root / f"model_{name}" / part / f"{stem}.safetensors"
        if path.exists():
            about |= by_rule.fill_file(path, part, rename=models.prefixed if part.startswith("text") else lambda key: key)
    return about


def make_adapter(root, name):
    adapters.make_adapter(root, name)
    return by_rule.fill_file(root / f"adapter_{name}.safetensors", f"adapter_{name}")


def configs_of(folder):
    """Every settings file of a folder but the tokenizers', for the test that writes the folder again."""
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*"))
            if p.suffix in (".json", ".txt") and "tokenizer" not in str(p)}


def make_single(root, name):
    """by_rule/NAME.json: the tensors by rule, and the single file made of them."""
    about = make_model(root, name)
    for adapter, spec in configs.ADAPTERS.items():
        if spec["model"] == name:
            about |= make_adapter(root, adapter)
    values = {k: by_rule.values(k, *a) for k, a in about.items()}
    pipe = (reference_sd15 if name == "d" else reference).load_model(root, name)
    keys = {part: [k[len(part) + 1:] for k in about if k.startswith(part + ".")] for part in PARTS}
    keys = {part: found for part, found in keys.items() if found}
    table = single_file.names(dict(pipe.unet.config), keys)
    single_file.confirm(table, values, pipe.unet, pipe.vae, getattr(pipe, "text_encoder_2", None))
    OUT.mkdir(exist_ok=True)
    # The test takes the tokenizers from there.
    assert all((HERE / "model_b" / p / "vocab.json").read_text() == (root / f"model_{name}" / p / "vocab.json").read_text()
               for p in ("tokenizer", "tokenizer_2") if (root / f"model_{name}" / p).exists())
    files, extra = make_loras(name, about, dict(pipe.unet.config))
    about |= extra
    for file, names in files.items():
        loras.save(root / f"{file}.safetensors", names, about)
    settings = {}
    for folder, config in (loras.peft_configs() if name == "s" else {}).items():
        config.save_pretrained(root / folder)
        # What PEFT guesses of the machine and the model is no part of it.
        fields = {k: v for k, v in json.loads((root / folder / "adapter_config.json").read_text()).items() if v not in (None, [], {})}
        # PEFT sorts them; files written by hand are in their own order, and the first pattern counts.
        fields |= {"alpha_pattern": config.alpha_pattern} if config.alpha_pattern else {}
        settings[f"{folder}/adapter_config.json"] = json.dumps(fields)
        (root / folder / "adapter_config.json").write_text(settings[f"{folder}/adapter_config.json"])
    by_rule.write(OUT / f"{name}.json", about, single_file=table, configs=configs_of(root / f"model_{name}"), loras=files,
                  lora_settings=settings)


def make_loras(name, about, config):
    """{file: its names}, and the tensors by rule."""
    if name != "s":
        return {}, {}
    changed = loras.modules(about, ("unet", "text_encoder", "text_encoder_2"))
    second = {m: s for m, s in loras.modules(about, ("unet",), convs=False).items() if "attn" in m}
    files = {"lora_ldm": loras.kohya("lora", changed, config, True), "lora_kohya": loras.kohya("lora", changed, config, False),
             "lora_diffusers": loras.dotted("lora", changed, "lora.down", "lora.up"),
             "lora_peft": loras.dotted("lora", changed, "lora_A", "lora_B"),
             "second": loras.dotted("second", second, "lora_A", "lora_B", 1)}
    unet = loras.modules(about, ("unet",), convs=False)
    for folder in loras.peft_configs():
        files[f"{folder}/adapter_model"] = loras.peft("peft", unet)
    return files, loras.table("lora", changed) | loras.table("second", second, 2) | loras.table("peft", unet, ranks=loras.PEFT_RANKS)


def with_loras(root, which):
    """Loads and fuses [(file, strength, blocks)] as diffusers does it."""
    def change(pipe, kw):
        from safetensors.torch import load_file
        for i, (file, strength, block) in enumerate(which):
            state = load_file(root / f"{file}.safetensors")
            if block:
                state = {k: v for k, v in state.items() if k.startswith(f"unet.{block}.")}
            pipe.load_lora_weights(state, adapter_name=f"a{i}")
        pipe.set_adapters([f"a{i}" for i in range(len(which))], [s for _, s, _ in which])
        pipe.fuse_lora(adapter_names=[f"a{i}" for i in range(len(which))])
    return change


def with_peft(root, folder, strength):
    """Merges a folder of PEFT's as PEFT does it."""
    def change(pipe, kw):
        from peft import PeftModel
        model = PeftModel.from_pretrained(pipe.unet, root / folder)
        for module in model.modules():
            if hasattr(module, "scale_layer"):
                module.scale_layer(strength)
        pipe.unet = model.merge_and_unload()
    return change


def lora_cases():
    base = s_cases()[0] | dict(prompt="a boat", seed=8, references=[])
    style = "up_blocks.0.attentions.1"
    table = [(f"s_{file}", [(file, 0.75, None)]) for file in ("lora_ldm", "lora_kohya", "lora_diffusers", "lora_peft")]
    table += [("s_two_loras", [("lora_ldm", 0.75, None), ("second", -0.5, None)]),
              ("s_style_half", [("lora_peft", 1.0, style)])]
    return [(base | dict(name=name), which) for name, which in table]


def lora_flags(which):
    out = []
    for file, strength, block in which:
        out += ["--lora", f"{file}.safetensors", "--lora-strength", str(strength)]
        out += ["--lora-blocks", "style"] if block else []
    return out


def s_cases():
    base = dict(name="s", model="s", adapter="s", prompt=cases.PROMPT, scheduler="euler", steps=3, guidance=5.0, seed=42,
                width=64, height=64, references=cases.ref(mode="style-layout", strength=0.8))
    return [base | dict(name="s_style_layout"),
            base | dict(name="s_subtract", references=cases.ref(mode="everything", subtract="a rabbit"), seed=5),
            base | dict(name="s_words_only", references=[], negative=cases.NEGATIVE, prompt="Dogs & cats!!! caf\u00e9")]


def d_cases():
    base = dict(name="d", model="d", adapter="d", prompt=cases.PROMPT, scheduler="euler", steps=3, guidance=7.5, seed=21,
                width=64, height=48, references=cases.ref(mode="style-layout", strength=0.9, layout_strength=0.5))
    return [base | dict(name="d_style_layout"),
            base | dict(name="d_style", references=cases.ref("ref2"), negative=cases.NEGATIVE),
            base | dict(name="d_plus", adapter="d_plus", references=cases.ref(mode="everything", strength=0.7)),
            base | dict(name="d_full", adapter="d_full", references=cases.ref(mode="everything", strength=0.8)),
            base | dict(name="d_words_only", references=[], guidance=4.0, prompt="Dogs & cats!!! caf\u00e9"),
            base | dict(name="d_img2img", init="init_64x64", width=64, height=64, denoise=0.6, steps=5)]


def main():
    warnings.filterwarnings("ignore")
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    latents, table = {}, []
    with tempfile.TemporaryDirectory() as root:
        root = Path(root)
        pictures.make_pictures(root)
        shutil.copytree(HERE / "vision_a", root / "vision_a")
        for name in ("s", "d"):
            make_single(root, name)
        for case in s_cases():
            latents[case["name"]] = reference.run(root, case).contiguous()
            table.append({"name": case["name"], "model": case["model"], "flags": cases.flags(case), "tolerance": TOLERANCE})
            print(case["name"], float(latents[case["name"]].std()), float(latents[case["name"]].abs().max()), flush=True)
        for case in d_cases():
            latents[case["name"]] = reference_sd15.run(root, case).contiguous()
            table.append({"name": case["name"], "model": case["model"], "flags": cases.flags(case), "tolerance": TOLERANCE})
            print(case["name"], float(latents[case["name"]].std()), float(latents[case["name"]].abs().max()), flush=True)
        for folder, strength in (("peft_patterns", 0.5), ("peft_root", -0.75)):
            case = s_cases()[0] | dict(prompt="a boat", seed=8, references=[], name=f"s_{folder}")
            latents[case["name"]] = reference.run(root, case, change=with_peft(root, folder, strength)).contiguous()
            flags = cases.flags(case) + ["--lora", f"{folder}/adapter_model.safetensors", "--lora-strength", str(strength)]
            table.append({"name": case["name"], "model": case["model"], "flags": flags, "tolerance": TOLERANCE})
            print(case["name"], float(latents[case["name"]].std()), float(latents[case["name"]].abs().max()), flush=True)
        for case, which in lora_cases():
            latents[case["name"]] = reference.run(root, case, change=with_loras(root, which)).contiguous()
            flags = cases.flags(case) + lora_flags(which)
            table.append({"name": case["name"], "model": case["model"], "flags": flags, "tolerance": TOLERANCE})
            print(case["name"], float(latents[case["name"]].std()), float(latents[case["name"]].abs().max()), flush=True)
    save_file(latents, OUT / "latents.safetensors")
    (OUT / "latents.safetensors").chmod(0o644)
    (OUT / "cases.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in table) + "\n]\n")


if __name__ == "__main__":
    main()
