"""Golden data for tests/schedulers.rs and tests/torch_rng.rs, from diffusers 0.42.1 and torch.

Run: python tests/golden/make_schedulers.py   (needs torch, numpy, diffusers; writes beside itself)
The toy network is sin(input * 0.7 + t / 500) on 20 values, in numpy f64 rounded to f32.
"""

import json
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
)

HERE = Path(__file__).parent
SDXL = {
    "_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0", "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": False, "interpolation_type": "linear",
    "num_train_timesteps": 1000, "prediction_type": "epsilon", "sample_max_value": 1.0, "set_alpha_to_one": False,
    "skip_prk_steps": True, "steps_offset": 1, "timestep_spacing": "leading", "trained_betas": None,
    "use_karras_sigmas": False,
}
V = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "prediction_type": "v_prediction"}
FILES = {
    "sdxl": SDXL,
    "empty": {},
    "v_trailing": V | {"timestep_spacing": "trailing"},
    "zero_snr": V | {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True},
    "linspace_offset": SDXL | {"timestep_spacing": "linspace"},
    "karras": SDXL | {"use_karras_sigmas": True},
    "karras_bounds": {"use_karras_sigmas": True, "sigma_min": 0.05, "sigma_max": 12.0},
    "log_linear": SDXL | {"interpolation_type": "log_linear", "final_sigmas_type": "sigma_min"},
    "continuous": V | {"timestep_type": "continuous"},
    "cosine": {"beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1},
    "trained": {"trained_betas": [0.001 * (i + 1) for i in range(100)], "num_train_timesteps": 100},
    "clip": {"clip_sample": True, "clip_sample_range": 0.8, "set_alpha_to_one": True, "timestep_scaling": 3.0},
    "sample": {"prediction_type": "sample", "original_inference_steps": 40},
}
FIXED = {"algorithm_type": "dpmsolver++", "solver_order": 2, "solver_type": "midpoint", "final_sigmas_type": "zero"}


def scheduler(name, file):
    """The scheduler that product.md means by this name with this file."""
    if name == "euler":
        return EulerDiscreteScheduler.from_config(file)
    if name == "euler-trailing":
        return EulerDiscreteScheduler.from_config(file, timestep_spacing="trailing")
    if name == "euler-ancestral":
        return EulerAncestralDiscreteScheduler.from_config(file)
    if name == "ddim":
        return DDIMScheduler.from_config({"clip_sample": False, "set_alpha_to_one": False} | file)
    if name == "dpmpp-2m":
        return DPMSolverMultistepScheduler.from_config(file, **FIXED)
    if name == "dpmpp-2m-karras":
        return DPMSolverMultistepScheduler.from_config(file, **FIXED, use_karras_sigmas=True)
    if name == "lcm":
        return LCMScheduler.from_config(file)
    raise ValueError(name)


def short(values):
    """f32 values with nine significant digits: enough to give them back exactly."""
    return [float(f"{float(v):.9g}") for v in values]


def trajectory(name, file, steps, begin):
    sched = scheduler(name, file)
    sched.set_timesteps(steps)
    timesteps = sched.timesteps
    # For 61 trailing steps arange makes one timestep more, -1; ddim takes the noisiest level for that.
    if len(timesteps) != steps and (steps != 61 or name == "ddim"):
        return None
    if hasattr(sched, "set_begin_index"):
        sched.set_begin_index(begin)
    generator = torch.Generator("cpu").manual_seed(7)
    noise = torch.from_numpy(np.cos(np.arange(20) * 1.3).astype(np.float32)).reshape(1, 1, 4, 5)
    if begin == 0:
        x = noise * sched.init_noise_sigma
    else:
        clean = torch.from_numpy(np.sin(np.arange(20) * 0.9).astype(np.float32)).reshape(1, 1, 4, 5)
        x = sched.add_noise(clean, noise, timesteps[begin : begin + 1])
    row = {"name": name, "steps": steps, "begin": begin, "start": short(x.flatten()[:5])}
    last = len(timesteps) - 1
    keep = {begin, begin + 1, (begin + steps) // 2, last}
    row["path"] = {}
    for index in range(begin, last + 1):
        t = timesteps[index]
        shown = sched.scale_model_input(x, t)
        out = np.sin(shown.numpy().astype(np.float64) * 0.7 + float(t) / 500.0).astype(np.float32)
        kwargs = {"generator": generator} if name in ("euler-ancestral", "lcm") else {}
        x = sched.step(torch.from_numpy(out), t, x, **kwargs).prev_sample
        if index in keep:
            row["path"][index] = short(x.flatten()[:5] if index < last else x.flatten()[:12])
    if begin == 0:
        row["timesteps"] = short(timesteps)
        row["init_noise_sigma"] = float(sched.init_noise_sigma)
        if hasattr(sched, "sigmas"):
            row["sigmas"] = short(sched.sigmas)
    return row


def rows():
    for label, file in FILES.items():
        cases = []
        for name in ["euler", "euler-trailing", "euler-ancestral", "ddim", "dpmpp-2m", "dpmpp-2m-karras", "lcm"]:
            uneven = [(61, 0), (61, 40)] if name == "euler-trailing" or file.get("timestep_spacing") == "trailing" else []
            for steps, begin in [(1, 0), (4, 0), (4, 2), (30, 0), (30, 19), *uneven]:
                try:
                    row = trajectory(name, file, steps, begin)
                except (NotImplementedError, ValueError, ZeroDivisionError) as why:
                    print(label, name, steps, "refused by diffusers:", str(why)[:80])
                    continue
                if row is None:
                    print(label, name, steps, "another number of timesteps")
                elif not np.isfinite(list(row["path"].values())[-1]).all():
                    print(label, name, steps, begin, "not finite in diffusers")
                else:
                    cases.append(row)
        yield {"label": label, "config": file, "cases": cases}


def streams():
    """Draws of one generator after another; every fourth number of long ones."""
    out = []
    for seed, counts in [(0, [5, 3, 16, 1, 2, 17, 15, 4096]), (42, [4 * 128 * 128, 31, 7]), (2**40 + 3, [100, 4, 1000])]:
        generator = torch.Generator("cpu").manual_seed(seed)
        draws = []
        for count in counts:
            values = torch.randn(count, generator=generator)
            stride = max(1, count // 200)
            draws.append({"count": count, "stride": stride, "values": short(values[::stride]), "last": short(values[-16:])})
        out.append({"seed": seed, "draws": draws})
    return out


if __name__ == "__main__":
    (HERE / "schedulers.json").write_text(json.dumps(list(rows()), separators=(",", ":")) + "\n")
    (HERE / "torch_rng.json").write_text(json.dumps(streams(), separators=(",", ":")) + "\n")
