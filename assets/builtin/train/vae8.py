"""The f8 autoencoder: pictures of twice the side, in the latents of the f4 one.

The UNet paints 16x16 latents, which the f4 autoencoder of vae.py made from 64 px.
Here a decoder learns to draw the same pictures at 128 px from the same latents, and
an encoder to find those latents in a picture of 128 px, so the UNet stays as it is
and costs no more.  What the latents cannot hold, the decoder must know: outlines,
dots and strokes.  A part of what it learns from are latents as the UNet leaves them,
blurred by one guess at a noisy step, so that it draws clear outlines from those too.
"""
import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

import vae as f4

FACTOR = 8


def build(scaling=1.0):
    return AutoencoderKL(in_channels=3, out_channels=3, down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
                         block_out_channels=[16, 32, 64, 96], layers_per_block=1, latent_channels=f4.CHANNELS, norm_num_groups=8, sample_size=128,
                         scaling_factor=scaling, act_fn="silu", mid_block_add_attention=True, force_upcast=False)


def batch(latents, images, rows, side, rng):
    """Latents of the rows and their pictures in -1..1; both cut to a square of `side` latents at one place."""
    z, x = latents[rows], images[rows]
    top, left = rng.integers(0, z.shape[-1] - side + 1, 2)
    z = z[..., top:top + side, left:left + side].float()
    x = x[:, FACTOR * top:FACTOR * (top + side), FACTOR * left:FACTOR * (left + side)]
    return z, torch.from_numpy(np.ascontiguousarray(x).astype("float32")).permute(0, 3, 1, 2) / 127.5 - 1


def decoder_loss(net, z, x):
    return f4.loss(net.decode(z).sample, x)


def encoder_loss(net, z, x):
    """How far the means are from the f4 encoder's, of their variance; the posterior is kept narrow."""
    posterior = net.encode(x).latent_dist
    error = F.mse_loss(posterior.mean, z) / z.var()
    return error + 1e-3 * (posterior.logvar + 8.0).pow(2).mean(), error


@torch.no_grad()
def guesses(net, noise, z, text, pooled, ids, rng, steps=1):
    """What the UNet makes of the clean latents `z` (scaled) from little to middling noise: its one guess, or what so many steps of DDIM leave."""
    shape = lambda x: x[t, None, None, None]
    t = torch.from_numpy(rng.integers(50, 500 if steps == 1 else 600, len(z))).to(z.device)
    noisy = shape(noise.a) * z + shape(noise.s) * torch.randn_like(z)
    for left in range(steps, 0, -1):
        v = net(noisy, t, text, added_cond_kwargs={"text_embeds": pooled, "time_ids": ids}).sample
        clean, rest = shape(noise.a) * noisy - shape(noise.s) * v, shape(noise.s) * noisy + shape(noise.a) * v
        t = t * (left - 1) // left
        noisy = shape(noise.a) * clean + shape(noise.s) * rest
    return clean


def fold_size(net, side):
    """Makes the UNet see every picture as one of `side`: its size conditioning has only ever seen that one value."""
    import unet as u
    with torch.no_grad():
        layer = net.add_embedding.linear_1
        sizes = net.add_time_proj(u.time_ids(1, side, "cpu").flatten()).flatten()
        layer.bias += layer.weight[:, -len(sizes):] @ sizes
        layer.weight[:, -len(sizes):] = 0
