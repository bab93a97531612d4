"""The SQL views: a column for each option and metric, on both engines, made when asked."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from modrack_registry.errors import UserError
from modrack_registry.store import Recorder, RunStart, Store, open_store, schema, views
from modrack_registry.store.views import Name, drop_views, ensure_views, find_names, name_columns, store_views


def ask(store: Store, sql: str) -> list[tuple[Any, ...]]:
    with store.database.read() as connection:
        assert connection is not None
        ensure_views(connection)
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def test_a_row_a_run_and_a_column_a_name(store: Store, start: Callable[..., RunStart]) -> None:
    params = {"optimizer.lr": 0.01, "model.width": 64, "on": True, "of": [1, 2], "none": None, "mixed": 1}
    one = store.start(start(params=params, tags=["b", "a"], name="first"))
    for step, value in enumerate([0.5, 0.75]):
        one.log(step, {"test.accuracy": value, "train.loss": math.nan})
    one.finish("finished", seconds=2.0)
    two = store.start(start(params={"optimizer.lr": 0.1, "mixed": "x"}))
    two.log(0, {"test.accuracy": math.inf})
    two.finish("failed", reason="no memory")
    found = ask(store, "SELECT id, name, status, model, optimizer_lr, test_accuracy, tags FROM v_runs ORDER BY id")
    assert found == [
        (1, "first", "finished", "cnn", 0.01, 0.75, "a,b"),
        (2, None, "failed", "cnn", 0.1, math.inf, None),
    ]
    assert ask(store, 'SELECT model_width, "on", "of", train_loss FROM v_runs WHERE "none" IS NULL ORDER BY id') == [
        (64, 1, "[1,2]", None),
        (None, None, None, None),
    ]
    assert [str(row[0]) for row in ask(store, "SELECT mixed FROM v_runs ORDER BY id")] == ["1", "x"]
    assert ask(store, "SELECT model, max(test_accuracy) FROM v_runs GROUP BY model") == [("cnn", math.inf)]
    assert ask(store, "SELECT run, name, n, last FROM v_metrics ORDER BY run, name") == [
        (1, "test.accuracy", 2, 0.75), (1, "train.loss", 2, None), (2, "test.accuracy", 1, math.inf),
    ]  # fmt: skip
    assert ask(store, "SELECT step, value FROM v_points WHERE run = 1 AND name = 'test.accuracy' ORDER BY step") == [
        (0, 0.5),
        (1, 0.75),
    ]
    assert ask(store, "SELECT number FROM v_params WHERE run = 2 AND name = 'optimizer.lr'") == [(0.1,)]
    year = "strftime('%Y', started)" if store.database.sqlite else "extract(year FROM started)"
    assert int(ask(store, f"SELECT {year} FROM v_runs WHERE id = 1")[0][0]) == time.gmtime().tm_year


def test_a_deleted_run_is_in_none(store: Store, start: Callable[..., RunStart]) -> None:
    recorder = store.start(start())
    recorder.log(0, {"a": 1.0})
    recorder.finish("finished")
    with store.database.write() as connection:
        connection.execute(update(schema.run).values(deleted=1.0))
    assert [ask(store, f"SELECT * FROM {view}") for view in views.VIEWS] == [[]] * 4


def test_a_run_whose_lease_ended_is_lost(store: Store, recorder: Recorder) -> None:
    assert ask(store, "SELECT status FROM v_runs") == [("running",)]
    with store.database.write() as connection:
        connection.execute(update(schema.lease).values(until=time.time() - 1))
    assert ask(store, "SELECT status FROM v_runs") == [("lost",)]


def test_a_new_metric_has_its_column_at_once(store: Store, recorder: Recorder) -> None:
    for number in range(3):
        recorder.log(0, {f"m{number}": float(number)})
        recorder.flush()
        assert ask(store, f"SELECT m{number} FROM v_runs") == [(float(number),)]


def test_stored_ones_are_for_other_programs(store: Store, recorder: Recorder) -> None:
    recorder.log(0, {"a": 1.0})
    recorder.flush()
    for _ in range(2):
        with store.database.write() as connection:
            store_views(connection)
    recorder.log(1, {"b": 2.0})
    recorder.flush()
    assert ask(store, "SELECT a, b FROM v_runs") == [(1.0, 2.0)]  # a temporary one hides the stored one
    if store.database.sqlite:
        raw = sqlite3.connect(store.home / "runs.db")
        assert raw.execute("SELECT a FROM v_runs").fetchall() == [(1.0,)]
        raw.execute("ATTACH ? AS other", (str(store.home / "runs.db"),))
        assert raw.execute("SELECT a FROM other.v_runs").fetchall() == [(1.0,)]
        raw.close()
    with store.database.write() as connection:
        assert drop_views(connection)
        assert not drop_views(connection)


def test_a_read_only_connection_has_them_too(sqlite_store: Store, start: Callable[..., RunStart]) -> None:
    sqlite_store.start(start()).finish("finished")
    before = (sqlite_store.home / "runs.db").read_bytes()
    assert ask(open_store(sqlite_store.home), "SELECT optimizer_lr FROM v_runs") == [(0.01,)]
    assert (sqlite_store.home / "runs.db").read_bytes() == before


def test_no_point_is_read_for_a_column_that_nobody_asked_for(
    sqlite_store: Store, start: Callable[..., RunStart]
) -> None:
    recorder = sqlite_store.start(start())
    recorder.log(0, {f"m{number}": 1.0 for number in range(50)})
    recorder.finish("finished")
    plan = ask(sqlite_store, "EXPLAIN QUERY PLAN SELECT model, m7 FROM v_runs WHERE id = 1")
    said = [str(row[-1]) for row in plan]
    assert sum("series" in line or "s USING" in line for line in said) <= 2, said
    assert not any("point" in line for line in said)


def test_names_that_clash() -> None:
    names = [
        Name(1, "id", "param"), Name(2, "a.b", "param"), Name(2, "a.b", "metric"), Name(3, "A-b", "metric"),
        Name(4, "2x", "param"), Name(5, 'q"; drop', "metric"), Name(6, "é.É", "metric"), Name(7, "", "metric"),
        Name(8, "x" * 100, "param"), Name(9, "x" * 101, "param"), Name(10, "a_b_2", "metric"),
    ]  # fmt: skip
    called = {(each.id, each.kind): column for column, each in name_columns(names)}
    assert called == {
        (1, "param"): "id_2", (2, "metric"): "a_b", (2, "param"): "a_b_2", (3, "metric"): "a_b_3", (4, "param"): "_2x",
        (5, "metric"): "q___drop", (6, "metric"): "é_É", (7, "metric"): "_", (8, "param"): "x" * 58,
        (9, "param"): "x" * 58 + "_2", (10, "metric"): "a_b_2_2",
    }  # fmt: skip
    assert all(len(column.encode()) <= 63 for column in called.values())


def test_odd_names_make_views(store: Store, start: Callable[..., RunStart]) -> None:
    odd = ['a"b', "a'b", "%s", "?", ":x", "select", "é" * 60, "-- x", "a b", ""]
    recorder = store.start(start(params=dict.fromkeys(odd, 1)))
    recorder.log(0, dict.fromkeys(odd, 2.0))
    recorder.finish("finished")
    (row,) = ask(store, "SELECT * FROM v_runs")
    assert sum(value == 2.0 for value in row) == len(odd)


def test_of_too_many_names_the_most_used_are_kept(store: Store, start: Callable[..., RunStart]) -> None:
    first = store.start(start(params={"often": 1}))
    first.log(0, {f"m{number}": 1.0 for number in range(2500)})
    first.finish("finished")
    last = store.start(start(params={"often": 2}))
    last.log(0, {"m2400": 3.0})
    last.finish("finished")
    with store.database.read() as connection:
        assert connection is not None
        assert len(find_names(connection)) == views.MOST_COLUMNS
    assert ask(store, "SELECT often, m2400 FROM v_runs ORDER BY id") == [(1, 1.0), (2, 3.0)]
    assert len(ask(store, "SELECT * FROM v_runs")) == 2
    with pytest.raises(UserError, match="m2499"):
        ask(store, "SELECT m2499 FROM v_runs")
