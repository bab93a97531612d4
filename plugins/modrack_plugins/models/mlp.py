"""Fully connected layers, over pixels or over the numbers and categories of a table."""

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
    embedding: Annotated[int | None, Gt(0), "numbers that stand for a category; none: by how many there are"] = None,
) -> nn.Module:
    """Fully connected layers with ReLU, over all pixels or columns.

    In a table each column of categories has an embedding of its own; a missing one, or one that train lacks, too.
    """
    import math

    from torch import nn

    size = math.prod(data.shape or ())
    first: nn.Module = nn.Flatten()
    if data.gives == "tabular" and data.categories:
        from modrack_plugins.models.tables import Columns

        first = Columns(size, {place: len(names) for place, names in data.categories.items()}, embedding)
        size = first.size
    layers: list[nn.Module] = [first]
    for _ in range(depth):
        layers += [nn.Linear(size, width), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        size = width
    return nn.Sequential(*layers, nn.Linear(size, data.outputs))
