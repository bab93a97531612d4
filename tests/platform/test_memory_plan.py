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
EIGHT = Hardware("cuda", "NVIDIA H100", 8, (9, 0), 80 * GB, 64, 1024 * GB, "Xeon", True, True)
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


def test_weights_that_the_task_moves_lie_alike() -> None:
    """A momentum teacher takes from its student: both are sharded, or none."""
    teacher = PartFacts("teacher", 26 * GB, 0, 0, 4096, None, follows=True)
    assert plan(EIGHT, facts(SMALL, teacher), parallel="fsdp")["parallel"] == "fsdp"
    assert plan(EIGHT, facts(SEVEN, teacher))["parallel"] == "fsdp"
    assert plan(EIGHT, facts(SMALL, teacher))["parallel"] == "ddp"


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
        (1, 4 * GB, 24, {"accumulate": 1}, "all", "64 rows with weights and state take about 130 GiB of 80 GiB"),
        # Halves of the batch fit, and cost nothing.
        (1, 4 * GB, 24, {}, "none", "32 rows with weights and state take about 65.6 GiB"),
        # Only three rows fit.
        (1, 40 * GB, 24, {}, "all", "8 rows with"),
        (8, 4 * GB, 24, {}, "none", "8 rows with"),
        (1, 4 * GB, 24, {"accumulate": 4}, "none", "16 rows with"),
        (1, 4 * GB, 24, {"recompute": "none"}, "none", "asked for"),
        (1, 4 * GB, 0, {}, "none", "no repeated layers"),
        (1, 0.0, 24, {}, "none", "recompute=all"),
        (1, 0.0, 24, {"recompute": "all"}, "all", "asked for"),
        (1, 0.0, 24, {"recompute": ["layer.1"]}, ["layer.1"], "asked for"),
        # fp32 keeps twice as much as bf16.
        (1, 2 * GB, 24, {"precision": "fp32", "accumulate": 1}, "all", "130 GiB"),
        (1, 2 * GB, 24, {}, "none", "65.6 GiB"),
    ],
)
def test_what_is_computed_twice(
    processes: int, activations: float, layers: int, settings: dict[str, Any], expected: Any, why: str
) -> None:
    made = plan(EIGHT, facts(SMALL, activations=activations, layers=layers), processes, **settings)
    assert made["recompute"] == expected
    assert why in reason(made, "recompute")


@pytest.mark.parametrize(
    ("processes", "activations", "settings", "changes", "micro_batch", "why"),
    [
        (1, 0.5 * GB, {}, {}, 64, "the whole batch at once"),
        (
            1,
            8 * GB,
            {},
            {},
            16,
            "do not fit beside 1.6 GiB of weights and state: 4 a step, which learn the same",
        ),
        (1, 8 * GB, {"precision": "fp32"}, {}, 8, "8 a step"),
        (8, 32 * GB, {}, {"layers": 0}, 32, "2 a step"),
        (1, 8 * GB, {"accumulate": 1}, {}, 64, "the whole batch at once, as asked for"),
        (1, 8 * GB, {"accumulate": 3}, {}, 22, "3 a step, as asked for"),
        (1, 8 * GB, {}, {"additive": False}, 64, "rows learn from each other here: a smaller batch_size"),
        (1, 8 * GB, {}, {"batch_norm": True}, 16, "the same but for batch norm"),
        # Few rows fit: computing twice is next, where there are layers for it, and else a row at a time.
        (1, 40 * GB, {}, {}, 8, "8 a step"),
        (1, 40 * GB, {}, {"layers": 0}, 3, "22 a step"),
        (1, 400 * GB, {}, {"layers": 0}, 1, "64 a step"),
        (1, 400 * GB, {"recompute": "none"}, {}, 1, "64 a step"),
        (1, 40 * GB, {"batch_size": 6}, {}, 6, "unless layers are computed twice"),
        (1, 0.0, {}, {}, 64, "the whole batch at once"),
    ],
)
def test_a_batch_is_split_where_it_does_not_fit(
    processes: int, activations: float, settings: dict[str, Any], changes: dict[str, Any], micro_batch: int, why: str
) -> None:
    made = plan(EIGHT, replace(facts(SMALL, activations=activations), **changes), processes, **settings)
    assert made["micro_batch"] == micro_batch
    assert why in reason(made, "micro_batch")


def test_a_run_that_goes_on_is_split_as_before() -> None:
    known = facts(SMALL, activations=8 * GB)
    before = plan(EIGHT, known, 1).as_dict()
    later = make_plan(replace(EIGHT, memory=800 * GB), known, Settings(), before=before)
    assert later["micro_batch"] == before["micro_batch"]["value"] == 16


def test_a_cpu_has_the_memory_of_the_machine() -> None:
    known = facts(SMALL, activations=1 * GB, layers=0)
    assert plan(CPU, known, 1)["micro_batch"] == 32
    assert plan(CPU, known, 2)["micro_batch"] == 32
    # Where the system does not tell, nothing is guessed.
    assert plan(replace(CPU, host_memory=0), known, 1)["micro_batch"] == 64


def test_what_is_sharded_counts_by_its_share() -> None:
    known = facts(SEVEN, activations=8 * GB)
    assert "take about 45 GiB" in reason(plan(EIGHT, known), "recompute")


def test_channels_last_is_not_for_sharded_weights() -> None:
    images = replace(facts(SEVEN), convolutional=True)
    assert plan(EIGHT, images)["channels_last"] is False
    assert plan(EIGHT, replace(images, parts=(SMALL,)))["channels_last"] is True


def test_bytes_are_told() -> None:
    assert [told(size) for size in (2048, 3 << 20, 5 << 30)] == ["2 KiB", "3 MiB", "5 GiB"]
