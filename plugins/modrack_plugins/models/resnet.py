"""A residual network for small images (He et al., "Deep residual learning", CVPR 2016, arXiv 1512.03385)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt

import modrack

if TYPE_CHECKING:
    from torch import nn

    from modrack import Data


@modrack.model(takes="image", gives="logits", example={"width": 8})
def resnet(
    data: Data, *, width: Annotated[int, Gt(0), "channels of the first stage; each further one has twice as many"] = 64
) -> nn.Module:
    """ResNet-18 for small images: a 3×3 first layer, and no pooling before the stages."""
    from torch import nn

    from modrack_plugins.models.blocks import Residual

    channels = (data.shape or (1,))[0]
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    before = width
    for stage in range(4):
        out = width * 2**stage
        layers += [Residual(before, out, stride=1 if stage == 0 else 2), Residual(out, out, stride=1)]
        before = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, data.outputs))
