"""Gradients scaled so that their common norm is bounded: Pascanu et al., ICML 2013 (arXiv 1211.5063)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from modrack.native.optimizer import square_sum
from modrack.native.rows import densify, values
from modrack.runner.engine import Engine
from modrack.runner.sharding import is_dtensor, local
from modrack.runner.uncompiled import is_torchs

# What torch's clip_grad_norm_ adds to the norm.
_SMALL = 1e-6


@torch.no_grad()
def clip_gradients(
    parameters: list[nn.Parameter], largest: float, engine: Engine, optimizers: Sequence[Any] = ()
) -> None:
    """Scale the gradients of all `parameters` so that their common norm is at most `largest`.

    Where the `optimizers` that move them are all fused ones, they are told the factor and apply it as they read the
    gradients: one pass over memory less. It holds until they are told another one, so a step without a call would still
    be scaled.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    cut = [local(each) for each in gradients if is_dtensor(each)]
    whole = [each for each in gradients if not is_dtensor(each)]
    if cut:
        # Of a sharded gradient each process knows a piece; of any other all know everything.
        total = engine.sum(_squares(cut))
        if whole:
            total = total + _squares(whole)
        torch._foreach_mul_([*cut, *whole], (largest / (total.sqrt() + _SMALL)).clamp(max=1.0))
    elif whole and optimizers and all(map(_divides, optimizers)):
        over = ((_squares(values(parameters)).sqrt() + _SMALL) / largest).clamp(min=1.0).float()
        for optimizer in optimizers:
            optimizer.grad_scale = over
    else:
        densify(parameters)
        nn.utils.clip_grad_norm_(parameters, largest)


def _squares(tensors: list[Tensor]) -> Tensor:
    found = square_sum(tensors)
    return torch.stack(torch._foreach_norm(tensors)).square().sum() if found is None else found


def _divides(optimizer: Any) -> bool:
    """Whether the optimizer divides gradients by its attribute `grad_scale`, as torch's fused ones do for scalers."""
    return (
        is_torchs(optimizer)
        and getattr(optimizer, "_step_supports_amp_scaling", False)
        and all(group.get("fused") for group in optimizer.param_groups)
    )
