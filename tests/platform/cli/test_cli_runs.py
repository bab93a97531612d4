"""The verbs that work on past runs, as processes on a real store."""

from __future__ import annotations

import json
import threading
import time

import pytest

from modrack.cli.runs_watch import _news
from modrack_registry.store import RunStart, open_store


@pytest.fixture
def home(tmp_path):
    """Three runs: 1 and 2 differ in lr and width, 3 failed."""
    store = open_store(tmp_path / "modrack-runs")
    for number, (lr, width) in enumerate(((0.1, 8), (0.2, 16), (0.2, 16))):
        parts = [{"kind": "model", "name": "cnn", "full": "modrack/cnn", "plugin": "modrack"}]
        recorder = store.start(
            RunStart(config={}, params={"optimizer.lr": lr, "model.width": width, "epochs": 3}, components=parts)
        )
        recorder.set(better={"test.accuracy": "higher"})
        for step in range(10, 60, 10):
            recorder.log(step, {"train.loss": 1 / step, "validation.accuracy": step / 100})
        recorder.log(60, {"test.accuracy": 0.9 + number / 100})
        recorder.finish(
            "failed" if number == 2 else "finished", reason="the disk" if number == 2 else None, seconds=9.0
        )
    return store


def test_compare_shows_what_differs_and_marks_the_best(modrack, home):
    done = modrack("runs", "compare", 1, 2)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["run", "1", "run", "2"]
    assert lines[1] == "options"
    assert lines[2].split() == ["model.width", "8", "16"]
    assert lines[3].split() == ["optimizer.lr", "0.1000", "0.2000"]
    assert lines[5].split() == ["test.accuracy", "0.9000", "0.9100", "*"]
    assert "epochs" not in done.stdout
    assert "train.loss" not in done.stdout
    data = json.loads(modrack("runs", "compare", 1, 2, "--json").stdout)
    assert data["params"]["model.width"] == {"1": 8, "2": 16}
    assert data["best"]["test.accuracy"] == [2]


def test_compare_needs_two(modrack, home):
    done = modrack("runs", "compare", 1, 1)
    assert done.returncode == 2
    assert done.stderr.startswith("There is nothing to compare.")


def test_diff(modrack, home):
    done = modrack("runs", "diff", 1, 2)
    assert done.stdout == ("configuration\n  model.width\n    - 8\n    + 16\n  optimizer.lr\n    - 0.1\n    + 0.2\n")
    assert "do not differ" in modrack("runs", "diff", 2, 3).stdout


def test_plot_in_the_terminal_and_as_pictures(modrack, home, tmp_path):
    drawn = modrack("runs", "plot", 1, 2, "--metric", "validation.accuracy", env={"PYTHONIOENCODING": "utf-8"})
    assert drawn.returncode == 0, drawn.stderr
    assert "1 validation.accuracy" in drawn.stdout
    assert "2 validation.accuracy" in drawn.stdout
    assert len(drawn.stdout.splitlines()) > 10
    assert "\x1b" not in drawn.stdout
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        assert modrack("runs", "plot", 1, "--out", f"curves{suffix}").returncode == 0
        assert (tmp_path / f"curves{suffix}").read_bytes().startswith(start)


def test_plot_says_what_there_is(modrack, home):
    done = modrack("runs", "plot", 1, "--metric", "validation.acuracy")
    assert done.returncode == 2
    assert "Did you mean validation.accuracy" in done.stderr
    assert "unknown kind of picture" in modrack("runs", "plot", 1, "--out", "x.bmp").stderr


def test_thinning_keeps_spikes():
    from modrack.cli.runs_plot import thinned

    values = [0.0] * 100_000
    values[54_321] = 9.0
    _, steps, kept = thinned(("x", list(range(100_000)), values), 400)
    assert len(steps) <= 400
    assert max(kept) == 9.0
    assert steps == sorted(steps)


def test_watch_follows_until_the_end(modrack, home):
    recorder = home.start(RunStart(config={}, params={}, components=[]))

    def write():
        for step in range(1, 5):
            recorder.log(step, {"train.loss": 1 / step})
            recorder.flush()
            time.sleep(0.3)
        recorder.finish("finished", seconds=1.0)

    writer = threading.Thread(target=write)
    writer.start()
    done = modrack("runs", "watch", recorder.id, "--every", "0.1")
    writer.join()
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("step")] == ["1", "2", "3", "4"]
    assert done.stdout.splitlines()[-1] == f"Run {recorder.id} is finished after 1.0 s"
    failed = modrack("runs", "watch", 3)
    assert failed.returncode == 1
    assert "Run 3 is failed: the disk" in failed.stdout


def test_watch_tells_once_of_what_is_written_while_it_looks():
    class Run:
        """Grows by a step between the two questions of a look."""

        last = 0

        def last_steps(self):
            Run.last += 1
            return {"loss": Run.last}

        def history(self, metric, after):
            Run.last += 1
            steps = list(range(max(after + 1, 1), Run.last + 1))
            return steps, [0.5] * len(steps), None

    seen: dict[str, int] = {}
    told = [line.split()[1] for _ in range(3) for line in _news(Run(), seen)]
    assert told == ["1", "2", "3", "4", "5", "6"]


def test_tags_notes_rm_restore_gc(modrack, home):
    assert modrack("runs", "tag", 1, "paper", "debug").stdout == "Run 1: debug, paper\n"
    assert modrack("runs", "tag", 1, "-debug").stdout == "Run 1: paper\n"
    assert modrack("runs", "note", 1, "a note").returncode == 0
    shown = modrack("runs", "show", 1).stdout
    assert "paper" in shown
    assert "a note" in shown
    wrong = modrack("runs", "rm", 2, 99)
    assert wrong.returncode == 2
    assert [run.id for run in open_store(home.home).runs()] == [3, 2, 1]
    assert modrack("runs", "rm", 2, 3).returncode == 0
    assert modrack("runs", "restore", 3).returncode == 0
    assert modrack("runs", "gc", "--older-than", "1h").stdout == "0 runs deleted for good.\n"
    assert modrack("runs", "gc", "--older-than", "0s", "--dry-run").stdout == "1 runs would be deleted: 2.\n"
    assert json.loads(modrack("runs", "gc", "--older-than", "0s", "--json").stdout) == [2]
    assert modrack("runs", "gc", "--older-than", "soon").returncode == 2
    assert modrack("runs", "show", 2).returncode == 2


def test_export_and_import(modrack, home, tmp_path):
    assert modrack("runs", "export", "--out", "runs.csv").stdout == "3 runs in runs.csv\n"
    there = modrack("runs", "export", "--out", "runs.csv")
    assert there.returncode == 2
    assert "there already" in there.stderr
    assert modrack("runs", "export", "--out", "runs.xlsx").returncode == 2
    assert modrack("runs", "import", "mlflow", "nothing.db").returncode == 2
