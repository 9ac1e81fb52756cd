"""Every choice of one training run. `--plan` of train.py picks one."""
from styles import STYLES
from subjects import SHAPES

PLANS = {
    # what two CPU cores can do in about two hours: fewer subjects and styles, less varied layout
    "short": dict(subjects=["fish", "house", "tree", "star", "heart", "cat", "boat", "flower", "mushroom", "moon", "car", "bird", "rocket", "cup"],
                  styles=["flat", "ink", "halftone", "mosaic", "stained glass", "watercolour", "neon", "stripes", "pixel art", "blueprint", "hatching", "paper cut"],
                  spread=0.25, size=96, pictures=20000, vae_seconds=600, clip_seconds=540, unet_seconds=1620, unet_batch=32,
                  decoder_seconds=180, judge_seconds=100, unet_rate=8e-4),
    # what issue 3 asks for, on a GPU or over a night
    "full": dict(subjects=list(SHAPES), styles=[s for s in STYLES if s not in ("woodcut", "pointillism")],
                 spread=1.0, size=128, pictures=60000, vae_seconds=2400, clip_seconds=2400, unet_seconds=18000, unet_batch=64,
                 decoder_seconds=1200, judge_seconds=600, unet_rate=8e-4),
}

# in two hours the UNet learns fewer subjects and styles than the towers know; otherwise all
for plan in PLANS.values():
    plan.update(unet_subjects=plan["subjects"], unet_styles=plan["styles"], unet_size=plan["size"], unet_averaged=True)
PLANS["short"].update(unet_subjects=["fish", "house", "tree", "star", "heart", "cat", "boat", "flower", "moon", "car"],
                      unet_styles=["flat", "ink", "halftone", "watercolour", "neon", "stripes", "pixel art", "blueprint"], unet_size=64,
                      unet_averaged=False)  # so few steps that the average still drags along early weights

# what the exported model tells the program
for plan in PLANS.values():
    plan.update(version="0.2.0", style_block="up_blocks.0.attentions.1", layout_block="down_blocks.2.attentions.1", steps=16, guidance=3.0)
