"""What a classifier of a past run sees in images, before it decides."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import modrack


class Features:
    """Calls a classifier on pixels from 0 to 1, (n, channels, height, width); gives what its last layer reads."""

    def __init__(self, model: nn.Module, mean: list[float], std: list[float]) -> None:
        self.model = model.requires_grad_(False)
        self.mean, self.std = torch.tensor(mean).view(-1, 1, 1), torch.tensor(std).view(-1, 1, 1)
        self._read: list[Tensor] = []
        layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
        layers[-1].register_forward_pre_hook(lambda module, given: self._read.append(given[0]))

    def __call__(self, images: Tensor) -> Tensor:
        """(n, size of the last layer's input), fp32."""
        self.model.to(images.device)
        mean, std = self.mean.to(images.device), self.std.to(images.device)
        with torch.autocast(images.device.type, enabled=False):
            self.model((images.float() - mean) / std)
        return self._read.pop().flatten(1)


def features_of(reference: str, shape: tuple[int, ...]) -> Features:
    """Those of `run:3` or `run:3/last`, which must take images of `shape`. Raises UserError where it does not."""
    run = modrack.past_run(reference)
    if run is None:
        raise modrack.UserError(f"features={reference} names no run.", "Like features=run:3, or pixels.")
    facts = run.data
    if facts.get("gives") != "image" or tuple(facts.get("shape") or ()) != shape:
        seen = "×".join(map(str, facts.get("shape") or ())) or facts.get("gives")
        raise modrack.UserError(
            f"features={reference}: it was trained on {seen}, and these images are {'×'.join(map(str, shape))}.",
            "Train a classifier on this dataset first.",
        )
    return _loaded(run.folder.parent, run.id, reference.partition("/")[2] or "best")


@lru_cache(maxsize=4)
def _loaded(home: Path, number: int, checkpoint: str) -> Features:
    """Kept, as each evaluation asks anew."""
    [run] = modrack.runs(f"id={number}", home=home)
    model: Any = run.load_model(checkpoint)
    if not isinstance(model, nn.Module) or not any(isinstance(module, nn.Linear) for module in model.modules()):
        raise modrack.UserError(
            f"features=run:{run.id}: {run.model} is no classifier that ends in a linear layer.",
            "Take a run of cnn, mlp or resnet.",
        )
    return Features(model, run.data["mean"], run.data["std"])
