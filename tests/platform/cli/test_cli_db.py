"""`modrack db`: what each verb says, in words and as JSON, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from functools import partial
from types import SimpleNamespace

import pytest

from modrack.cli import door
from modrack.cli.db import VERBS
from modrack_registry.store import RunStart, open_store, schema, spill
from modrack_registry.store.database import Database
from modrack_registry.store.migrations import REVISIONS, Revisions


@pytest.fixture
def modrack(tmp_path, monkeypatch, capsys):
    """Run `modrack` in this process, which is a second faster each time, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in [each for each in os.environ if each.startswith("MODRACK_")]:
        monkeypatch.delenv(name)

    def run(*args, env=None):
        capsys.readouterr()
        with monkeypatch.context() as patch:
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            code = door.run([str(each) for each in args])
        return SimpleNamespace(returncode=code, **capsys.readouterr()._asdict())

    return run


@pytest.fixture
def home(tmp_path):
    """A home with two runs, in the folder that `modrack` runs in."""
    store = open_store(tmp_path / "modrack-runs")
    for number in range(2):
        recorder = store.start(RunStart(config={}, params={"optimizer.lr": 0.1}, components=[], name=f"run {number}"))
        recorder.log(0, {"test.accuracy": number / 2})
        recorder.finish("finished")
    store.database.close()
    return store.home


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help(modrack, verb):
    done = modrack("db", *([verb] if verb else []), "--help")
    assert done.returncode == 0
    assert "modrack db " in done.out


@pytest.mark.parametrize("verb", ["info", "check", "upgrade", "recover"])
def test_where_nothing_is_yet_nothing_is_made(modrack, tmp_path, verb):
    done = modrack("db", verb)
    assert (done.returncode, done.err) == (0, "")
    assert json.loads(modrack("db", verb, "--json").out) is not None
    assert list(tmp_path.iterdir()) == []


def test_info(modrack, home):
    done = modrack("db", "info")
    lines = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert lines["database"] == str(home / "runs.db")
    assert lines["runs"] == "2 (2 finished)"
    assert lines["points"] == "2 of 1 metrics"
    about = json.loads(modrack("db", "info", "--json").out)
    assert (about["runs"], about["points"], about["statuses"]) == (2, 2, {"finished": 2})
    assert json.loads(modrack("db", "info", "--json", "--home", "elsewhere").out)["schema"] is None


def test_check(modrack, home):
    done = modrack("db", "check")
    assert (done.returncode, done.out) == (0, f"{home / 'runs.db'}: nothing is wrong.\n")
    shutil.rmtree(home / "1")
    spill.append(home / "2", 1, [("points", 1, 0.0, {"test.accuracy": 1.0})])
    done = modrack("db", "check")
    assert done.returncode == 1
    assert f"Run 1 has no folder {home / '1'}" in done.out
    assert "  modrack db recover" in done.out
    done = modrack("db", "check", "--json")
    assert done.returncode == 1
    assert {each["kind"] for each in json.loads(done.out)} == {"folder", "spill"}
    assert modrack("db", "recover").out == "Run 2: 1 records brought in.\n"
    assert json.loads(modrack("db", "recover", "--json").out) == {"runs": {}}


def test_check_of_a_damaged_file(modrack, home):
    path = home / "runs.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    done = modrack("db", "check")
    assert done.returncode == 1
    assert "is damaged" in done.out
    assert "backup" in done.out
    path.write_text("something else " * 100)
    for verb in ("check", "info", "upgrade", "views"):
        done = modrack("db", verb)
        assert done.returncode == 2
        assert "is not a SQLite database" in done.err


def test_backup(modrack, home, tmp_path):
    done = modrack("db", "backup", "b.db")
    assert (done.returncode, done.err) == (0, "")
    assert done.out.startswith(f"{tmp_path / 'b.db'}: ")
    raw = sqlite3.connect(tmp_path / "b.db")
    assert raw.execute("SELECT count(*) FROM run").fetchone() == (2,)
    raw.close()
    done = modrack("db", "backup", "b.db")
    assert done.returncode == 2
    assert "is there already" in done.err
    done = modrack("db", "backup", "c.db", "--home", "elsewhere")
    assert done.returncode == 2
    assert "There is nothing in" in done.err
    (home / "runs.db").unlink()
    (tmp_path / "b.db").rename(home / "runs.db")
    assert modrack("runs", "list").out.count("finished") == 2


def test_upgrade(modrack, home):
    assert "already" in modrack("db", "upgrade").out
    assert json.loads(modrack("db", "upgrade", "--json").out)["backup"] is None


def test_upgrade_of_an_older_one(modrack, home, tmp_path, monkeypatch):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "r9000.py").write_text(
        f"from alembic import op\nrevision, down_revision = '9000', {schema.SCHEMA_VERSION!r}\n"
        "def upgrade():\n    op.execute('CREATE TABLE more (id INTEGER)')\n"
    )
    newer = Revisions("9000", (*REVISIONS.folders, tmp_path / "more"))
    monkeypatch.setattr("modrack_registry.store.store.Database", partial(Database, revisions=newer))
    done = json.loads(modrack("db", "upgrade", "--json").out)
    assert (done["before"], done["after"]) == (schema.SCHEMA_VERSION, "9000")
    raw = sqlite3.connect(done["backup"])
    assert raw.execute("SELECT count(*) FROM run").fetchone() == (2,)
    raw.close()
    assert "has schema 9000 already" in modrack("db", "upgrade").out
    assert json.loads(modrack("db", "info", "--json").out)["schema"] == "9000"
    monkeypatch.undo()
    done = modrack("db", "info", "--home", home)
    assert done.returncode == 2
    assert "written by a newer modrack" in done.err


def test_move(modrack, home, tmp_path):
    done = modrack("db", "move", f"sqlite:///{tmp_path}/copy.db")
    assert (done.returncode, done.err) == (0, "")
    assert f"export MODRACK_DB=sqlite:///{tmp_path}/copy.db" in done.out
    env = {"MODRACK_DB": f"sqlite:///{tmp_path}/copy.db"}
    assert modrack("runs", "list", env=env).out.count("finished") == 2
    again = modrack("db", "move", "--json", f"sqlite:///{tmp_path}/third.db", env=env)
    assert json.loads(again.out)["tables"]["run"]["rows"] == 2
    for url, said in (
        (f"sqlite:///{tmp_path}/copy.db", "holds runs already"),
        (f"sqlite:///{home}/runs.db", "is where the runs are"),
        ("nonsense", "URL: "),
        ("mysql://host/db", "URL: 'mysql' is not supported"),
        ("postgresql://nobody@127.0.0.1:1/none", "127.0.0.1"),
    ):
        done = modrack("db", "move", url)
        assert done.returncode == 2
        assert said in done.err
        assert len(done.err.splitlines()) <= 3


def test_views(modrack, home):
    assert json.loads(modrack("db", "views", "--json").out)["columns"] == {
        "optimizer_lr": "optimizer.lr",
        "test_accuracy": "test.accuracy",
    }
    raw = sqlite3.connect(home / "runs.db")
    assert raw.execute("SELECT id, test_accuracy FROM v_runs ORDER BY id").fetchall() == [(1, 0.0), (2, 0.5)]
    raw.close()
    done = modrack("db", "views", "--home", "elsewhere")
    assert done.returncode == 2
