"""`modrack db`: what each verb says, in words and as JSON, and what it refuses."""

from __future__ import annotations

import json
import shutil
import sqlite3

import pytest

from modrack.cli.db import VERBS
from modrack_registry.store import RunStart, open_store, spill


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
    assert "modrack db " in done.stdout


@pytest.mark.parametrize("verb", ["info", "check", "upgrade", "recover"])
def test_where_nothing_is_yet_nothing_is_made(modrack, tmp_path, verb):
    done = modrack("db", verb)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(modrack("db", verb, "--json").stdout) is not None
    assert list(tmp_path.iterdir()) == []


def test_info(modrack, home):
    done = modrack("db", "info")
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["database"] == str(home / "runs.db")
    assert lines["runs"] == "2 (2 finished)"
    assert lines["points"] == "2 of 1 metrics"
    about = json.loads(modrack("db", "info", "--json").stdout)
    assert (about["runs"], about["points"], about["statuses"]) == (2, 2, {"finished": 2})
    assert json.loads(modrack("db", "info", "--json", "--home", "elsewhere").stdout)["schema"] is None


def test_check(modrack, home):
    done = modrack("db", "check")
    assert (done.returncode, done.stdout) == (0, f"{home / 'runs.db'}: nothing is wrong.\n")
    shutil.rmtree(home / "1")
    spill.append(home / "2", 1, [("points", 1, 0.0, {"test.accuracy": 1.0})])
    done = modrack("db", "check")
    assert done.returncode == 1
    assert f"Run 1 has no folder {home / '1'}" in done.stdout
    assert "  modrack db recover" in done.stdout
    done = modrack("db", "check", "--json")
    assert done.returncode == 1
    assert {each["kind"] for each in json.loads(done.stdout)} == {"folder", "spill"}
    assert modrack("db", "recover").stdout == "Run 2: 1 records brought in.\n"
    assert json.loads(modrack("db", "recover", "--json").stdout) == {"runs": {}}


def test_check_of_a_damaged_file(modrack, home):
    path = home / "runs.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    done = modrack("db", "check")
    assert done.returncode == 1
    assert "is damaged" in done.stdout
    assert "backup" in done.stdout
    path.write_text("something else " * 100)
    for verb in ("check", "info", "upgrade", "views"):
        done = modrack("db", verb)
        assert done.returncode == 2
        assert "is not a SQLite database" in done.stderr


def test_backup(modrack, home, tmp_path):
    done = modrack("db", "backup", "b.db")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{tmp_path / 'b.db'}: ")
    raw = sqlite3.connect(tmp_path / "b.db")
    assert raw.execute("SELECT count(*) FROM run").fetchone() == (2,)
    raw.close()
    done = modrack("db", "backup", "b.db")
    assert done.returncode == 2
    assert "is there already" in done.stderr
    done = modrack("db", "backup", "c.db", "--home", "elsewhere")
    assert done.returncode == 2
    assert "There is nothing in" in done.stderr
    (home / "runs.db").unlink()
    (tmp_path / "b.db").rename(home / "runs.db")
    assert modrack("runs", "list").stdout.count("finished") == 2


def test_upgrade(modrack, home):
    assert "already" in modrack("db", "upgrade").stdout
    assert json.loads(modrack("db", "upgrade", "--json").stdout)["backup"] is None


def test_move(modrack, home, tmp_path):
    done = modrack("db", "move", f"sqlite:///{tmp_path}/copy.db")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"export MODRACK_DB=sqlite:///{tmp_path}/copy.db" in done.stdout
    env = {"MODRACK_DB": f"sqlite:///{tmp_path}/copy.db"}
    assert modrack("runs", "list", env=env).stdout.count("finished") == 2
    again = modrack("db", "move", "--json", f"sqlite:///{tmp_path}/third.db", env=env)
    assert json.loads(again.stdout)["tables"]["run"]["rows"] == 2
    for url, said in (
        (f"sqlite:///{tmp_path}/copy.db", "holds runs already"),
        (f"sqlite:///{home}/runs.db", "is where the runs are"),
        ("nonsense", "URL: "),
        ("mysql://host/db", "URL: 'mysql' is not supported"),
        ("postgresql://nobody@127.0.0.1:1/none", "127.0.0.1"),
    ):
        done = modrack("db", "move", url)
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.splitlines()) <= 3


def test_views(modrack, home):
    assert json.loads(modrack("db", "views", "--json").stdout)["columns"] == {
        "optimizer_lr": "optimizer.lr",
        "test_accuracy": "test.accuracy",
    }
    raw = sqlite3.connect(home / "runs.db")
    assert raw.execute("SELECT id, test_accuracy FROM v_runs ORDER BY id").fetchall() == [(1, 0.0), (2, 0.5)]
    raw.close()
    done = modrack("db", "views", "--home", "elsewhere")
    assert done.returncode == 2
