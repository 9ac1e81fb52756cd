"""A cross-attention processor for what diffusers has no words for: unequal strengths in one group, and "precise".

`check` in reference.py shows that it equals diffusers' own processor where both can say the same.
"""
import math

import torch
import torch.nn.functional as F


class Injection(torch.nn.Module):
    """Image groups beside the text. A group: its K/V matrices, scale, log-weights a token, and whether the sides swap."""

    def __init__(self, to_k, to_v):
        super().__init__()
        self.to_k, self.to_v = to_k, to_v
        self.groups = []

    def attend(self, attn, query, key, value, bias=None):
        split = lambda t: t.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        out = F.scaled_dot_product_attention(split(query), split(key), split(value), attn_mask=bias)
        return out.transpose(1, 2).flatten(2)

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        text, images = encoder_hidden_states
        query = attn.to_q(hidden_states)
        out = self.attend(attn, query, attn.to_k(text), attn.to_v(text))
        for tokens, group in zip(images, self.groups):
            if group["scale"] == 0:
                continue
            tokens = tokens.flatten(1, -2)  # pictures and their tokens: one row
            if group["swap"]:
                tokens = tokens.flip(0)  # the batch is [unconditional, conditional]
            each = tokens.shape[1] // len(group["weights"])
            largest = max(group["weights"])
            bias = torch.tensor([math.log(w / largest) if w > 0 else -math.inf for w in group["weights"]])
            bias = bias.repeat_interleave(each).view(1, 1, 1, -1)
            out = out + group["scale"] * self.attend(attn, query, self.to_k(tokens), self.to_v(tokens), bias)
        return attn.to_out[0](out)


def install(unet):
    """Replaces diffusers' IP processors (one adapter's weights, any number of groups). Returns {block: [processors]}."""
    table, by_block = {}, {}
    for name, old in unet.attn_processors.items():
        table[name] = old
        if hasattr(old, "to_k_ip"):
            table[name] = Injection(old.to_k_ip[0], old.to_v_ip[0])
            by_block.setdefault(name.split(".transformer_blocks")[0], []).append(table[name])
    unet.set_attn_processor(table)
    return by_block
