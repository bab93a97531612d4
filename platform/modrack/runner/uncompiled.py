"""Steps of optimizers without what surrounds them: torch's compiler is not imported, and not asked in every step."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer

from modrack.native.optimizer import native_step
from modrack.native.rows import densify


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

    Only for torch's own optimizers, and only while nobody hooks into their steps or has replaced the method. Where the
    run computes natively and there is a kernel for it, that does the step.
    """
    step = type(optimizer).step
    plain = inspect.unwrap(step)
    if plain is step or not is_torchs(optimizer):
        return optimizer.step  # type: ignore[no-any-return]

    native = native_step(optimizer)

    def call() -> None:
        replaced = optimizer.__dict__.get("step")
        hooked = optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks
        # torch's schedulers replace it, to see in which order they are called: by a function around the class's own.
        counted = replaced is None or (
            hasattr(replaced, "_wrapped_by_lr_sched") and getattr(replaced, "__wrapped__", None) is step
        )
        if native is not None and counted and not hooked and native():
            optimizer._opt_called = True
            return
        if native is not None:
            densify(weight for group in optimizer.param_groups for weight in group["params"])
        if replaced is not None or hooked or optimizer.defaults.get("differentiable"):
            optimizer.step()
        else:
            with torch.no_grad():
                plain(optimizer)

    return call
