"""Databases of older schemas: upgraded after a backup, by one of many, whole whatever happens."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import inspect

from modrack_registry.errors import UserError
from modrack_registry.store import RunStart, Store, open_store, schema
from modrack_registry.store.database import Database
from modrack_registry.store.migrate import upgrade
from modrack_registry.store.migrations import REVISIONS, Revisions
from modrack_registry.store.views import store_views

FIXTURES = Path(__file__).parent / "fixtures"
LANDED = sorted(path.stem for path in FIXTURES.glob("[0-9]*.sql") if path.stem.isdigit())
# A revision after the newest one, as no release has it: a column, an index, a table that is copied, rows that change.
NEXT = "9000"
REVISION = f"""
import os, sqlalchemy as sa
from alembic import op
revision, down_revision = {NEXT!r}, {schema.SCHEMA_VERSION!r}

def upgrade():
    op.add_column("run", sa.Column("colour", sa.Text))
    op.create_index("run_by_colour", "run", ["colour"])
    with op.batch_alter_table("name") as table:
        table.add_column(sa.Column("unit", sa.Text, nullable=False, server_default="1"))
    op.execute("UPDATE run SET colour = 'red'")
    if "MODRACK_TEST_WAIT" in os.environ:
        print("in the middle", flush=True)
        input()
"""
UPGRADE = """
import logging, sys
from pathlib import Path
from modrack_registry.store.database import Database
from modrack_registry.store.migrations import REVISIONS, Revisions
logging.getLogger("modrack").addHandler(logging.NullHandler())
revisions = Revisions(sys.argv[2], (*REVISIONS.folders, Path(sys.argv[3])))
with Database(f"sqlite:///{sys.argv[1]}", revisions=revisions).read() as connection:
    print([tuple(row) for row in connection.exec_driver_sql("SELECT id, colour FROM run ORDER BY id")], flush=True)
"""
RED = "[(1, 'red'), (2, 'red'), (3, 'red')]\n"


def load(path: Path, version: str) -> Path:
    """A file of an old schema, as it lay on someone's disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = sqlite3.connect(path)
    raw.executescript((FIXTURES / f"{version}.sql").read_text("utf-8"))
    raw.close()
    return path


@pytest.fixture
def revisions(tmp_path: Path) -> Revisions:
    """Those there are, and one more."""
    folder = tmp_path / "revisions"
    folder.mkdir()
    (folder / "r9000_colours.py").write_text(REVISION)
    return Revisions(NEXT, (*REVISIONS.folders, folder))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return load(tmp_path / "home" / "runs.db", schema.SCHEMA_VERSION)


def version(path: Path) -> str:
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
    found: str = raw.execute("SELECT version_num FROM modrack_version").fetchone()[0]
    raw.close()
    return found


def check_fixture(store: Store) -> None:
    """What `fixtures/make.py` recorded is there."""
    runs = {run.id: run for run in store.runs()}
    assert {number: (run.status, run.attempt) for number, run in runs.items()} == {
        1: ("finished", 1), 2: ("finished", 2), 3: ("failed", 1),
    }  # fmt: skip
    assert runs[1].params["huge"] == 2**70
    assert runs[1].metrics == {"train.loss": 0.5, "test.accuracy": 0.75}
    assert [str(value) for value in runs[1].history("train.loss")[1]] == ["2.0", "nan", "inf", "0.5"]
    assert runs[1].git == {"commit": "c0ffee", "dirty": True, "diff": "-a\n+b\n", "remote": "host:repository"}
    assert runs[1].packages == {"torch": "2.13"}
    assert runs[2].history("train.loss")[0] == [0, 1]
    assert runs[2].parent == 1
    later = store.start(RunStart(config={}, params={}, components=[]))
    later.finish("finished")
    assert later.id == 5  # 4 was given up, and is not given again


def test_there_is_a_file_of_each_schema_that_landed() -> None:
    assert schema.SCHEMA_VERSION in LANDED
    assert all((FIXTURES / f"{number}.postgresql.sql").exists() for number in LANDED)


