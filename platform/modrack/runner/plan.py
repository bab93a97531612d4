"""How a run will be carried out, and why: a pure function of hardware, data, model and settings.

Each decision has its reason in words. `modrack train --dry-run` prints them, and the run keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modrack.configure.settings import Settings
from modrack.runner.decision import Decision
from modrack.runner.hardware import Hardware
from modrack.runner.memory_plan import (
    PartFacts,
    Room,
    any_fsdp,
    choose_micro_batch,
    choose_parallel,
    choose_recompute,
    kept_bytes,
    row_bytes,
)
from modrack.runner.number_plan import choose_matmul, choose_native, choose_precision, choose_tf32
from modrack_registry.errors import UserError

# Half of the accelerator is for weights, gradients and activations.
RESIDENT_SHARE = 0.25
# From here on compiling pays: 4,200 steps of the cnn on an H200 took 8% less time with it (benchmarks/RESULTS.md).
COMPILE_STEPS = 4000
# Below this, threads cost more in waiting for each other than they save.
THREADS_STEP_FLOPS = 3e7
# From here on a faster matrix multiply pays for the tenth of a second that the look takes.
PROBE_STEP_FLOPS = 1e9
# What decides about the last bits, so that a run that goes on keeps it.
KEPT = ("threads", "matmul", "kernels", "micro_batch", "compile", "compile_mode", "dynamic")

_SHARED = "the kernels are for whole weights, and of sharded ones each process has a share"


@dataclass(frozen=True)
class Facts:
    """What the plan knows of data and model. `flops` are those of one row's forward; `bytes` of the train split.

    `parts` are the sizes of each part, `activations` the bytes that a row's forward saves for its backward (0: not
    measured), `layers` how many repeated layers there are; `additive` is the task's. `twice`: a gradient is part of the
    loss, and has one itself.
    """

    rows: int | None
    bytes: int
    ragged: bool
    parameters: int
    flops: float
    convolutional: bool
    steps: int
    parts: tuple[PartFacts, ...] = ()
    activations: float = 0.0
    layers: int = 0
    additive: bool = True
    batch_norm: bool = False
    twice: bool = False


class Plan:
    """The decisions, by name: `plan["precision"]` is the value."""

    def __init__(self, decisions: list[Decision]) -> None:
        self.decisions = decisions
        self._values = {decision.name: decision.value for decision in decisions}

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def decide(self, name: str, value: Any, reason: str) -> None:
        """Decide again about `name`, after a try has shown more than could be reckoned."""
        self.decisions = [Decision(name, value, reason) if each.name == name else each for each in self.decisions]
        self._values[name] = value

    def as_dict(self) -> dict[str, dict[str, Any]]:
        return {each.name: {"value": each.value, "reason": each.reason} for each in self.decisions}


def choose_device(hardware: Hardware, asked: str) -> Decision:
    """Where to run. Raises UserError for a device that is not there."""
    kind = asked.partition(":")[0]
    if asked == "auto":
        if hardware.accelerator:
            return Decision("device", hardware.accelerator, f"{hardware.name or hardware.accelerator} is there")
        return Decision("device", "cpu", f"no accelerator; {hardware.cores} cores of {hardware.cpu or 'a CPU'}")
    if kind not in ("cpu", hardware.accelerator):
        there = f"cpu, {hardware.accelerator}" if hardware.accelerator else "cpu"
        raise UserError(f"device={asked}: this machine has no {kind}.", f"There is: {there}. Leave it out to choose.")
    index = asked.partition(":")[2]
    if kind == "cpu" and ":" in asked and not index.isdigit():
        raise UserError(f"device={asked}: there is one cpu.", "Say device=cpu; threads=2 says how many cores it takes.")
    if kind != "cpu" and ":" in asked and (not index.isdigit() or int(index) >= hardware.count):
        raise UserError(f"device={asked}: there are {hardware.count} devices, counted from 0.")
    return Decision("device", asked, "asked for")


def make_plan(
    hardware: Hardware,
    facts: Facts,
    settings: Settings,
    processes: int = 1,
    before: Mapping[str, Mapping[str, Any]] | None = None,
    world: int | None = None,
) -> Plan:
    """All decisions. `processes` train on this machine together, `world` on all machines; `before` is the stored plan
    of a run that goes on.

    Raises UserError for what this hardware cannot do.
    """
    device = choose_device(hardware, settings.device)
    kind = str(device.value).partition(":")[0]
    _check_devices(hardware, str(device.value), processes)
    decisions = _decisions(hardware, facts, settings, processes, device, kind)
    decisions += _memory_decisions(hardware, facts, settings, processes, world or processes, decisions)
    sharded = any(each.name == "parallel" and each.value == "fsdp" for each in decisions)
    some_sharded = any_fsdp({each.name: each.value for each in decisions})
    known = {each.name for each in decisions}
    before = before or {}
    # How to compile is not decided where compiling was not chosen, as on another device than before.
    decisions += [Decision(name, before[name]["value"], "") for name in KEPT if name in before and name not in known]
    for place, each in enumerate(decisions):
        if each.name == "kernels" and hardware.not_native:
            continue  # what was compiled then cannot be now
        if each.name in KEPT and each.name in before:
            # In another order of additions the last bits differ, and the run would not be the one that was stopped.
            decisions[place] = Decision(each.name, before[each.name]["value"], "as before the run was stopped")
        if each.name == "channels_last" and each.value and sharded:
            decisions[place] = Decision("channels_last", False, "sharded weights lie row by row")
        if each.name == "kernels" and decisions[place].value == "native" and some_sharded:
            if settings.kernels == "native":
                raise UserError(f"kernels=native: {_SHARED}.", "Leave it out, or say parallel=ddp.")
            decisions[place] = Decision("kernels", "torch", _SHARED)
    return Plan(decisions)


def _check_devices(hardware: Hardware, device: str, processes: int) -> None:
    kind, _, index = device.partition(":")
    if kind == "cpu" or processes == 1:
        return
    if index:
        raise UserError(
            f"device={device}: {processes} processes cannot share one.", f"Say device={kind}: each has its own."
        )
    if processes > hardware.count:
        raise UserError(
            f"{processes} processes were started, but there are {hardware.count} devices ({hardware.name}).",
            "Start as many as there are, or say device=cpu.",
        )


def _memory_decisions(
    hardware: Hardware, facts: Facts, settings: Settings, processes: int, world: int, before: list[Decision]
) -> list[Decision]:
    """What follows from sizes: who holds which weights, and what is computed twice."""
    decided = {each.name: each.value for each in before}
    on_cpu = str(decided["device"]).startswith("cpu")
    memory = hardware.host_memory // processes if on_cpu else hardware.memory
    parallel = choose_parallel(facts.parts, settings, memory, world, decided["precision"])
    room = Room(
        memory,
        kept_bytes(facts.parts, parallel.value, world),
        row_bytes(decided["precision"], facts.activations),
        facts.layers,
        world,
    )
    micro_batch = choose_micro_batch(room, settings, additive=facts.additive, batch_norm=facts.batch_norm)
    return [
        Decision("processes", world, "they train together" if world > 1 else "nobody started more"),
        parallel,
        micro_batch,
        choose_recompute(room, settings, -(-micro_batch.value // world)),
    ]


def _decisions(
    hardware: Hardware, facts: Facts, settings: Settings, processes: int, device: Decision, kind: str
) -> list[Decision]:
    return [
        device,
        choose_precision(hardware, kind, step_flops(facts, settings), settings),
        choose_tf32(hardware, kind, settings),
        choose_matmul(hardware, kind, settings),
        _memory_format(facts, settings),
        Decision("fused", True, "one kernel updates all weights, where the optimizer has one"),
        compiling := _compile(hardware, kind, facts, settings, processes),
        choose_native(hardware, kind, facts.parameters, settings, bool(compiling.value), facts.twice),
        *([] if not compiling.value else _how_to_compile(facts, settings)),
        _deterministic(kind, settings),
        _feeder(hardware, kind, facts, settings),
        _threads(hardware, kind, facts, settings, processes),
    ]


def _memory_format(facts: Facts, settings: Settings) -> Decision:
    if settings.channels_last is not None:
        return Decision("channels_last", settings.channels_last, "asked for")
    if facts.convolutional:
        return Decision("channels_last", True, "the model convolves images")
    return Decision("channels_last", False, "no convolution over images")


def _compile(hardware: Hardware, kind: str, facts: Facts, settings: Settings, processes: int) -> Decision:
    what = f"{facts.layers} repeated layers, one by one" if facts.layers else "the whole model"
    if settings.compile:
        if not hardware.compiles:
            lacking = "Triton or no C compiler" if kind == "cuda" else "C++ compiler"
            raise UserError(f"compile=true: there is no {lacking} here.", "Install it, or leave compile out.")
        return Decision("compile", True, f"asked for: {what}")
    if settings.compile is False:
        return Decision("compile", False, "asked for")
    if kind != "cuda":
        return Decision("compile", False, "off unless asked for: compile=true")
    if facts.steps < COMPILE_STEPS:
        return Decision("compile", False, f"{facts.steps} steps are too few to pay for compiling")
    if facts.ragged or processes > 1 or settings.parallel == "fsdp" or not facts.additive:
        return Decision("compile", False, "off for rows of unequal length and several processes, unless asked for")
    if not hardware.compiles:
        return Decision("compile", False, "there is no Triton or no C compiler")
    return Decision("compile", True, f"{facts.steps:,} steps pay for it: {what}")


def _how_to_compile(facts: Facts, settings: Settings) -> list[Decision]:
    why = "rows of unequal length come in many widths" if facts.ragged else "sizes hardly change"
    return [
        Decision(
            "compile_mode", settings.compile_mode, "as torch's" if settings.compile_mode == "default" else "asked"
        ),
        Decision("dynamic", facts.ragged, why),
    ]


def _deterministic(kind: str, settings: Settings) -> Decision:
    if kind == "cpu":
        return Decision("deterministic", True, "a CPU adds up in the same order each time")
    if settings.deterministic:
        return Decision("deterministic", True, "asked for")
    return Decision(
        "deterministic", False, "faster kernels, whose sums differ in the last bits; deterministic=true repeats exactly"
    )


def _feeder(hardware: Hardware, kind: str, facts: Facts, settings: Settings) -> Decision:
    size, asked = f"{facts.bytes / 1e6:.3g} MB", settings.feeder
    if facts.rows is None:
        if asked != "auto":
            raise UserError(f"feeder={asked}: the dataset is read as it comes.", "Leave it out.")
        return Decision("feeder", "streamed", "the dataset is read as it comes")
    if asked == "resident" and kind == "cpu":
        raise UserError("feeder=resident: a CPU has the rows in its memory.", "Leave it out.")
    if asked == "resident" and facts.bytes > hardware.memory:
        raise UserError(
            f"feeder=resident: the rows are {size}, and the device has {hardware.memory / 1e6:.3g} MB.",
            "Say feeder=host, or leave it out.",
        )
    if asked != "auto":
        return Decision("feeder", asked, "asked for")
    if kind != "cpu" and facts.bytes <= hardware.memory * RESIDENT_SHARE:
        return Decision("feeder", "resident", f"{size} fit on the device")
    if facts.ragged:
        return Decision("feeder", "host", f"{size} in memory, rows of like length together")
    return Decision("feeder", "host", f"{size} in memory")


def step_flops(facts: Facts, settings: Settings) -> float:
    """Floating-point operations of a micro-batch's forward and backward."""
    return 3 * facts.flops * settings.batch_size / (settings.accumulate or 1)


def _threads(hardware: Hardware, kind: str, facts: Facts, settings: Settings, processes: int) -> Decision:
    if settings.threads is not None:
        return Decision("threads", settings.threads, "asked for")
    work = step_flops(facts, settings)
    if kind == "cpu" and work < THREADS_STEP_FLOPS:
        return Decision("threads", 1, f"a step is {work / 1e9:.2g} GFLOP: threads would wait more than they work")
    if processes > 1:
        share = max(1, hardware.cores // processes)
        return Decision("threads", share, f"{processes} processes share {hardware.cores} cores")
    return Decision(
        "threads", hardware.cores, f"{hardware.cores} cores" + ("" if kind == "cpu" else " feed the device")
    )
