"""The critic of the f8 decoder: a patch discriminator (Isola et al. 2017), as autoencoders of latent diffusion have one
(Rombach et al. 2022, appendix G).

Latents of 16x16 do not hold where each dot, tile or stroke of a texture lies, and a
decoder that is only asked for small errors paints their average: a wash.  The critic
sees patches of 34 px beside the latents that they were painted from, so a texture must
look like one and be the right one.  What the critic's layers find in the true picture
is asked of the painted one too (feature matching, Wang et al. 2018).
"""
import torch
import torch.nn.functional as F
from torch import nn


class Critic(nn.Module):
    def __init__(self, latent_channels):
        super().__init__()
        def block(i, o, stride):
            return nn.Sequential(nn.Conv2d(i, o, 4, stride, 1), nn.GroupNorm(8, o), nn.LeakyReLU(0.2))
        self.layers = nn.ModuleList([nn.Sequential(nn.Conv2d(3, 32, 4, 2, 1), nn.LeakyReLU(0.2)), block(32, 64, 2), block(64 + latent_channels, 96, 1)])
        self.verdict = nn.Conv2d(96, 1, 4, 1, 1)

    def forward(self, x, z):
        """Verdicts of every patch, and what the layers found."""
        found = []
        for layer in self.layers[:2]:
            x = layer(x)
            found.append(x)
        x = self.layers[2](torch.cat([x, F.interpolate(z, size=x.shape[-2:])], 1))
        return self.verdict(x), [*found, x]


def losses(critic, z, true, painted):
    """(how well the critic tells them apart, how little it believes what was painted, how far that is in its features).

    One backward pass serves both sides: the first is a loss of the critic's weights alone, the others of the painter's alone.
    """
    verdict, wanted = critic(true, z)
    apart = F.relu(1 - verdict).mean() + F.relu(1 + critic(painted.detach(), z)[0]).mean()
    critic.requires_grad_(False)
    verdict, found = critic(painted, z)
    critic.requires_grad_(True)
    return apart, -verdict.mean(), sum(F.l1_loss(a, b.detach()) for a, b in zip(found, wanted)) / len(found)
