"""One golden a network: tensors in parts.safetensors, what they are in parts.json."""
import json

import torch
from PIL import Image
from safetensors.torch import save_file

from . import reference
from .adapters import load_adapter
from .configs import ADAPTERS, MODELS, VISIONS

TEXTS = ["", "a quiet house by the sea", "Dogs & cats!!! it's 3 caf\u00e9s, don't <|endoftext|> stop \U0001f600", "the of and " * 40]


class Store:
    def __init__(self):
        self.tensors, self.table = {}, []

    def add(self, part, name, info=None, **tensors):
        self.table.append({"part": part, "name": name, **(info or {}), "tensors": {k: f"{name}.{k}" for k in tensors}})
        self.tensors |= {f"{name}.{k}": v.detach().float().contiguous().clone() for k, v in tensors.items()}


def texts(store, root, model):
    pipe = reference.load_model(root, model)
    for part, tok, tower in (("text_encoder", pipe.tokenizer, pipe.text_encoder), ("text_encoder_2", pipe.tokenizer_2, pipe.text_encoder_2)):
        for i, text in enumerate(TEXTS):
            ids = tok(text, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
            out = tower(ids, output_hidden_states=True)
            tensors = {"penultimate": out.hidden_states[-2]}
            if part == "text_encoder_2":  # the same weights under both EOS rules
                real = tower.config.eos_token_id
                for rule, eos in (("highest", 2), ("first", tok.eos_token_id)):
                    tower.text_model.eos_token_id = eos
                    tensors[f"pooled_{rule}"] = tower(ids).text_embeds
                tower.text_model.eos_token_id = real
            info = {"model": f"model_{model}", "folder": part, "text": text, "ids": ids[0].tolist(), "eos_of_config": tower.config.eos_token_id}
            store.add("text", f"{model}.{part}.{i}", info, **tensors)


def unets(store, root, model, shapes):
    unet = reference.load_model(root, model).unet
    gen = torch.Generator().manual_seed(5)
    c = unet.config
    for i, (h, w, t) in enumerate(shapes):
        sample = torch.randn(2, 4, h, w, generator=gen)
        states = torch.randn(2, 77, c.cross_attention_dim, generator=gen)
        pooled = torch.randn(2, c.projection_class_embeddings_input_dim - 6 * c.addition_time_embed_dim, generator=gen)
        ids = torch.tensor([[h * 8.0, w * 8.0, 0, 0, h * 8.0, w * 8.0], [768.0, 512, 12, 3, 1024, 1000]])
        out = unet(sample, t, states, added_cond_kwargs={"text_embeds": pooled, "time_ids": ids}).sample
        store.add("unet", f"{model}.unet.{i}", {"model": f"model_{model}", "timestep": t}, sample=sample, encoder_hidden_states=states,
                  text_embeds=pooled, time_ids=ids, out=out)


def vaes(store, root, model, h, w):
    vae = reference.load_model(root, model).vae
    gen = torch.Generator().manual_seed(6)
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    image = torch.rand(1, 3, h * factor, w * factor, generator=gen) * 2 - 1
    latents = torch.randn(1, 4, h, w, generator=gen)
    dist = vae.encode(image).latent_dist
    store.add("vae", f"{model}.vae", {"model": f"model_{model}"}, image=image, mean=dist.mean, logvar=dist.logvar,
              latents=latents, decoded=vae.decode(latents).sample)


def visions(store, root, vision):
    model = next(a["model"] for a in ADAPTERS.values() if a["vision"] == vision)
    pipe = reference.load_model(root, model, vision)
    for name in ("ref1", "ref2", "ref3"):
        picture = Image.open(root / f"{name}.png").convert("RGB")
        pixels = pipe.feature_extractor(picture, return_tensors="pt").pixel_values
        out = pipe.image_encoder(pixels, output_hidden_states=True)
        store.add("vision", f"{vision}.vision.{name}", {"folder": f"vision_{vision}", "picture": f"{name}.png"}, pixel_values=pixels,
                  image_embeds=out.image_embeds, penultimate=out.hidden_states[-2])


def projections(store, root, adapter):
    spec = ADAPTERS[adapter]
    pipe = reference.load_model(root, spec["model"], spec["vision"])
    pipe.load_ip_adapter(load_adapter(root, adapter), subfolder="", weight_name="", image_encoder_folder=None)
    picture = Image.open(root / "ref1.png").convert("RGB")
    good, bad = pipe.encode_image(picture, "cpu", 1, spec["kind"] == "plus")
    layer = pipe.unet.encoder_hid_proj.image_projection_layers[0]
    store.add("projection", f"{adapter}.projection", {"adapter": f"adapter_{adapter}.safetensors", "kind": spec["kind"]}, states=good,
              tokens=layer(good), zero_states=bad, zero_tokens=layer(bad))


@torch.no_grad()
def make_parts(root):
    store = Store()
    for model in (name for name, spec in MODELS.items() if not spec.get("by_rule")):
        texts(store, root, model)
    unets(store, root, "a", [(8, 8, 958.0), (7, 11, 333.25), (1, 1, 1.0)])
    unets(store, root, "b", [(16, 12, 999.0), (11, 5, 0.5)])
    unets(store, root, "c", [(6, 4, 499.5)])
    vaes(store, root, "a", 3, 4)
    vaes(store, root, "b", 5, 7)
    vaes(store, root, "c", 8, 6)
    for vision in VISIONS:
        visions(store, root, vision)
    for adapter in (name for name, spec in ADAPTERS.items() if not MODELS[spec["model"]].get("by_rule")):
        projections(store, root, adapter)
    save_file(store.tensors, root / "parts.safetensors")
    (root / "parts.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in store.table) + "\n]\n")
