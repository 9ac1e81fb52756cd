"""The command line's scheduler names as diffusers classes; what the file says stays, but for what the name decides."""
from diffusers import (DDIMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler,
                       EulerDiscreteScheduler, LCMScheduler)

DPMPP = {"algorithm_type": "dpmsolver++", "solver_order": 2, "solver_type": "midpoint", "final_sigmas_type": "zero"}
NAMES = {
    "euler": (EulerDiscreteScheduler, {}),
    "euler-trailing": (EulerDiscreteScheduler, {"timestep_spacing": "trailing"}),
    "euler-ancestral": (EulerAncestralDiscreteScheduler, {}),
    "ddim": (DDIMScheduler, {}),
    "dpmpp-2m": (DPMSolverMultistepScheduler, {**DPMPP}),
    "dpmpp-2m-karras": (DPMSolverMultistepScheduler, {**DPMPP, "use_karras_sigmas": True}),
    "lcm": (LCMScheduler, {}),
}


def scheduler(name, config):
    cls, wins = NAMES[name]
    config = dict(config)
    if name == "ddim":
        config.setdefault("clip_sample", False)
        config.setdefault("set_alpha_to_one", False)
    return cls.from_config(config, **wins)
