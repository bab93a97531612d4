"""The lock that a transaction holds is not lost to what else this process does with the file."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modrack_registry.store import RunStart, Store, open_store
from modrack_registry.store.files import connect, create_private

TAKE = """
import sqlite3, sys
raw = sqlite3.connect(sys.argv[1], timeout=0.1, isolation_level=None)
try:
    raw.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    print(error)
"""


def test_a_second_store_in_this_process_does_not_end_the_lock_of_the_first(
    sqlite_store: Store, start: Callable[..., RunStart]
) -> None:
    sqlite_store.start(start()).finish("finished")
    path = sqlite_store.home / "runs.db"
    with sqlite_store.database.write() as connection:
        connection.exec_driver_sql("UPDATE run SET note = 'in the middle'")
        assert [run.note for run in open_store(sqlite_store.home).runs()] == [None]
        create_private(path)
        taken = subprocess.run([sys.executable, "-c", TAKE, str(path)], capture_output=True, text=True, timeout=60)
        assert taken.stdout == "database is locked\n"


# Becomes another user once all it needs is loaded: that one may not enter where Python lies.
AS_ANOTHER = """
import os, sys, tempfile
from pathlib import Path
from modrack_registry.errors import UserError
from modrack_registry.store import RunStart, open_store
facts = RunStart(config={}, params={"a": 1}, components=[])
with tempfile.TemporaryDirectory() as home:
    store = open_store(Path(home))
    store.start(facts).finish("finished")
    store.get(1)
    store.database.close()
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
store = open_store(Path(sys.argv[1]))
print([run.metrics for run in store.runs()], store.get(1).history("a")[1])
try:
    store.start(facts)
except UserError as error:
    print(error.message)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to become another user")
@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize("mode", [0o444, 0o666])
def test_another_user_reads_a_file_in_a_folder_that_takes_nothing(
    sqlite_store: Store, start: Callable[..., RunStart], shared: Path, journal: str, mode: int
) -> None:
    recorder = sqlite_store.start(start())
    recorder.log(0, {"a": 1.0})
    recorder.finish("finished")
    sqlite_store.database.close()
    with sqlite3.connect(sqlite_store.home / "runs.db") as raw:
        assert raw.execute(f"PRAGMA journal_mode = {journal}").fetchone() == (journal,)
    raw.close()
    place = shared / "runs.db"
    place.write_bytes((sqlite_store.home / "runs.db").read_bytes())
    place.chmod(mode)
    shared.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER, str(shared)], capture_output=True, text=True, timeout=60, cwd="/"
    )
    said = done.stdout.splitlines()
    assert said[0] == "[{'a': 1.0}] [1.0]", done.stderr
    assert "cannot be" in said[1]
    assert sorted(path.name for path in shared.iterdir()) == ["runs.db"]


def test_a_log_beside_it_is_never_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs.db"
    path.write_bytes(b"")
    (tmp_path / "runs.db-wal").write_bytes(b"x")
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(
        sqlite3, "connect", lambda *_, **__: type("Raw", (), {"execute": _refuse, "close": lambda _: None})()
    )
    with pytest.raises(sqlite3.OperationalError):
        connect(path, 1.0)


def _refuse(*_: object) -> None:
    raise sqlite3.OperationalError("unable to open database file")
