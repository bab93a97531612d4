"""Training without torch's compiler: not importing it, and not asking it in every step."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer


def leave_compiler_out() -> None:
    """Keep optimizers from importing torch's compiler, where nothing will be compiled.

    Some of their methods are marked as not for compiling, and at their first call import the compiler, a second's
    work, to be told so. torch looks for an attribute first (torch/_compile.py); here it finds one. Where torch changes
    that, this does nothing.
    """
    if "torch._dynamo" in sys.modules:
        return
    for method in vars(Optimizer).values():
        plain = getattr(method, "__wrapped__", None)
        if plain is not None:
            plain.__dict__.setdefault("__dynamo_disable", plain)


def is_torchs(optimizer: Any) -> bool:
    """Whether it is of a class of torch itself, and not of another one that derives from it."""
    return isinstance(optimizer, Optimizer) and type(optimizer).__module__.startswith("torch.optim.")


def plain_step(optimizer: Any) -> Callable[[], Any]:
    """`optimizer.step` without what surrounds it for the compiler and the profiler, where that changes nothing.

    Only for torch's own optimizers, and only while nobody hooks into their steps or has replaced the method.
    """
    step = type(optimizer).step
    plain = inspect.unwrap(step)
    if plain is step or not is_torchs(optimizer):
        return optimizer.step  # type: ignore[no-any-return]

    def call() -> None:
        if (
            "step" in optimizer.__dict__  # as torch's schedulers do, to see in which order they are called
            or optimizer._optimizer_step_pre_hooks
            or optimizer._optimizer_step_post_hooks
            or optimizer.defaults.get("differentiable")
        ):
            optimizer.step()
        else:
            with torch.no_grad():
                plain(optimizer)

    return call
