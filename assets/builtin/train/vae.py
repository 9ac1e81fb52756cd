"""The f4 autoencoder: an AutoencoderKL started as an identity, trained on crops.

A small AutoencoderKL from random weights gets stuck grey (chroma is a saddle of
the loss).  Here every residual block and the attention start as a no-op, scaling
starts as averaging and copying, and the ends carry +R+G+B-R-G-B through, so the
first reconstruction is already a coloured, blurred picture.
"""
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

FACTOR, CHANNELS = 4, 4


def build(scaling=1.0):
    return AutoencoderKL(in_channels=3, out_channels=3, down_block_types=["DownEncoderBlock2D"] * 3, up_block_types=["UpDecoderBlock2D"] * 3,
                         block_out_channels=[16, 32, 64], layers_per_block=1, latent_channels=CHANNELS, norm_num_groups=8, sample_size=128,
                         scaling_factor=scaling, act_fn="silu", mid_block_add_attention=True, force_upcast=False)


def dirac(conv, gain=1.0):
    """The middle tap copies channel i to channel i."""
    with torch.no_grad():
        conv.weight.mul_(0.05)
        k = conv.weight.shape[-1] // 2
        for i in range(min(conv.weight.shape[:2])):
            conv.weight[i, i, k, k] += gain
        conv.bias.zero_()


def identity_start(vae):
    for module in vae.modules():
        name = type(module).__name__
        if name == "ResnetBlock2D":
            torch.nn.init.zeros_(module.conv2.weight)
            torch.nn.init.zeros_(module.conv2.bias)
            if module.conv_shortcut is not None:
                dirac(module.conv_shortcut)
        elif name == "Attention":
            torch.nn.init.zeros_(module.to_out[0].weight)
            torch.nn.init.zeros_(module.to_out[0].bias)
        elif name == "Upsample2D":
            dirac(module.conv)
        elif name == "Downsample2D":
            with torch.no_grad():
                module.conv.weight.mul_(0.05)
                for i in range(module.conv.weight.shape[0]):
                    module.conv.weight[i, i, :2, :2] += 0.25
                module.conv.bias.zero_()
    with torch.no_grad():
        e, d = vae.encoder, vae.decoder
        dirac(e.conv_in, 0.0)
        for i in range(6):
            e.conv_in.weight[i, i % 3, 1, 1] += 1.0 if i < 3 else -1.0
        # the norm before conv_out makes it a relative scale; silu keeps the positive halves
        for conv in (e.conv_out, d.conv_out):
            conv.weight.mul_(0.05)
            for i in range(3):
                conv.weight[i, i, 1, 1] += 1.0
                conv.weight[i, i + 3, 1, 1] -= 1.0
            conv.bias.zero_()
        e.conv_out.bias[CHANNELS:] = -6.0  # small posterior noise at first
        dirac(vae.quant_conv)
        dirac(vae.post_quant_conv)
        dirac(d.conv_in, 0.0)
        for i in range(6):
            d.conv_in.weight[i, i % 3, 1, 1] += 1.0 if i < 3 else -1.0
        d.conv_in.weight[6, 3, 1, 1] += 1.0


def gradients(x):
    return x[..., 1:, :-1] - x[..., :-1, :-1], x[..., :-1, 1:] - x[..., :-1, :-1]


def loss(x, y):
    """Pixels, edges, and colour pooled over 8 pixels."""
    pixel = (x - y).abs().mean() + 0.5 * F.mse_loss(x, y)
    edge = sum((a - b).abs().mean() for a, b in zip(gradients(x), gradients(y)))
    pooled = F.mse_loss(F.avg_pool2d(x, 8), F.avg_pool2d(y, 8))
    return pixel + 0.5 * edge + pooled, pooled


def crops(images, size, batch, rng):
    idx = rng.integers(0, len(images), batch)
    out = torch.empty(batch, 3, size, size)
    for j, i in enumerate(idx):
        y, x = rng.integers(0, (images.shape[1] - size) // 4 + 1, 2) * 4
        out[j] = torch.from_numpy(images[i, y:y + size, x:x + size].astype("float32")).permute(2, 0, 1) / 127.5 - 1
    return out


def step(vae, x):
    posterior = vae.encode(x).latent_dist
    z = posterior.mean + posterior.std * torch.randn_like(posterior.mean)
    kl = 0.5 * (posterior.mean.pow(2) + posterior.var - 1 - posterior.logvar).mean()
    total, pooled = loss(x, vae.decode(z).sample)
    return total + 2e-4 * kl, pooled, kl


@torch.no_grad()
def encode_all(vae, images, device, batch=64):
    """Latent means of every picture, float16, unscaled."""
    out = []
    for i in range(0, len(images), batch):
        x = torch.from_numpy(images[i:i + batch].astype("float32")).permute(0, 3, 1, 2).to(device) / 127.5 - 1
        out.append(vae.encode(x).latent_dist.mean.half().cpu())
    return torch.cat(out)


def rgb_factors(latents, images):
    """Least squares from scaled latents to pooled RGB in -1..1: [C][3] and a bias, for cheap previews."""
    z = latents.float().permute(0, 2, 3, 1).reshape(-1, latents.shape[1])
    x = torch.from_numpy(images.astype("float32")).permute(0, 3, 1, 2) / 127.5 - 1
    y = F.avg_pool2d(x, FACTOR).permute(0, 2, 3, 1).reshape(-1, 3)
    a = torch.cat([z, torch.ones(len(z), 1)], 1)
    solution = torch.linalg.lstsq(a, y).solution
    return solution[:-1].tolist(), solution[-1].tolist()
