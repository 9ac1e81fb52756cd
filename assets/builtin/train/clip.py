"""Two text towers and an image tower that share one space.

text_encoder_2 and image_encoder are trained contrastively; batches alternate
between full, subject-only and style-only captions, and every picture that
shares the caption's meaning counts as a positive.  Linear readers of subject
and style, shared by pictures and texts and thrown away later, speed this up and
put both on the same directions, which is what subtraction needs.  A reader of
the picture's coarse colours keeps the palette in the image embedding.
"""
import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPVisionConfig, CLIPVisionModelWithProjection

JOINT = 128
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def towers(vocabulary):
    ids = dict(vocab_size=vocabulary, bos_token_id=vocabulary - 2, eos_token_id=vocabulary - 1)
    one = CLIPTextConfig(hidden_size=64, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2, hidden_act="quick_gelu", projection_dim=64, pad_token_id=vocabulary - 1, **ids)
    two = CLIPTextConfig(hidden_size=128, intermediate_size=512, num_hidden_layers=3, num_attention_heads=4, hidden_act="gelu", projection_dim=JOINT, pad_token_id=0, **ids)
    see = CLIPVisionConfig(hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4, hidden_act="gelu", image_size=64, patch_size=8, projection_dim=JOINT)
    return CLIPTextModel(one), CLIPTextModelWithProjection(two), CLIPVisionModelWithProjection(see)


def start(one, two, see):
    """CLIP's own small embeddings learn slowly at this size; start them larger."""
    for name, p in list(one.named_parameters()) + list(two.named_parameters()) + list(see.named_parameters()):
        if "embedding" in name and p.dim() >= 2:
            nn.init.normal_(p, std=0.05)
        elif p.dim() == 2:
            nn.init.xavier_uniform_(p, gain=0.7)


class Readers(nn.Module):
    def __init__(self, subjects, styles):
        super().__init__()
        self.subject, self.style = nn.Linear(JOINT, subjects), nn.Linear(JOINT, styles)
        self.colour = nn.Linear(JOINT, 48)
        self.one = nn.Linear(64, JOINT)  # text_encoder's own, discarded way into the joint space
        self.scale = nn.Parameter(torch.tensor(2.3))


def normalise(images):
    mean, std = torch.tensor(MEAN, device=images.device), torch.tensor(STD, device=images.device)
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)


def contrast(a, b, key, scale):
    """Multi-positive: all rows with the same key are right."""
    logits = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T * scale.exp().clamp(max=50)
    same = (key[:, None] == key[None]).float()
    target = same / same.sum(1, keepdim=True)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def loss(one, two, see, readers, pictures, ids1, ids2, key, subject, style, kind):
    x = normalise(pictures)
    image = see(pixel_values=x).image_embeds
    text2 = two(input_ids=ids2).text_embeds
    text1 = readers.one(one(input_ids=ids1).pooler_output)
    total = contrast(image, text2, key, readers.scale) + 0.5 * contrast(image.detach(), text1, key, readers.scale)
    for read, target, kinds in ((readers.subject, subject, ("full", "subject")), (readers.style, style, ("style", "full"))):
        total = total + F.cross_entropy(read(image), target)
        if kind in kinds and not (kind == "full" and read is readers.style):
            total = total + 0.5 * F.cross_entropy(read(text2), target) + 0.5 * F.cross_entropy(read(text1), target)
    coarse = F.adaptive_avg_pool2d(x, 4).flatten(1)
    colour = F.mse_loss(readers.colour(image), coarse)
    size = sum((e.norm(dim=-1) / JOINT ** 0.5 - 1).pow(2).mean() for e in (image, text2))
    with torch.no_grad():
        hit = (readers.subject(image).argmax(1) == subject).float().mean(), (readers.style(image).argmax(1) == style).float().mean()
    return total + colour + 0.2 * size, hit[0], hit[1], colour


@torch.no_grad()
def zero_shot(two, see, tokenizer, pictures, truth, names):
    """Share of pictures whose nearest name is right."""
    ids = tokenizer(names, padding="max_length", max_length=77, return_tensors="pt").input_ids
    device = next(two.parameters()).device
    text = F.normalize(two(input_ids=ids.to(device)).text_embeds, dim=-1)
    image = F.normalize(see(pixel_values=normalise(torch.from_numpy(pictures).to(device))).image_embeds, dim=-1)
    return (image @ text.T).argmax(1).cpu().eq(torch.as_tensor(truth)).float().mean().item(), image.shape[0]
