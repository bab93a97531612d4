"""A plugin of one file, with something of each kind that the tests of configuration and command line choose."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Gt

import modrack


@modrack.model(takes="image", gives="logits")
def net(
    data,
    *,
    width: Annotated[int, Gt(0), "channels of the first layer"] = 64,
    act: Literal["relu", "gelu"] = "relu",
    sizes: tuple[int, ...] = (1, 2),
    pretrained: bool = True,
    note: str | None = "a",
):
    """A network.

    With a second paragraph.
    """
    import math

    from torch import nn

    pixels = math.prod(data.shape)
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.ReLU(), nn.Linear(width, len(data.classes)))


@modrack.model(takes="text", gives="logits", version="7")
def words(data, *, depth: int = 2, extra: dict[str, int] | None = None):
    """Reads text."""
    raise AssertionError("never built here")


@modrack.dataset(gives="image", target="class")
def points(*, rows: Annotated[int, Gt(0)] = 240, seed: int = 0):
    """Bright left or bright right: a picture of 4 by 4."""
    import datasets
    import numpy as np

    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    pixels = rng.integers(0, 90, (rows, 4, 4), dtype=np.uint8)
    pixels[label == 1, :, 2:] += 120
    features = datasets.Features(
        {"image": datasets.Array2D((4, 4), "uint8"), "label": datasets.ClassLabel(names=["left", "right"])}
    )
    table = datasets.Dataset.from_dict({"image": list(pixels), "label": list(label)}, features=features)
    return datasets.DatasetDict(train=table)


@modrack.dataset(gives="image", target="class")
def folder(*, path: Annotated[str, "where the files are"]):
    """A dataset that must be told where it is."""
    raise AssertionError("never built here")


@modrack.optimizer
def plain(params, *, lr: Annotated[float, Gt(0), "learning rate"] = 0.1, betas: tuple[float, float] = (0.9, 0.99)):
    """Goes downhill."""
    import torch

    return torch.optim.SGD(params, lr=lr)


@modrack.optimizer
def other(params, *, lr: Annotated[float, Gt(0)] = 0.25, decay: float = 0.0):
    """Goes downhill too."""
    import torch

    return torch.optim.SGD(params, lr=lr, weight_decay=decay)


@modrack.metric(better="higher")
class Hits:
    """How many are right, as a share."""

    def __init__(self, *, average: Literal["macro", "micro"] = "micro"):
        self.right = self.all = 0

    def update(self, logits, target):
        self.right = self.right + (logits.argmax(1) == target).sum()
        self.all += len(target)

    def compute(self):
        return self.right / self.all


@modrack.metric(better="lower")
class Misses(Hits):
    """How many are wrong."""

    def compute(self):
        return 1 - self.right / self.all


@modrack.task(takes="audio", target="tokens")
class Guess(modrack.Task):
    """Fits no dataset here, so that nobody picks it unasked."""

    def __init__(self, data, *, smoothing: Annotated[float, Gt(0)] = 0.5):
        self.smoothing = smoothing


@modrack.hook
def modrack_defaults():
    """What holds where nothing is said."""
    return {
        "epochs": 3,
        "model": "parts/net",
        "dataset": {"use": "parts/points"},
        "optimizer": {"use": "parts/plain", "lr": 0.5},
        "metric": ["parts/hits"],
        "when": [
            {"if": {"model.pretrained": False}, "optimizer": {"use": "parts/other", "lr": 3.0}, "batch_size": 8},
            {"if": {"model.note": "none"}, "accumulate": 2},
            {"if": {"optimizer": "parts/other"}, "optimizer": {"decay": 0.5}},
            {"if": {"model": ["parts/words"], "batch_size": 16}, "clip": 1.0, "metric": ["parts/misses"]},
            {"if": {"task": "parts/guess"}, "metric": ["parts/misses"], "epochs": 7, "task": {"smoothing": 0.75}},
        ],
    }
