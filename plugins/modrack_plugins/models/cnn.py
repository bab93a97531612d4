"""The convolutional network of the tutorials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt, Lt

import modrack

if TYPE_CHECKING:
    from torch import nn

    from modrack import Data


@modrack.model(takes="image", gives="logits")
def cnn(
    data: Data,
    *,
    width: Annotated[int, Gt(0), "channels of the first convolution; each further one has twice as many"] = 64,
    depth: Annotated[int, Gt(0), "convolutions, each with a pooling that halves height and width"] = 2,
    hidden: Annotated[int, Gt(0), "units of the layer before the classes"] = 1000,
    dropout: Annotated[float, Ge(0), Lt(1), "share of hidden units left out in training"] = 0.0,
) -> nn.Module:
    """Convolutions with pooling, a wide layer, then the classes.

    By default 3×3 convolutions to 64 and 128 channels, each with ReLU and 2×2 max-pooling, and a layer of 1,000.
    Takes images of any size; one that has become a single pixel high or wide is pooled no further in that direction.
    """
    from torch import nn

    channels, height, wide = data.shape or (1, 1, 1)
    layers: list[nn.Module] = []
    for level in range(depth):
        out = width * 2**level
        layers.append(nn.Conv2d(channels, out, 3, padding=1))
        window = (min(2, height), min(2, wide))
        if window != (1, 1):
            layers.append(nn.MaxPool2d(window))
        if level == depth - 1:
            # Before the ReLU, whose backward is slow where one side has channels last and the other has not.
            layers.append(nn.Flatten())
        # After the pool it gives the same numbers for a quarter of the work: both are monotonic.
        layers.append(nn.ReLU())
        channels, height, wide = out, height // window[0], wide // window[1]
    layers += [nn.Linear(channels * height * wide, hidden), nn.ReLU()]
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(hidden, data.outputs))
