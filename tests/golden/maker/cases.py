"""The cases: each is a plain table that both the reference and the command line's flags are made from."""
PROMPT = "a quiet house by the sea, painted"
NEGATIVE = "blurry, low quality"
LONG = ("a long winding road through the hills with many small houses, trees and people who walk home in the evening "
        "light while the rain falls on the stones of the old bridge and the river below it carries leaves, boats and "
        "lanterns far away toward the open sea") 
EXTRA = ("; in the distance there are mountains with snow, and a castle with seven towers, and over them a sky of red "
         "and gold clouds that drift")


def base_a(name, **kw):
    case = dict(name=name, model="a", adapter="a", prompt=PROMPT, scheduler="euler", steps=4, guidance=5.0, seed=42,
                width=64, height=64, references=[dict(file="ref1")])
    return {k: v for k, v in (case | kw).items() if v is not None}


def base_b(name, **kw):
    return base_a(name, **(dict(model="b", adapter="b", guidance=4.0, seed=3) | kw))


def base_c(name, **kw):
    return base_a(name, **(dict(model="c", adapter="c", guidance=3.0, seed=11, width=32, height=24,
                                references=[dict(file="ref1", mode="everything")]) | kw))


def ref(file="ref1", **kw):
    return [dict(file=file, **kw)]


ELEVEN = {"down_blocks.1.attentions.0": 0.3, "down_blocks.1.attentions.1": 0.9, "down_blocks.2.attentions.0": -0.5,
          "down_blocks.2.attentions.1": 1.2, "up_blocks.0.attentions.0": 0.7, "up_blocks.0.attentions.2": 1.6,
          "up_blocks.1.attentions.1": 0.45, "mid_block.attentions.0": 0.8}
SCHEDULERS = ["euler", "euler-trailing", "euler-ancestral", "ddim", "dpmpp-2m", "dpmpp-2m-karras", "lcm"]


