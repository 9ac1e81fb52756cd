"""Muon: momentum whose matrices are orthogonalised (Jordan et al. 2024), for the weights inside the network.

A network this small is trained for few samples, and Muon gets further per sample
than AdamW.  Convolutions count as matrices of [out, in * kh * kw].  Matrices of one
shape go through the Newton-Schulz iteration together.  What is no matrix, and the
first and last layers, stay with AdamW.
"""
import torch


def orthogonal(g, steps=5):
    """Nearest semi-orthogonal matrices of a batch, roughly: the quintic iteration with Jordan's coefficients.

    It runs on the small Gram matrices alone: x -> x p(x'x) commutes with x'x, so the factors can be gathered first.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = g.shape[1] < g.shape[2]
    x = g.transpose(1, 2) if wide else g
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    gram = x.transpose(1, 2) @ x
    whole = None
    for _ in range(steps):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        whole = factor if whole is None else whole @ factor
        gram = factor @ gram @ factor
    x = x @ whole
    return x.transpose(1, 2) if wide else x


class Muon(torch.optim.Optimizer):
    """AdamW for the parameters that are no hidden matrix; `lr` means the same for both, as updates are scaled to AdamW's size."""

    def __init__(self, hidden, rest, lr, momentum=0.95, betas=(0.9, 0.99)):
        self.adam = torch.optim.AdamW(rest, lr=lr, betas=betas, weight_decay=0.0)
        super().__init__([dict(params=hidden)], dict(lr=lr, momentum=momentum))

    def state_dict(self):
        return {"muon": super().state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state):
        super().load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])

    @torch.no_grad()
    def step(self):
        group = self.param_groups[0]
        for other in self.adam.param_groups:
            other["lr"] = group["lr"]
        self.adam.step()
        shapes = {}
        for p in group["params"]:
            if p.grad is None:
                continue
            held = self.state[p].setdefault("momentum", torch.zeros_like(p))
            held.lerp_(p.grad, 1 - group["momentum"])
            update = p.grad.lerp(held, group["momentum"]).flatten(1)
            shapes.setdefault(update.shape, []).append((p, update))
        for (rows, columns), members in shapes.items():
            updates = orthogonal(torch.stack([u for _, u in members]))
            scale = 0.2 * max(rows, columns) ** 0.5
            for (p, _), update in zip(members, updates):
                p.add_(update.view_as(p), alpha=-group["lr"] * scale)

    def zero_grad(self, set_to_none=True):
        super().zero_grad(set_to_none)
        self.adam.zero_grad(set_to_none)


def for_network(parameters, ends, rate):
    """Matrices inside go to Muon; vectors, and whatever lies in `ends`, to AdamW."""
    outer = {id(p) for module in ends for p in module.parameters()}
    hidden = [p for p in parameters if p.ndim >= 2 and id(p) not in outer]
    taken = {id(p) for p in hidden}
    return Muon(hidden, [p for p in parameters if id(p) not in taken], rate)
