"""What is said of a run is what is read of it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from modrack_registry.errors import UserError
from modrack_registry.store import Recorder, RunStart, Store, open_store, schema

on_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


def test_nothing_is_made_before_something_is_written(tmp_path: Path) -> None:
    store = open_store(tmp_path / "runs")
    assert list(store.runs()) == []
    assert len(store.runs()) == 0
    with pytest.raises(UserError, match="no run 1"):
        store.get(1)
    assert list(tmp_path.iterdir()) == []


def test_every_fact_comes_back(store: Store, start: Callable[..., RunStart]) -> None:
    params = {
        "none": None, "yes": True, "no": False, "whole": 3, "huge": 2**70, "beyond": -(2**5000), "half": 0.5,
        "nan": math.nan, "inf": -math.inf, "text": "été \N{SNOWMAN}", "empty": "", "list": [1, [2.5, "x"]],
        "dict": {"a": None}, "exact": 2**53 + 1,
    }  # fmt: skip
    git = {"commit": "c0ffee", "dirty": True, "diff": "-a\n+b\n" * 1000, "remote": "host:repository"}
    recorder = store.start(
        start(
            params=params,
            name="first",
            tags=["b", "a", "b"],
            git=git,
            packages={"torch": "2.13"},
            plan={"device": "cpu"},
            hardware={"cores": 2},
            parent=None,
            data={"classes": ["x"]},
        )
    )
    recorder.set(extra={"note": 1}, params={"late": 1})
    recorder.finish("finished", seconds=2.5, samples_per_second=100.0)
    run = store.get(recorder.id)
    got = run.params
    for each in (got, params):
        assert str(each.pop("nan")) == "nan"
    assert got == params | {"late": 1}
    assert [type(got[name]) for name in ("yes", "whole", "half")] == [bool, int, float]
    assert (run.id, run.name, run.status, run.model, run.dataset, run.optimizer) == (
        1, "first", "finished", "cnn", "digits", None,
    )  # fmt: skip
    assert run.tags == ["a", "b"]
    assert run.git == git
    assert (run.packages, run.plan, run.hardware, run.data) == (
        {"torch": "2.13"}, {"device": "cpu"}, {"cores": 2}, {"classes": ["x"]},
    )  # fmt: skip
    assert run.config == start().config
    assert run.command == ["modrack", "train"]
    assert [(part["full"], part["version"], part["digest"]) for part in run.components] == [
        ("modrack/cnn", None, "d1"),
        ("modrack/digits", None, "d2"),
    ]
    assert (run.seconds, run.samples_per_second, run.seed) == (2.5, 100.0, 7)
    assert datetime.now(UTC) - run.started < timedelta(minutes=1)
    assert run.folder == store.home / "1"
    assert run.folder.is_dir()


@on_sqlite
def test_only_the_owner_can_read(store: Store, recorder: Recorder) -> None:
    assert [oct(path.stat().st_mode & 0o777) for path in (store.home, store.home / "runs.db", recorder.folder)] == [
        "0o700",
        "0o600",
        "0o700",
    ]


def test_metrics_are_last_values_and_nan_and_infinity_survive(store: Store, recorder: Recorder) -> None:
    for step, loss in enumerate([2.0, math.inf, math.nan, 1.0, math.nan]):
        recorder.log(step, {"train.loss": loss, "lr": 0.1})
    recorder.flush()
    run = store.get(recorder.id)
    assert list(run.metrics) == ["train.loss", "lr"]
    assert math.isnan(run.metrics["train.loss"])
    assert run.metrics["lr"] == 0.1
    steps, values, times = run.history("train.loss")
    assert list(steps) == [0, 1, 2, 3, 4]
    assert [str(value) for value in values] == ["2.0", "inf", "nan", "1.0", "nan"]
    assert all(0 <= each < 60 for each in times)
    with pytest.raises(UserError, match=r"Did you mean train\.loss"):
        run.history("train.los")


def test_what_is_logged_is_what_it_was_then(store: Store, recorder: Recorder) -> None:
    values = {"a": 1.0}
    recorder.log(0, values)
    values["a"] = 2.0
    recorder.flush()
    assert store.get(1).metrics == {"a": 1.0}


@pytest.mark.parametrize(("step", "value"), [(0, "much"), (-1, 1.0), (2**63, 1.0), (0, None), (0, [1.0])])
def test_what_is_no_number_is_refused_where_it_is_said(recorder: Recorder, step: int, value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        recorder.log(step, {"a": value})  # type: ignore[dict-item]


def test_logging_costs_microseconds(store: Store, recorder: Recorder) -> None:
    took = []
    for step in range(5000):
        clock = time.perf_counter()
        recorder.log(step, {"train.loss": 1.0, "lr": 0.1})
        took.append(time.perf_counter() - clock)
    assert statistics.median(took) < 20e-6
    recorder.flush()
    assert len(store.get(1).history("lr")[0]) == 5000


@on_sqlite
def test_a_hundred_thousand_points_a_second(store: Store, recorder: Recorder) -> None:
    clock = time.perf_counter()
    for step in range(10_000):
        recorder.log(step, {f"m{number}": float(step) for number in range(10)})
    recorder.flush()
    seconds = time.perf_counter() - clock
    assert store.get(1).metrics["m9"] == 9999.0
    assert seconds < 1.0 * 3  # a slow and busy machine may take three times as long


@on_sqlite
def test_points_stay_small(store: Store, recorder: Recorder) -> None:
    before = (store.home / "runs.db").stat().st_size
    for step in range(20_000):
        recorder.log(step, {"train.loss": 1 / (step + 1), "lr": 0.1 / (step + 1), "train.accuracy": step / 20_000})
        if step % 300 == 0:
            recorder.flush()
    recorder.flush()
    assert ((store.home / "runs.db").stat().st_size - before) / 60_000 < 45


def test_events_keep_their_order_and_are_written_once(store: Store, recorder: Recorder) -> None:
    for number in range(3):
        recorder.event("epoch", {"number": number})
    recorder.finish("finished")
    with store.database.read() as connection:
        assert connection is not None
        rows = connection.execute(select(schema.event.c.number, schema.event.c.data)).all()
    assert [tuple(row) for row in rows] == [(1, '{"number":0}'), (2, '{"number":1}'), (3, '{"number":2}')]


def test_a_resumed_run_keeps_its_number_and_adds_its_time(store: Store, recorder: Recorder) -> None:
    recorder.log(1, {"a": 1.0})
    recorder.log(2, {"a": 5.0})
    recorder.finish("interrupted", reason="Ctrl-C", seconds=3.0)
    again = store.attach(1)
    assert store.get(1).status == "running"
    assert store.get(1).reason is None
    again.log(2, {"a": 5.0})
    again.log(3, {"a": 2.0})
    again.finish("finished", seconds=4.0)
    run = store.get(1)
    assert (run.id, run.attempt, run.seconds, run.status) == (1, 2, 7.0, "finished")
    assert list(run.history("a")[1]) == [1.0, 5.0, 2.0]
    assert (again._writer.place.overlap.same, again._writer.place.overlap.different) == (1, 0)


def test_long_texts_are_kept_once(store: Store, start: Callable[..., RunStart]) -> None:
    for _ in range(3):
        store.start(start(packages={"torch": "2.13"})).finish("finished")
    with store.database.read() as connection:
        assert connection is not None
        assert len(connection.execute(select(schema.blob)).all()) == 1
        assert len(connection.execute(select(schema.component)).all()) == 2


def test_a_folder_that_is_there_is_never_taken(store: Store, start: Callable[..., RunStart]) -> None:
    for number in (1, 2, 41):
        (store.home / str(number)).mkdir(parents=True)
    first, second = store.start(start()), store.start(start())
    first.finish("finished")
    second.finish("finished")
    assert [first.id, second.id] == [42, 43]
    assert [run.id for run in store.runs()] == [43, 42]


def test_a_failed_start_leaves_nothing(store: Store, start: Callable[..., RunStart]) -> None:
    with pytest.raises(TypeError):
        store.start(start(components=None))
    assert len(store.runs()) == 0
    assert [path.name for path in store.home.iterdir()] in ([], ["runs.db"])


def test_half_a_surrogate_and_zero_characters_do_no_harm(store: Store, start: Callable[..., RunStart]) -> None:
    recorder = store.start(start(name="a\0b\ud800", params={"p": "\ud800\0"}, tags=["\ud800"], command=["\udcff"]))
    recorder.event("odd\0", {"x": "\ud800"})
    recorder.finish("failed", reason="\ud800")
    assert store.get(1).status == "failed"
    assert "\0" not in (store.get(1).name or "")


def test_a_finished_run_takes_no_more(recorder: Recorder) -> None:
    recorder.finish("finished")
    with pytest.raises(RuntimeError):
        recorder.log(1, {"a": 1.0})


def test_unknown_facts_and_ends_are_refused(recorder: Recorder) -> None:
    with pytest.raises(TypeError, match="colour"):
        recorder.set(colour="red")
    with pytest.raises(ValueError, match="done"):
        recorder.finish("done")
