"""What fits where: whether weights are sharded over the processes, and whether layers are computed twice.

Pure functions of sizes, memory and settings, with reasons in words, as the rest of the plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modrack.configure.settings import Settings
from modrack.runner.decision import Decision
from modrack_registry.errors import UserError

# Half of the memory for what stays there between steps; the rest is for activations and what kernels need.
KEPT_SHARE = 0.5
# The most that weights, gradients, optimizer state and activations may take together; allocators waste some.
FULL_SHARE = 0.9
# From this share on the reckoning is too coarse: on an accelerator the largest micro-batch is tried.
CLOSE_SHARE = 0.4
# Fewer rows at a time keep a device idle longer than computing layers twice does.
FEW_ROWS = 8


@dataclass(frozen=True)
class PartFacts:
    """Bytes of one part: `weights`, the `gradients` of those that learn, the optimizer's `state`.

    `rows` is the first dimension of its largest weight, which sharding cuts; `whole` says why it cannot be sharded.
    One that `follows` is moved by the task from other parts' weights, and must lie as they do.
    """

    name: str
    weights: int
    gradients: int
    state: int
    rows: int
    whole: str | None = None
    follows: bool = False

    @property
    def kept(self) -> int:
        """Bytes that stay on a device between steps, where it is not sharded."""
        return self.weights + self.gradients + self.state


@dataclass(frozen=True)
class Room:
    """What each process has to do a step in: `memory` bytes, of which `held` stay taken between steps.

    `row` is the bytes that the forward of one of the longest rows saves; `layers` how many can be computed twice.
    """

    memory: int
    held: int
    row: float
    layers: int
    processes: int

    @property
    def full(self) -> float:
        """Bytes that all together may take."""
        return self.memory * FULL_SHARE


def choose_parallel(
    parts: tuple[PartFacts, ...], settings: Settings, memory: int, processes: int, precision: str
) -> Decision:
    """Which parts each process holds whole (ddp), and which are sharded over all `processes` (fsdp).

    `memory` bytes are one process's. The value is one word, or {part: word} where parts differ. Raises UserError for
    sharding that was asked for and cannot be.
    """
    asked = settings.parallel
    if processes == 1:
        alone = "parallel=fsdp shares the weights between processes, and there is one" if asked == "fsdp" else None
        return Decision("parallel", "none", alone or "one process")
    kept = sum(part.kept for part in parts)
    size = f"weights, gradients and optimizer state take {told(kept)} of {told(memory)} in each process"
    if asked == "ddp":
        return Decision("parallel", "ddp", f"asked for; {size}")
    obstacle = _obstacle(settings, precision)
    if asked == "fsdp":
        _refuse(parts, obstacle)
        small = {part.name for part in parts if part.rows < processes}
        names = _with_followers(parts, [p.name for p in parts if not p.whole and p.name not in small])
        why = "asked for"
        if small:
            why += f"; no weight of {', '.join(sorted(small))} has a row for each of {processes} processes"
        return Decision("parallel", _value(parts, names), why)
    if not memory:
        return Decision("parallel", "ddp", "how much memory a device has is not known")
    if kept <= memory * KEPT_SHARE:
        return Decision("parallel", "ddp", size)
    if obstacle is not None:
        return Decision("parallel", "ddp", f"{size}, which is much, but {obstacle}")
    names = []
    for part in sorted(parts, key=lambda part: -part.kept):
        if kept > memory * KEPT_SHARE and part.whole is None and part.rows >= processes:
            names.append(part.name)
            kept -= part.kept - part.kept // processes
    names = _with_followers(parts, names)
    if not names:
        why = "; ".join(f"{part.name} {part.whole}" for part in parts if part.whole) or "no part could be sharded"
        return Decision("parallel", "ddp", f"{size}, which is much, but {why}")
    return Decision("parallel", _value(parts, names), f"{size}; sharded, they and the rest take {told(kept)}")


def is_fsdp(plan: Mapping[str, Any] | Any, part: str) -> bool:
    """Whether `plan` says that `part` is sharded."""
    value = plan["parallel"]
    return bool((value.get(part) if isinstance(value, dict) else value) == "fsdp")


def any_fsdp(plan: Mapping[str, Any] | Any) -> bool:
    """Whether `plan` says that some part is sharded."""
    value = plan["parallel"]
    return "fsdp" in (value.values() if isinstance(value, dict) else (value,))


def kept_bytes(parts: tuple[PartFacts, ...], parallel: Any, processes: int) -> int:
    """Bytes that stay in each process between steps."""
    plan = {"parallel": parallel}
    return sum(part.kept // processes if is_fsdp(plan, part.name) else part.kept for part in parts)


def choose_micro_batch(room: Room, settings: Settings, *, additive: bool, batch_norm: bool) -> Decision:
    """How many rows of a step, over all processes, go through the model at once: all that fit.

    `additive` as the task's; with `batch_norm` a split step is not quite the same. Where few rows fit, and there are
    layers to compute twice, that is left to `choose_recompute`.
    """
    size = settings.batch_size
    if settings.accumulate is not None:
        asked = settings.accumulate
        why = f"{asked} a step, as asked for" if asked > 1 else "the whole batch at once, as asked for"
        return Decision("micro_batch", -(-size // asked), why)
    rows = -(-size // room.processes)
    fitting = int(max(0, room.full - room.held) // room.row) if room.row and room.memory else rows
    if rows <= fitting:
        return Decision("micro_batch", size, "the whole batch at once")
    words = f"{told(room.row * rows)} do not fit beside {told(room.held)} of weights and state"
    if not additive:
        return Decision("micro_batch", size, f"{words}, but rows learn from each other here: a smaller batch_size")
    twice = room.layers and settings.recompute == "auto"
    pieces = -(-rows // max(fitting, min(FEW_ROWS, rows) if twice else 1))
    if pieces == 1:
        return Decision("micro_batch", size, f"{words}, unless layers are computed twice")
    same = "which learn the same but for batch norm" if batch_norm else "which learn the same"
    return Decision("micro_batch", -(-size // pieces), f"{words}: {pieces} a step, {same}")


def choose_recompute(room: Room, settings: Settings, rows: int) -> Decision:
    """Which repeated layers forget their activations and compute them again in the backward: all, none, or names.

    By itself it is chosen only where a micro-batch, of `rows` in each process, would not fit.
    """
    asked = settings.recompute
    if asked != "auto":
        return Decision("recompute", asked, "asked for")
    if not room.layers:
        return Decision("recompute", "none", "the model has no repeated layers")
    if not room.row or not room.memory:
        return Decision("recompute", "none", "off unless asked for: recompute=all")
    wanted = room.held + int(room.row * rows)
    size = f"{rows} rows with weights and state take about {told(wanted)} of {told(room.memory)}"
    if wanted <= room.full:
        return Decision("recompute", "none", size)
    return Decision("recompute", "all", f"{size}; computing {room.layers} layers twice keeps only what goes in")


def told(size: float) -> str:
    """Bytes for a person."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size / 1024:.3g} KiB"


