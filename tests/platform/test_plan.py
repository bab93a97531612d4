"""The plan, as a table against hardware that nobody here owns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modrack.configure.settings import Settings
from modrack.runner.hardware import Hardware, probe
from modrack.runner.memory_plan import PartFacts
from modrack.runner.plan import Facts, make_plan
from modrack_registry.errors import UserError

GB = 1 << 30
H100 = Hardware("cuda", "NVIDIA H100", 1, (9, 0), 80 * GB, 16, 128 * GB, "Xeon", True)
T4 = Hardware("cuda", "Tesla T4", 2, (7, 5), 16 * GB, 4, 16 * GB, "Xeon", False)
APPLE = Hardware("mps", "Apple GPU", 1, None, 12 * GB, 8, 16 * GB, "arm", False)
BF16_CPU = Hardware(None, "", 0, None, 0, 2, 24 * GB, "EPYC", True)
COMPILER = replace(BF16_CPU, not_native=None, compiles=True)
OLD_CPU = Hardware(None, "", 0, None, 0, 4, 8 * GB, "i5", False)

IMAGES = Facts(54_000, 42 << 20, False, 6_500_000, 4e7, True, 4000)
LARGE = replace(IMAGES, flops=4e9)
SMALL = Facts(1_300, 80_000, False, 300_000, 1e5, True, 200)
TEXT = Facts(9_000, 2 << 20, True, 22_000_000, 1e9, False, 1000)


@pytest.mark.parametrize(
    ("hardware", "facts", "settings", "expected"),
    [
        (
            H100,
            LARGE,
            {},
            {"device": "cuda", "precision": "bf16", "tf32": True, "channels_last": True, "feeder": "resident"},
        ),
        (H100, IMAGES, {}, {"precision": "fp32", "tf32": True}),
        (H100, IMAGES, {"precision": "bf16"}, {"precision": "bf16"}),
        (H100, IMAGES, {"precision": "fp32"}, {"precision": "fp32", "tf32": False}),
        (H100, IMAGES, {"tf32": False}, {"precision": "fp32", "tf32": False}),
        (H100, IMAGES, {"tf32": True, "precision": "fp32"}, {"precision": "fp32", "tf32": True}),
        (T4, IMAGES, {"tf32": False}, {"tf32": False}),
        (H100, IMAGES, {"device": "cpu"}, {"device": "cpu", "precision": "bf16", "feeder": "host"}),
        (H100, IMAGES, {"feeder": "host"}, {"feeder": "host"}),
        (H100, replace(IMAGES, bytes=60 * GB), {"feeder": "resident"}, {"feeder": "resident"}),
        (OLD_CPU, IMAGES, {"feeder": "host"}, {"feeder": "host"}),
        (H100, replace(IMAGES, bytes=60 * GB), {}, {"feeder": "host"}),
        (T4, TEXT, {}, {"device": "cuda", "precision": "fp32", "tf32": False, "channels_last": False}),
        (T4, TEXT, {"precision": "fp16"}, {"precision": "fp16"}),
        (T4, TEXT, {"device": "cuda:1"}, {"device": "cuda:1"}),
        (APPLE, IMAGES, {}, {"device": "mps", "precision": "fp32", "feeder": "resident"}),
        (BF16_CPU, IMAGES, {}, {"device": "cpu", "precision": "bf16", "threads": 2, "channels_last": True}),
        (BF16_CPU, SMALL, {}, {"precision": "fp32"}),
        (BF16_CPU, SMALL, {"precision": "bf16"}, {"precision": "bf16"}),
        (OLD_CPU, IMAGES, {}, {"precision": "fp32", "threads": 4}),
        (OLD_CPU, IMAGES, {"threads": 1, "channels_last": False}, {"threads": 1, "channels_last": False}),
        (OLD_CPU, replace(TEXT, rows=None), {}, {"feeder": "streamed"}),
        (BF16_CPU, SMALL, {}, {"threads": 1}),
        (BF16_CPU, SMALL, {"threads": 2}, {"threads": 2}),
        (replace(BF16_CPU, onednn_fp32=(1.6, 4e-7)), IMAGES, {}, {"matmul": "onednn"}),
        (replace(BF16_CPU, onednn_fp32=(9.0, 3e-3)), IMAGES, {}, {"matmul": "default"}),
        (replace(BF16_CPU, onednn_fp32=(0.9, 4e-7)), IMAGES, {}, {"matmul": "default"}),
        (replace(BF16_CPU, onednn_fp32=(9.0, 3e-3)), IMAGES, {"matmul": "onednn"}, {"matmul": "onednn"}),
        (replace(BF16_CPU, onednn_fp32=(1.6, 4e-7)), IMAGES, {"matmul": "default"}, {"matmul": "default"}),
        (BF16_CPU, IMAGES, {}, {"matmul": "default"}),
        (BF16_CPU, SMALL, {"matmul": "onednn"}, {"matmul": "onednn"}),
        (H100, IMAGES, {}, {"deterministic": False, "matmul": "default"}),
        (H100, IMAGES, {"deterministic": True}, {"deterministic": True}),
        (BF16_CPU, IMAGES, {}, {"compile": False}),
        (replace(BF16_CPU, compiles=True), IMAGES, {"compile": True}, {"compile": True, "compile_mode": "default"}),
        (replace(BF16_CPU, compiles=True), TEXT, {"compile": True}, {"dynamic": True}),
        (replace(H100, compiles=True), IMAGES, {}, {"compile": True, "dynamic": False}),
        (replace(H100, compiles=True), IMAGES, {"compile": False}, {"compile": False}),
        (replace(H100, compiles=True), replace(IMAGES, steps=3000), {}, {"compile": False}),
        (replace(H100, compiles=True), replace(TEXT, steps=9000), {}, {"compile": False}),
        (H100, IMAGES, {}, {"compile": False}),
        (OLD_CPU, TEXT, {"accumulate": 4, "batch_size": 30}, {"micro_batch": 8}),
        (COMPILER, TEXT, {}, {"kernels": "native"}),
        (COMPILER, TEXT, {"kernels": "torch"}, {"kernels": "torch"}),
        (COMPILER, SMALL, {}, {"kernels": "torch"}),
        (COMPILER, SMALL, {"kernels": "native"}, {"kernels": "native"}),
        (COMPILER, TEXT, {"compile": True}, {"kernels": "torch"}),
        (COMPILER, replace(TEXT, twice=True), {}, {"kernels": "torch"}),
        (BF16_CPU, TEXT, {}, {"kernels": "torch"}),
        (replace(H100, not_native=None), TEXT, {}, {"kernels": "torch"}),
    ],
)
def test_plan(hardware: Hardware, facts: Facts, settings: dict[str, Any], expected: dict[str, Any]) -> None:
    plan = make_plan(hardware, facts, Settings(**settings))
    assert {name: plan[name] for name in expected} == expected
    assert all(decision.reason for decision in plan.decisions)


@pytest.mark.parametrize(
    ("hardware", "settings", "said"),
    [
        (OLD_CPU, {"device": "cuda"}, "this machine has no cuda"),
        (T4, {"device": "cuda:2"}, "there are 2 devices"),
        (T4, {"device": "mps"}, "There is: cpu, cuda"),
        (T4, {"precision": "bf16"}, "CUDA capability 7.5 is below 8.0"),
        (APPLE, {"precision": "bf16"}, "precision=bf16"),
        (OLD_CPU, {"precision": "fp16"}, "slower than fp32"),
        (OLD_CPU, {"compile": True}, "there is no C.. compiler"),
        (T4, {"compile": True}, "there is no Triton"),
        (T4, {"tf32": True}, "from capability 8.0"),
        (OLD_CPU, {"tf32": True}, "only CUDA"),
        (H100, {"matmul": "onednn"}, "oneDNN is for CPUs"),
        (replace(OLD_CPU, onednn_fp32=(0.0, 1.0)), {"matmul": "onednn"}, "this torch has no oneDNN"),
        (H100, {"kernels": "native"}, "kernels=native: they are for CPUs"),
        (
            replace(OLD_CPU, not_native="cc did not work: no"),
            {"kernels": "native"},
            "kernels=native: cc did not work: no",
        ),
        (COMPILER, {"kernels": "native", "compile": True}, "kernels=native: torch compiles the model"),
        (OLD_CPU, {"feeder": "resident"}, "has the rows in its memory"),
        (replace(H100, memory=1 << 20), {"feeder": "resident"}, "the rows are 44 MB, and the device has 1.05 MB"),
    ],
)
def test_what_the_hardware_cannot_do_is_refused(hardware: Hardware, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        make_plan(hardware, IMAGES, Settings(**settings))


@pytest.mark.parametrize("feeder", ["resident", "host"])
def test_a_stream_has_one_feeder(feeder: Any) -> None:
    with pytest.raises(UserError, match=f"feeder={feeder}: the dataset is read as it comes"):
        make_plan(H100, replace(TEXT, rows=None), Settings(feeder=feeder))


def test_this_machine_can_be_probed() -> None:
    hardware = probe()
    assert hardware.cores >= 1
    assert hardware.host_memory > 0


def test_a_run_that_goes_on_keeps_what_decides_about_the_last_bits() -> None:
    faster = replace(BF16_CPU, onednn_fp32=(1.6, 4e-7), cores=8)
    before = make_plan(BF16_CPU, IMAGES, Settings()).as_dict()
    plan = make_plan(faster, IMAGES, Settings(), before=before)
    assert (plan["threads"], plan["matmul"]) == (2, "default")
    assert make_plan(faster, IMAGES, Settings())["threads"] == 8


def test_a_run_that_goes_on_keeps_its_kernels_where_they_can_be_compiled() -> None:
    before = make_plan(COMPILER, TEXT, Settings(kernels="native")).as_dict()
    assert make_plan(COMPILER, TEXT, Settings(), before=before)["kernels"] == "native"
    lost = make_plan(replace(COMPILER, not_native="there is no C compiler"), TEXT, Settings(), before=before)
    assert lost["kernels"] == "torch"
    assert lost.as_dict()["kernels"]["reason"] == "there is no C compiler"
    torchs = make_plan(BF16_CPU, TEXT, Settings()).as_dict()
    assert make_plan(COMPILER, TEXT, Settings(), before=torchs)["kernels"] == "torch"


def test_sharded_weights_are_moved_by_torch() -> None:
    parts = (PartFacts("model", GB, GB, GB, 1000), PartFacts("scale", 4, 4, 4, 1))
    facts = replace(TEXT, parts=parts)
    assert make_plan(COMPILER, facts, Settings(parallel="fsdp"), processes=2)["kernels"] == "torch"
    assert make_plan(COMPILER, facts, Settings(parallel="ddp"), processes=2)["kernels"] == "native"
    with pytest.raises(UserError, match="kernels=native: the kernels are for whole weights"):
        make_plan(COMPILER, facts, Settings(parallel="fsdp", kernels="native"), processes=2)


def test_a_run_that_goes_on_elsewhere_is_compiled_as_before() -> None:
    before = make_plan(replace(H100, compiles=True), IMAGES, Settings()).as_dict()
    plan = make_plan(BF16_CPU, IMAGES, Settings(), before=before)
    assert (plan["compile"], plan["compile_mode"], plan["dynamic"]) == (True, "default", False)


def test_several_processes_share_the_cores() -> None:
    assert make_plan(replace(OLD_CPU, cores=8), IMAGES, Settings(), processes=4)["threads"] == 2


def test_onednn_is_tried_on_this_machine() -> None:
    from modrack.runner.hardware import probe_onednn

    speed, error = probe_onednn()
    assert speed >= 0
    assert 0 < error <= 1
