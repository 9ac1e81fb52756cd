"""The recipe, one command: python train.py [--plan full] [--stage all]

Stages, in order: pictures, vae, clip, unet, vae8, texture, judge, export. Each saves itself every
two minutes and goes on where it stopped; a finished stage is skipped.
"""
import argparse
import os
import sys
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
warnings.filterwarnings("ignore")
import numpy as np
import torch

import common
import dataset
from common import DEVICE, SEED, Stage
from config import PLANS


def pictures(plan):
    if not os.path.exists(common.path("pictures/images.npy")):
        dataset.make(common.path("pictures"), plan["pictures"], plan["size"], plan["subjects"], plan["styles"], plan["spread"], SEED)


def vae(plan):
    import vae as v
    images, _ = dataset.load(common.path("pictures"))
    net = v.build().to(DEVICE)
    v.identity_start(net)
    stage = Stage("vae", {"vae": net}, net.parameters(), 8e-4, plan["vae_steps"])
    rng = np.random.default_rng(SEED + stage.step)

    def compute():
        total, pooled, kl = v.step(net, v.crops(images, 64, 16, rng).to(DEVICE))
        return total, {"pooled": pooled.detach(), "kl": kl.detach()}
    stage.run(compute)


def small_pictures(name="small"):
    """Every picture as CLIP sees it, 64 px; or every picture's twin."""
    return np.load(common.path(f"pictures/{name}.npy"), mmap_mode="r")


def tokenizers():
    import tokenizer as t
    sizes = [t.write(common.path("tokenizer"), "<|endoftext|>"), t.write(common.path("tokenizer_2"), "!")]
    return t.load(common.path("tokenizer")), t.load(common.path("tokenizer_2")), sizes[0]


def clip(plan):
    import clip as c
    tok1, tok2, vocabulary = tokenizers()
    small = small_pictures()
    _, rows = dataset.load(common.path("pictures"))
    one, two, see = (m.to(DEVICE) for m in c.towers(vocabulary))
    c.start(one, two, see)
    readers = c.Readers(len(dataset.SHAPES), len(dataset.STYLES)).to(DEVICE)
    modules = {"one": one, "two": two, "see": see, "readers": readers}
    stage = Stage("clip", modules, [p for m in modules.values() for p in m.parameters()], 1.2e-3, plan["clip_steps"], decay=0.02)
    rng = np.random.default_rng(SEED + stage.step)
    subject, style = torch.from_numpy(rows["subject"]), torch.from_numpy(rows["style"])
    kinds = {"full": "caption", "subject": "subject_caption", "style": "style_caption"}
    batch = 96

    def compute():
        kind = ("full", "subject", "style", "subject")[stage.step % 4]
        i = np.sort(rng.choice(len(small) - 500, batch, replace=False))
        texts = [str(t) for t in rows[kinds[kind]][i]]
        ids1, ids2 = (t(texts, padding="longest", return_tensors="pt").input_ids.to(DEVICE) for t in (tok1, tok2))
        s, y = subject[i].to(DEVICE), style[i].to(DEVICE)
        key = {"full": s * 100 + y, "subject": s, "style": y}[kind]
        total, a, b, colour = c.loss(one, two, see, readers, torch.from_numpy(small[i]).to(DEVICE), ids1, ids2, key, s, y, kind)
        return total, {"subject_hit": a, "style_hit": b, "colour": colour.detach()}
    stage.run(compute, every=100)
    names, words = list(dataset.SHAPES), list(dataset.STYLES)
    held = slice(len(small) - 500, None)
    a = lambda n: ("an " if n[0] in "aeiou" else "a ") + n
    from captions import STYLE_PHRASES
    use, used = [names.index(n) for n in plan["subjects"]], [words.index(n) for n in plan["styles"]]
    hits = c.zero_shot(two, see, tok2, small[held], [use.index(x) for x in rows["subject"][held]], [a(n) for n in plan["subjects"]])[0]
    hits2 = c.zero_shot(two, see, tok2, small[held], [used.index(x) for x in rows["style"][held]], [STYLE_PHRASES[n][0] for n in plan["styles"]])[0]
    common.log("clip-zero-shot", stage.step, stage.spent, subject=hits, style=hits2)



