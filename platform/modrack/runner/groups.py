"""Which weights an optimizer moves, in groups."""

from __future__ import annotations

from typing import Any

from torch import nn


def parameter_groups(part: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The trainable parameters of `part`: biases and norms (one dimension or none) are not decayed.

    One group where there is no decay, since each group costs time in every step.
    """
    trainable = [parameter for parameter in part.parameters() if parameter.requires_grad]
    if not weight_decay:
        return [{"params": trainable}]
    matrices = [parameter for parameter in trainable if parameter.ndim >= 2]
    vectors = [parameter for parameter in trainable if parameter.ndim < 2]
    groups = [
        {"params": matrices, "name": "weights", "weight_decay": weight_decay},
        {"params": vectors, "name": "norms and biases", "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
