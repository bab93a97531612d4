"""Run by two processes (test_sharding.py): some steps under DDP and under FSDP, in float64, and what came out."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

import numpy as np
import torch
from test_update import CPU, WIDTH, encoded
from torch import Tensor, nn
from torch.nn import functional as F

from modrack.runner.ema import Ema
from modrack.runner.engine import Engine, joined
from modrack.runner.evaluate import evaluate, evaluating
from modrack.runner.feeder import Feeder
from modrack.runner.groups import parameter_groups
from modrack.runner.parts import Parts
from modrack.runner.recompute import recompute_layers
from modrack.runner.sharding import shard, sharded_modules
from modrack.runner.update import Update
from modrack.seam import Batch, Step, Task


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, 2 * width)
        self.norm = nn.LayerNorm(2 * width)
        self.outer = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = x + self.outer(F.dropout(self.norm(self.inner(x)).tanh(), 0.2, self.training))
        return made


class Running(nn.Module):
    """Takes away a running mean: a buffer that moves in training. Unlike batch norm it takes a single row."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                self.mean.lerp_(x.detach().mean(0).to(self.mean.dtype), 0.1)  # type: ignore[operator]
        made: Tensor = x - self.mean.clone()  # type: ignore[operator]
        return made


class Net(nn.Module):
    """Sizes that two processes cannot halve, a weight of one row, running statistics, and tied weights."""

    def __init__(self, out: int = 3) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, 7)
        self.blocks = nn.ModuleList(Block(7) for _ in range(3))
        self.norm = Running(7)
        self.tied = nn.Linear(WIDTH, 7, bias=False)
        self.tied.weight = self.first.weight
        self.gate = nn.Linear(7, 1)
        self.head = nn.Linear(7, out)

    def forward(self, x: Tensor) -> Tensor:
        given = x
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x) + self.tied(given)
        made: Tensor = self.head(x) * self.gate(x).sigmoid()
        return made


class Entries(Task):
    """Two terms; the denominator of one is unequal in all micro-batches."""

    emits = ("logits", "target")

    def prepare(self, batch: Batch) -> Batch:
        return batch

    def count(self, batch: Batch, phase: str) -> Any:
        return {"rows": batch.size, "entries": batch.mask("ids").sum()}

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        logits = parts.model(batch["x"])
        scores = logits.mean(1, keepdim=True) * batch["ids"] / 20
        return Step(
            {
                "rows": F.cross_entropy(logits, batch["target"], reduction="none"),
                "entries": (scores.square() * batch.mask("ids")).sum(1),
            },
            {"logits": logits, "target": batch["target"]},
        )