def frozen(*names):
    """The towers and the autoencoder as trained so far, for stages that build on them."""
    import clip as c
    import vae as v
    tok1, tok2, vocabulary = tokenizers()
    one, two, see = c.towers(vocabulary)
    state = common.load("clip.pt")
    if state:
        for m, n in ((one, "one"), (two, "two"), (see, "see")):
            m.load_state_dict(state["modules"][n])
    net = v.build()
    v.identity_start(net)
    state = common.load("vae.pt")
    if state:
        net.load_state_dict(state["modules"]["vae"])
    for m in (one, two, see, net):
        m.to(DEVICE).eval().requires_grad_(False)
    return tok1, tok2, one, two, see, net


def chosen_pictures(plan):
    """Rows of the subjects and styles that the UNet learns, and their pictures at its size."""
    images, rows = dataset.load(common.path("pictures"))
    wanted = [[list(names).index(n) for n in plan[key]] for names, key in ((dataset.SHAPES, "unet_subjects"), (dataset.STYLES, "unet_styles"))]
    chosen = np.flatnonzero(np.isin(rows["subject"], wanted[0]) & np.isin(rows["style"], wanted[1]))
    small, twins = small_pictures()[chosen], small_pictures("twins")[chosen]
    images = small if plan["unet_size"] == small.shape[1] else images[chosen]
    assert images.shape[1] == plan["unet_size"], "the UNet's size is the pictures' or the image tower's"
    return {k: v[chosen] for k, v in rows.items()}, small, twins, images


def latents(plan):
    """Encodes the chosen pictures once; also the scaling factor and the preview's colour factors."""
    import vae as v
    name = f"latents{plan['unet_size']}.pt"
    if common.load(name) is None:
        images = chosen_pictures(plan)[-1]
        z = v.encode_all(frozen()[-1], images, DEVICE)
        scaling = 1.0 / z[:4000].float().std().item()
        factors, bias = v.rgb_factors(z[:1500].float() * scaling, images[:1500])
        common.save(name, z=z, scaling=scaling, factors=factors, bias=bias)
    return common.load(name)


def image_embeds(see, small):
    import clip as c
    with torch.no_grad():
        return torch.cat([see(pixel_values=c.normalise(torch.from_numpy(small[i:i + 256]).to(DEVICE))).image_embeds.cpu() for i in range(0, len(small), 256)])


