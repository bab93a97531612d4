"""In what runs differ."""

from __future__ import annotations

import pytest

from modrack_registry.store import RunStart, open_store
from modrack_registry.store.compare import Change, changes, code_difference, compare


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / "home")


def made(store, params, metrics, **more):
    recorder = store.start(RunStart(config={}, params=params, components=more.pop("components", []), **more))
    recorder.set(better={"test.accuracy": "higher", "test.loss": "lower"})
    for name, value in metrics.items():
        recorder.log(1, {name: value})
    recorder.finish("finished")
    return recorder.id


def test_only_what_differs_and_the_best_is_marked(store):
    made(store, {"lr": 0.1, "width": 8, "flag": True}, {"test.accuracy": 0.9, "test.loss": 0.4, "train.loss": 1.0})
    made(store, {"lr": 0.2, "width": 8, "flag": 1}, {"test.accuracy": 0.9, "test.loss": 0.3, "train.loss": 1.0})
    made(store, {"lr": 0.2, "width": 8, "flag": True, "depth": 2}, {"test.accuracy": float("nan"), "train.loss": 1.0})
    compared = compare([store.get(run) for run in (1, 2, 3)], store.better())
    assert [(row.name, row.values) for row in compared.params] == [
        ("flag", (True, 1, True)),
        ("lr", (0.1, 0.2, 0.2)),
        ("depth", (None, None, 2)),
    ]
    assert compared.same == 1
    best = {row.name: row.best for row in compared.metrics}
    assert best == {"test.accuracy": (0, 1), "test.loss": (1,)}
    assert compared.as_dict()["best"] == {"test.accuracy": [1, 2], "test.loss": [2]}


def test_diff_has_configuration_parts_code_packages_plan_and_machine(store):
    part = {"kind": "model", "name": "net", "full": "mine/net", "plugin": "mine", "version": "1", "digest": "a" * 64}
    first = made(
        store, {"lr": 0.1}, {}, components=[part], packages={"torch": "2.1", "numpy": "1"}, hardware={"cores": 2},
        git={"commit": "c1", "dirty": True, "diff": "-a\n+b"}, plan={"device": {"value": "cpu", "reason": ""}},
        data={"sizes": {"train": 10}},
    )  # fmt: skip
    second = made(
        store, {"lr": 0.1}, {}, components=[part | {"digest": "b" * 64}], packages={"torch": "2.2", "numpy": "1"},
        hardware={"cores": 4}, git={"commit": "c1", "dirty": True, "diff": "-a\n+c"},
        plan={"device": {"value": "cuda", "reason": ""}}, data={"sizes": {"train": 12}},
    )  # fmt: skip
    found = changes(store.get(first), store.get(second))
    assert Change("packages", "torch", "2.1", "2.2") in found
    assert Change("plan", "device", "cpu", "cuda") in found
    assert Change("data", "sizes.train", 10, 12) in found
    assert Change("machine", "cores", 2, 4) in found
    assert [each.section for each in found] == ["data", "parts", "code", "packages", "plan", "machine"]
    assert code_difference(store.get(first), store.get(second))[-2:] == ["-+b", "++c"]
    assert changes(store.get(first), store.get(first)) == []