@pytest.mark.parametrize("landed", LANDED)
def test_a_file_of_an_old_schema_is_read_and_written(landed: str, tmp_path: Path) -> None:
    path = load(tmp_path / "home" / "runs.db", landed)
    store = open_store(path.parent)
    check_fixture(store)
    store.database.close()
    assert version(path) == schema.SCHEMA_VERSION
    store_of_today = open_store(tmp_path / "new")
    store_of_today.start(RunStart(config={}, params={}, components=[])).finish("finished")
    shapes = []
    for each in (store, store_of_today):
        with each.database.read() as connection:
            assert connection is not None
            found = inspect(connection)
            shapes.append(
                {
                    name: (
                        [
                            (column["name"], str(column["type"]), column["nullable"])
                            for column in found.get_columns(name)
                        ],
                        sorted((index["name"], tuple(index["column_names"])) for index in found.get_indexes(name)),
                        sorted(tuple(key["constrained_columns"]) for key in found.get_foreign_keys(name)),
                    )
                    for name in found.get_table_names()
                }
            )
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("landed", LANDED)
def test_a_postgresql_database_of_an_old_schema(landed: str, postgresql_url: str, tmp_path: Path) -> None:
    load_postgresql(postgresql_url, landed)
    store = open_store(tmp_path / "home", postgresql_url)
    if landed != schema.SCHEMA_VERSION:
        upgrade(store.database)
    check_fixture(store)


def load_postgresql(url: str, version: str) -> None:
    import psycopg

    with psycopg.connect(url) as connection:
        connection.execute((FIXTURES / f"{version}.postgresql.sql").read_bytes())


def test_an_upgrade_keeps_the_file_as_it_was(old: Path, revisions: Revisions, caplog: pytest.LogCaptureFixture) -> None:
    before = old.read_bytes()
    database = Database(f"sqlite:///{old}", revisions=revisions)
    with database.write() as connection:
        assert connection.exec_driver_sql("SELECT DISTINCT colour FROM run").scalars().all() == ["red"]
        assert connection.exec_driver_sql("SELECT DISTINCT unit FROM name").scalars().all() == ["1"]
        assert connection.exec_driver_sql("SELECT count(*) FROM point").scalar() == 10  # a copied table took none along
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    (backup,) = old.parent.glob("runs.db.backup-*")
    assert backup.name.startswith(f"runs.db.backup-{schema.SCHEMA_VERSION}-2")
    assert oct(backup.stat().st_mode & 0o777) == "0o600"
    assert (version(old), version(backup)) == (NEXT, schema.SCHEMA_VERSION)
    (said,) = caplog.records
    assert (said.levelno, str(backup) in said.getMessage()) == (logging.WARNING, True)
    (old.parent / "there").write_bytes(before)
    there = sqlite3.connect(old.parent / "there")
    kept = sqlite3.connect(backup)
    assert list(there.iterdump()) == list(kept.iterdump())
    there.close()
    kept.close()
    assert upgrade(database) is None


def test_stored_views_are_made_anew(old: Path, revisions: Revisions) -> None:
    today = Database(f"sqlite:///{old}")
    with today.write() as connection:
        store_views(connection)
    today.close()
    with Database(f"sqlite:///{old}", revisions=revisions).read() as connection:
        assert connection is not None
        assert connection.exec_driver_sql("SELECT test_accuracy FROM v_runs WHERE id = 1").scalar() == 0.75


def test_two_processes_open_an_old_file_at_once(old: Path, revisions: Revisions) -> None:
    words = [sys.executable, "-W", "error", "-c", UPGRADE, str(old), revisions.head, str(revisions.folders[-1])]
    children = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [child.communicate(timeout=120) for child in children] == [(RED, "")] * 4
    assert len(list(old.parent.glob("runs.db.backup-*"))) == 1
    assert version(old) == NEXT


def test_killed_in_the_middle_of_an_upgrade(old: Path, revisions: Revisions) -> None:
    words = [sys.executable, "-c", UPGRADE, str(old), revisions.head, str(revisions.folders[-1])]
    child = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "MODRACK_TEST_WAIT": "1"},
    )
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline() == "in the middle\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    store = open_store(old.parent)
    assert len(store.runs()) == 3  # the modrack of before goes on with it
    store.database.close()
    assert version(old) == schema.SCHEMA_VERSION
    assert subprocess.run(words, capture_output=True, text=True, timeout=60).stdout == RED
    assert version(old) == NEXT


