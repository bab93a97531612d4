"""Whole runs from the command line, with the sample plugin's parts and the built-in task."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys

import pytest

TINY = ("epochs=2", "--scheduler", "constant")


@pytest.fixture
def train(modrack, parts):
    def train(*args, **more):
        return modrack("train", "--plugin", parts, *TINY, *args, **more)

    return train


def test_a_run_and_finding_it_again(train, modrack, tmp_path):
    done = train("--json", "name=first", "model.width=8", "--metric", "hits", "--metric", "misses")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert set(record) == {"run", "status", "metrics", "seconds", "samples_per_second", "folder"}
    assert (record["run"], record["status"]) == (1, "finished")
    assert record["metrics"]["test.hits"] + record["metrics"]["test.misses"] == pytest.approx(1)
    assert record["folder"] == str(tmp_path / "modrack-runs" / "1")
    assert "epoch 1/2" in done.stderr
    assert "next: modrack runs show 1" in done.stderr

    plain = train("-q", "--home", "elsewhere")
    assert (plain.returncode, plain.stdout, plain.stderr) == (0, "", "")

    (row,) = json.loads(modrack("runs", "list", "--json").stdout)
    assert set(row) == {
        "id", "name", "status", "model", "dataset", "optimizer", "task", "params", "metrics", "started", "seconds",
    }  # fmt: skip
    assert (row["id"], row["name"], row["model"], row["dataset"]) == (1, "first", "net", "points")
    assert row["params"]["model.width"] == 8
    assert row["params"]["optimizer.lr"] == 0.5
    assert row["metrics"] == record["metrics"]
    table = modrack("runs", "list").stdout.splitlines()
    assert table[0].split()[:5] == ["run", "name", "status", "model", "dataset"]
    assert table[1].split()[:5] == ["1", "first", "finished", "net", "points"]
    assert modrack("runs", "list", "--home", "elsewhere").stdout.count("finished") == 1

    page = modrack("runs", "show", "1").stdout
    for part in ("Run 1  first", "parts/net", "model.width", "test.hits", "modrack train --plugin"):
        assert part in page
    shown = json.loads(modrack("runs", "show", "1", "--json").stdout)
    assert shown["config"]["model"]["use"] == "parts/net"
    assert shown["folder"] == record["folder"]
    assert {part["full"] for part in shown["components"]} >= {"parts/net", "parts/points", "modrack/classification"}

    missing = modrack("runs", "show", "7")
    assert missing.returncode == 2
    assert "7" in missing.stderr


def test_piped_output_is_plain_lines(train):
    done = train()
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "Run 1"
    assert [line.split()[0] for line in lines[1:6]] == ["model", "dataset", "rows", "device", "length"]
    assert any(line.startswith("epoch 2/2  ") for line in lines)
    assert lines[-1] == "  next: modrack runs show 1"
    assert "\x1b" not in done.stdout


def test_a_dry_run_leaves_nothing(train, tmp_path):
    done = train("--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    tried = json.loads(done.stdout)
    assert tried["facts"]["model"] == "net"
    assert {"decision", "value", "reason"} <= set(tried["plan"][0])
    text = train("--dry-run")
    assert "nothing is kept" in text.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_home_below_a_file(train, tmp_path):
    (tmp_path / "file").write_text("")
    done = train("--home", "file/runs")
    assert (done.returncode, done.stdout) == (2, "")
    assert "file" in done.stderr
    assert len(done.stderr.splitlines()) <= 3


def test_a_run_that_breaks_is_recorded_and_says_where(train, modrack, tmp_path):
    (tmp_path / "bad.py").write_text(
        "import modrack\n\n@modrack.model(takes='image', gives='logits')\ndef bad(data):\n    'Breaks later.'\n"
        "    from torch import nn\n    class Bad(nn.Module):\n        seen = 0\n        def __init__(self):\n"
        "            super().__init__()\n            self.out = nn.Linear(16, 2)\n        def forward(self, x):\n"
        "            Bad.seen += self.training\n            if Bad.seen > 5: raise RuntimeError('it broke')\n"
        "            return self.out(x.flatten(1))\n    return Bad()\n"
    )
    done = train("--plugin", "bad.py", "--model", "bad")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "it broke" in done.stderr
    assert len(done.stderr.splitlines()) <= 8
    (row,) = json.loads(modrack("runs", "list", "--json").stdout)
    assert row["status"] == "failed"
    assert "Traceback" in train("--plugin", "bad.py", "--model", "bad", "--debug").stderr


def test_ctrl_c_ends_the_run_cleanly(parts, tmp_path, modrack):
    command = [sys.executable, "-m", "modrack", "train", "--plugin", parts, *TINY, "epochs=100000"]
    command.remove("epochs=2")
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("epoch"):
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "interrupted" in out
    assert "Traceback" not in err
    (row,) = json.loads(modrack("runs", "list", "--json").stdout)
    assert row["status"] == "interrupted"


def test_a_run_outlives_its_reader(parts, tmp_path, modrack):
    command = f"{sys.executable} -m modrack train --plugin {parts} {' '.join(TINY)} epochs=2 | head -n 1"
    command = command.replace(" epochs=2 |", " |")
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("Run 1\n", "")
    (row,) = json.loads(modrack("runs", "list", "--json").stdout)
    assert row["status"] == "finished"


def test_a_terminal_gets_a_live_screen(parts, tmp_path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "modrack", "train", "--plugin", parts, *TINY]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, cwd=tmp_path, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:
                break
            if not chunk:
                break
            seen += chunk
    os.close(ours)
    text = seen.decode()
    assert process.returncode == 0, text
    for part in ("Run 1", "epoch 2/2", "done", "test.hits", "modrack runs show 1", "\x1b["):
        assert part in text
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")


def test_from_python_twice(parts, tmp_path, monkeypatch, capsys):
    import modrack

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MODRACK_HOME", raising=False)
    given = {"plugins": [parts], "model": "net", "scheduler": "constant", "epochs": 1}
    first = modrack.train(**given, **{"optimizer.lr": 0.25, "metric": ["hits", "misses"]})
    second = modrack.train(**given, seed=1)
    assert (first.id, second.id) == (1, 2)
    assert first.params["optimizer.lr"] == 0.25
    assert set(first.metrics) >= {"test.hits", "test.misses"}
    assert [run.id for run in modrack.runs()] in ([1, 2], [2, 1])
    assert capsys.readouterr().out == ""
    with pytest.raises(modrack.UserError, match="Did you mean epochs"):
        modrack.train(**{**given, "epohcs": 3})
    assert len(modrack.runs()) == 2
