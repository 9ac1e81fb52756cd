"""Parity beyond the kept fixtures: models, adapters and cases drawn at random, run by diffusers and by the program.

Run: python tests/golden/random_parity.py PROGRAM [--models 10] [--cases 4] [--seed 0]
Prints one line a case and the largest relative error (norm of the difference over norm of the latents); a case above
1e-3 leaves its models in a folder that is named, and the exit status is 1.  What it draws is in `model` and `case`.
"""
import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import diffusers
import torch
import transformers
from safetensors.torch import load_file

from maker import adapters, cases, configs, models, pictures, reference

BAR = 1e-3


def tower(rng, projection):
    heads = rng.choice([1, 2, 3, 5])
    return dict(hidden_size=4 * heads * rng.randint(1, 3), intermediate_size=rng.randrange(20, 90, 3), num_hidden_layers=rng.randint(2, 4),
                num_attention_heads=heads, projection_dim=projection, hidden_act=rng.choice(["quick_gelu", "gelu"]), eos_rule=rng.choice(["first", "highest"]))


def unet(rng, cross, pooled):
    levels, groups = rng.randint(2, 4), rng.choice([2, 4, 8])
    heads = [rng.choice([1, 2, 4]) for _ in range(levels)]
    widths = tuple(sorted(16 * rng.randint(1, 3) for _ in range(levels)))
    has = [rng.random() < 0.7 for _ in range(levels - 1)] + [True]
    depth = [rng.randint(1, 3) for _ in range(levels)]
    layers = rng.choice([1, 2, 2, 3])  # diffusers' loader of adapters takes no list here
    ids = rng.choice([6, 10, 14])
    spec = configs.unet(
        sample_size=rng.choice([8, 12, 16]), block_out_channels=widths, layers_per_block=layers, norm_num_groups=groups,
        down_block_types=tuple("CrossAttnDownBlock2D" if x else "DownBlock2D" for x in has),
        up_block_types=tuple("CrossAttnUpBlock2D" if x else "UpBlock2D" for x in reversed(has)),
        transformer_layers_per_block=rng.choice([depth, rng.randint(1, 2)]), attention_head_dim=rng.choice([heads, heads[0]]), cross_attention_dim=cross,
        use_linear_projection=rng.random() < 0.6, addition_time_embed_dim=ids, projection_class_embeddings_input_dim=pooled + 6 * ids,
        flip_sin_to_cos=rng.random() < 0.8, freq_shift=rng.choice([0, 0, 1]), act_fn=rng.choice(["silu", "silu", "swish", "gelu", "mish"]),
        norm_eps=rng.choice([1e-5, 1e-6]), mid_block_scale_factor=1)
    if rng.random() < 0.2:
        spec["resnet_time_scale_shift"] = "scale_shift"
    return spec


def vae(rng):
    levels, groups = rng.randint(2, 4), rng.choice([2, 4])
    quant = rng.random() < 0.7
    return dict(block_out_channels=tuple(groups * rng.randint(2, 5) for _ in range(levels)), layers_per_block=rng.randint(1, 2), norm_num_groups=groups,
                act_fn=rng.choice(["silu", "silu", "gelu", "mish"]), latent_channels=4, down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels, sample_size=64,
                scaling_factor=round(rng.uniform(0.1, 1.2), 4), use_quant_conv=quant, use_post_quant_conv=quant, mid_block_add_attention=rng.random() < 0.7)


def schedule(rng):
    out = dict(_class_name="EulerDiscreteScheduler", _diffusers_version="0.42.1", beta_schedule=rng.choice(["scaled_linear", "linear", "squaredcos_cap_v2"]),
               prediction_type=rng.choice(["epsilon", "epsilon", "v_prediction"]), timestep_spacing=rng.choice(["leading", "trailing", "linspace"]))
    for key, values in dict(steps_offset=[0, 1], use_karras_sigmas=[False, True], num_train_timesteps=[1000, 500], beta_end=[0.012, 0.02],
                            set_alpha_to_one=[False, True], clip_sample=[False, True]).items():
        if rng.random() < 0.4:
            out[key] = rng.choice(values)
    return out


def model(rng, name):
    """Registers a random model with a random vision tower and adapters; returns the adapters' names."""
    projection = rng.randrange(12, 30, 2)
    one, two = tower(rng, rng.randrange(12, 24)), tower(rng, projection)
    cross = one["hidden_size"] + two["hidden_size"]
    configs.MODELS[name] = dict(
        merges=rng.randrange(20, 400), specials_last=rng.random() < 0.5, tokenizer_json=rng.random() < 0.5, text_prefix=rng.random() < 0.5,
        force_zeros=rng.random() < 0.5, text_encoder=one, text_encoder_2=two, unet=unet(rng, cross, projection), unet_gain=1.0,
        unet_save=rng.choice([{}, dict(max_shard_size="150KB")]), vae=vae(rng), vae_save=rng.choice([{}, dict(variant="fp16")]), scheduler=schedule(rng))
    heads, patch = rng.choice([1, 2, 3]), rng.choice([5, 7, 8])
    configs.VISIONS[name] = dict(hidden_size=8 * heads * rng.randint(1, 2), intermediate_size=rng.randrange(20, 80, 3), num_hidden_layers=rng.randint(2, 4),
                                 num_attention_heads=heads, image_size=rng.randrange(24, 48), patch_size=patch, projection_dim=projection,
                                 hidden_act=rng.choice(["quick_gelu", "gelu"]))
    configs.ADAPTERS[name] = dict(model=name, vision=name, kind="base")
    configs.ADAPTERS[name + "_plus"] = dict(model=name, vision=name, kind="plus", width=4 * rng.randint(3, 8), heads=rng.randint(1, 2), tokens=rng.randint(2, 7))
    return [name, name + "_plus"]


