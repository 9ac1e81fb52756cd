"""Runs one case through diffusers' StableDiffusionPipeline (f32, CPU) and returns the final latents."""
import torch
from diffusers import (AutoencoderKL, EulerDiscreteScheduler, StableDiffusionImg2ImgPipeline, StableDiffusionPipeline,
                       UNet2DConditionModel)
from PIL import Image
from transformers import CLIPTextModel, CLIPVisionModelWithProjection
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from .adapters import load_adapter
from .configs import ADAPTERS
from .reference import as_diffusers, blocks_of, embeddings
from .schedulers import scheduler
from .vocab import load_tokenizer

# InstantStyle's README, "SD1.5".
STYLE, LAYOUT = ("up_blocks.1.",), ("down_blocks.2.", "mid_block.")


def load_model(root, name, vision=None):
    folder, f32 = root / f"model_{name}", dict(torch_dtype=torch.float32)
    parts = dict(
        tokenizer=load_tokenizer(folder / "tokenizer"),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet", **f32), vae=AutoencoderKL.from_pretrained(folder / "vae", **f32),
        scheduler=EulerDiscreteScheduler.from_pretrained(folder / "scheduler"), safety_checker=None, feature_extractor=None)
    if vision:
        tower = CLIPVisionModelWithProjection.from_pretrained(root / f"vision_{vision}", dtype=torch.float32)
        size = tower.config.image_size
        parts |= dict(image_encoder=tower, feature_extractor=CLIPImageProcessorPil(size=size, crop_size=size))
    pipe = StableDiffusionPipeline(**parts, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def scales_of(ref, blocks):
    s, l = ref.get("strength", 1.0), ref.get("layout_strength", 1.0)
    within = lambda starts, scale: {b: scale for b in blocks if b.startswith(starts)}
    return {"style": lambda: within(STYLE, s), "everything": lambda: dict.fromkeys(blocks, s),
            "style-layout": lambda: within(STYLE, s) | within(LAYOUT, l)}[ref.get("mode", "style")]()


@torch.no_grad()
def run(root, case):
    adapter = case.get("adapter")
    spec = ADAPTERS[adapter] if adapter else None
    pipe = load_model(root, case["model"], spec and spec["vision"])
    pipe.scheduler = scheduler(case["scheduler"], EulerDiscreteScheduler.load_config(root / f"model_{case['model']}" / "scheduler"))
    kw = dict(prompt=case["prompt"], negative_prompt=case.get("negative"), num_inference_steps=case["steps"],
              guidance_scale=case["guidance"], output_type="latent", generator=torch.Generator("cpu").manual_seed(case["seed"]))
    refs = case.get("references", [])
    if refs:
        pipe.load_ip_adapter([load_adapter(root, adapter)], subfolder=[""], weight_name=[""], image_encoder_folder=None)
        guided = case["guidance"] > 1
        kw["ip_adapter_image_embeds"] = [embeddings(pipe, root, refs, spec["kind"] != "base", guided)]
        blocks = blocks_of(pipe.unet)
        pipe.set_ip_adapter_scale([as_diffusers(scales_of(refs[0], blocks), pipe.unet)])
    if "init" in case:
        pipe = StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        kw |= dict(image=Image.open(root / f"{case['init']}.png").convert("RGB"), strength=case["denoise"])
    else:
        kw |= dict(width=case["width"], height=case["height"])
    return pipe(**kw).images