def all_cases():
    a, b, c = base_a, base_b, base_c
    out = [
        a("style"),
        a("everything", references=ref(mode="everything", strength=0.8)),
        a("off", references=ref(mode="off")),
        a("off_no_reference", adapter=None, references=None),
        a("layout", references=ref(mode="layout", layout_strength=1.3)),
        a("style_layout", references=ref(mode="style-layout", strength=0.9, layout_strength=0.4)),
    ]
    out += [a(f"scheduler_{s}", scheduler=s, steps=6 if s != "lcm" else 4, references=ref(mode="style-layout")) for s in SCHEDULERS]
    out += [
        a("scheduler_from_model", scheduler_flag=False, steps=3),
        a("blocks", references=ref(blocks=ELEVEN)),
        a("blocks_negative_strength", references=ref(mode="everything", strength=-0.6)),
        a("subtract", references=ref(subtract="a rabbit", subtract_strength=0.5)),
        a("subtract_full_everything", references=ref(mode="everything", subtract="the face of a man!", subtract_strength=1.0)),
        a("precise", references=ref(mode="precise", strength=1.0, layout_strength=0.7)),
        a("precise_subtract", references=ref(mode="precise", subtract="a dog", layout_strength=1.4)),
        a("two_equal", references=ref("ref1") + ref("ref2")),
        a("two_unequal", references=ref("ref1", strength=1.2) + ref("ref2", strength=0.3)),
        a("three_everything_unequal", references=ref("ref1", mode="everything", strength=0.2) + ref("ref2", mode="everything", strength=0.9) + ref("ref3", mode="everything", strength=0.5)),
        a("two_style_layout_unequal", references=ref("ref1", mode="style-layout", strength=0.4, layout_strength=1.0) + ref("ref2", mode="style-layout", strength=1.0, layout_strength=0.25)),
        a("two_one_subtracted", references=ref("ref1", subtract="a cat") + ref("ref2")),
        a("two_roles", references=ref("ref1", mode="style", strength=0.8) + ref("ref2", mode="layout", layout_strength=1.1)),
        a("roles_three", references=ref("ref1", mode="style", strength=0.8) + ref("ref2", mode="everything", strength=0.6) + ref("ref3", mode="style", strength=0.4)),
        a("two_blocks_same", references=ref("ref1", blocks=ELEVEN) + ref("ref2", blocks=ELEVEN)),
        a("two_blocks", references=ref("ref1", blocks=ELEVEN) + ref("ref2", blocks={"up_blocks.0.attentions.2": 0.8, "mid_block.attentions.0": 0.8})),
        a("precise_plus_style", references=ref("ref1", mode="precise", layout_strength=0.8) + ref("ref2", mode="style", strength=0.7)),
        a("plus_style", adapter="a_plus"),
        a("plus_everything", adapter="a_plus", references=ref("ref2", mode="everything", strength=0.7)),
        a("plus_precise", adapter="a_plus", references=ref("ref2", mode="precise")),
        a("plus_two", adapter="a_plus", references=ref("ref1", strength=1.0) + ref("ref2", strength=0.6)),
        a("guidance_1", guidance=1.0),
        a("guidance_1_everything", guidance=1.0, references=ref(mode="everything"), scheduler="euler-ancestral"),
        a("guidance_9", guidance=9.0, references=ref(mode="style-layout")),
        a("crop_fit", references=ref("ref1", crop="fit", mode="everything")),
        a("crop_stretch", references=ref("ref2", crop="stretch", mode="everything")),
        a("crop_rect", references=ref("ref1", crop="12,3,40,36", mode="everything")),
        a("negative", negative=NEGATIVE),
        a("negative_empty_is_zeros", negative=""),
        a("no_adapter_negative", adapter=None, references=None, negative=NEGATIVE, prompt="Dogs & cats!!! 'quoted' caf\u00e9, 3 trees\u2026 it's"),
        a("empty_prompt", prompt="", references=ref(mode="everything")),
        a("two_chunks", prompt=LONG, steps=3, references=ref(mode="style-layout")),
        a("two_chunks_short_negative", prompt=LONG, negative=NEGATIVE, steps=3),
        a("short_prompt_long_negative", prompt=PROMPT, negative=LONG, steps=3),
        a("three_chunks_guidance_1", prompt=LONG + EXTRA, guidance=1.0, steps=3),
        a("window", start=0.25, end=0.75, steps=6, references=ref(mode="everything")),
        a("window_end", end=0.5, steps=5, references=ref(mode="everything"), scheduler="ddim"),
        a("size_88x56", width=88, height=56, references=ref(mode="everything")),
        a("size_56x120", width=56, height=120, references=ref(mode="style-layout"), scheduler="dpmpp-2m"),
        a("size_8x8", width=8, height=8, references=ref(mode="everything")),
        a("size_24x8_ancestral", width=24, height=8, scheduler="euler-ancestral", references=ref(mode="everything")),
        a("size_from_model", size_flag=False, steps=3),
        a("size_168x136", width=168, height=136, steps=3),
        a("seed_big", seed=2**64 - 1, steps=3),
        a("seed_over_32_bits", seed=2**32 + 7, steps=3),
    ]
    out += [a(f"img2img_{s}", scheduler=s, init="init_64x64", denoise=0.6, steps=5, references=ref(mode="style-layout")) for s in SCHEDULERS]
    out += [
        a("img2img_88x56", init="init_88x56", width=88, height=56, denoise=0.35, steps=6, negative=NEGATIVE),
        a("img2img_full", init="init_64x64", denoise=1.0, steps=3),
        b("b_style"),
        b("b_everything", references=ref("ref2", mode="everything", strength=0.7)),
        b("b_off", references=ref(mode="off")),
        b("b_negative", negative=NEGATIVE, references=ref(mode="everything")),
        b("b_subtract", references=ref("ref3", mode="everything", subtract="a rabbit", subtract_strength=0.8)),
        b("b_blocks", references=ref(blocks={"down_blocks.0.attentions.0": 1.0, "down_blocks.3.attentions.0": 0.5, "mid_block.attentions.0": 1.1, "up_blocks.3.attentions.1": 0.9})),
        b("b_plus", adapter="b_plus", references=ref(mode="everything")),
        b("b_two_unequal", references=ref("ref1", strength=0.5) + ref("ref2", strength=1.0)),
        b("b_two_chunks", prompt=LONG, steps=3),
        b("b_size_72x40", width=72, height=40, references=ref(mode="everything"), steps=3),
        b("b_size_from_model", size_flag=False, steps=3),
        b("b_guidance_1", guidance=1.0, references=ref(mode="everything")),
        b("b_img2img", init="init_72x48", width=72, height=48, denoise=0.7, steps=4),
    ]
    out += [b(f"b_scheduler_{s}", scheduler=s, steps=5, references=ref(mode="everything")) for s in SCHEDULERS if s != "euler"]
    out += [c("c_everything"), c("c_mid", references=ref(blocks={"mid_block.attentions.0": 1.0, "down_blocks.1.attentions.1": 0.5})),
            c("c_style", references=ref("ref2"))]
    out += [c(f"c_scheduler_{s}", scheduler=s, steps=5) for s in SCHEDULERS if s != "euler"]
    out += [c("c_img2img", init="init_88x56", width=88, height=56, denoise=0.8, steps=3, scheduler="dpmpp-2m")]
    # product.md: sizes that the model brings
    for case in out:
        if case.get("size_flag") is False:
            case["width"] = case["height"] = {"a": 64, "b": 64, "c": 32}[case["model"]]
    return out


def flags(case):
    """The command line's flags, paths relative to this folder."""
    out = ["--model", f"model_{case['model']}", "--prompt", case["prompt"], "--steps", str(case["steps"]),
           "--guidance", repr(case["guidance"]), "--seed", str(case["seed"]), "--device", "cpu", "--dtype", "f32"]
    if case.get("size_flag", True):
        out += ["--width", str(case["width"]), "--height", str(case["height"])]
    if case.get("scheduler_flag", True):
        out += ["--scheduler", case["scheduler"]]
    if "adapter" in case:
        from .configs import ADAPTERS
        out += ["--adapter", f"adapter_{case['adapter']}.safetensors", "--image-encoder", f"vision_{ADAPTERS[case['adapter']]['vision']}"]
    if "negative" in case:
        out += ["--negative", case["negative"]]
    for key in ("start", "end", "denoise"):
        if key in case:
            out += [f"--{key}", repr(case[key])]
    if "init" in case:
        out += ["--init", f"{case['init']}.png"]
    for r in case.get("references", []):
        out += ["--reference", f"{r['file']}.png"]
        if "blocks" in r:
            out += ["--blocks", ",".join(f"{k}={v}" for k, v in r["blocks"].items())]
        for key in ("crop", "mode", "strength", "layout_strength", "subtract", "subtract_strength"):
            if key in r:
                out += [f"--{key.replace('_', '-')}", str(r[key])]
    return out
