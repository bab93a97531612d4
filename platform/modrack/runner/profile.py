"""Where the time of a training step goes."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from modrack.runner.rig import Rig

# Steps that warm caches up, steps that are timed, and steps whose every operation is kept.
WARM, TIMED, TRACED = 5, 20, 5

ADVICE = {
    "feeding": "rows come slower than they are learned from: a smaller input, or device=cpu where a GPU waits for data",
    "preparing": "the task's `prepare` (scaling, masking, augmentation) takes longest: fewer augmentations",
    "forward": "the model's forward: precision=bf16 where the device has it, compile=true for long runs",
    "backward": "the model's backward: precision=bf16 where the device has it, compile=true for long runs",
    "updating": "the optimizer: an optimizer with a fused kernel (adamw, sgd), or a larger batch_size with fewer steps",
    "waiting": "between the parts: small steps on a fast device; a larger batch_size, or compile=true",
}


@dataclass(frozen=True)
class Profile:
    """`seconds` of a step by part; `operations` the costliest ones, as (name, seconds a step)."""

    step: float
    seconds: dict[str, float]
    operations: list[tuple[str, float]]
    rows_per_second: float

    @property
    def slowest(self) -> str:
        """The part that takes longest."""
        return max(self.seconds, key=lambda part: self.seconds[part])

    def words(self) -> list[str]:
        """For a person."""
        share = self.seconds[self.slowest] / self.step
        return [
            f"A step takes {self.step * 1000:.2f} ms, {self.rows_per_second:,.0f} rows a second.",
            f"The slowest part is {self.slowest}, {share:.0%} of it: {ADVICE[self.slowest]}.",
        ]


def profile(rig: Rig, trace: Path | None = None) -> Profile:
    """Train a few steps of `rig`, timed part by part; with `trace` a file for Perfetto is written."""
    steps = _endless(rig)
    update, number = rig.update, 0
    for _ in range(WARM):
        update(number, next(steps))
        number += 1
    seconds = dict.fromkeys(("feeding", "preparing", "forward", "backward", "updating"), 0.0)
    rows = 0
    with _timed(rig, seconds):
        started = time.perf_counter()
        for _ in range(TIMED):
            batches = _measured(seconds, "feeding", lambda: next(steps), rig.device)
            rows += batches[0].whole
            update(number, batches)
            number += 1
        _wait(rig.device)
        whole = time.perf_counter() - started
    operations = _trace(rig, steps, number, trace)
    mine = {part: each / TIMED for part, each in seconds.items()}
    mine["waiting"] = max(0.0, whole / TIMED - sum(mine.values()))
    return Profile(whole / TIMED, mine, operations, rows / whole)


def _endless(rig: Rig) -> Iterator[Any]:
    epoch = 0
    while True:
        yield from rig.feeders["train"].epoch(epoch, accumulate=rig.accumulate)
        epoch += 1


def _trace(rig: Rig, steps: Iterator[Any], number: int, place: Path | None) -> list[tuple[str, float]]:
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as recorded

    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if rig.device.type == "cuda" else [])]
    with recorded(activities=kinds) as record:
        for extra in range(TRACED):
            rig.update(number + extra, next(steps))
        _wait(rig.device)
    if place is not None:
        record.export_chrome_trace(str(place))
    on_device = rig.device.type == "cuda"
    times = [
        (each.key, (each.self_device_time_total if on_device else each.self_cpu_time_total) / 1e6 / TRACED)
        for each in record.key_averages()
    ]
    return sorted(times, key=lambda pair: -pair[1])[:8]


class _timed:
    """While entered, the parts of `rig`'s update add the time they take to `seconds`, each until the device is done."""

    def __init__(self, rig: Rig, seconds: dict[str, float]) -> None:
        self.rig, self.seconds = rig, seconds
        self.places: list[tuple[Any, str, str]] = [
            (rig.update, "changed", "preparing"),
            (rig.task, "prepare", "preparing"),
            (rig.task, "step", "forward"),
            (rig.update, "_backward", "backward"),
            (rig.update, "_move", "updating"),
        ]

    def __enter__(self) -> None:
        for thing, name, part in self.places:
            plain = getattr(thing, name)

            def call(*args: Any, plain: Any = plain, part: str = part) -> Any:
                return _measured(self.seconds, part, functools.partial(plain, *args), self.rig.device)

            setattr(thing, name, call)

    def __exit__(self, *_: object) -> None:
        for thing, name, _part in self.places:
            delattr(thing, name)


def _measured(seconds: dict[str, float], part: str, work: Callable[[], Any], device: torch.device) -> Any:
    _wait(device)
    started = time.perf_counter()
    made = work()
    _wait(device)
    seconds[part] += time.perf_counter() - started
    return made


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize()