def references(rng, blocks, joint, guided):
    """One or two references; style, layout and precise only where the model has those blocks."""
    modes = ["everything", "blocks", "blocks"] + ["style"] * (reference.STYLE in blocks) + ["layout"] * (reference.LAYOUT in blocks)
    if {reference.STYLE, reference.LAYOUT} <= set(blocks):
        modes += ["style-layout"] + ["precise"] * guided
    scales = lambda: {b: round(rng.uniform(-0.5, 1.5), 2) for b in blocks if rng.random() < 0.6}
    out, mode, named = [], rng.choice(modes), scales()
    for file in rng.sample(["ref1", "ref2", "ref3"], rng.choice([1, 1, 2])):
        if out and rng.random() < 0.5:
            named = scales() or named  # other scales than the first's: a group of its own
        ref = dict(file=file, blocks=named) if mode == "blocks" else dict(file=file, mode=mode, strength=round(rng.uniform(0.2, 1.4), 2))
        if mode in ("layout", "style-layout", "precise"):
            ref["layout_strength"] = round(rng.uniform(0.2, 1.4), 2)
        if joint and rng.random() < 0.4:
            ref |= dict(subtract=rng.choice(["a rabbit", "two small houses"]), subtract_strength=round(rng.uniform(0.1, 1.0), 2))
        if rng.random() < 0.4:
            ref["crop"] = rng.choice(["fit", "stretch"])
        out.append(ref)
    return out if mode != "blocks" or named else [dict(file="ref1", mode="everything")]


def case(rng, name, adapter_names, blocks):
    adapter = rng.choice([*adapter_names, None])
    guidance = rng.choice([1.0, 3.0, 5.5, 9.0])
    out = dict(name=name, model=name, prompt=rng.choice([cases.PROMPT, cases.LONG, "", "two cats!"]), scheduler=rng.choice(cases.SCHEDULERS), steps=rng.randint(3, 7),
               guidance=guidance, seed=rng.randrange(2**40), width=8 * rng.randint(2, 12), height=8 * rng.randint(2, 12))
    if rng.random() < 0.4:
        out["negative"] = rng.choice([cases.NEGATIVE, ""])
    if adapter:
        out |= dict(adapter=adapter, references=references(rng, blocks, not adapter.endswith("_plus"), guidance > 1))
    if rng.random() < 0.25:
        side = rng.choice(["64x64", "72x48", "88x56"])
        out |= dict(init="init_" + side, denoise=round(rng.uniform(0.4, 1.0), 2))
        out["width"], out["height"] = map(int, side.split("x"))
    elif adapter and rng.random() < 0.25:
        out |= dict(start=0.25, end=0.75)
    return out


def difference(root, program, spec):
    expected = reference.run(root, spec)
    out = root / "ours.safetensors"
    out.unlink(missing_ok=True)
    done = subprocess.run([program, "render", *cases.flags(spec), "--out", "ours.png", "--save-latents", out], cwd=root, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    ours = load_file(out)["latents"]
    if ours.shape != expected.shape:
        return f"shape {tuple(ours.shape)} instead of {tuple(expected.shape)}"
    return ((ours - expected).norm() / expected.norm()).item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--cases", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    worst, bad, count = 0.0, 0, 0
    for index in range(args.models):
        name = f"r{args.seed + index}"
        rng = random.Random(name)
        adapter_names = model(rng, name)
        root = Path(tempfile.mkdtemp(prefix=f"parity_{name}_"))
        pictures.make_pictures(root)
        models.make_model(root, name)
        models.make_vision(root, name)
        for adapter in adapter_names:
            adapters.make_adapter(root, adapter)
        blocks = reference.blocks_of(diffusers.UNet2DConditionModel(**configs.MODELS[name]["unet"]))
        keep = False
        for i in range(args.cases):
            spec = case(rng, name, adapter_names, blocks)
            try:
                error = difference(root, str(Path(args.program).resolve()), spec)
            except Exception as error_of_theirs:  # a draw that diffusers itself cannot compute says nothing about us
                print(f"{name} {i}: not drawn well, diffusers says: {str(error_of_theirs).splitlines()[0][:120]}", flush=True)
                continue
            count += 1
            wrong = isinstance(error, str) or not error < BAR
            bad, keep = bad + wrong, keep or wrong
            worst = max(worst, error if isinstance(error, float) else worst)
            print(f"{name} {i}: {error if isinstance(error, str) else format(error, '.1e')} {spec['scheduler']} steps {spec['steps']} guidance {spec['guidance']}"
                  + (f"  {spec}" if wrong else ""), flush=True)
        if keep:
            print(f"kept: {root}")
        else:
            shutil.rmtree(root)
    print(f"{count} cases, {bad} above {BAR} or refused, largest relative error {worst:.1e}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
