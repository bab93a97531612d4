"""`kill -9` at random moments of writing processes: the database is whole, and what was acknowledged is there."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modrack_registry.store import RunStart, Store
from modrack_registry.store.check import check
from modrack_registry.store.writer import FLUSH_SECONDS

# Run after run, as fast as it goes; `done` after a flush or an end says what must be there from then on.
ACKNOWLEDGED = """
import sys
from pathlib import Path
from modrack_registry.store import RunStart, open_store
store = open_store(Path(sys.argv[1]))
while True:
    facts = RunStart(config={}, params={"lr": 0.1}, components=[], tags=["t"], packages={"torch": "2"})
    recorder = store.start(facts)
    print("started", recorder.id, 0, flush=True)
    for step in range(200):
        recorder.log(step, {"a": float(step), "b": 1.0})
        if step % 20 == 19:
            recorder.event("twenty", {"step": step})
            recorder.flush()
            print("flushed", recorder.id, step + 1, flush=True)
    recorder.set(params={"late": 1})
    recorder.finish("finished", seconds=1.0)
    print("finished", recorder.id, 200, flush=True)
"""
# Only logs, a point each millisecond, and says which was the last: nothing is acknowledged.
ONLY_LOGS = """
import sys, time
from pathlib import Path
from modrack_registry.store import RunStart, open_store
recorder = open_store(Path(sys.argv[1])).start(RunStart(config={}, params={}, components=[]))
step = 0
while True:
    now = time.time()
    recorder.log(step, {"a": float(step)}, now)
    print("logged", step, now, flush=True)
    step += 1
    time.sleep(0.001)
"""
MANY = pytest.param(50, marks=pytest.mark.slow)


def kill(store: Store, script: str, seconds: float, said: Path) -> list[tuple[str, int, float]]:
    """Start a writer, wait until it writes, kill it so much later; the whole lines that it had said by then."""
    with said.open("wb") as file:
        child = subprocess.Popen([sys.executable, "-c", script, str(store.home)], stdout=file)
    while not said.read_bytes():
        assert child.poll() is None
        time.sleep(0.005)
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    lines = [line.split() for line in said.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [(word, int(first), float(second)) for word, first, second in lines]


@pytest.mark.parametrize("times", [5, MANY])
def test_what_was_acknowledged_is_there(store: Store, tmp_path: Path, times: int) -> None:
    chance = random.Random(times)
    ended: dict[int, str] = {}
    written: dict[int, int] = {}
    for _ in range(times):
        for word, run, step in kill(store, ACKNOWLEDGED, chance.uniform(0.0, 0.5), tmp_path / "said"):
            ended[run] = word
            written[run] = int(step)
        assert list(check(store)) == []
        for run, word in ended.items():
            found = store.get(run)
            least = written[run]
            for metric in ("a", "b") if least else ():
                steps, values, _ = found.history(metric)
                assert steps[:least] == list(range(least))
                assert values == ([float(step) for step in steps] if metric == "a" else [1.0] * len(steps))
            if word == "finished":
                assert (found.status, found.seconds, found.params) == ("finished", 1.0, {"lr": 0.1, "late": 1})
            else:
                assert found.status in ("lost", "finished")  # killed before it could say so
        ended.clear()
        written.clear()
    later = store.start(RunStart(config={}, params={}, components=[]))
    later.finish("finished")
    numbers = [run.id for run in store.runs()]
    assert numbers[0] == later.id
    assert numbers == sorted(set(numbers), reverse=True)


@pytest.mark.parametrize("times", [2, MANY])
def test_at_most_a_second_of_points_is_missing(store: Store, tmp_path: Path, times: int) -> None:
    chance = random.Random(times)
    missing = []
    for number in range(1, times + 1):
        logged = kill(store, ONLY_LOGS, chance.uniform(1.2, 2.4), tmp_path / "said")
        found = store.get(number)
        steps = found.history("a")[0] if found.metrics else []
        assert steps == list(range(len(steps)))
        times_said = [at for _, _, at in logged]
        missing.append(times_said[-1] - times_said[min(len(steps), len(times_said)) - 1])
    assert list(check(store)) == []
    # The writer wakes each second; how long its transaction waits for a busy machine's disk is not its doing.
    assert sorted(missing)[len(missing) // 2] < FLUSH_SECONDS + 0.1, missing
    assert max(missing) < FLUSH_SECONDS + 1.5, missing
