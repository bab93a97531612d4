"""Run with faults.so before it: records a run while the n-th change of a file fails or kills, for n after n.

    faulty.py fail HOME FIRST STRIDE TIMES ERRNO      prints a JSON line for each n
    faulty.py copy HOME FIRST STRIDE ERRNO            the same of a backup
    faulty.py kill HOME FIRST STRIDE

A line says what failed, what the store said, and `wrong`: what is not as it must be afterwards.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sqlite3
import sys
import warnings
from pathlib import Path
from typing import Any

from modrack_registry.errors import UserError
from modrack_registry.store import Recorder, RunStart, Store, open_store
from modrack_registry.store.backup import back_up
from modrack_registry.store.check import check

library: Any = ctypes.CDLL(None)
library.faults_what.restype = ctypes.c_char_p
FACTS = RunStart(config={"a": 1}, params={"lr": 0.1}, components=[], packages={"torch": "2"}, tags=["t"])
STEPS = 3


def record(recorder: Recorder, acknowledge: Any = lambda _: None) -> None:
    """The same points twice over in one step, an event, a fact; flushed after each step."""
    for step in range(STEPS):
        recorder.log(step, {"a": float(step), "b": 1.0})
        recorder.event("step", {"n": step})
        recorder.flush()
        acknowledge(step)
    recorder.set(params={"late": 1})
    recorder.finish("finished", seconds=1.0)


def look(home: Path, run: int, steps: int = STEPS, status: str = "finished") -> list[str]:
    """What is wrong with a run of which `steps` were acknowledged. What waits beside it is brought in first."""
    store = open_store(home)
    wrong = []
    try:
        store.recover()
        found = store.get(run)
        for metric in ("a", "b"):
            at, values, _ = found.history(metric) if steps else ([], [], [])
            if at[:steps] != list(range(steps)) or (metric == "a" and values != [float(each) for each in at]):
                wrong.append(f"{metric}: {at} {values}")
        if found.status != status:
            wrong.append(f"status {found.status}")
        if status == "finished" and (found.seconds != 1.0 or found.params != {"lr": 0.1, "late": 1}):
            wrong.append(f"seconds {found.seconds}, params {found.params}")
        with store.database.read() as connection:
            assert connection is not None
            events = connection.exec_driver_sql("SELECT count(*) FROM event WHERE run = ?", (run,)).scalar_one()
        if events < steps or events > STEPS:
            wrong.append(f"{events} events")
    except Exception as error:
        wrong.append(f"{type(error).__name__}: {error}")
    wrong += [each.what for each in check(store)]
    store.database.close()
    return wrong


def fail(home: Path, nth: int, times: int, code: int) -> dict[str, Any]:
    """One run with a fault at its n-th change."""
    said: list[str] = []
    store = open_store(home)
    library.faults_arm(os.fsencode(home), nth, times, code)
    recorder: Recorder | None = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            recorder = store.start(FACTS)
        except UserError as error:
            said.append(error.message)
        if recorder is not None:
            if times > 1:  # for long: nothing is taken until it ends
                recorder.log(0, {"a": 0.0, "b": 1.0})
                recorder.flush()
                library.faults_arm(b"", 0, 0, 0)
            record(recorder)
    said += [str(each.message) for each in caught]
    done, what = library.faults_count(), library.faults_what().decode()
    library.faults_arm(b"", 0, 0, 0)
    wrong = []
    if recorder is not None:
        wrong = look(home, recorder.id)
        if len(caught) > 1:
            wrong.append("warned twice")
    else:
        later = open_store(home)
        if len(later.runs()):
            wrong.append("there is half a run")
        again = later.start(FACTS)
        record(again)
        wrong += look(home, again.id)
        later.database.close()
    store.database.close()
    return {"n": nth, "what": what, "said": said, "wrong": wrong, "count": done, "started": recorder is not None}


def copy(home: Path, nth: int, code: int) -> dict[str, Any]:
    """One backup with a fault at its n-th change."""
    store = open_store(home / "home")
    record(store.start(FACTS))
    target = home / "backup.db"
    said = []
    library.faults_arm(os.fsencode(home / "backup"), nth, 1, code)
    try:
        back_up(store.database, target)
    except UserError as error:
        said.append(error.message)
    what = library.faults_what().decode()
    library.faults_arm(b"", 0, 0, 0)
    wrong = look(home / "home", 1)
    if target.exists():
        raw = sqlite3.connect(target)
        if raw.execute("PRAGMA integrity_check").fetchone() != ("ok",) or raw.execute(
            "SELECT count(*) FROM point"
        ).fetchone() != (2 * STEPS,):
            wrong.append("half a backup")
        raw.close()
    elif not said:
        wrong.append("no backup, and no error")
    store.database.close()
    return {"n": nth, "what": what, "said": said, "wrong": wrong}


def kill(home: Path, nth: int) -> dict[str, Any]:
    """One run in a process that is killed at its n-th change."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        library.faults_arm(os.fsencode(home), nth, 1, 0)
        store = open_store(home)
        recorder = store.start(FACTS)
        os.write(write, f"run {recorder.id}\n".encode())
        record(recorder, lambda step: os.write(write, f"{step}\n".encode()))
        os.write(write, b"end\n")
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read().split()
    status = os.waitpid(child, 0)[1]
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    steps = sum(word.isdigit() for word in said[2:])
    wrong: list[str] = [] if killed or status == 0 else [f"ended with {status}"]
    if "run" in said:
        ended = open_store(home).get(1).status
        wrong += look(home, 1, steps, "finished" if "end" in said else ended)
        if ended not in ("finished", "lost"):
            wrong.append(f"status {ended}")
    # Whatever was left of it, the next run is recorded.
    store: Store = open_store(home)
    again = store.start(FACTS)
    record(again)
    wrong += look(home, again.id)
    store.database.close()
    return {"n": nth, "killed": killed, "steps": steps, "wrong": wrong}


def main() -> None:
    mode, root, first, stride, *more = sys.argv[1:]
    nth = int(first)
    while True:
        home = Path(root) / str(nth)
        home.mkdir()
        if mode == "fail":
            line = fail(home, nth, *map(int, more))
            going = line["count"] >= nth
        elif mode == "copy":
            line = copy(home, nth, *map(int, more))
            going = bool(line["what"])
        else:
            line = kill(home, nth)
            going = line["killed"]
        print(json.dumps(line), flush=True)
        if not going:
            return
        nth += int(stride)


if __name__ == "__main__":
    main()
