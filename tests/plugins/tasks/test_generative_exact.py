"""VAE, GAN and WGAN-GP train on a step's rows the same, however they are split."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch

from modrack.runner.encode import encode_split
from modrack.runner.evaluate import seed_all
from modrack.runner.feeder import Feeder
from modrack.runner.parts import Parts
from modrack.runner.update import Update
from modrack.seam import Batch, Task
from modrack.testing.sample import sample
from modrack_registry.registry import load_registry

REGISTRY = load_registry()
CPU = torch.device("cpu")
KINDS = [
    ("vae", "vae", {"width": 4, "hidden": 16}, {"beta": 0.5}),
    ("vae", "vae", {"body": "mlp", "hidden": 16}, {}),
    ("gan", "dcgan", {"width": 4, "latent": 8}, {}),
    ("gan", "dcgan", {"width": 4, "latent": 8, "norm": "none"}, {}),
    ("wgan-gp", "dcgan", {"width": 4, "latent": 8}, {"critic_steps": 2}),
]


def make(kind: str, name: str, given: dict[str, Any], options: dict[str, Any]) -> Any:
    component = REGISTRY.find(kind, name)
    return component.make(given, {each: option.default for each, option in component.options.items()} | options)


def build(task: str, model: str, model_options: dict[str, Any], options: dict[str, Any]) -> tuple[Parts, Task, Any]:
    """The parts in fp64, the task, and encoded rows to train on."""
    data, splits = sample("image")
    seed_all(1, CPU)
    parts = Parts.of(make("model", model, {"data": data}, model_options), model)
    made: Task = make("task", task, {"data": data, "processor": None}, options)
    prepare = made.prepare

    def exact(batch: Batch) -> Batch:
        batch = prepare(batch)
        batch["image"] = batch["image"].double()
        return batch

    made.prepare = exact  # type: ignore[method-assign]
    for part in parts.modules():
        part.double()
    return parts, made, encode_split(splits["train"], made)


def trained(accumulate: int, *chosen: Any, steps: int = 6) -> list[torch.Tensor]:
    parts, task, encoded = build(*chosen)
    optimizers = {name: torch.optim.SGD(part.parameters(), lr=0.02, momentum=0.9) for name, part in parts.items()}
    update = Update(parts, task, optimizers, {}, device=CPU, autocast=contextlib.nullcontext(), seed=3, clip=None)
    feeder = Feeder(encoded, batch_size=16, device=CPU, resident=True, seed=5)
    for step in range(steps):
        epoch, start = divmod(step, feeder.steps)
        update(step, next(feeder.epoch(epoch, start=start, accumulate=accumulate)))
    return [parameter.detach().clone() for parameter in parts.parameters()]


@pytest.mark.parametrize("chosen", KINDS, ids=lambda each: f"{each[0]} {each[2].get('body', '')}".strip())
def test_accumulated_by_four_equals_the_big_batch(chosen: Any) -> None:
    before = [parameter.detach().clone() for parameter in build(*chosen)[0].parameters()]
    whole, split = trained(1, *chosen), trained(4, *chosen)
    moved = [(a - b).abs().max().item() for a, b in zip(before, whole, strict=True)]
    # One may rest: a Wasserstein critic's last bias is the same for real and made images.
    assert sorted(moved)[1] > 1e-9, "weights that never move prove nothing"
    for one, other in zip(whole, split, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_the_critic_moves_more_often_than_the_generator() -> None:
    chosen = ("wgan-gp", "dcgan", {"width": 4, "latent": 8}, {"critic_steps": 3})
    task = build(*chosen)[1]
    assert [len(task.schedule(step)) for step in range(7)] == [1, 1, 2, 1, 1, 2, 1]
    before = dict(zip(("generator", "discriminator"), _sums(build(*chosen)[0]), strict=True))
    parts, task, encoded = build(*chosen)
    optimizers = {name: torch.optim.SGD(part.parameters(), lr=0.02) for name, part in parts.items()}
    update = Update(parts, task, optimizers, {}, device=CPU, autocast=contextlib.nullcontext(), seed=3, clip=None)
    feeder = Feeder(encoded, batch_size=16, device=CPU, resident=True)
    for step, batches in enumerate(feeder.epoch(0)):
        update(step, batches)
    after = dict(zip(("generator", "discriminator"), _sums(parts), strict=True))
    assert after["generator"] == before["generator"]
    assert after["discriminator"] != before["discriminator"]


def _sums(parts: Parts) -> list[float]:
    return [sum(float(p.detach().abs().sum()) for p in part.parameters()) for _, part in parts.items()]