class Penalised(Entries):
    """The slope of the scores is a part of the loss, so that they are differentiated twice."""

    def count(self, batch: Batch, phase: str) -> Any:
        return batch.size

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        x = batch["x"].clone().requires_grad_()
        logits = parts.model(x)
        if not torch.is_grad_enabled():
            return Step(logits.square().sum(1), {"logits": logits, "target": batch["target"]})
        (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        return Step((slope.square().sum(1) - 1).square(), {"logits": logits, "target": batch["target"]})


class Adversaries(Task):
    """Two parts that learn in turn, the critic twice as often; a third follows the model by itself."""

    phases = {"critic": ("critic",), "model": ("model",)}

    def prepare(self, batch: Batch) -> Batch:
        return batch

    def schedule(self, step: int) -> tuple[str, ...]:
        return ("critic", "model") if step % 2 else ("critic",)

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        made = parts.model(batch["x"])
        score = parts.critic(made)
        return Step(score.square() + (1 - parts.critic(made + 1)).square() if phase == "critic" else -score)


def trained(
    how: str,
    task: type[Task],
    engine: Engine,
    *,
    accumulate: int,
    clip: float | None,
    recompute: str,
    short: bool = False,
) -> Any:
    """Weights, averaged weights, losses and an evaluation after eight steps. `short`: in bf16, else in fp64."""
    torch.manual_seed(1)
    modules: dict[str, nn.Module] = {"model": Net()}
    if task is Adversaries:
        modules["critic"] = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    parts = Parts({name: module if short else module.double() for name, module in modules.items()})
    autocast: Any = torch.autocast("cpu", torch.bfloat16) if short else contextlib.nullcontext()
    recompute_layers(parts, recompute)
    if how == "fsdp":
        for part in parts.modules():
            shard(part, CPU, engine, torch.bfloat16 if short else None, twice=task is Penalised)
        assert len(sharded_modules(parts.modules())) == 4 + (task is Adversaries)
        most = max(local_share(p) for p in parts.parameters() if p.shape[0] > 1)
        assert most <= 0.7, most
    parts.model.head.bias.requires_grad_(False)
    optimizers = {
        name: torch.optim.AdamW(parameter_groups(part, 0.1, 0.02, 0.8), lr=0.02) for name, part in parts.items()
    }
    schedulers = {name: torch.optim.lr_scheduler.ExponentialLR(each, 0.9) for name, each in optimizers.items()}
    ema = Ema([p for p in parts.parameters() if p.requires_grad], 0.8)
    made = task(None, None)  # type: ignore[arg-type]
    data = encoded(rows=44)
    if short:
        data.columns["x"] = data.columns["x"].astype(np.float32)  # type: ignore[union-attr]
        with autocast, torch.no_grad(), evaluating(parts):  # The first forward, in which all may learn.
            made.step(parts, next(Feeder(data, batch_size=4, device=CPU, resident=True).once()), "model")
    update = Update(
        parts, made, optimizers, schedulers, device=CPU, autocast=autocast, seed=3, clip=clip, ema=ema,
        engine=engine,
    )  # fmt: skip
    feeder = Feeder(data, batch_size=13, device=CPU, resident=True, seed=5)
    found: list[Any] = []
    step = 0
    for epoch in range(2):
        for batches in feeder.epoch(epoch, accumulate=accumulate, share=(engine.rank, engine.world)):
            update(step, batches)
            step += 1
            if task is not Adversaries and step in (2, 3):
                # Averaged weights are evaluated in between, and no trace of them may stay.
                engine.share_buffers(parts.modules())
                with ema.swapped():
                    measured = evaluate(
                        parts, made, Feeder(data, batch_size=5, device=CPU, resident=True), [],
                        autocast=autocast, seed=3, engine=engine,
                    )  # fmt: skip
                assert measured is not None
                found += measured.values.values()
    found += update.take()[0].values()
    for swap in (False, True):
        with ema.swapped() if swap else contextlib.nullcontext():
            for parameter in parts.parameters():
                whole = parameter.full_tensor() if hasattr(parameter, "full_tensor") else parameter
                found += whole.detach().flatten().tolist()
    return found


def local_share(parameter: Any) -> float:
    return float(parameter.to_local().numel() / parameter.numel())


def main() -> None:
    torch.set_num_threads(1)
    worst: dict[str, float] = {}
    moved: dict[str, float] = {}
    with joined("cpu") as engine:
        for task, accumulate, clip, recompute, short in (
            (Entries, 3, 0.3, "none", False),
            (Entries, 3, None, "all", False),
            (Adversaries, 3, 0.3, "none", False),
            (Adversaries, 3, None, "all", False),
            (Penalised, 3, 0.3, "none", False),
            (Adversaries, 2, 0.3, "none", True),
        ):
            made = [
                torch.tensor(
                    trained(how, task, engine, accumulate=accumulate, clip=clip, recompute=recompute, short=short),
                    dtype=torch.float64,
                )
                for how in ("ddp", "fsdp")
            ]
            name = (
                f"{task.__name__} accumulate={accumulate} clip={clip} recompute={recompute}{' bf16' if short else ''}"
            )
            worst[name] = (made[0] - made[1]).abs().max().item()
            moved[name] = made[0].abs().max().item()
        if engine.main:
            print(json.dumps({"worst": worst, "moved": moved}), file=sys.stdout)


if __name__ == "__main__":
    main()
