"""Fully connected layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt, Lt

import modrack

if TYPE_CHECKING:
    from torch import nn

    from modrack import Data


@modrack.model(takes=("image", "tabular"), gives="logits")
def mlp(
    data: Data,
    *,
    width: Annotated[int, Gt(0), "units of each hidden layer"] = 256,
    depth: Annotated[int, Ge(0), "hidden layers"] = 2,
    dropout: Annotated[float, Ge(0), Lt(1), "share of hidden units left out in training"] = 0.0,
) -> nn.Module:
    """Fully connected layers with ReLU, over all pixels or columns."""
    import math

    from torch import nn

    size = math.prod(data.shape or ())
    layers: list[nn.Module] = [nn.Flatten()]
    for _ in range(depth):
        layers += [nn.Linear(size, width), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        size = width
    return nn.Sequential(*layers, nn.Linear(size, len(data.classes) if data.classes else 1))
