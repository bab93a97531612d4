"""The backward of a summed loss, without what surrounds it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# `Tensor.backward` compares the gradient's shape with the loss's by way of torch's symbolic shapes, whose import (of
# sympy) takes a second, and asks in every step. Where torch has no such function, its public one is called.
_run: Any = getattr(torch.autograd.graph, "_engine_run_backward", None)


def backward(loss: Tensor, gradient: Tensor) -> None:
    """Add the gradients of `loss`, a scalar, times `gradient`, one too, to the weights."""
    if _run is None:
        loss.backward(gradient)
    else:
        _run((loss,), (gradient,), False, False, (), allow_unreachable=True, accumulate_grad=True)


def summed(loss: Tensor | dict[str, Tensor] | None) -> Tensor:
    """All terms of a step's loss added up in fp32: enough to try a backward, which no count need divide."""
    terms = loss.values() if isinstance(loss, dict) else [loss]
    return torch.stack([term.float().sum() for term in terms if term is not None]).sum()
