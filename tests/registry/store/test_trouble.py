"""The database fails in the middle: training goes on, nothing is lost, one warning."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, select

from modrack_registry.store import Recorder, RunStart, Store, open_store, schema, spill, writer

on_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


def record(recorder: Recorder, steps: range, more: dict[str, float], flush_each: bool = True) -> None:
    """Log `a` as the number of the step, and `more`."""
    for step in steps:
        recorder.log(step, {"a": float(step)} | more)
        if flush_each:
            recorder.event("epoch", {"n": step})
            recorder.flush()
    recorder.flush()


def points(store: Store, run: int, metric: str = "a") -> dict[int, float]:
    steps, values, _ = store.get(run).history(metric)
    return dict(zip(steps, values, strict=True))


@pytest.fixture
def hasty(tmp_path: Path) -> Store:
    """A store that does not wait long for a lock."""
    store = open_store(tmp_path / "runs")
    store.database.busy = 0.05
    return store


def test_locked(hasty: Store, start: Callable[..., RunStart]) -> None:
    recorder = hasty.start(start())
    recorder.log(0, {"a": 0.0})
    recorder.flush()
    other = sqlite3.connect(hasty.home / "runs.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.warns(UserWarning, match=r"is locked.*Training goes on") as caught:
        record(recorder, range(1, 4), {})
    assert len(caught) == 1
    assert len((recorder.folder / spill.SPILL).read_text().splitlines()) == 6
    other.execute("COMMIT")
    other.close()
    recorder.log(4, {"a": 4.0})
    recorder.finish("finished")
    assert points(hasty, 1) == {0: 0.0, 1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0}
    assert not spill.waits(recorder.folder)
    with hasty.database.read() as connection:
        assert connection is not None
        assert len(connection.execute(select(schema.event)).all()) == 3


@on_sqlite
def test_gone_and_put_back(store: Store, recorder: Recorder) -> None:
    recorder.log(0, {"a": 0.0})
    recorder.flush()
    store.database.close()
    file = store.home / "runs.db"
    file.rename(store.home / "away")
    recorder.log(1, {"a": 1.0})
    with pytest.warns(UserWarning, match="is gone"):
        recorder.finish("finished", seconds=1.0)
    assert not file.exists()
    (store.home / "away").rename(file)
    later = open_store(store.home)
    assert later.recover() == {1: 2}
    assert later.recover() == {}
    assert points(later, 1) == {0: 0.0, 1: 1.0}
    assert (later.get(1).status, later.get(1).seconds) == ("finished", 1.0)


@on_sqlite
def test_full(store: Store, start: Callable[..., RunStart]) -> None:
    recorder = store.start(start())
    with store.database.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    store.database.close()
    limits = [pages]

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {limits[0]}")

    event.listen(store.database.engine, "connect", limit)
    with pytest.warns(UserWarning, match="disk is full"):
        record(recorder, range(5000), {"b": 1.0}, flush_each=False)
    assert spill.waits(recorder.folder)
    limits[0] = 2**30
    store.database.engine.dispose()
    recorder.finish("finished")
    assert points(store, 1) == {step: float(step) for step in range(5000)}


def test_nowhere_left_to_write(hasty: Store, start: Callable[..., RunStart]) -> None:
    recorder = hasty.start(start())
    (recorder.folder / spill.SPILL).mkdir()  # so that the file cannot be made
    other = sqlite3.connect(hasty.home / "runs.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.warns(UserWarning, match="waits in memory"):
        record(recorder, range(3), {})
    other.execute("COMMIT")
    other.close()
    (recorder.folder / spill.SPILL).rmdir()
    recorder.finish("finished")
    assert points(hasty, 1) == {0: 0.0, 1: 1.0, 2: 2.0}


def test_every_place_a_write_can_fail(tmp_path: Path, start: Callable[..., RunStart]) -> None:
    """Fail the n-th statement, n = 1, 2, … until nothing fails: each time all of it is there in the end."""
    for nth in range(1, 200):
        store = open_store(tmp_path / str(nth))
        recorder = store.start(start())
        recorder._writer.closed = True  # its thread would count, too
        recorder._writer._wake.set()
        recorder._writer._thread.join()
        recorder._writer.closed = False
        left, failed = [nth], []

        def fail(connection: Connection, cursor: object, statement: str, *_: object) -> None:
            left[0] -= 1  # noqa: B023
            if left[0] == 0:  # noqa: B023
                failed.append(statement)  # noqa: B023
                raise sqlite3.OperationalError("disk I/O error")

        event.listen(store.database.engine, "before_cursor_execute", fail)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for step in range(4):
                recorder.log(step % 3, {"a": float(step), "b": 1.0})
                recorder.event("step", {"n": step})
                recorder.flush()
            recorder.finish("finished", seconds=1.0)
        event.remove(store.database.engine, "before_cursor_execute", fail)
        store.recover()
        assert points(store, 1) == {0: 3.0, 1: 1.0, 2: 2.0}, (nth, failed)
        assert store.get(1).metrics == {"a": 2.0, "b": 1.0}
        assert (store.get(1).status, store.get(1).seconds) == ("finished", 1.0)
        with store.database.read() as connection:
            assert connection is not None
            assert len(connection.execute(select(schema.event)).all()) == 4
        store.database.close()
        if not failed:
            break
    else:
        pytest.fail("it never ran through")
    assert nth > 20


def test_a_failed_commit_never_sends_points_to_another_run(store: Store, start: Callable[..., RunStart]) -> None:
    """The number of a series that was rolled back is given again, to another run's."""
    one, two = store.start(start()), store.start(start())

    def fail(_: Connection) -> None:
        event.remove(store.database.engine, "commit", fail)
        raise sqlite3.OperationalError("disk I/O error")

    event.listen(store.database.engine, "commit", fail)
    one.log(0, {"a": 1.0})
    with pytest.warns(UserWarning, match="disk reports an error"):
        one.flush()
    two.log(0, {"a": 2.0})
    two.flush()
    one.log(1, {"a": 1.0})
    one.finish("finished")
    two.finish("finished")
    assert points(store, 1) == {0: 1.0, 1: 1.0}
    assert points(store, 2) == {0: 2.0}


def test_a_torn_line_costs_only_itself(store: Store, recorder: Recorder) -> None:
    spill.append(recorder.folder, 1, [("points", 0, 0.0, {"a": 1.0}), ("points", 1, 0.0, {"a": float("nan")})])
    with (recorder.folder / spill.SPILL).open("a") as file:
        file.write('{"attempt": 1, "entry": ["poin')
    assert writer.replay(store.database, recorder._writer.place, recorder.folder) == 2
    assert list(store.get(1).history("a")[0]) == [0, 1]


def test_a_replay_does_not_undo_what_came_after(store: Store, recorder: Recorder) -> None:
    spill.append(recorder.folder, 1, [("points", 0, recorder._writer.place.started + 1, {"a": 1.0})])
    recorder.log(0, {"a": 2.0}, recorder._writer.place.started + 5)
    recorder.finish("finished")
    assert points(store, 1) == {0: 2.0}


def test_what_cannot_be_written_at_all_does_not_end_the_thread(store: Store, recorder: Recorder) -> None:
    recorder._writer.put(("event", 1, "not a time", "kind", None))
    with pytest.warns(UserWarning, match="Training goes on"):
        recorder.flush()
    recorder.log(0, {"a": 1.0})
    recorder.flush()
    assert points(store, 1) == {0: 1.0}
