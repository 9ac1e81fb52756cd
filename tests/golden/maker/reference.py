"""Runs one case through diffusers' own SDXL pipelines (f32, CPU) and returns the final latents."""
import torch
from diffusers import (AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLImg2ImgPipeline,
                       StableDiffusionXLPipeline, UNet2DConditionModel)
from PIL import Image
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPVisionModelWithProjection
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from . import injection
from .adapters import load_adapter
from .configs import ADAPTERS, MODELS
from .pictures import crop
from .schedulers import scheduler
from .vocab import load_tokenizer

STYLE, LAYOUT = "up_blocks.0.attentions.1", "down_blocks.2.attentions.1"


def load_model(root, name, vision=None):
    folder, f32 = root / f"model_{name}", dict(torch_dtype=torch.float32)
    parts = dict(
        tokenizer=load_tokenizer(folder / "tokenizer"), tokenizer_2=load_tokenizer(folder / "tokenizer_2"),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32),
        text_encoder_2=CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2", dtype=torch.float32),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet", **f32),
        vae=AutoencoderKL.from_pretrained(folder / "vae", variant=MODELS[name]["vae_save"].get("variant"), **f32),
        scheduler=EulerDiscreteScheduler.from_pretrained(folder / "scheduler"),
        force_zeros_for_empty_prompt=MODELS[name]["force_zeros"], add_watermarker=False)
    if vision:
        tower = CLIPVisionModelWithProjection.from_pretrained(root / f"vision_{vision}", dtype=torch.float32)
        size = tower.config.image_size
        parts |= dict(image_encoder=tower, feature_extractor=CLIPImageProcessorPil(size=size, crop_size=size))
    pipe = StableDiffusionXLPipeline(**parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def blocks_of(unet):
    """Names as the command line has them. A Plus adapter's own attention (`encoder_hid_proj`) is no block."""
    return list(dict.fromkeys(n.split(".transformer_blocks")[0] for n in unet.attn_processors if ".transformer_blocks" in n))


def scales_of(ref, blocks):
    """{block: scale} of one reference, and the block whose sides swap."""
    s, l = ref.get("strength", 1.0), ref.get("layout_strength", 1.0)
    mode = ref.get("mode", "style")
    if "blocks" in ref:
        return dict(ref["blocks"]), None
    return {"style": {STYLE: s}, "layout": {LAYOUT: l}, "style-layout": {STYLE: s, LAYOUT: l}, "off": {},
            "everything": dict.fromkeys(blocks, s), "precise": {STYLE: s, LAYOUT: l}}[mode], LAYOUT if mode == "precise" else None


def as_diffusers(scales, unet):
    """The dict that `set_ip_adapter_scale` takes."""
    down, up = {}, {}
    for block in blocks_of(unet):
        part = block.split(".")
        if part[0] == "mid_block":
            continue
        {"down_blocks": down, "up_blocks": up}[part[0]].setdefault(f"block_{part[1]}", []).append(float(scales.get(block, 0.0)))
    return {"down": down, "up": up, "mid": float(scales.get("mid_block.attentions.0", 0.0))}


def chunked(pipe, text, chunks):
    """Prompt states of `chunks` chunks of 75 tokens, and the first chunk's pooled vector."""
    sides, pooled = [], None
    for tok, tower in ((pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)):
        ids = tok(text, add_special_tokens=False).input_ids
        states = []
        for i in range(chunks):
            part = ids[75 * i : 75 * i + 75]
            row = [tok.bos_token_id, *part, tok.eos_token_id]
            row += [tok.pad_token_id] * (77 - len(row))
            out = tower(torch.tensor([row]), output_hidden_states=True)
            states.append(out.hidden_states[-2])
            if i == 0:
                pooled = out[0]
        sides.append(torch.cat(states, 1))
    return torch.cat(sides, -1), pooled


def count_chunks(pipe, text):
    longest = max(len(t(text, add_special_tokens=False).input_ids) for t in (pipe.tokenizer, pipe.tokenizer_2))
    return max(1, -(-longest // 75))


def prompt_inputs(pipe, case):
    """Plain words where diffusers can take them whole, else states made by hand."""
    negative = case.get("negative") or None
    chunks = max(count_chunks(pipe, case["prompt"]), count_chunks(pipe, negative or ""))
    if chunks == 1:
        return dict(prompt=case["prompt"], negative_prompt=negative)
    states, pooled = chunked(pipe, case["prompt"], chunks)
    if negative is None and pipe.config.force_zeros_for_empty_prompt:
        other, other_pooled = torch.zeros_like(states), torch.zeros_like(pooled)
    else:
        other, other_pooled = chunked(pipe, negative or "", chunks)
    return dict(prompt_embeds=states, pooled_prompt_embeds=pooled, negative_prompt_embeds=other,
                negative_pooled_prompt_embeds=other_pooled)


def embeddings(pipe, root, refs, plus, guided):
    """[uncond, cond] CLIP states of one group's references, subtraction included."""
    size = pipe.image_encoder.config.image_size
    pictures = [crop(Image.open(root / f"{r['file']}.png").convert("RGB"), r.get("crop", "fill"), size) for r in refs]
    good, bad = pipe.encode_image(pictures, "cpu", 1, plus)
    for i, r in enumerate(refs):
        if r.get("subtract"):
            pooled = pipe.encode_prompt(r["subtract"], do_classifier_free_guidance=False)[2]
            good[i] = good[i] - r.get("subtract_strength", 0.5) * pooled[0]
    good, bad = good[None], bad[None]
    return torch.cat([bad, good]) if guided else good


@torch.no_grad()
def run(root, case, own_processor=False, change=None):
    """Final latents. `change(pipe, kwargs)` may disturb the run, for the sensitivity check."""
    adapter = case.get("adapter")
    spec = ADAPTERS[adapter] if adapter else None
    pipe = load_model(root, case["model"], spec and spec["vision"])
    pipe.scheduler = scheduler(case["scheduler"], EulerDiscreteScheduler.load_config(root / f"model_{case['model']}" / "scheduler"))
    guided = case["guidance"] > 1
    kw = prompt_inputs(pipe, case) | dict(
        num_inference_steps=case["steps"], guidance_scale=case["guidance"], output_type="latent",
        generator=torch.Generator("cpu").manual_seed(case["seed"]))
    refs = [r for r in case.get("references", []) if r.get("mode") != "off"]
    if refs:
        groups = {}
        for r in refs:
            groups.setdefault(str(sorted(r["blocks"].items())) if "blocks" in r else r.get("mode", "style"), []).append(r)
        groups = list(groups.values())
        pipe.load_ip_adapter([load_adapter(root, adapter)] * len(groups), subfolder=[""] * len(groups), weight_name=[""] * len(groups), image_encoder_folder=None)
        kw["ip_adapter_image_embeds"] = [embeddings(pipe, root, g, spec["kind"] == "plus", guided) for g in groups]
        blocks = blocks_of(pipe.unet)
        scales = [[scales_of(r, blocks) for r in g] for g in groups]
        plain = not own_processor and all(s[1] is None and s[0] == g[0][0] for g in scales for s in g)
        if plain:
            on = [as_diffusers(g[0][0], pipe.unet) for g in scales]
            off = [as_diffusers({}, pipe.unet) for _ in scales]
            switch = lambda active: pipe.set_ip_adapter_scale(on if active else off)
        else:
            table = injection.install(pipe.unet)

            def switch(active):
                for block, processors in table.items():
                    made = []
                    for g in scales:
                        weights = [s[0].get(block, 0.0) for s in g]
                        swap = g[0][1] == block
                        made.append(dict(scale=max(weights) if active else 0.0, weights=weights, swap=swap)
                                    if len(weights) > 1 else
                                    dict(scale=weights[0] if active else 0.0, weights=[1.0], swap=swap))
                    for p in processors:
                        p.groups = made

        start, end = case.get("start", 0.0), case.get("end", 1.0)

        def after(pipe, i, t, values, n=None):
            n = pipe.num_timesteps
            switch(not ((i + 1) / n < start or (i + 2) / n > end))
            return values

        n = case["steps"]
        switch(not (0 / n < start or 1 / n > end))
        if start > 0 or end < 1:
            assert "init" not in case
            kw["callback_on_step_end"] = after
    if "init" in case:
        pipe = StableDiffusionXLImg2ImgPipeline(**pipe.components, force_zeros_for_empty_prompt=MODELS[case["model"]]["force_zeros"], add_watermarker=False)
        pipe.set_progress_bar_config(disable=True)
        kw |= dict(image=Image.open(root / f"{case['init']}.png").convert("RGB"), strength=case["denoise"])
    else:
        kw |= dict(width=case["width"], height=case["height"])
    if change:
        change(pipe, kw)
    return pipe(**kw).images
