"""How much a model computes, counted at its layers while it runs once.

torch's own FlopCounterMode counts operations one by one; using it imports torch's compiler, which takes longer than
building most models.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn


@contextlib.contextmanager
def counting_flops(modules: list[nn.Module]) -> Iterator[list[float]]:
    """While entered, each forward of a layer below `modules` appends its floating-point operations to the list.

    Multiplications and additions of linear, convolutional and recurrent layers and of nn.MultiheadAttention's products;
    what is left out (norms, activations, attention written out in a forward) is small beside them for short inputs.
    """
    counted: list[float] = []

    def count(layer: nn.Module, given: Any, made: Any) -> None:
        counted.append(_flops(layer, made[0] if isinstance(made, tuple) else made, given))

    kinds = (nn.Linear, nn.modules.conv._ConvNd, nn.RNNBase)
    layers = {id(layer): layer for module in modules for layer in module.modules() if isinstance(layer, kinds)}
    hooks = [layer.register_forward_hook(count) for layer in layers.values()]
    try:
        yield counted
    finally:
        for hook in hooks:
            hook.remove()


def _flops(layer: nn.Module, made: Any, given: Any) -> float:
    if isinstance(layer, nn.RNNBase):
        values = getattr(given[0], "data", given[0])  # packed rows lie in `data`
        steps = values.shape[0] if values.ndim == 2 else values.shape[0] * values.shape[1]
        return 2.0 * float(steps) * sum(weight.numel() for weight in layer.parameters() if weight.ndim == 2)
    if not isinstance(made, Tensor):
        return 0.0
    weight: Any = layer.weight
    if isinstance(layer, nn.Linear):
        return 2.0 * made.numel() * layer.in_features
    transposed = isinstance(layer, nn.modules.conv._ConvTransposeNd)
    places = given[0].numel() if transposed else made.numel()
    return 2.0 * places * float(weight[0].numel())
