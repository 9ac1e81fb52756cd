"""Is a wrong part visible, and is rounding harmless? Relative changes of the latents under small disturbances."""
import torch

from . import reference
from .cases import all_cases


def relative(a, b):
    return float((a - b).norm() / b.norm())


def noise(scale):
    def change(pipe, kw):
        """The pipeline's own first noise, disturbed."""
        draw = pipe.prepare_latents

        def prepare(*args, **kwargs):
            latents = draw(*args, **kwargs)
            return latents + scale * latents.std() * torch.randn(latents.shape, generator=torch.Generator().manual_seed(99))

        pipe.prepare_latents = prepare
    return change


def conditioning(**changed):
    """Changes the pooled text or the time ids that the UNet is given."""
    def change(pipe, kw):
        forward = pipe.unet.forward

        def wrapped(*args, **kwargs):
            given = dict(kwargs["added_cond_kwargs"])
            for key, f in changed.items():
                given[key] = f(given[key])
            return forward(*args, **{**kwargs, "added_cond_kwargs": given})

        pipe.unet.forward = wrapped
    return change


def report(root):
    table = {c["name"]: c for c in all_cases()}
    for model, name in (("a", "everything"), ("b", "b_everything"), ("c", "c_everything")):
        case = table[name]
        plain = reference.run(root, case)
        say = lambda what, latents: print(f"{model} {what:44} {relative(latents, plain):.2e}", flush=True)
        say("pooled text of another prompt", reference.run(root, case, change=conditioning(text_embeds=lambda t: t.flip(-1))))
        say("time ids: one number by 8 px", reference.run(root, case, change=conditioning(time_ids=lambda t: t + torch.tensor([0, 0, 0, 0, 0, 8.0]))))
        say("another prompt (one word)", reference.run(root, case | {"prompt": case["prompt"].replace("sea", "lake")}))
        say("another reference", reference.run(root, case | {"references": [dict(case["references"][0], file="ref3")]}))
        pipe = reference.load_model(root, case["model"])
        blocks = [b for b in reference.blocks_of(pipe.unet)]
        strength = case["references"][0].get("strength", 1.0)
        for off in blocks:
            say(f"without {off}", reference.run(root, case | {"references": [dict(file=case["references"][0]["file"], blocks={b: strength for b in blocks if b != off})]}))
    for name in ("style_layout", "blocks", "two_equal", "two_roles", "plus_everything", "window", "guidance_1", "b_style"):
        one, two = (reference.run(root, table[name], own_processor=own) for own in (False, True))
        print(f"own processor against diffusers': {name:20} {relative(two, one):.1e}", flush=True)
    for name, case in table.items():
        print(f"noise + 1e-6: {name:40} {relative(reference.run(root, case, change=noise(1e-6)), reference.run(root, case)):.1e}", flush=True)
