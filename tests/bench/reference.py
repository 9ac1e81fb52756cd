"""Times PyTorch's SDXL networks (random weights, true shapes): the counterpart of `instantstyle bench`.

    python3 reference.py [--network unet|vae] [--size 512] [--batch N] [--repeat 3] [--dtype f32|bf16|f16]
                         [--threads 2] [--channels-last] [--parts]

Needs torch and diffusers. One forward of batch 2 is one guided (CFG) step. Prints one JSON line: seconds (the median of
the repeats after one warm-up), all repeats, peak resident memory in MB, torch's version; with --parts also the time of
each kind of operation in one more pass.
"""
import argparse
import json
import resource
import statistics
import time

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

# What torch's profiler calls an operation, and what the Rust side calls it.
OPERATIONS = {
    "aten::mkldnn_convolution": "convolution", "aten::_slow_conv2d_forward": "convolution",
    "aten::linear": "linear and GEGLU", "aten::addmm": "linear and GEGLU", "aten::mm": "linear and GEGLU", "aten::bmm": "linear and GEGLU",
    "aten::_scaled_dot_product_flash_attention_for_cpu": "attention",
    "aten::native_group_norm": "group norm", "aten::native_layer_norm": "layer norm",
    "aten::silu": "activation", "aten::gelu": "linear and GEGLU", "aten::upsample_nearest2d": "upsample", "aten::cat": "concat",
}


def unet():
    with torch.device("meta"):
        return UNet2DConditionModel(
            sample_size=128, in_channels=4, out_channels=4, layers_per_block=2,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            block_out_channels=(320, 640, 1280), transformer_layers_per_block=[1, 2, 10],
            attention_head_dim=[5, 10, 20], cross_attention_dim=2048, use_linear_projection=True,
            addition_embed_type="text_time", addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816)


def vae():
    with torch.device("meta"):
        return AutoencoderKL(
            block_out_channels=(128, 256, 512, 512), down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=2, latent_channels=4, sample_size=1024,
            scaling_factor=0.13025)


def fill(network, seed):
    """The same scale as the Rust side: uniform with a variance of 1 / inputs, norms of 1, no biases."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.ndim > 1:
                weight.uniform_(-1, 1, generator=generator).mul_((3.0 / weight[0].numel()) ** 0.5)
            else:
                weight.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)


def parts(run):
    """Milliseconds and calls of each kind of operation in one pass."""
    from torch.profiler import ProfilerActivity, profile
    with profile(activities=[ProfilerActivity.CPU]) as prof:
        begun = time.perf_counter()
        run()
        total = time.perf_counter() - begun
    out = {}
    for event in prof.key_averages():
        op = OPERATIONS.get(event.key)
        if op:
            entry = out.setdefault(op, {"calls": 0, "ms": 0.0})
            entry["calls"] += event.count
            # Only what the operation does itself, so that none is counted twice.
            entry["ms"] += event.self_cpu_time_total / 1e3
    out["everything else"] = {"calls": 1, "ms": total * 1e3 - sum(entry["ms"] for entry in out.values())}
    return out


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--network", choices=("unet", "vae"), default="unet")
    args.add_argument("--size", type=int, default=512)
    args.add_argument("--batch", type=int)
    args.add_argument("--repeat", type=int, default=3)
    args.add_argument("--dtype", choices=("f32", "bf16", "f16"), default="f32")
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--channels-last", action="store_true")
    args.add_argument("--parts", action="store_true")
    args = args.parse_args()
    torch.set_num_threads(args.threads)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}[args.dtype]
    batch = args.batch or (2 if args.network == "unet" else 1)
    network = (unet if args.network == "unet" else vae)().to(dtype).to_empty(device="cpu").eval()
    fill(network, 0)
    if args.channels_last:
        network = network.to(memory_format=torch.channels_last)
    side = args.size // 8
    torch.manual_seed(0)
    latents = torch.randn(batch, 4, side, side, dtype=dtype)
    text = torch.randn(batch, 77, 2048, dtype=dtype)
    ids = [args.size, args.size, 0, 0, args.size, args.size]
    added = {"text_embeds": torch.randn(batch, 1280, dtype=dtype), "time_ids": torch.tensor([ids] * batch, dtype=dtype)}

    def run():
        with torch.inference_mode():
            if args.network == "vae":
                return network.decode(latents).sample
            return network(latents, torch.tensor(500), text, added_cond_kwargs=added).sample

    seconds = []
    for repeat in range(args.repeat + 1):
        begun = time.perf_counter()
        out = run()
        if repeat:
            seconds.append(time.perf_counter() - begun)
    assert torch.isfinite(out).all()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = {"seconds": statistics.median(seconds), "all": seconds, "peak_rss_mb": peak, "size": args.size, "batch": batch,
            "dtype": args.dtype, "device": "cpu", "threads": args.threads, "network": args.network,
            "torch": torch.__version__}
    if args.parts:
        line["parts"] = parts(run)
    print(json.dumps(line))


if __name__ == "__main__":
    main()
