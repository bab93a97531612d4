"""A backward of each phase before a run is recorded, where weights are sharded or layers computed twice: some models
cannot, and show it only there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from modrack.runner.backward import summed
from modrack.runner.sharding import let_go, local, refusal
from modrack.seam import Batch, Task
from modrack_registry.errors import UserError

if TYPE_CHECKING:
    from modrack.runner.rig import Rig


@contextlib.contextmanager
def refused_where_sharded(rig: Rig) -> Iterator[None]:
    """What fails now is a reason not to shard: with whole weights the forward was tried on the host."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if rig.sharded:
            raise refusal(error) from error
        raise


def rehearse(rig: Rig, batch: Batch) -> None:
    """Forward and backward of every phase on a prepared batch, and what the task does afterwards; no weight is another
    one then. Raises UserError for a model that cannot. All processes must rehearse the same."""
    if not rig.sharded and rig.plan["recompute"] == "none":
        return
    try:
        with refused_where_sharded(rig):
            _rehearse(rig, batch)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"recompute={rig.plan['recompute']}: the layers cannot be computed again "
            f"({type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}).",
            "Say recompute=none.",
        ) from error
    finally:
        rig.update.choose_learners(None)


def _rehearse(rig: Rig, batch: Batch) -> None:
    for phase in rig.task.phases:
        rig.update.choose_learners(phase)
        with rig.autocast:
            loss = rig.task.step(rig.parts, batch, phase).loss
        summed(loss).backward()
        _forget(rig)
    if rig.sharded and type(rig.task).after is not Task.after:
        _after(rig)


def _forget(rig: Rig) -> None:
    # First let go: the weights that are there while they are whole are others.
    let_go(rig.parts.modules())
    for parameter in rig.parts.parameters():
        parameter.grad = None


@torch.no_grad()
def _after(rig: Rig) -> None:
    """A task that changes weights itself does it once, and they are put back."""
    weights: list[Any] = [local(parameter.detach()) for parameter in rig.parts.parameters()]
    before = [weight.clone() for weight in weights]
    for phase in rig.task.phases:
        rig.task.after(rig.parts, phase)
    for weight, was in zip(weights, before, strict=True):
        weight.copy_(was)