def row_bytes(precision: str, activations: float) -> float:
    """Bytes that a row's forward saves, of `activations` in fp32."""
    return activations * (1.0 if precision == "fp32" else 0.5)


def _with_followers(parts: tuple[PartFacts, ...], sharded: list[str]) -> list[str]:
    """Where the task moves weights from part to part, all are sharded or none."""
    return [part.name for part in parts] if sharded and any(part.follows for part in parts) else sharded


def _value(parts: tuple[PartFacts, ...], sharded: list[str]) -> Any:
    words = {part.name: "fsdp" if part.name in sharded else "ddp" for part in parts}
    return next(iter(words.values())) if len(set(words.values())) == 1 else words


def _obstacle(settings: Settings, precision: str) -> str | None:
    if precision == "fp16":
        return "sharded weights are not scaled for precision=fp16"
    if settings.compile:
        return "sharded weights are not compiled (compile=true)"
    return None


def _refuse(parts: tuple[PartFacts, ...], obstacle: str | None) -> None:
    if obstacle is not None:
        raise UserError(f"parallel=fsdp: {obstacle}.", "Leave one of the two out.")
    wrong = [part for part in parts if part.whole and part.gradients]
    if wrong:
        raise UserError(
            "parallel=fsdp: " + "; ".join(f"part {part.name} {part.whole}" for part in wrong) + ".",
            "Leave parallel out: each process then holds the whole model.",
        )
