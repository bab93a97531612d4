"""The largest micro-batch that a run will meet, and on an accelerator whether it fits."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from modrack.runner.backward import summed
from modrack.runner.encode import Encoded
from modrack.runner.evaluate import buffers_kept, forked_rng
from modrack.runner.feeder import Feeder
from modrack.runner.memory_plan import CLOSE_SHARE, kept_bytes, row_bytes, told
from modrack.seam import Batch
from modrack_registry.errors import UserError

if TYPE_CHECKING:
    from modrack.runner.rig import Rig


def few_rows(encoded: Encoded, rows: int, device: torch.device, longest: bool = False) -> Batch:
    """One batch of a split: its first rows, the shortest ones where they have lengths; or, so asked, the longest."""
    feeder = Feeder(encoded, batch_size=rows, device=device, resident=False)
    if longest and encoded.ragged:
        order = feeder.order(0, training=False).rows.flip(0)
        feeder.arrange(lambda _epoch: order)
        return next(iter(feeder.epoch(0)))[0]
    return next(feeder.once())


def largest_that_fits(pieces: int, rows: int, attempt: Callable[[int], None]) -> int | None:
    """The number of micro-batches from `pieces` on, doubling, with which `attempt(rows of one)` has enough memory.

    None where not even a single row fits.
    """
    while True:
        size = -(-rows // pieces)
        try:
            attempt(size)
            return pieces
        except torch.OutOfMemoryError:
            pass
        # Outside of the handler: the traceback holds what the failed step had made.
        gc.collect()
        if torch.accelerator.is_available():
            torch.accelerator.empty_cache()
        if size == 1:
            return None
        pieces = min(rows, pieces * 2)


def try_largest(rig: Rig, train: Encoded, asked: int, memory: int) -> None:
    """Split steps of `asked` rows into more micro-batches if the largest one runs out of memory; the plan says so.

    Tried only where the reckoning comes near to the memory there is. Raises UserError where not even one row fits.
    """
    world = rig.engine.world
    rows = -(-asked // world)
    held = kept_bytes(rig.facts.parts, rig.plan["parallel"], world)
    row = row_bytes(rig.plan["precision"], rig.facts.activations)
    # Where weights are sharded a process that runs out of memory would leave the others waiting for it.
    if rig.sharded or not rig.task.additive or held + row * -(-rows // rig.accumulate) <= memory * CLOSE_SHARE:
        return
    found = largest_that_fits(rig.accumulate, rows, lambda size: _attempt(rig, train, size))
    # All processes cut alike: the one with the least room decides; -1 is one without room for a row.
    each = rig.engine.gather(torch.tensor([-1 if found is None else found], device=rig.device)).tolist()
    if min(each) < 0:
        raise UserError(
            f"Not even one row and the weights fit into the {told(memory)} of {rig.device}.",
            "recompute=all, precision=bf16 or lora.rank=8 take less; so does a smaller model.",
        )
    if max(each) > rig.accumulate:
        rig.accumulate = max(each)
        words = f"the whole batch ran out of memory: {rig.accumulate} a step"
        rig.plan.decide("micro_batch", -(-asked // rig.accumulate), words)


def _attempt(rig: Rig, train: Encoded, size: int) -> None:
    """One forward and backward of each phase on the `size` longest rows, which leaves no trace."""
    task, parts = rig.task, rig.parts
    weights = [each for each in parts.parameters() if each.requires_grad]
    with forked_rng(rig.device), buffers_kept(parts):
        # The place of the optimizer's two moments, which are made in the first step.
        moments = torch.empty(2 * sum(each.nbytes for each in weights), dtype=torch.uint8, device=rig.device)
        try:
            batch = few_rows(train, size, rig.device, longest=True)
            batch.training = True
            prepared = task.prepare(rig.update.changed(batch))
            for phase in task.phases:
                with rig.autocast:
                    loss = task.step(parts, prepared, phase).loss
                summed(loss).backward()
        finally:
            del moments
            for each in weights:
                each.grad = None
