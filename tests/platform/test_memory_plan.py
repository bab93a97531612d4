"""Who holds which weights, and what is computed twice, as a table against hardware that nobody here owns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modrack.configure.settings import Settings
from modrack.runner.hardware import Hardware
from modrack.runner.memory_plan import PartFacts, is_fsdp, told
from modrack.runner.plan import Facts, Plan, make_plan
from modrack_registry.errors import UserError

GB = 1 << 30
EIGHT = Hardware("cuda", "NVIDIA H100", 8, (9, 0), 80 * GB, 64, 1024 * GB, "Xeon", True)
OLD = Hardware("cuda", "Tesla T4", 4, (7, 5), 16 * GB, 16, 64 * GB, "Xeon", False)
CPU = Hardware(None, "", 0, None, 0, 8, 32 * GB, "EPYC", True)


def adam(name: str, weights: float, rows: int = 4096, whole: str | None = None) -> PartFacts:
    """A part of `weights` GB in fp32 under Adam."""
    size = int(weights * GB)
    return PartFacts(name, size, size, 2 * size, rows, whole)


def facts(*parts: PartFacts, activations: float = 0.0, layers: int = 24) -> Facts:
    return Facts(10_000, 1 << 20, False, 10**9, 1e12, False, 1000, parts, activations, layers)


def plan(hardware: Hardware, known: Facts, processes: int = 8, world: int | None = None, **settings: Any) -> Plan:
    return make_plan(hardware, known, Settings(**settings), processes, world=world)


def reason(made: Plan, name: str) -> str:
    return next(each.reason for each in made.decisions if each.name == name)


SMALL, SEVEN = adam("model", 0.4), adam("model", 26)


@pytest.mark.parametrize(
    ("hardware", "parts", "processes", "settings", "expected", "why"),
    [
        (EIGHT, [SMALL], 8, {}, "ddp", "1.6 GiB of 80 GiB in each process"),
        (EIGHT, [SEVEN], 8, {}, "fsdp", "104 GiB of 80 GiB in each process; sharded, they and the rest take 13 GiB"),
        (EIGHT, [SEVEN], 8, {"parallel": "ddp"}, "ddp", "asked for; weights, gradients and optimizer state take 104"),
        (EIGHT, [SMALL], 8, {"parallel": "fsdp"}, "fsdp", "asked for"),
        (EIGHT, [SEVEN], 1, {}, "none", "one process"),
        (EIGHT, [SEVEN], 1, {"parallel": "fsdp"}, "none", "shares the weights between processes, and there is one"),
        # The larger part alone is enough: the other one stays as it is.
        (
            EIGHT,
            [adam("generator", 20), adam("discriminator", 1)],
            8,
            {},
            {"generator": "fsdp", "discriminator": "ddp"},
            "84 GiB of 80 GiB in each process; sharded, they and the rest take 14 GiB",
        ),
        # What has fewer rows than there are processes cannot be cut.
        (
            EIGHT,
            [adam("model", 1), adam("scale", 0.1, rows=2)],
            8,
            {"parallel": "fsdp"},
            {"model": "fsdp", "scale": "ddp"},
            "no weight of scale has a row for each of 8 processes",
        ),
        (EIGHT, [replace(SEVEN, whole="has a scalar")], 8, {}, "ddp", "which is much, but model has a scalar"),
        (EIGHT, [SEVEN], 8, {"compile": True}, "ddp", "which is much, but sharded weights are not compiled"),
        (OLD, [SEVEN], 4, {"precision": "fp16"}, "ddp", "not scaled for precision=fp16"),
        (OLD, [adam("model", 3)], 4, {}, "fsdp", "12 GiB of 16 GiB"),
        # Processes of one machine share its memory.
        (CPU, [adam("model", 1.5)], 2, {}, "ddp", "6 GiB of 16 GiB"),
        (CPU, [adam("model", 1.5)], 4, {}, "fsdp", "6 GiB of 8 GiB"),
        (replace(EIGHT, memory=0), [SEVEN], 8, {}, "ddp", "not known"),
    ],
)
def test_who_holds_which_weights(
    hardware: Hardware, parts: list[PartFacts], processes: int, settings: dict[str, Any], expected: Any, why: str
) -> None:
    made = plan(hardware, facts(*parts), processes, **settings)
    assert made["parallel"] == expected
    assert why in reason(made, "parallel")
    assert made["processes"] == processes
    assert [is_fsdp(made, part.name) for part in parts] == [
        (expected[part.name] if isinstance(expected, dict) else expected) == "fsdp" for part in parts
    ]


def test_processes_of_other_machines_share_too() -> None:
    assert plan(EIGHT, facts(SEVEN), 8, world=16)["processes"] == 16
    assert "take 6.5 GiB" in reason(plan(EIGHT, facts(SEVEN), 8, world=16), "parallel")


@pytest.mark.parametrize(
    ("parts", "settings", "said"),
    [
        ([replace(SEVEN, whole="has the weight scale, a single number")], {}, "part model has the weight scale"),
        ([SEVEN], {"precision": "fp16"}, "precision=fp16"),
        ([SEVEN], {"compile": True}, "compile=true"),
    ],
)
def test_sharding_that_cannot_be_is_refused(parts: list[PartFacts], settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        plan(EIGHT, facts(*parts), parallel="fsdp", **settings)


def test_a_part_that_does_not_learn_stays_whole() -> None:
    teacher = PartFacts("teacher", GB, 0, 0, 4096, "does not learn")
    assert plan(EIGHT, facts(SMALL, teacher), parallel="fsdp")["parallel"] == {"model": "fsdp", "teacher": "ddp"}


@pytest.mark.parametrize(
    ("hardware", "processes", "device", "said"),
    [
        (EIGHT, 9, "auto", "9 processes were started, but there are 8 devices"),
        (OLD, 5, "cuda", "there are 4 devices"),
        (EIGHT, 2, "cuda:1", "2 processes cannot share one"),
    ],
)
def test_more_processes_than_devices_are_refused(hardware: Hardware, processes: int, device: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        plan(hardware, facts(SMALL), processes, device=device)
    assert plan(hardware, facts(SMALL), processes, device="cpu")["parallel"] == "ddp"


@pytest.mark.parametrize(
    ("processes", "activations", "layers", "settings", "expected", "why"),
    [
        (1, 0.5 * GB, 24, {}, "none", "64 rows with weights and state take about 17.6 GiB of 80 GiB"),
        (1, 4 * GB, 24, {}, "all", "64 rows with weights and state take about 130 GiB of 80 GiB"),
        (8, 4 * GB, 24, {}, "none", "8 rows with"),
        (1, 4 * GB, 24, {"accumulate": 4}, "none", "16 rows with"),
        (1, 4 * GB, 24, {"recompute": "none"}, "none", "asked for"),
        (1, 4 * GB, 0, {}, "none", "no repeated layers"),
        (1, 0.0, 24, {}, "none", "recompute=all"),
        (1, 0.0, 24, {"recompute": "all"}, "all", "asked for"),
        (1, 0.0, 24, {"recompute": ["layer.1"]}, ["layer.1"], "asked for"),
        # fp32 keeps twice as much as bf16.
        (1, 2 * GB, 24, {"precision": "fp32"}, "all", "130 GiB"),
        (1, 2 * GB, 24, {}, "none", "65.6 GiB"),
    ],
)
def test_what_is_computed_twice(
    processes: int, activations: float, layers: int, settings: dict[str, Any], expected: Any, why: str
) -> None:
    made = plan(EIGHT, facts(SMALL, activations=activations, layers=layers), processes, **settings)
    assert made["recompute"] == expected
    assert why in reason(made, "recompute")


def test_what_is_sharded_counts_by_its_share() -> None:
    known = facts(SEVEN, activations=8 * GB)
    assert "take about 45 GiB" in reason(plan(EIGHT, known), "recompute")


def test_channels_last_is_not_for_sharded_weights() -> None:
    images = replace(facts(SEVEN), convolutional=True)
    assert plan(EIGHT, images)["channels_last"] is False
    assert plan(EIGHT, replace(images, parts=(SMALL,)))["channels_last"] is True


def test_bytes_are_told() -> None:
    assert [told(size) for size in (2048, 3 << 20, 5 << 30)] == ["2 KiB", "3 MiB", "5 GiB"]
