"""The UNet in SDXL's shape, its noise schedule and its loss.

Block names, attention depths (deepest inside), text_time conditioning and linear
projections are SDXL's; only the sizes are small.  v-prediction over a schedule
that ends in pure noise lets flat backgrounds of any colour come out in few steps.
"""
import torch
import torch.nn.functional as F
from diffusers import EulerDiscreteScheduler, UNet2DConditionModel

TIME_DIM = 32
SCHEDULER = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction",
                 timestep_spacing="trailing", rescale_betas_zero_snr=True, steps_offset=1, use_karras_sigmas=False, interpolation_type="linear")


def build(text_width, pooled, latent_side):
    return UNet2DConditionModel(
        sample_size=latent_side, in_channels=4, out_channels=4, down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], mid_block_type="UNetMidBlock2DCrossAttn", block_out_channels=[32, 64, 112],
        layers_per_block=2, transformer_layers_per_block=[1, 1, 2], attention_head_dim=[1, 2, 4], cross_attention_dim=text_width, use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=TIME_DIM, projection_class_embeddings_input_dim=6 * TIME_DIM + pooled, norm_num_groups=8)


def scheduler():
    return EulerDiscreteScheduler(**SCHEDULER)


class Noise:
    """Training noise: alphas after the zero-SNR rescaling, v targets, weights."""

    def __init__(self, device):
        bar = scheduler().alphas_cumprod.clone().to(device)
        self.a, self.s = bar.sqrt(), (1 - bar).sqrt()
        snr = bar / (1 - bar)
        self.weight = (snr.clamp(max=5.0) + 1) / (snr + 1)  # even, but for the cleanest steps: the noisy ones decide subject and colours

    def loss(self, net, z, text, pooled, time_ids):
        t = torch.randint(0, 1000, (len(z),), device=z.device)
        late = torch.rand(len(z), device=z.device) < 0.35  # more of the noisy steps, where subjects are decided
        t = torch.where(late, 500 + t // 2, t)
        noise = torch.randn_like(z)
        a, s = self.a[t, None, None, None], self.s[t, None, None, None]
        out = net(a * z + s * noise, t, text, added_cond_kwargs={"text_embeds": pooled, "time_ids": time_ids}).sample
        each = (out - (a * noise - s * z)).pow(2).mean((1, 2, 3))
        return (each * self.weight[t]).mean(), each.mean()


def time_ids(count, side, device):
    return torch.tensor([[side, side, 0, 0, side, side]], dtype=torch.float32, device=device).repeat(count, 1)


class Texts:
    """Embeddings of every caption in use, computed once: 77 positions, penultimate states of both towers, pooled of the second."""

    def __init__(self, one, two, tok1, tok2, captions, device):
        self.index = {c: i for i, c in enumerate(dict.fromkeys(captions))}
        names, states, pooled = list(self.index), [], []
        with torch.no_grad():
            for i in range(0, len(names), 128):
                ids1, ids2 = (t(names[i:i + 128], padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids.to(device) for t in (tok1, tok2))
                a = one(input_ids=ids1, output_hidden_states=True).hidden_states[-2]
                b = two(input_ids=ids2, output_hidden_states=True)
                states.append(torch.cat([a, b.hidden_states[-2]], -1).half().cpu())
                pooled.append(b.text_embeds.cpu())
        self.states, self.pooled = torch.cat(states), torch.cat(pooled)

    def get(self, rows, keep, device):
        """Rows of the cache; dropped ones are zeros, as force_zeros_for_empty_prompt has it."""
        k = keep.float()
        return (self.states[rows].float() * k[:, None, None]).to(device), (self.pooled[rows] * k[:, None]).to(device)
