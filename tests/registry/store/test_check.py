"""`check` finds what was broken on purpose, `back_up` makes files that are whole, `describe` counts."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from modrack_registry.errors import UserError
from modrack_registry.store import Recorder, RunStart, Store, open_store, schema, spill
from modrack_registry.store.backup import back_up
from modrack_registry.store.check import check
from modrack_registry.store.info import describe

on_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


def found(store: Store) -> list[str]:
    each = list(check(store))
    assert all(one.hint for one in each)
    return [one.kind for one in each]


@pytest.fixture
def full(store: Store, start: Callable[..., RunStart]) -> Store:
    """Two runs that ended."""
    for number in range(2):
        recorder = store.start(start(packages={"torch": "2"}, git={"commit": "c", "diff": f"+{number}"}))
        for step in range(100):
            recorder.log(step, {"a": float(step)})
        recorder.finish("finished")
    return store


def test_nothing_is_wrong(full: Store) -> None:
    assert found(full) == []


def test_nothing_is_there(store: Store) -> None:
    assert found(store) == []
    assert describe(store)["schema"] is None


def test_a_going_run_is_not_wrong(store: Store, recorder: Recorder) -> None:
    recorder.log(0, {"a": 1.0})
    recorder.flush()
    assert found(store) == []


def test_what_is_wrong_beside_the_database(full: Store) -> None:
    shutil.rmtree(full.home / "1")
    (full.home / "77").mkdir()
    spill.append(full.home / "77", 1, [("points", 0, 0.0, {"a": 1.0})])
    spill.append(full.home / "2", 1, [("points", 200, 0.0, {"a": 1.0})])
    assert sorted(found(full)) == ["folder", "folder", "spill"]
    assert full.recover() == {2: 1}  # a stranger beside it does not stop it
    assert sorted(found(full)) == ["folder", "folder"]
    with full.database.write() as connection:
        connection.execute(update(schema.run).where(schema.run.c.id == 1).values(deleted=1.0))
    (full.home / "77").rename(full.home / "mine")
    assert found(full) == []


def test_what_is_wrong_in_the_rows(full: Store) -> None:
    with full.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM point WHERE step = 5")
        blob = schema.blob.c
        connection.execute(update(schema.blob).where(blob.size < 10, blob.sha256 > "0").values(data=b"not zlib"))
    what = [one.what for one in check(full)]
    assert sum("has 99 points of a, not the 100" in each for each in what) == 2
    assert sum("is not what was stored (runs: " in each for each in what) == 2


@on_sqlite
def test_rows_that_refer_to_none(full: Store) -> None:
    raw = sqlite3.connect(full.home / "runs.db")
    raw.execute("DELETE FROM name")
    raw.commit()
    raw.close()
    assert "reference" in found(full)


@on_sqlite
def test_damage_at_any_page_is_found_or_harmless(full: Store) -> None:
    full.database.close()
    path = full.home / "runs.db"
    whole = path.read_bytes()
    kinds = set()
    for page in range(1, len(whole) // 4096):
        path.write_bytes(whole[: page * 4096] + b"\xa5" * 4096 + whole[(page + 1) * 4096 :])
        kinds.add(bool(found(open_store(full.home))))
    assert kinds == {True}
    path.write_bytes(b"\xa5" * 4096 + whole[4096:])
    with pytest.raises(UserError, match="is not a SQLite database"):
        found(open_store(full.home))
    path.write_bytes(whole[: len(whole) // 2])
    assert set(found(open_store(full.home))) == {"database"}


def test_what_is_there_is_counted(full: Store, start: Callable[..., RunStart]) -> None:
    going = full.start(start())
    about = describe(full)
    assert (about["runs"], about["statuses"]) == (3, {"finished": 2, "running": 1})
    assert (about["points"], about["metrics"], about["schema"]) == (200, 1, schema.SCHEMA_VERSION)
    assert about["bytes"] > 200 * 8
    assert about["engine"] == full.database.url.get_backend_name()
    going.finish("finished")


@on_sqlite
def test_a_backup_of_a_file_that_is_written(store: Store, recorder: Recorder, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        step = 0
        while not stop.is_set():
            recorder.log(step, {"a": float(step), "b": 1.0})
            recorder.flush()
            step += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(10):
            back_up(store.database, tmp_path / f"{number}.db")
    finally:
        stop.set()
        thread.join()
    counts = []
    for number in range(10):
        raw = sqlite3.connect(tmp_path / f"{number}.db")
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        a, b = (raw.execute("SELECT n FROM series WHERE id = ?", (each,)).fetchone() or (0,) for each in (1, 2))
        assert a == b
        counts.append(a[0])
        raw.close()
    assert counts == sorted(counts)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [f"{number}.db" for number in range(10)] + ["runs"]
    )


@on_sqlite
def test_a_backup_never_replaces_a_file(full: Store, tmp_path: Path) -> None:
    target = tmp_path / "b.db"
    target.write_text("mine")
    with pytest.raises(UserError, match=r"b\.db is there already"):
        back_up(full.database, target)
    assert target.read_text() == "mine"
    with pytest.raises(UserError, match="cannot be written"):
        back_up(full.database, tmp_path / "no" / "such" / "folder.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.db", "runs"]


def test_postgresql_has_its_own_backups(
    postgresql_store: Store, start: Callable[..., RunStart], tmp_path: Path
) -> None:
    postgresql_store.start(start()).finish("finished")
    with pytest.raises(UserError, match="is no file") as caught:
        back_up(postgresql_store.database, tmp_path / "b.db")
    assert "pg_dump" in (caught.value.hint or "")
