"""The step is exact: splitting it, or evaluating more often, changes nothing but the last bits."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from modrack.runner.encode import Encoded
from modrack.runner.feeder import Feeder
from modrack.runner.parts import Parts
from modrack.runner.update import Update
from modrack.seam import Batch, Ragged, Step, Task

ROWS, WIDTH = 48, 6
CPU = torch.device("cpu")


def encoded(rows: int = ROWS) -> Encoded:
    """Numbers, a class, and a ragged column. sharded_steps.py takes them too."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 12, rows)
    return Encoded(
        {
            "x": generator.normal(size=(rows, WIDTH)),
            "target": generator.integers(0, 3, rows),
            "ids": Ragged.of([generator.integers(1, 20, length) for length in lengths]),
        },
        rows,
    )


class Rows(Task):
    """One loss a row."""

    emits = ("logits", "target")

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        logits = parts.model(batch["x"])
        loss = F.cross_entropy(logits, batch["target"], reduction="none")
        return Step(loss, {"logits": logits, "target": batch["target"]}, {"largest": logits.max(1).values})

    def prepare(self, batch: Batch) -> Batch:
        return batch


class Entries(Rows):
    """One loss an entry of a ragged column: the denominators of micro-batches differ."""

    def count(self, batch: Batch, phase: str) -> Any:
        return batch.mask("ids").sum()

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        mask = batch.mask("ids")
        scores = parts.model(batch["x"]).mean(1, keepdim=True) * batch["ids"] / 20
        return Step((scores.square() * mask).sum(1))


class Terms(Entries):
    """Two terms, each with a denominator of its own."""

    def count(self, batch: Batch, phase: str) -> Any:
        return {"rows": batch.size, "entries": batch.mask("ids").sum()}

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        return Step(
            {"rows": Rows.step(self, parts, batch, phase).loss, "entries": Entries.step(self, parts, batch, phase).loss}
        )


class Noisy(Rows):
    """Noise in the input, keyed by the row."""

    def prepare(self, batch: Batch) -> Batch:
        batch["x"] = batch["x"] + batch.normal(WIDTH)
        return batch


class Adversaries(Rows):
    """Two parts that learn in turn, the critic twice as often."""

    phases = {"critic": ("critic",), "model": ("model",)}

    def schedule(self, step: int) -> tuple[str, ...]:
        return ("critic", "model") if step % 2 else ("critic",)

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        score = parts.critic(parts.model(batch["x"]))
        return Step(score.square() if phase == "critic" else -score)


def build(task: type[Task], seed: int = 1, **options: Any) -> tuple[Update, Parts]:
    torch.manual_seed(seed)
    modules: dict[str, nn.Module] = {"model": nn.Sequential(nn.Linear(WIDTH, 8), nn.Tanh(), nn.Linear(8, 3))}
    if "critic" in (task.phases.get("critic") or ()):
        modules["critic"] = nn.Linear(3, 1)
    parts = Parts({name: module.double() for name, module in modules.items()})
    optimizers = {name: torch.optim.SGD(part.parameters(), lr=0.1, momentum=0.9) for name, part in parts.items()}
    made = Update(
        parts,
        task(None, None),  # type: ignore[arg-type]
        optimizers,
        {},
        device=CPU,
        autocast=contextlib.nullcontext(),
        seed=3,
        clip=options.get("clip"),
    )
    return made, parts


def trained(task: type[Task], accumulate: int, steps: int = 6, **options: Any) -> list[torch.Tensor]:
    update, parts = build(task, **options)
    feeder = Feeder(encoded(), batch_size=16, device=CPU, resident=True, seed=5)
    done = 0
    epoch = 0
    while done < steps:
        for batches in feeder.epoch(epoch, accumulate=accumulate):
            update(done, batches)
            done += 1
            if done == steps:
                break
        epoch += 1
    return [parameter.detach().clone() for parameter in parts.parameters()]


@pytest.mark.parametrize("task", [Rows, Entries, Terms, Noisy, Adversaries])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_accumulation_gives_the_big_batch(task: type[Task], clip: float | None) -> None:
    whole = trained(task, 1, clip=clip)
    for split in (2, 4, 16):
        for one, other in zip(whole, trained(task, split, clip=clip), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=2e-15)


def test_the_mean_of_means_would_be_wrong() -> None:
    """The check above can fail: with each micro-batch's own denominator the weights move elsewhere."""

    class Means(Entries):
        def count(self, batch: Batch, phase: str) -> Any:
            return 1.0

        def step(self, parts: Any, batch: Batch, phase: str) -> Step:
            loss = Entries.step(self, parts, batch, phase).loss
            assert isinstance(loss, torch.Tensor)
            return Step(loss.sum() / batch.mask("ids").sum())

    whole, split = trained(Means, 1), trained(Means, 4)
    assert max((a - b).abs().max().item() for a, b in zip(whole, split, strict=True)) > 1e-3


