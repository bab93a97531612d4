"""A database copied into the other engine and back is the same; what cannot be copied is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, select

from modrack_registry.errors import UserError
from modrack_registry.store import Recorder, RunStart, Store, move, open_store, schema
from modrack_registry.store.database import Database


def fill(store: Store, start: Callable[..., RunStart]) -> None:
    odd = {"huge": 2**70, "nan": math.nan, "inf": -math.inf, "text": "é\t\\N\n\N{SNOWMAN}", "of": [1, None], "no": None}
    for number in range(12):
        recorder = store.start(
            start(params={"lr": number / 7, **odd}, tags=["b", "A", "é"], packages={"torch": "2"}, seed=2**40 + number)
        )
        recorder.log(2**40, {"a": math.nan, "b": -0.0, "c": math.inf})
        for step in range(40):
            recorder.log(step, {"a": step / 3, "tiny": 5e-324})
        recorder.event("epoch", {"text": "\\ \t"})
        recorder.finish("finished", seconds=1.5)
    with store.database.write() as connection:
        connection.execute(schema.run.delete().where(schema.run.c.id == 12))


def everything(store: Store) -> list[object]:
    return [
        (repr(run.as_dict()), run.tags, run.seed, run.packages, run.components, *map(repr, run.history("a")))
        for run in store.runs()
    ]


def same(one: Store, other: Store) -> bool:
    with one.database.read() as first, other.database.read() as second:
        assert first is not None
        assert second is not None
        for table in schema.metadata.sorted_tables:
            rows = [sorted(map(repr, connection.execute(select(table)))) for connection in (first, second)]
            if rows[0] != rows[1]:
                return False
    return everything(one) == everything(other)


@pytest.fixture
def elsewhere(tmp_path: Path, postgresql_url: str) -> Iterator[Store]:
    """An empty PostgreSQL store of the same home as the SQLite one."""
    made = open_store(tmp_path / "runs", postgresql_url)
    yield made
    made.database.close()


def test_there_and_back(sqlite_store: Store, elsewhere: Store, start: Callable[..., RunStart], tmp_path: Path) -> None:
    fill(sqlite_store, start)
    there = move.move(sqlite_store.database, elsewhere.database)
    assert there["run"].rows == 11
    assert there["point"].rows == 11 * 83
    assert same(sqlite_store, elsewhere)
    back = open_store(tmp_path / "runs", f"sqlite:///{tmp_path}/back.db")
    again = move.move(elsewhere.database, back.database)
    assert {name: each.checksum for name, each in again.items()} == {
        name: each.checksum for name, each in there.items()
    }
    assert same(elsewhere, back)
    for store, number in ((elsewhere, 13), (back, 14)):
        recorder = store.start(start(params={"new name": 1}))  # numbers go on, also after one that was deleted
        recorder.log(0, {"new metric": 1.0})
        recorder.finish("finished")
        assert recorder.id == number
        assert store.get(number).metrics == {"new metric": 1.0}


def test_sqlite_to_sqlite_keeps_the_count_of_runs(
    sqlite_store: Store, start: Callable[..., RunStart], tmp_path: Path
) -> None:
    fill(sqlite_store, start)
    copy = Database(f"sqlite:///{tmp_path}/copy.db")
    move.move(sqlite_store.database, copy)
    with copy.read() as connection:
        assert connection is not None
        assert connection.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = 'run'").scalar() == 12


def test_a_going_run_is_not_moved(store: Store, recorder: Recorder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Run 1 is running"):
        move.move(store.database, Database(f"sqlite:///{tmp_path}/copy.db"))
    assert not (tmp_path / "copy.db").exists()


def test_nothing_is_moved_into_a_full_one_or_itself_or_from_nowhere(
    store: Store, start: Callable[..., RunStart], tmp_path: Path
) -> None:
    target = Database(f"sqlite:///{tmp_path}/copy.db")
    with pytest.raises(UserError, match="There is nothing in"):
        move.move(store.database, target)
    store.start(start()).finish("finished")
    move.move(store.database, target)
    with pytest.raises(UserError, match="holds runs already"):
        move.move(store.database, target)
    with pytest.raises(UserError, match="is where the runs are"):
        move.move(store.database, Database(store.database.url.render_as_string(hide_password=False)))


def test_a_copy_that_is_cut_off_can_be_made_again(
    sqlite_store: Store, elsewhere: Store, start: Callable[..., RunStart]
) -> None:
    fill(sqlite_store, start)

    def stop(table: str) -> None:
        if table == "point":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move.move(sqlite_store.database, elsewhere.database, report=stop)
    assert len(elsewhere.runs()) == 0
    move.move(sqlite_store.database, elsewhere.database)
    assert same(sqlite_store, elsewhere)


def test_a_copy_that_is_not_the_same_is_not_kept(
    sqlite_store: Store, start: Callable[..., RunStart], tmp_path: Path
) -> None:
    fill(sqlite_store, start)
    target = Database(f"sqlite:///{tmp_path}/copy.db")
    with target.write(create=True):
        pass

    def spoil(connection: Connection, *_: object) -> None:
        connection.exec_driver_sql(
            "CREATE TEMP TRIGGER IF NOT EXISTS spoil AFTER INSERT ON main.point WHEN new.step = 7 "
            "BEGIN UPDATE point SET value = value + 1e-9 WHERE series = new.series AND step = 7; END"
        )

    event.listen(target.engine, "begin", spoil)
    with pytest.raises(UserError, match="point has 913 rows of 913, or other ones"):
        move.move(sqlite_store.database, target)
    event.remove(target.engine, "begin", spoil)
    with target.read() as connection:
        assert connection is not None
        assert connection.execute(select(schema.run)).all() == []
