"""The step of torch's AdamW and the norm before it, as kernels that read the gradients once each.

torch's fused step moves every moment of every weight. Of an embedding most rows never meet a gradient, and there AdamW
(Loshchilov and Hutter, ICLR 2019, arXiv 1711.05101) does nothing but weight decay: their moments are not touched.
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
FUNCTIONS = {
    "square_sum": "ippp:d",
    "mark": "iippp",
    "adamw": "ipppppppffffff",
    "adamw_rows": "iippppppfffffffff",
}
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


def takes_rows(optimizer: Any) -> bool:
    """Whether the step in C is that of `optimizer`, and so are the gradients that only it takes."""
    return type(optimizer) is torch.optim.AdamW and all(
        _known(group) and group.get("fused") and all(map(_dense, group["params"])) for group in optimizer.param_groups
    )


class _Step:
    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        # Of each weight: its mean, what that was at the last step here, and the chunks that ever had a gradient.
        self.seen: dict[Tensor, tuple[Tensor, tuple[int, float], Tensor]] = {}
        # Of each weight whose gradient comes by rows: for each row -1, between steps.
        self.places: dict[Tensor, Tensor] = {}

    @torch.no_grad()
    def __call__(self) -> bool:
        made = library(SOURCE, FUNCTIONS)
        groups = [
            (group, [weight for weight in group["params"] if weight.grad is not None])
            for group in self.optimizer.param_groups
        ]
        if made is None or not all(_known(group) and all(map(_fits, weights)) for group, weights in groups):
            return False
        scale = getattr(self.optimizer, "grad_scale", None)
        for group, weights in groups:
            betas = (part for beta in map(float, group["betas"]) for part in (beta, 1 - beta))
            rule = (*betas, float(group["eps"]), 1.0 if scale is None else 1 / float(scale))
            whole = [weight for weight in weights if not weight.grad.is_sparse]
            if whole:
                self._move(made, group, whole, rule)
            for weight in weights:
                if weight.grad.is_sparse:
                    self._move_rows(made, group, weight, rule)
            # torch sees nothing of what C writes.
            torch.autograd.graph.increment_version(weights)
        return True

    def _move(self, made: ctypes.CDLL, group: dict[str, Any], weights: list[Tensor], rule: tuple[float, ...]) -> None:
        states = [self._state(weight) for weight in weights]
        marks = [self._marks(made, *each, _CHUNK) for each in zip(weights, states, strict=True)]
        each = zip(weights, states, marks, strict=True)
        factors = [factor for one in each for factor in self._count(group, *one)]
        sizes = [weight.numel() for weight in weights]
        made.adamw(
            len(weights),
            _pointers(weights),
            _pointers([weight.grad for weight in weights]),  # type: ignore[misc]
            _pointers([state["exp_avg"] for state in states]),
            _pointers([state["exp_avg_sq"] for state in states]),
            _pointers(marks),
            (ctypes.c_int64 * len(sizes))(*sizes),
            (ctypes.c_float * len(factors))(*factors),
            *rule,
        )

    def _move_rows(self, made: ctypes.CDLL, group: dict[str, Any], weight: Tensor, rule: tuple[float, ...]) -> None:
        rows, width = weight.shape
        gradient, state = weight.grad.coalesce(), self._state(weight)  # type: ignore[union-attr]
        met = gradient.indices()[0]
        if weight not in self.places:
            self.places[weight] = torch.full((rows,), -1, dtype=torch.int32)
        place = self.places[weight]
        place[met] = torch.arange(len(met), dtype=torch.int32)
        marks = self._marks(made, weight, state, width)
        factors = self._count(group, weight, state, marks)
        made.adamw_rows(
            rows, width, weight, place, gradient.values(), state["exp_avg"], state["exp_avg_sq"], marks, *factors, *rule
        )
        place[met] = -1

    def _state(self, weight: Tensor) -> dict[str, Tensor]:
        """As torch's own AdamW keeps it, so that either can go on from the other."""
        state: dict[str, Tensor] = self.optimizer.state[weight]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"] = torch.zeros_like(weight, memory_format=torch.preserve_format)
            state["exp_avg_sq"] = torch.zeros_like(weight, memory_format=torch.preserve_format)
        return state

    def _marks(self, made: ctypes.CDLL, weight: Tensor, state: dict[str, Tensor], chunk: int) -> Tensor:
        """A byte a chunk. Read off the moments where they are new, or anything else than this has moved them."""
        mean, count = state["exp_avg"], -(-weight.numel() // chunk)
        before, moved, marks = self.seen.get(weight, (None, None, mean))
        # torch's fused step leaves no trace in the version, but counts.
        if before is not mean or moved != (mean._version, state["step"].item()) or marks.numel() != count:
            marks = torch.empty(count, dtype=torch.uint8)
            made.mark(mean.numel(), chunk, mean, state["exp_avg_sq"], marks)
        return marks

    def _count(
        self, group: dict[str, Any], weight: Tensor, state: dict[str, Tensor], marks: Tensor
    ) -> tuple[float, float, float]:
        """Count the step, for which `marks` hold; its factors, as the kernels take them."""
        state["step"] += 1
        taken, mean = state["step"].item(), state["exp_avg"]
        self.seen[weight] = (mean, (mean._version, taken), marks)
        (beta1, beta2), rate = map(float, group["betas"]), float(group["lr"])
        return rate / (1 - beta1**taken), 1 - rate * float(group["weight_decay"]), float((1 - beta2**taken) ** 0.5)


def _known(group: dict[str, Any]) -> bool:
    """Whether the group asks for nothing that the kernel has not."""
    return not any(group.get(name) for name in ("amsgrad", "maximize", "differentiable", "capturable"))


def _plain(tensor: Tensor) -> bool:
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu" and tensor.is_contiguous()


def _fits(weight: Tensor) -> bool:
    """Whether weight and gradient lie entry by entry alike, with nothing between, or the gradient comes by rows."""
    gradient = weight.grad
    assert gradient is not None
    if not _dense(weight) or gradient.dtype != torch.float32:
        return False
    if gradient.is_sparse:
        return weight.ndim == 2 and weight.is_contiguous() and gradient.sparse_dim() == 1
    return gradient.layout == torch.strided and gradient.stride() == weight.stride()


def _dense(weight: Tensor) -> bool:
    return (
        weight.dtype == torch.float32
        and weight.device.type == "cpu"
        and (weight.is_contiguous() or (weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last)))
    )


def _pointers(tensors: Sequence[Tensor]) -> Any:
    return (ctypes.c_void_p * len(tensors))(*[each.data_ptr() for each in tensors])
