"""Which weights an optimizer moves, in groups."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from torch import nn

from modrack.runner.parts import Parts
from modrack_registry.errors import UserError
from modrack_registry.suggest import did_you_mean

# The number of a layer in the name of its weights: `encoder.layer.3.output.weight`.
_LAYER = re.compile(r"(?:^|\.)(\d+)\.")


def parameter_groups(
    part: nn.Module, weight_decay: float, lr: float | None = None, layer_decay: float | None = None
) -> list[dict[str, Any]]:
    """The trainable parameters of `part`: biases and norms (one dimension or none) are not decayed.

    With `layer_decay` the head learns at `lr`, the layer before it at `lr * layer_decay`, and so on down to the
    embeddings. One group where there is nothing to tell apart, since each group costs time in every step.
    """
    trainable = [(name, parameter) for name, parameter in part.named_parameters() if parameter.requires_grad]
    if not weight_decay and (layer_decay is None or lr is None):
        return [{"params": [parameter for _, parameter in trainable]}]
    depths = _depths(part) if layer_decay is not None else {}
    top = max(depths.values(), default=0)
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in trainable:
        depth, matrix = depths.get(name, top), parameter.ndim >= 2
        group = groups.setdefault(
            (depth, matrix),
            {
                "params": [],
                "name": ("weights" if matrix else "norms and biases") + (f" of depth {depth}" if depths else ""),
                "weight_decay": weight_decay if matrix else 0.0,
            },
        )
        if layer_decay is not None and lr is not None:
            group["lr"] = lr * layer_decay ** (top - depth)
        group["params"].append(parameter)
    return [groups[key] for key in sorted(groups, key=lambda key: (key[0], not key[1]))]


def freeze(parts: Parts, patterns: list[str]) -> None:
    """Leave weights out of training whose name fits a pattern, as in `*embeddings*` or `encoder.layer.[0-3].*`.

    Raises UserError for a pattern that fits none.
    """
    single = len(list(parts)) == 1
    names = {
        name if single else f"{part}.{name}": parameter
        for part, module in parts.items()
        for name, parameter in module.named_parameters()
    }
    for pattern in patterns:
        fitting = fnmatch.filter(names, pattern)
        if not fitting:
            heads = sorted({name.rpartition(".")[0] for name in names})
            raise UserError(f"freeze={pattern}: no weight has such a name.", did_you_mean(pattern, heads))
        for name in fitting:
            names[name].requires_grad_(False)


def _depths(part: nn.Module) -> dict[str, int]:
    """How deep each weight lies: 0 before the numbered layers, 1 for the first of them, and the head deepest."""
    names = [name for name, _ in part.named_parameters()]
    numbered = {name: int(found[1]) for name in names if (found := _LAYER.search(name))}
    if not numbered:
        return dict.fromkeys(names, 0)
    first, last = (next(names.index(name) for name in order if name in numbered) for order in (names, names[::-1]))
    deepest = max(numbered.values()) + 2
    return {
        name: numbered[name] + 1 if name in numbered else 0 if place < first else deepest if place > last else 0
        for place, name in enumerate(names)
    }