@pytest.mark.parametrize("moments", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_killed_at_any_moment_of_an_upgrade(tmp_path: Path, revisions: Revisions, moments: int) -> None:
    """At each of many statements, by SIGKILL: the old file or the new one, never a third thing."""
    kill = (
        "import os, signal, sqlalchemy\nfrom sqlalchemy import event\nleft = [int(sys.argv[4])]\n"
        "def count(*_):\n    left[0] -= 1\n    left[0] or os.kill(os.getpid(), signal.SIGKILL)\n"
        "event.listen(sqlalchemy.Engine, 'before_cursor_execute', count)\n"
        "event.listen(sqlalchemy.Engine, 'commit', count)\n"
    )
    script = UPGRADE.replace("logging.get", f"{kill}logging.get", 1)
    seen = set()
    for moment in range(1, 60, 60 // moments):
        path = load(tmp_path / str(moment) / "runs.db", schema.SCHEMA_VERSION)
        words = [sys.executable, "-c", script, str(path), revisions.head, str(revisions.folders[-1]), str(moment)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        seen.add((done.returncode, version(path)))
        with Database(f"sqlite:///{path}", revisions=revisions).read() as connection:
            assert connection is not None
            assert connection.exec_driver_sql("SELECT count(*) FROM run WHERE colour = 'red'").scalar() == 3
        assert not list(path.parent.glob("*.part"))
    assert (-signal.SIGKILL, schema.SCHEMA_VERSION) in seen
    assert seen <= {(-signal.SIGKILL, schema.SCHEMA_VERSION), (-signal.SIGKILL, NEXT), (0, NEXT)}


def test_a_revision_that_fails_changes_nothing(old: Path, revisions: Revisions) -> None:
    (revisions.folders[-1] / "r9000_colours.py").write_text(REVISION + "    op.execute('no sql')\n")
    before = old.read_bytes()
    for _ in range(2):
        with pytest.raises(UserError, match="syntax error"), Database(f"sqlite:///{old}", revisions=revisions).read():
            pass
    assert old.read_bytes() == before
    assert [path.name for path in old.parent.iterdir()] == ["runs.db"]


def test_a_revision_that_leaves_rows_without_what_they_refer_to(old: Path, revisions: Revisions) -> None:
    (revisions.folders[-1] / "r9000_colours.py").write_text(REVISION + "    op.execute('DELETE FROM name')\n")
    with (
        pytest.raises(UserError, match="refers to rows of name") as caught,
        Database(f"sqlite:///{old}", revisions=revisions).read(),
    ):
        pass
    assert "modrack db check" in (caught.value.hint or "")
    assert version(old) == schema.SCHEMA_VERSION


def test_a_schema_that_nobody_knows(old: Path, revisions: Revisions) -> None:
    raw = sqlite3.connect(old)
    raw.execute("UPDATE modrack_version SET version_num = '0000'")
    raw.commit()
    raw.close()
    with pytest.raises(UserError, match="schema 0000, which this modrack does not know"):
        list(open_store(old.parent).runs())


def test_a_disk_that_takes_no_backup(old: Path, revisions: Revisions, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    before = old.read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"), Database(f"sqlite:///{old}", revisions=revisions).read():
        pass
    assert old.read_bytes() == before
    assert [path.name for path in old.parent.iterdir()] == ["runs.db"]


def test_postgresql_is_upgraded_when_someone_says_so(
    postgresql_store: Store, start: Callable[..., RunStart], revisions: Revisions
) -> None:
    recorder = postgresql_store.start(start())
    recorder.log(0, {"a": 1.0})
    recorder.finish("finished")
    with postgresql_store.database.write() as connection:
        store_views(connection)
    database = Database(postgresql_store.database.url.render_as_string(hide_password=False), revisions=revisions)
    with pytest.raises(UserError, match=f"has schema {schema.SCHEMA_VERSION}") as caught, database.read():
        pass
    assert "modrack db upgrade" in (caught.value.hint or "")
    done = upgrade(database)
    assert done is not None
    assert (done.before, done.after, done.backup) == (schema.SCHEMA_VERSION, NEXT, None)
    with database.read() as connection:
        assert connection is not None
        assert connection.exec_driver_sql("SELECT colour, a FROM run JOIN v_runs USING (id)").all() == [("red", 1.0)]
    assert upgrade(database) is None
    database.close()
