"""Whether a run still lives: proved where it can be, else by its lease."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import select, update

from modrack_registry.errors import UserError
from modrack_registry.store import Recorder, RunStart, Store, schema
from modrack_registry.store.process import lives, this_process
from modrack_registry.store.status import true_status

needs_proc = pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="nothing can be proved without /proc")


def change_lease(store: Store, **values: object) -> None:
    with store.database.write() as connection:
        connection.execute(update(schema.lease).values(values))


@needs_proc
def test_processes_are_told_apart() -> None:
    me = this_process()
    assert lives(me) is True
    assert lives(replace(me, born=(me.born or 0) - 1)) is False  # the number was given again
    assert lives(replace(me, boot="another")) is None
    assert lives(replace(me, space="pid:[1]")) is None
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19])
    theirs = replace(me, pid=child.pid, born=started)
    assert lives(theirs) is True
    child.kill()
    deadline = time.monotonic() + 10
    while lives(theirs) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert lives(theirs) is False  # a zombie: nobody has asked after it
    child.wait()
    assert lives(theirs) is False


def test_elsewhere_the_lease_decides() -> None:
    far = asdict(replace(this_process(), boot="another"))
    assert true_status("running", SimpleNamespace(**far, until=100.0), now=99.0) == "running"
    assert true_status("running", SimpleNamespace(**far, until=100.0), now=101.0) == "lost"
    assert true_status("finished", SimpleNamespace(**far, until=100.0), now=101.0) == "finished"
    assert true_status("queued", None) == "lost"


def test_a_run_thought_lost_comes_back_by_itself(store: Store, recorder: Recorder) -> None:
    change_lease(store, boot="another", until=time.time() - 1)
    assert store.get(1).status == "lost"
    recorder.log(0, {"a": 1.0})
    recorder.flush()
    assert store.get(1).status == "running"


def test_an_idle_run_renews_its_lease(store: Store, recorder: Recorder) -> None:
    change_lease(store, until=0.0)
    recorder._writer._renewed = time.monotonic() - 60
    recorder._writer._wake.set()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with store.database.read() as connection:
            assert connection is not None
            until = connection.execute(select(schema.lease.c.until)).scalar_one()
        if until:
            break
        time.sleep(0.05)
    assert until > time.time() + 30


def test_a_living_run_is_not_taken_over(store: Store, recorder: Recorder) -> None:
    with pytest.raises(UserError, match=f"Run 1 is running, in process {os.getpid()} on {socket.gethostname()}"):
        store.attach(1)


@needs_proc
def test_killed(store: Store, tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom modrack_registry.store import RunStart, open_store\n"
        "recorder = open_store(Path(sys.argv[1])).start(RunStart(config={}, params={}, components=[]))\n"
        "recorder.log(0, {'a': 1.0}); recorder.flush(); print('ready', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(store.home)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    assert store.get(1).status == "running"
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert store.get(1).status == "lost"
    again = store.attach(1)
    assert store.get(1).status == "running"
    again.finish("finished")
    with store.database.read() as connection:
        assert connection is not None
        attempts = connection.execute(select(schema.attempt.c.status).order_by(schema.attempt.c.number)).scalars().all()
        assert connection.execute(select(schema.lease)).all() == []
    assert attempts == ["lost", "finished"]
    child.stdout.close()


def test_the_end_of_an_earlier_attempt_is_not_the_runs(store: Store, start: Callable[..., RunStart]) -> None:
    first = store.start(start())
    change_lease(store, boot="another", until=0.0)  # thought lost, and taken over
    second = store.attach(1)
    first.finish("failed", reason="woke up late")
    assert store.get(1).status == "running"
    second.finish("finished")
    assert (store.get(1).status, store.get(1).reason) == ("finished", None)
