"""The step of torch's AdamW and the norm before it, as kernels that read the gradients once each.

torch's fused step moves every moment of every weight. Of an embedding most rows never meet a gradient, and there AdamW
(Loshchilov and Hutter, ICLR 2019, arXiv 1711.05101) changes nothing but by weight decay: they are passed over.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modrack.native.choice import library

SOURCE = Path(__file__).with_name("optimizer.c")
FUNCTIONS = {"square_sum": "ippp:d", "mark": "ippp", "adamw": "ipppppppffff"}
_CHUNK, _PIECE = 128, 65536


def square_sum(tensors: Sequence[Tensor]) -> Tensor | None:
    """The squares of all entries added up, fp32; None where the run does not compute natively, or these cannot be."""
    made = library(SOURCE, FUNCTIONS)
    if made is None or not all(map(_plain, tensors)):
        return None
    sizes = [each.numel() for each in tensors]
    pieces = sum(-(-size // _PIECE) for size in sizes)
    sums = (ctypes.c_double * pieces)()
    found = made.square_sum(len(tensors), _pointers(tensors), (ctypes.c_int64 * len(sizes))(*sizes), sums)
    return torch.tensor(found, dtype=torch.float32)


def native_step(optimizer: Any) -> Callable[[], bool] | None:
    """A step of `optimizer` in C that says whether it was done; None for one that is not torch's AdamW."""
    if type(optimizer) is not torch.optim.AdamW:
        return None
    return _Step(optimizer)


class _Step:
    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        # Of each weight: its mean, what that was at the last step here, and the chunks that ever had a gradient.
        self.seen: dict[Tensor, tuple[Tensor, tuple[int, float], Tensor]] = {}

    @torch.no_grad()
    def __call__(self) -> bool:
        made = library(SOURCE, FUNCTIONS)
        optimizer = self.optimizer
        groups = [
            (group, [weight for weight in group["params"] if weight.grad is not None])
            for group in optimizer.param_groups
        ]
        if made is None or not all(_known(group) and all(map(_fits, weights)) for group, weights in groups):
            return False
        scale = getattr(optimizer, "grad_scale", None)
        for group, weights in groups:
            if weights:
                self._move(made, group, weights, 1.0 if scale is None else 1 / float(scale))
        return True

    def _move(self, made: ctypes.CDLL, group: dict[str, Any], weights: list[Tensor], scale: float) -> None:
        beta1, beta2 = map(float, group["betas"])
        rate, decay = float(group["lr"]), float(group["weight_decay"])
        states = [self._state(weight) for weight in weights]
        seen = [self._seen(made, *each) for each in zip(weights, states, strict=True)]
        factors: list[float] = []
        for weight, state, marks in zip(weights, states, seen, strict=True):
            state["step"] += 1
            taken = state["step"].item()
            self.seen[weight] = (state["exp_avg"], (state["exp_avg"]._version, taken), marks)
            factors += (rate / (1 - beta1**taken), 1 - rate * decay, (1 - beta2**taken) ** 0.5)
        means = [state["exp_avg"] for state in states]
        squares = [state["exp_avg_sq"] for state in states]
        sizes = [weight.numel() for weight in weights]
        made.adamw(
            len(weights),
            _pointers(weights),
            _pointers([weight.grad for weight in weights]),  # type: ignore[misc]
            _pointers(means),
            _pointers(squares),
            _pointers(seen),
            (ctypes.c_int64 * len(sizes))(*sizes),
            (ctypes.c_float * len(factors))(*factors),
            beta1,
            beta2,
            float(group["eps"]),
            scale,
        )
        # torch sees nothing of what C writes.
        torch.autograd.graph.increment_version(weights)

    def _state(self, weight: Tensor) -> dict[str, Tensor]:
        """As torch's own AdamW keeps it, so that either can go on from the other."""
        state: dict[str, Tensor] = self.optimizer.state[weight]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"] = torch.zeros_like(weight, memory_format=torch.preserve_format)
            state["exp_avg_sq"] = torch.zeros_like(weight, memory_format=torch.preserve_format)
        return state

    def _seen(self, made: ctypes.CDLL, weight: Tensor, state: dict[str, Tensor]) -> Tensor:
        """A byte a chunk. Read off the moments where they are new, or anything else than this has moved them."""
        mean = state["exp_avg"]
        before, moved, marks = self.seen.get(weight, (None, None, mean))
        # torch's fused step leaves no trace in the version, but counts.
        if before is not mean or moved != (mean._version, state["step"].item()):
            marks = torch.empty(-(-mean.numel() // _CHUNK), dtype=torch.uint8)
            made.mark(mean.numel(), mean, state["exp_avg_sq"], marks)
        return marks


def _known(group: dict[str, Any]) -> bool:
    """Whether the group asks for nothing that the kernel has not."""
    return not any(group.get(name) for name in ("amsgrad", "maximize", "differentiable", "capturable"))


def _plain(tensor: Tensor) -> bool:
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu" and tensor.is_contiguous()


def _fits(weight: Tensor) -> bool:
    """Whether weight and gradient lie entry by entry alike, with nothing between."""
    gradient = weight.grad
    assert gradient is not None
    return (
        _dense(weight)
        and gradient.dtype == torch.float32
        and gradient.layout == torch.strided
        and gradient.stride() == weight.stride()
    )


def _dense(weight: Tensor) -> bool:
    return (
        weight.dtype == torch.float32
        and weight.device.type == "cpu"
        and (weight.is_contiguous() or (weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last)))
    )


def _pointers(tensors: Sequence[Tensor]) -> Any:
    return (ctypes.c_void_p * len(tensors))(*[each.data_ptr() for each in tensors])