def test_only_the_learning_part_collects_gradients() -> None:
    update, parts = build(Adversaries)
    before = [parameter.detach().clone() for parameter in parts.model.parameters()]
    feeder = Feeder(encoded(), batch_size=16, device=CPU, resident=True)
    update(0, next(feeder.epoch(0)))
    assert all(torch.equal(a, b) for a, b in zip(before, parts.model.parameters(), strict=True))
    assert all(parameter.grad is None and parameter.requires_grad for parameter in parts.parameters())


def test_losses_are_means_over_everything_counted() -> None:
    update, _ = build(Rows)
    feeder = Feeder(encoded(), batch_size=20, device=CPU, resident=True)
    expected = 0.0
    for step, batches in enumerate(feeder.epoch(0, accumulate=3)):
        with torch.no_grad():
            for batch in batches:
                loss = update.task.step(update.parts, batch, "train").loss
                assert isinstance(loss, torch.Tensor)
                expected += loss.sum().item()
        update(step, batches)
    values, bad = update.take()
    assert bad is None
    assert values["loss"] == pytest.approx(expected / ROWS, rel=1e-6)
    assert set(values) == {"loss", "largest"}
    assert update.take() == ({}, None)


def test_the_first_loss_that_is_not_finite_is_told_with_its_step() -> None:
    class Breaks(Rows):
        def step(self, parts: Any, batch: Batch, phase: str) -> Step:
            made = Rows.step(self, parts, batch, phase)
            self.steps = getattr(self, "steps", -1) + 1
            assert isinstance(made.loss, torch.Tensor)
            return Step(made.loss * (float("inf") if self.steps >= 2 else 1.0))

    update, _ = build(Breaks)
    feeder = Feeder(encoded(), batch_size=8, device=CPU, resident=True)
    for step, batches in enumerate(feeder.epoch(0)):
        update(step, batches)
    _, bad = update.take()
    assert bad is not None
    assert bad[0] == 2


def test_nothing_waits_for_the_device_between_log_points(monkeypatch: pytest.MonkeyPatch) -> None:
    update, _ = build(Rows)
    feeder = Feeder(encoded(), batch_size=8, device=CPU, resident=True)
    # The order of rows lives on the host, where asking costs nothing.
    steps = list(feeder.epoch(0))
    asked: list[str] = []
    for name in ("item", "tolist", "__bool__", "__float__", "__int__"):
        real = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor, name, lambda self, *rest, real=real, name=name: (asked.append(name), real(self, *rest))[1]
        )
    for step, batches in enumerate(steps):
        update(step, batches)
    assert asked == []


def test_a_first_step_brings_no_symbolic_algebra_in() -> None:
    """`Tensor.backward` with a gradient imports sympy, for a second."""
    script = (
        "import sys, tempfile, modrack\n"
        "modrack.train(home=tempfile.mkdtemp(), steps=1, limit=64)\n"
        "print(sorted({'sympy', 'torch._dynamo', 'torchmetrics', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Drawing(Rows):
    """Draws from torch's own random numbers before a step."""

    def prepare(self, batch: Batch) -> Batch:
        batch["x"] = batch["x"] + torch.rand(batch["x"].shape, dtype=batch["x"].dtype)
        return batch


def test_what_is_drawn_before_a_step_depends_on_the_step_alone() -> None:
    found = []
    for left_behind in (1, 2):
        update, parts = build(Drawing)
        feeder = Feeder(encoded(), batch_size=16, device=CPU, resident=True, seed=5)
        torch.manual_seed(left_behind)
        for step, batches in enumerate(feeder.epoch(0)):
            update(step, batches)
        found.append([parameter.detach().clone() for parameter in parts.parameters()])
    assert all(map(torch.equal, *found))


class Nothing(Rows):
    """Counts nothing, as a number of Python's."""

    def count(self, batch: Batch, phase: str) -> Any:
        return 0

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        return Step(parts.model(batch["x"]).sum() * 0)


def test_a_step_that_counts_nothing_moves_nothing() -> None:
    update, parts = build(Nothing)
    before = [parameter.detach().clone() for parameter in parts.parameters()]
    feeder = Feeder(encoded(), batch_size=16, device=CPU, resident=True, seed=5)
    update(0, next(feeder.epoch(0)))
    assert all(map(torch.equal, before, parts.parameters()))
    assert update.take() == ({}, None)
