"""Makes adapter.bin, a file as IP-Adapter's trainers write it, and adapter.safetensors, the same tensors as PyTorch and
safetensors' own Python package write them. Run: python tests/pickles/make_pickles.py (torch, safetensors)."""

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

here = Path(__file__).parent
torch.manual_seed(7)
base = torch.randn(6, 4)
adapter = {
    "image_proj": OrderedDict(
        {
            "proj.weight": torch.randn(8, 4).half(),
            "proj.bias": torch.randn(8).half(),
            "norm.weight": torch.randn(4),
            "latents": torch.randn(1, 2, 3).bfloat16(),
        }
    ),
    "ip_adapter": {
        "1.to_k_ip.weight": torch.randn(4, 4).t(),  # a view with its strides turned
        "1.to_v_ip.weight": torch.nn.Parameter(torch.randn(4, 4)),
        "3.to_k_ip.weight": base[1:5],  # a part of a storage
        "3.to_v_ip.weight": base[:, 1:3],  # strides with gaps
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "numbers": torch.arange(-3, 3),
        "flags": torch.tensor([True, False, True]),
    },
    "epoch": 3,
}
torch.save(adapter, here / "adapter.bin")
torch.save(adapter, here / "legacy.bin", _use_new_zipfile_serialization=False)
flat = {f"{part}.{name}": tensor.detach().contiguous() for part, tensors in adapter.items() if part != "epoch" for name, tensor in tensors.items()}
save_file(flat, here / "adapter.safetensors")
