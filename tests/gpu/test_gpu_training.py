"""Training on a real CUDA device: what was decided, that nothing waits, and that it repeats."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import modrack
from modrack.configure.resolve import resolve
from modrack.runner.build import build
from modrack.runner.rig import Rig
from modrack_registry.registry import load_registry

TEXT = {
    "model": "bert", "dataset": "files", "model.pretrained": False, "model.layers": 2, "model.width": 64,
    "model.heads": 2, "model.vocabulary": 200, "batch_size": 8,
}  # fmt: skip
IMAGE = {"model": "cnn", "dataset": "digits", "model.width": 16, "model.dropout": 0.2, "batch_size": 32}


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("sentences")
    rows = [f"{'good ' * (i % 7 + 1)}film number {i},{'pos' if i % 2 else 'neg'}" for i in range(200)]
    (folder / "train.csv").write_text("\n".join(["text,label", *rows]))
    return str(folder)


@pytest.fixture(autouse=True)
def kernels_as_before() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cuda.matmul.fp32_precision = "none"


def rig(**values: Any) -> Rig:
    return build(resolve(load_registry(), values=values))


def test_the_plan_fits_the_device(tmp_path: Path) -> None:
    run = modrack.train(home=tmp_path, **IMAGE | {"epochs": 15})
    plan = {name: decision["value"] for name, decision in run.plan.items()}
    assert plan["device"] == "cuda"
    assert plan["feeder"] == "resident"
    assert plan["channels_last"] is True
    assert run.metrics["test.accuracy"] > 0.95
    assert run.hardware["accelerator"] == "cuda"


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("more", [{}, {"accumulate": 2, "clip": 1.0, "ema": 0.9}], ids=["plain", "everything"])
@pytest.mark.parametrize("kind", ["image", "text"])
def test_nothing_waits_between_log_points(kind: str, more: Any, precision: str, sentences: str) -> None:
    words = IMAGE if kind == "image" else TEXT | {"dataset.path": sentences}
    made = rig(**words | more | {"precision": precision, "epochs": 2})
    feeder, update = made.feeders["train"], made.update
    steps = feeder.epoch(0, accumulate=made.accumulate)
    update(0, next(steps))  # what is made once may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step, batches in enumerate(steps, 1):
            update(step, batches)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    values, bad = update.take()
    assert bad is None
    assert values["loss"] > 0


@pytest.mark.parametrize("kind", ["image", "text"])
def test_rows_that_stay_on_the_host_are_the_same_rows(kind: str, sentences: str, monkeypatch: Any) -> None:
    words = IMAGE if kind == "image" else TEXT | {"dataset.path": sentences}
    found = []
    for share in (0.25, 0.0):
        monkeypatch.setattr("modrack.runner.plan.RESIDENT_SHARE", share)
        made = rig(**words | {"accumulate": 2})
        assert made.plan["feeder"] == ("resident" if share else "host")
        steps = made.feeders["train"].epoch(0, accumulate=2)
        found.append([{name: each.cpu() for name, each in batch.items()} for pair in steps for batch in pair])
        assert all(each.device.type == "cuda" for each in next(made.feeders["train"].epoch(0))[0].tensors())
    for resident, host in zip(*found, strict=True):
        assert all(torch.equal(resident[name], host[name]) for name in resident)


def test_the_gpu_learns_what_the_cpu_learns() -> None:
    losses = {}
    for device in ("cpu", "cuda"):
        words = IMAGE | {"device": device, "precision": "fp32", "model.dropout": 0.0, "deterministic": True}
        made = rig(**words)
        found = []
        for step, batches in enumerate(made.feeders["train"].epoch(0)):
            made.update(step, batches)
            found.append(made.update.take()[0]["loss"])
            if step == 19:
                break
        losses[device] = found
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=1e-3)


@pytest.mark.parametrize("kind", ["image", "text"])
def test_deterministic_runs_repeat_bit_by_bit(kind: str, tmp_path: Path, sentences: str) -> None:
    words = IMAGE if kind == "image" else TEXT | {"dataset.path": sentences}
    digests = set()
    for number in range(2):
        run = modrack.train(home=tmp_path / str(number), deterministic=True, **words | {"epochs": 2})
        digests.add(hashlib.sha256((run.folder / "checkpoints/last/model.safetensors").read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("kind", ["image", "text"])
def test_a_compiled_model_learns_the_same(kind: str, tmp_path: Path, sentences: str) -> None:
    words = (
        (IMAGE | {"model.dropout": 0.0})
        if kind == "image"
        else TEXT | {"dataset.path": sentences, "model.dropout": 0.0}
    )
    words |= {"epochs": 2, "precision": "fp32"}
    plain = modrack.train(home=tmp_path, **words)
    fast = modrack.train(home=tmp_path, compile=True, **words)
    assert fast.metrics["train.loss"] == pytest.approx(plain.metrics["train.loss"], rel=0.05)
    # The weights of a compiled model are named as those of a plain one.
    names = {file.name for file in (fast.folder / "checkpoints/last").iterdir()}
    assert "model.safetensors" in names
