"""Reading is light, touches no point for a list, and changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from modrack_registry.errors import UserError
from modrack_registry.store import RunStart, Store, open_store
from modrack_registry.store.recorder import run_folder

on_sqlite = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


def test_the_store_loads_no_migrations_and_no_numbers() -> None:
    heavy = ("alembic", "numpy", "pandas", "torch", "psycopg")
    code = f"import sys, modrack_registry.store; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


@on_sqlite
def test_a_list_reads_summaries_by_index_and_never_a_point(store: Store, start: Callable[..., RunStart]) -> None:
    for number in range(30):
        recorder = store.start(start(params={"optimizer.lr": number / 10}, tags=["t"]))
        recorder.log(0, {"train.loss": 1.0, "test.accuracy": number / 30})
        recorder.finish("finished")
    seen: list[tuple[str, Any]] = []

    def note(_c: object, _u: object, statement: str, parameters: Any, *_: object) -> None:
        seen.append((statement, parameters))

    event.listen(store.database.engine, "before_cursor_execute", note)
    assert [run.metrics["test.accuracy"] for run in store.runs().limit(2)] == [29 / 30, 28 / 30]
    event.remove(store.database.engine, "before_cursor_execute", note)
    asked = [each for each in seen if each[0].startswith("SELECT")]
    assert 4 <= len(asked) <= 7
    with store.database.read() as connection:
        assert connection is not None
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            said = "\n".join(row[-1] for row in plan)
            assert "point" not in said
            for table in ("series", "param", "tag", "run"):
                assert f"SCAN {table}\n" not in f"{said}\n" or "ORDER BY run.id DESC" in statement, said


@on_sqlite
def test_reading_changes_nothing(store: Store, start: Callable[..., RunStart]) -> None:
    store.start(start()).finish("finished")
    store.database.close()
    path = store.home / "runs.db"
    path.chmod(0o400)
    before = path.read_bytes(), sorted(os.listdir(store.home))
    reader = open_store(store.home)
    assert [run.status for run in reader.runs()] == ["finished"]
    reader.get(1).as_dict()
    reader.database.close()
    assert (path.read_bytes(), sorted(os.listdir(store.home))) == before


def test_one_that_is_written_can_be_read(store: Store, start: Callable[..., RunStart]) -> None:
    recorder = store.start(start())
    reader = open_store(store.home)
    for step in range(20):
        recorder.log(step, {"a": float(step)})
        recorder.flush()
        assert reader.get(1).metrics == {"a": float(step)}
    recorder.finish("finished")


@on_sqlite
def test_a_backup_put_in_its_place_is_what_is_read(store: Store, start: Callable[..., RunStart]) -> None:
    store.start(start(name="kept")).finish("finished")
    backup = (store.home / "runs.db").read_bytes()
    store.start(start(name="later")).finish("finished")
    assert len(store.runs()) == 2
    (store.home / "new").write_bytes(backup)
    (store.home / "new").rename(store.home / "runs.db")
    assert [run.name for run in store.runs()] == ["kept"]


def test_a_folder_outside_the_home_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="leads out of"):
        run_folder(tmp_path, "../elsewhere")
