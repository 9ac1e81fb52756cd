"""What every stage shares: where things lie, the device, checkpoints, schedules and the log."""
import math
import os
import time

import torch

WORK = os.environ.get("INSTANTSTYLE_TRAIN", "/tmp/instantstyle-train")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SEED = 7


def path(name):
    os.makedirs(WORK, exist_ok=True)
    return os.path.join(WORK, name)


def save(name, **state):
    """Written beside and moved over, so that a kill never leaves half a checkpoint."""
    torch.save(state, path(name + ".tmp"))
    os.replace(path(name + ".tmp"), path(name))


def load(name):
    return torch.load(path(name), map_location="cpu", weights_only=False) if os.path.exists(path(name)) else None


def log(stage, step, seconds, **values):
    line = f"{time.strftime('%H:%M:%S')} {stage} step {step} {seconds:.0f}s " + " ".join(f"{k} {v:.5f}" for k, v in values.items())
    print(line, flush=True)
    with open(path("train_log.txt"), "a") as f:
        f.write(line + "\n")


class Stage:
    """A training loop of so many steps that saves itself and goes on where it stopped.

    The learning rate follows progress (steps done / steps granted): a short warm-up,
    then a cosine to nothing, so that every budget ends annealed. Steps and not
    seconds, so that a machine that is busy or slow trains the same model, only later.
    """

    def __init__(self, name, modules, parameters, rate, steps, ema=None, decay=0.0, optimizer=None):
        self.name, self.modules, self.rate, self.steps = name, modules, rate, steps
        self.parameters = [p for p in parameters]
        self.optimizer = optimizer or torch.optim.AdamW(self.parameters, lr=rate, betas=(0.9, 0.99), weight_decay=decay)
        self.ema_decay = ema
        self.ema = [p.detach().clone() for p in self.parameters] if ema else None
        self.step, self.spent = 0, 0.0
        state = load(name + ".pt")
        if state:
            for key, module in modules.items():
                module.load_state_dict(state["modules"][key])
            self.step, self.spent = state["step"], state["spent"]
            if "optimizer" in state:
                self.optimizer.load_state_dict(state["optimizer"])
            if ema and state.get("ema"):
                self.ema = [e.to(p.device) for e, p in zip(state["ema"], self.parameters)]
            print(f"{name}: goes on at step {self.step} of {steps}", flush=True)

    def store(self):
        save(self.name + ".pt", modules={k: m.state_dict() for k, m in self.modules.items()}, step=self.step, spent=self.spent,
             optimizer=self.optimizer.state_dict(), ema=self.ema)

    def use_ema(self):
        with torch.no_grad():
            for p, e in zip(self.parameters, self.ema):
                p.copy_(e)

    def run(self, compute, every=50, save_seconds=120):
        """`compute()` returns (loss, {name: value}) for one fresh batch. On a GPU it runs in bfloat16."""
        last_save, sums = time.time(), {}
        while self.step < self.steps:
            start = time.time()
            progress = self.step / self.steps
            lr = self.rate * min(1.0, (self.step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * max(0.0, progress - 0.3) / 0.7))
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
                loss, values = compute()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.step += 1
            if self.ema:
                weight = 1 - min(self.ema_decay, (1 + self.step) / (10 + self.step))
                with torch.no_grad():
                    torch._foreach_lerp_(self.ema, self.parameters, weight)
            # tensors stay where they are until they are logged, so that a GPU never waits
            for k, v in {"loss": loss.detach(), **values}.items():
                sums.setdefault(k, []).append(v)
            self.spent += time.time() - start
            if self.step % every == 0:
                log(self.name, self.step, self.spent, **{k: sum(float(x) for x in v) / len(v) for k, v in sums.items()})
                sums = {}
            if time.time() - last_save > save_seconds:
                self.store()
                last_save = time.time()
        self.store()
