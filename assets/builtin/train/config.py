"""Every choice of one training run. `--plan` of train.py picks one."""
from dataset import HELD_STYLES
from styles import STYLES
from subjects import SHAPES

# shares of the batches, by what they open (adapter.py); `all_words`: of the batches that open every block, the part whose
# text names the subject. Where it does not, the picture itself must say what it shows, as plain IP-Adapters learn to.
PLANS = {
    # what two CPU cores do in about two hours: fewer subjects and styles, less varied layout. Version 0.2.0 was trained
    # with shares 0.45, 0.35, 0.15, 0.05 and all_words 1.0, where opening every block hardly leaked.
    "short": dict(subjects=["fish", "house", "tree", "star", "heart", "cat", "boat", "flower", "mushroom", "moon", "car", "bird", "rocket", "cup"],
                  styles=["flat", "ink", "halftone", "mosaic", "stained glass", "watercolour", "neon", "stripes", "pixel art", "blueprint", "hatching", "paper cut"],
                  unet_subjects=["fish", "house", "tree", "star", "heart", "cat", "boat", "flower", "moon", "car"],
                  unet_styles=["flat", "ink", "halftone", "watercolour", "neon", "stripes", "pixel art", "blueprint"],
                  spread=0.25, size=96, unet_size=64, pictures=20000, vae_steps=900, clip_steps=700, unet_steps=4500, unet_batch=48,
                  finer_size=128, finer_pictures=dict(pictures_unet=7000, pictures_all=3000), vae8_rate=1e-3, vae8_decoder_steps=2400, vae8_encoder_steps=500,
                  texture_rate=4e-4, texture_steps=2500,
                  judge_pictures=24000, judge_steps=1600, unet_rate=1.2e-3,
                  unet_averaged=False,  # so few steps that the average still drags along early weights
                  shares=dict(text=0.34, style=0.34, all=0.26, layout=0.06), all_words=0.25),
    # what ships: about six hours of one CPU core; a GPU should take well under half an hour, which nobody has tried
    "full": dict(subjects=list(SHAPES), styles=[s for s in STYLES if s not in HELD_STYLES], unet_subjects=list(SHAPES), unet_styles=[s for s in STYLES if s not in HELD_STYLES],
                 spread=0.4, size=96, unet_size=64, pictures=40000, vae_steps=900, clip_steps=2200, unet_steps=9000, unet_batch=48,
                 finer_size=128, finer_pictures=dict(pictures_unet=4000, pictures_all=1000), vae8_rate=1e-3, vae8_decoder_steps=2400, vae8_encoder_steps=500,
                 texture_rate=4e-4, texture_steps=3900,
                 judge_pictures=24000, judge_steps=1600, unet_rate=1.2e-3, unet_averaged=True,
                 shares=dict(text=0.34, style=0.34, all=0.26, layout=0.06), all_words=0.25),
}

# what the exported model tells the program
for plan in PLANS.values():
    plan.update(style_block="up_blocks.0.attentions.1", layout_block="down_blocks.2.attentions.1", steps=16, guidance=3.0)
PLANS["short"]["version"], PLANS["full"]["version"] = "0.5.0-short", "0.5.0"
