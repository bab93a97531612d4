"""Many processes and one file; processes that fork."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modrack_registry.store import Recorder, RunStart, Store

STEPS = 300
WRITE = f"""
import sys
from pathlib import Path
from modrack_registry.store import RunStart, open_store
store = open_store(Path(sys.argv[1]))
for _ in range(2):
    recorder = store.start(RunStart(config={{}}, params={{"a": 1}}, components=[], packages={{"torch": "2"}}))
    for step in range({STEPS}):
        recorder.log(step, {{"train.loss": float(step), "lr": 0.1}})
        if step % 50 == 0:
            recorder.flush()
    recorder.finish("finished")
"""


def test_sixteen_processes_write_at_once(store: Store) -> None:
    words = [sys.executable, "-W", "error", "-c", WRITE, str(store.home)]
    writers = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(16)]
    for each in writers:
        assert each.communicate(timeout=300)[1] == ""
        assert each.returncode == 0
    runs = list(store.runs())
    assert sorted(run.id for run in runs) == list(range(1, 33))
    assert {run.status for run in runs} == {"finished"}
    for run in runs:
        assert run.metrics == {"train.loss": STEPS - 1.0, "lr": 0.1}
        assert list(run.history("train.loss")[0]) == list(range(STEPS))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_neither_writes_nor_breaks_the_run(store: Store, recorder: Recorder) -> None:
    for step in range(100):
        recorder.log(step, {"a": float(step)})
    child = os.fork()
    if child == 0:
        good = False
        try:
            recorder.log(100, {"a": 1.0})
        except RuntimeError:
            good = store.get(1).status == "running"  # on a connection of its own
        finally:
            os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    recorder.log(100, {"a": 100.0})
    recorder.finish("finished")
    assert list(store.get(1).history("a")[1]) == [float(step) for step in range(101)]


def test_what_was_logged_is_written_when_python_ends(store: Store) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom modrack_registry.store import RunStart, open_store\n"
        "recorder = open_store(Path(sys.argv[1])).start(RunStart(config={}, params={}, components=[]))\n"
        "recorder.log(7, {'a': 1.0})"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code, str(store.home)], check=True, timeout=60)
    assert list(store.get(1).history("a")[0]) == [7]
    assert store.get(1).status == "lost"


def test_two_at_once_make_one_database(tmp_path: Path, start: Callable[..., RunStart]) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom modrack_registry.store import RunStart, open_store\n"
        "store = open_store(Path(sys.argv[1])); sys.stdin.readline()\n"
        "store.start(RunStart(config={}, params={}, components=[])).finish('finished')"
    )
    home = tmp_path / "new"
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(home)], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    time.sleep(0.5)
    for child in children:
        assert child.communicate(b"\n", timeout=60)[1] == b""
    with sqlite3.connect(home / "runs.db") as raw:
        assert raw.execute("SELECT count(*) FROM run").fetchone() == (4,)
        assert raw.execute("SELECT count(*) FROM modrack_version").fetchone() == (1,)
    raw.close()
