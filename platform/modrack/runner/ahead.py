"""Rows made ready in a thread while the device learns from those before, and copied to it beside its work."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from queue import Empty, Full, Queue
from typing import Any, TypeVar

import torch

from modrack.seam import Batch

Item = TypeVar("Item")

# Steps that wait for a device which reads its rows from the host.
STEPS = 2
# How often a thread that nobody takes anything from looks whether it is still wanted, in seconds.
_LOOK = 0.1


def ahead(
    source: Iterator[Item],
    depth: int,
    around: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
) -> Iterator[Item]:
    """The items of `source` in their order, made by a thread that is up to `depth` + 1 of them ahead.

    The thread works within the context that `around` makes. What it raises is raised here; when this iterator is
    closed it ends, and closes `source`.
    """
    ready: Queue[tuple[str, Any]] = Queue(depth)
    unwanted = threading.Event()

    def hand(kind: str, value: Any) -> bool:
        while not unwanted.is_set():
            with contextlib.suppress(Full):
                ready.put((kind, value), timeout=_LOOK)
                return True
        return False

    def work() -> None:
        try:
            with around():
                for item in source:
                    if not hand("item", item):
                        break
            hand("end", None)
        except BaseException as error:
            hand("error", error)
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=work, name="modrack-ahead", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        unwanted.set()
        with contextlib.suppress(Empty):
            ready.get_nowait()
        # A source may hang in a read that nobody can end; the thread is a daemon.
        thread.join(5)


def on_side_stream(steps: Iterator[list[Batch]], device: torch.device) -> Iterator[list[Batch]]:
    """Steps whose rows come from the host, copied to the CUDA `device` on a stream of their own, `STEPS` ahead.

    The stream that is current where a step is taken waits for its copy, the host does not.
    """
    stream = torch.cuda.Stream(device)

    def copied() -> Iterator[tuple[list[Batch], torch.cuda.Event]]:
        for batches in steps:
            done = torch.cuda.Event()
            done.record(stream)
            yield batches, done

    for batches, done in ahead(copied(), STEPS, lambda: torch.cuda.stream(stream)):
        taking = torch.cuda.current_stream(device)
        taking.wait_event(done)
        for batch in batches:
            for tensor in batch.tensors():
                # Its memory is the side stream's: not to be used again before the taking one is done with it.
                tensor.record_stream(taking)
        yield batches
