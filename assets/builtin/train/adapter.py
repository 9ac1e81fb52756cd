"""The IP-Adapter: four image tokens into every cross-attention.

Trained together with the UNet, because a UNet this small, trained on text alone,
has no block that holds style by itself.  Batches differ in what they open:
  text    no block: the UNet learns to paint from words
  style   only the style block, with the picture's twin as image prompt: another
          subject in the same style, colours and texture, so the block learns style
          and nothing of the subject
  all     every block, with the picture itself as image prompt, as upstream trains;
          a part of these leaves the subject out of the text, so that the image
          tokens carry it (else plain IP-Adapter hardly leaks, and there is nothing
          for the style block or for subtraction to show)
  layout  only the layout block, with the picture itself
"""
import random

import torch
import torch.nn.functional as F
from torch import nn

TOKENS = 4
STYLE, LAYOUT = "up_blocks.0.attentions.1", "down_blocks.2.attentions.1"


class ImageProjection(nn.Module):
    def __init__(self, joint, width):
        super().__init__()
        self.proj, self.norm, self.width = nn.Linear(joint, TOKENS * width), nn.LayerNorm(width), width

    def forward(self, e):
        return self.norm(self.proj(e).reshape(-1, TOKENS, self.width))


class ImageAttention(nn.Module):
    """An attention processor that adds attention over image tokens, scaled per block."""

    def __init__(self, attn, shared, block):
        super().__init__()
        self.to_k_ip, self.to_v_ip = nn.Linear(*attn.to_k.weight.shape[::-1], bias=False), nn.Linear(*attn.to_v.weight.shape[::-1], bias=False)
        self.to_k_ip.weight.data.copy_(attn.to_k.weight)
        self.to_v_ip.weight.data.copy_(attn.to_v.weight)
        self.shared, self.block = shared, block

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None, *args, **kwargs):
        heads = lambda x: x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        q = heads(attn.to_q(hidden_states))
        out = F.scaled_dot_product_attention(q, heads(attn.to_k(encoder_hidden_states)), heads(attn.to_v(encoder_hidden_states)))
        scale = self.shared["scales"].get(self.block, 0.0)
        if scale:
            t = self.shared["tokens"]
            out = out + scale * F.scaled_dot_product_attention(q, heads(self.to_k_ip(t)), heads(self.to_v_ip(t)))
        return attn.to_out[0](out.transpose(1, 2).flatten(2))


class Adapter(nn.Module):
    def __init__(self, unet, joint):
        super().__init__()
        self.shared = {"scales": {}, "tokens": None}
        self.image_proj = ImageProjection(joint, unet.config.cross_attention_dim)
        processors, self.layers, self.blocks = {}, nn.ModuleList(), []
        modules = dict(unet.named_modules())
        for name, processor in unet.attn_processors.items():
            if ".attn2." not in name:
                processors[name] = processor
                continue
            block = name.split(".transformer_blocks")[0]
            layer = ImageAttention(modules[name.removesuffix(".processor")], self.shared, block)
            processors[name] = layer
            self.layers.append(layer)
            self.blocks.append(block)
        unet.set_attn_processor(processors)
        self.names = list(dict.fromkeys(self.blocks))

    def choose(self, rng: random.Random, shares):
        """What a batch opens, by the plan's shares."""
        mode = rng.choices(list(shares), list(shares.values()))[0]
        return mode, {"text": [], "style": [STYLE], "all": self.names, "layout": [LAYOUT]}[mode]

    def close(self):
        self.shared["scales"] = {}

    def open(self, embeds, blocks, scale=1.0):
        self.shared["tokens"] = self.image_proj(embeds)
        self.shared["scales"] = {b: scale for b in blocks}

    def published(self):
        """Weights under the names that diffusers and ComfyUI read: N counts attention processors, cross ones are odd."""
        out = {"image_proj." + k: v for k, v in self.image_proj.state_dict().items()}
        for i, layer in enumerate(self.layers):
            out[f"ip_adapter.{2 * i + 1}.to_k_ip.weight"] = layer.to_k_ip.weight.data
            out[f"ip_adapter.{2 * i + 1}.to_v_ip.weight"] = layer.to_v_ip.weight.data
        return out