def body(plan):
    """The UNet with the adapter's processors in place, and what its checkpoint holds."""
    import adapter as a
    import unet as u
    net = u.build(64 + 128, 128, plan["unet_size"] // 4)
    ip = a.Adapter(net, 128)
    return net.to(DEVICE), ip.to(DEVICE), list(dict.fromkeys([*net.parameters(), *ip.parameters()]))


def trained_body(plan):
    """The same, as trained so far."""
    net, ip, parameters = body(plan)
    state = common.load("unet.pt")
    if state:
        net.load_state_dict(state["modules"]["unet"])
        ip.load_state_dict(state["modules"]["adapter"])
        with torch.no_grad():
            for p, average in zip(parameters, state["ema"] if plan["unet_averaged"] else []):
                p.copy_(average.to(DEVICE))
    return net, ip, parameters


def unet(plan):
    """UNet and adapter together; see adapter.py for which blocks see which picture."""
    import random
    import muon
    import unet as u
    cache = latents(plan)
    tok1, tok2, one, two, see, _ = frozen()
    rows, small, twins, _ = chosen_pictures(plan)
    own, twin = image_embeds(see, small), image_embeds(see, twins)
    captions = {k: [str(c) for c in rows[k]] for k in ("caption", "subject_caption", "style_caption")}
    texts = u.Texts(one, two, tok1, tok2, sum(captions.values(), []), DEVICE)
    full, plain, styled = (torch.tensor([texts.index[c] for c in k]) for k in captions.values())
    net, ip, parameters = body(plan)
    ends = (net.conv_in, net.conv_out, net.time_embedding, net.add_embedding, ip.image_proj)
    stage = Stage("unet", {"unet": net, "adapter": ip}, parameters, plan["unet_rate"], plan["unet_steps"], ema=0.998,
                  optimizer=muon.for_network(parameters, ends, plan["unet_rate"]))
    torch.manual_seed(SEED + stage.step)
    pick = random.Random(SEED + stage.step)
    noise, z, scaling = u.Noise(DEVICE), cache["z"], cache["scaling"]
    batch, held = plan["unet_batch"], 300
    ids = u.time_ids(batch, plan["unet_size"], DEVICE)

    def compute():
        i = torch.randint(0, len(z) - held, (batch,))
        mode, blocks = ip.choose(pick, plan["shares"])
        # the twin comes with the subject alone, so that style must be taken from it; the picture itself partly without
        words = torch.where(torch.rand(batch) < {"text": 0.0, "style": 0.9}.get(mode, 0.7), plain[i], full[i])
        if mode == "all":
            words = torch.where(torch.rand(batch) < plan["all_words"], words, styled[i])
        r = torch.rand(batch)
        text, pooled = texts.get(words, r > 0.1, DEVICE)
        if blocks:
            seen = (twin if mode == "style" else own)[i] * ((r < 0.05) | (r > 0.13)).float()[:, None]
            ip.open(seen.to(DEVICE), blocks)
        else:
            ip.close()
        loss, error = noise.loss(net, z[i].float().to(DEVICE) * scaling, text, pooled, ids)
        return loss, {mode: error.detach()}
    stage.run(compute, every=100)


def finer(plan):
    """Pictures of twice the side for the f8 autoencoder, and the latents that belong to them."""
    import unet as u
    import vae as v
    import vae8
    folders = {"pictures_unet": ("unet_subjects", "unet_styles"), "pictures_all": ("subjects", "styles")}
    for name, (subjects, styles) in folders.items():
        if not os.path.exists(common.path(f"{name}/images.npy")):
            dataset.make(common.path(name), plan["finer_pictures"][name], plan["finer_size"], plan[subjects], plan[styles], plan["spread"], SEED + len(name))
    known, others = (np.load(common.path(f"{n}/images.npy"), mmap_mode="r") for n in folders)
    if common.load("latents_finer.pt") is None:
        tok1, tok2, one, two, _, net = frozen()
        z = [v.encode_all(net, np.load(common.path(f"{n}/small.npy"), mmap_mode="r"), DEVICE) for n in folders]
        captions = [str(c) for c in dict(np.load(common.path("pictures_unet/rows.npz")))["caption"]]
        texts = u.Texts(one, two, tok1, tok2, captions, DEVICE)
        rows = torch.tensor([texts.index[c] for c in captions])
        whole, ip, _ = trained_body(plan)
        ip.close()
        noise, scaling, rng = u.Noise(DEVICE), common.load(f"latents{plan['unet_size']}.pt")["scaling"], np.random.default_rng(SEED)

        def made(steps):
            parts = []
            for i in range(0, len(rows), 64):
                part = z[0][i:i + 64].float().to(DEVICE) * scaling
                text, pooled = texts.get(rows[i:i + 64], torch.ones(len(part)), DEVICE)
                parts.append((vae8.guesses(whole, noise, part, text, pooled, u.time_ids(len(part), plan["unet_size"], DEVICE), rng, steps) / scaling).half().cpu())
            return torch.cat(parts)
        common.save("latents_finer.pt", known=z[0], others=z[1], guessed=made(1), painted=made(4))
    return known, others, common.load("latents_finer.pt")


def vae8(plan):
    """Decoder and encoder of the f8 autoencoder, one after the other."""
    import muon
    import vae as v
    import vae8
    known, others, cache = finer(plan)
    net = vae8.build().to(DEVICE)
    v.identity_start(net)
    rng = np.random.default_rng(SEED)
    held = 100

    def sample(count, side, kinds):
        kind = kinds[rng.integers(len(kinds))]
        images = others if kind == "others" else known
        return (x.to(DEVICE) for x in vae8.batch(cache[kind], images, np.sort(rng.choice(len(images) - held, count, replace=False)), side, rng))

    parts = {"decoder": (net.decoder, net.post_quant_conv), "encoder": (net.encoder, net.quant_conv)}
    for name, modules in parts.items():
        parameters = [p for m in modules for p in m.parameters()]
        ends = (modules[0].conv_in, modules[0].conv_out, modules[1])
        stage = Stage(f"vae8_{name}", {"vae": net}, parameters, plan["vae8_rate"], plan[f"vae8_{name}_steps"], optimizer=muon.for_network(parameters, ends, plan["vae8_rate"]))
        rng = np.random.default_rng(SEED + stage.step)

        def compute():
            if name == "encoder":
                z, x = sample(8, 16, ["known", "others"])
                total, error = vae8.encoder_loss(net, z, x)
                return total, {"error": error.detach()}
            # crops are quicker, but norms see other statistics in them: the last part is trained on whole pictures
            count, side = (16, 8) if stage.step < 0.7 * stage.steps else (6, 16)
            total, pooled = vae8.decoder_loss(net, *sample(count, side, ["known", "guessed", "guessed", "others"]))
            return total, {"pooled": pooled.detach()}
        stage.run(compute)


def texture(plan):
    """The f8 decoder and its critic: textures that the latents do not hold to the last dot are painted, not averaged."""
    import critic as c
    import vae as v
    import vae8
    known, others, cache = finer(plan)
    net, critic = vae8.build().to(DEVICE), c.Critic(v.CHANNELS).to(DEVICE)
    state = common.load("vae8_encoder.pt")
    if state:
        net.load_state_dict(state["modules"]["vae"])
    parameters = [p for m in (net.decoder, net.post_quant_conv, critic) for p in m.parameters()]
    stage = Stage("texture", {"vae": net, "critic": critic}, parameters, plan["texture_rate"], plan["texture_steps"],
                  optimizer=torch.optim.Adam(parameters, lr=plan["texture_rate"], betas=(0.5, 0.95)))
    torch.manual_seed(SEED + stage.step)
    rng, spread, held = np.random.default_rng(SEED + stage.step), cache["known"].float().std().item(), 100

    def compute():
        kind = ("known", "painted", "others", "painted")[stage.step % 4]
        images = others if kind == "others" else known
        rows = np.sort(rng.choice(len(images) - held, 6, replace=False))
        z, x = (y.to(DEVICE) for y in vae8.batch(cache[kind], images, rows, 16, rng))
        if kind != "painted":  # half of the others a little off
            z = z + torch.randn_like(z) * spread * 0.15 * (torch.rand(len(z), 1, 1, 1, device=DEVICE) - 0.5).clamp(min=0) * 2
        y = net.decode(z).sample
        near, _ = v.loss(y, x)
        apart, doubt, features = c.losses(critic, z / spread, x, y)
        return apart + 0.5 * near + 0.05 * doubt + features, {"near": near.detach(), "doubt": doubt.detach(), "features": features.detach(), "apart": apart.detach()}
    stage.run(compute)


def judge(plan):
    """Trained on pictures of its own: every subject in every style, held-out ones too."""
    import judge as j
    if not os.path.exists(common.path("pictures/judged.npz")):
        dataset.make_judged(common.path("pictures"), plan["judge_pictures"])
    data = dict(np.load(common.path("pictures/judged.npz")))
    images, count = data["images"], len(dataset.SHAPES)
    net = j.build(count, len(dataset.STYLES)).to(DEVICE)
    stage = Stage("judge", {"judge": net}, net.parameters(), 2e-3, plan["judge_steps"], decay=0.01)
    rng = np.random.default_rng(SEED + stage.step + 5)
    subject, style = torch.from_numpy(data["subject"]), torch.from_numpy(data["style"])

    def compute():
        i = np.sort(rng.choice(len(images) - 1000, 96, replace=False))
        total, a, b = j.loss(net, j.prepare(images[i]).to(DEVICE), subject[i].to(DEVICE), style[i].to(DEVICE), count)
        return total, {"subject": a, "style": b}
    stage.run(compute, every=100)
    net.eval()
    s, y = j.verdict(net.cpu(), images[-1000:], count)
    import export as e
    here = os.path.dirname(os.path.abspath(__file__))
    e.judge(os.path.join(here, "..", "judge"), net, dataset.SEEN, list(dataset.SHAPES), list(dataset.STYLES))
    common.log("judge-held-out", stage.step, stage.spent, subject=float((s == data["subject"][-1000:]).mean()), style=float((y == data["style"][-1000:]).mean()))


def export(plan):
    import export as e
    import unet as u
    import vae8
    _, _, one, two, see, _ = frozen()
    cache = common.load(f"latents{plan['unet_size']}.pt") or dict(scaling=1.3, factors=[[0.5] * 3] * 4, bias=[0.0] * 3)
    net = vae8.build()
    state = common.load("texture.pt") or common.load("vae8_encoder.pt")
    if state:
        net.load_state_dict(state["modules"]["vae"])
    net.register_to_config(scaling_factor=cache["scaling"], sample_size=plan["finer_size"])
    whole, ip, _ = trained_body(plan)
    bare = u.build(64 + 128, 128, plan["unet_size"] // 4)
    bare.load_state_dict({k: x.cpu() for k, x in whole.state_dict().items() if ".processor." not in k})
    vae8.fold_size(bare, plan["unet_size"])
    here = os.path.dirname(os.path.abspath(__file__))
    e.write(os.path.join(here, "..", "model"), net, bare, one, two, see, ip, u.SCHEDULER,
            {"name": "InstantStyle mini", "version": plan["version"], "style_block": plan["style_block"], "layout_block": plan["layout_block"], "steps": plan["steps"],
             "guidance": plan["guidance"], "scheduler": "euler-trailing", "width": plan["finer_size"], "height": plan["finer_size"], "latent_rgb_factors": cache["factors"], "latent_rgb_bias": cache["bias"]})
    log = common.path("train_log.txt")
    if os.path.exists(log):
        import shutil
        shutil.copy(log, os.path.join(here, "..", "train_log.txt"))


STAGES = {"pictures": pictures, "vae": vae, "clip": clip, "unet": unet, "vae8": vae8, "texture": texture, "judge": judge, "export": export}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", default="full", choices=PLANS)
    parser.add_argument("--stage", default="all", choices=["all", *STAGES])
    parser.add_argument("--steps", type=int, help="steps for the chosen stage instead of the plan's")
    parser.add_argument("--rate", type=float, help="the UNet's learning rate instead of the plan's")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    plan = dict(PLANS[args.plan])
    if args.steps:
        if args.stage + "_steps" not in plan:
            parser.error(f"--steps goes with one stage that has them: {', '.join(k[:-6] for k in plan if k.endswith('_steps') and k[:-6] in STAGES)}")
        plan[args.stage + "_steps"] = args.steps
    if args.rate:
        plan["unet_rate"] = args.rate
    for name, stage in STAGES.items():
        if args.stage in ("all", name):
            print("stage", name, flush=True)
            stage(plan)
