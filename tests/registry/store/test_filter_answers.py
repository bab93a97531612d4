"""The database's answer to a filter is the one that plain Python gives, whatever the runs and the filter."""

from __future__ import annotations

import math
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from modrack_registry.errors import UserError
from modrack_registry.store import RunStart, Store, open_store, planning, schema
from modrack_registry.store.filter.bind import bind
from modrack_registry.store.filter.evaluate import Record, fits
from modrack_registry.store.filter.keys import Keys
from modrack_registry.store.filter.parse import parse
from modrack_registry.store.filter.subjects import STATUSES
from modrack_registry.store.values import pack

RUNS = 40
TEXTS = [
    "",
    "a",
    "A",
    "b*c",
    "a?c",
    "50% of_it",
    "[x]y",
    "ä Ä",
    'it\'s "so"',
    "back\\slash",
    "64",
    "true",
    "none",
    "../x",
]
FLOATS = [0.0, -0.0, 0.1, 0.01, 0.9, 1.0, 5.0, 64.0, -3.5, 1e-8, 1e300, math.inf, -math.inf, math.nan]
OPTIONS: dict[str, list[Any]] = {
    "optimizer.lr": [0.1, 0.01, 1, 5e-4, math.inf],
    "model.width": [32, 64, 128, 2**53 + 1, 2**53 + 2],
    "model.norm": [*TEXTS[1:], None],
    "model.bias": [True, False],
    "mixed": [1, 64, "64", "a", None, True, 0.1, [1, 2], math.nan],
    "dataset.betas": [[0.9, 0.999], ["a", None], []],
    "clip": [None],
    "seed": [1],
}
METRICS = ["train.loss", "test.accuracy", "recall@5", "odd name", "train.lr"]
KINDS = {
    "model": ["cnn", "mlp"],
    "dataset": ["digits"],
    "metric": ["f1", "accuracy", "loss"],
    "optimizer": ["sgd", "adam"],
}
DAY = 86400.0


def a_run(chance: random.Random) -> dict[str, Any]:
    """A random run, as plain data."""

    def maybe(value: Any) -> Any:
        return value if chance.random() < 0.7 else None

    parts = []
    for kind, names in KINDS.items():
        for name in chance.sample(names, chance.randint(0, min(2, len(names)))):
            plugin = chance.choice(["modrack", "mine"])
            parts.append({"kind": kind, "name": name, "full": f"{plugin}/{name}", "plugin": plugin, "digest": "d"})
    metrics = {
        name: {chance.randint(0, 9): chance.choice(FLOATS) for _ in range(chance.randint(1, 4))}
        for name in METRICS
        if chance.random() < 0.6
    }
    return {
        "name": maybe(chance.choice(TEXTS)),
        "tags": chance.sample(TEXTS, chance.choice([0, 0, 1, 2])),
        "params": {path: chance.choice(some) for path, some in OPTIONS.items() if chance.random() < 0.8},
        "components": parts,
        "metrics": metrics,
        "status": chance.choice([*STATUSES[1:], "finished"]),
        "row": {
            "started": time.time() - chance.choice([1, 100, DAY, 2 * DAY, 40 * DAY]) - chance.random(),
            "ended": maybe(time.time() - chance.choice([50.0, 3 * DAY])),
            "seconds": maybe(chance.choice([0.5, 60.0, 90.0, 3600.0])),
            "samples_per_second": maybe(chance.choice([10.0, 1e4])),
            "seed": maybe(chance.choice([0, 1, -5, 2**62])),
            "note": maybe(chance.choice(TEXTS)),
            "reason": maybe(chance.choice(TEXTS)),
            "parent": maybe(chance.randint(1, 5)),
            "commit": maybe(chance.choice(["abc123" + 34 * "0", "abcd99" + 34 * "1"])),
        },
    }


@dataclass(repr=False)
class Known:
    """A store, and what is true of its runs."""

    store: Store
    records: list[Record]


def write(store: Store, facts: dict[str, Any]) -> Record:
    """Record a run as a training would, and say what is then true of it."""
    known = {name: facts[name] for name in ("name", "tags", "params", "components")}
    recorder = store.start(RunStart(config={}, **known))
    for name, points in facts["metrics"].items():
        for step, value in points.items():
            recorder.log(step, {name: value})
    recorder.set(better={"accuracy": "higher"})
    recorder.flush()
    row = facts["row"]
    if facts["status"] in ("finished", "failed", "interrupted"):
        recorder.finish(facts["status"])
    else:
        recorder._writer.close()  # the lease stays
    table, lease = schema.run, schema.lease
    with store.database.write() as connection:
        connection.execute(update(table).where(table.c.id == recorder.id).values(row))
        if facts["status"] == "lost":  # as from another machine that went away
            gone = {"boot": "elsewhere", "until": time.time() - 1}
            connection.execute(update(lease).where(lease.c.run == recorder.id).values(gone))
    with store.database.read() as connection:
        assert connection is not None
        machine = connection.execute(table.select().where(table.c.id == recorder.id)).one()
    same = {"host": machine.host, "python": machine.python, "attempt": 1}
    return Record(
        attributes={"id": recorder.id, "name": facts["name"], "status": facts["status"], **row, **same},
        params={path: pack(value) for path, value in facts["params"].items()},
        series={name: summary(points) for name, points in facts["metrics"].items()},
        tags=frozenset(facts["tags"]),
        parts=tuple((each["kind"], each["name"], each["full"], each["plugin"]) for each in facts["components"]),
    )


def summary(points: dict[int, float]) -> dict[str, int | float | None]:
    """The numbers of a metric that a filter can ask for."""
    ordered = [None if math.isnan(value) else value for _, value in sorted(points.items())]
    real = [value for value in ordered if value is not None]
    return {
        "n": len(ordered),
        "nans": len(ordered) - len(real),
        "first": ordered[0],
        "last": ordered[-1],
        "last_step": max(points),
        "min": min(real, default=None),
        "max": max(real, default=None),
    }


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


ANY = ["=", "!="]
ORDER = [*ANY, "<", "<=", ">", ">="]
LOOKS = [*ANY, "~", "!~"]
words = st.one_of(
    st.sampled_from(TEXTS).map(quoted),
    st.sampled_from(["a", "*", "?", "a*", "*c", "b?c", "5*", "*[x]*", "*_*", "*%*", "64", "true", "True", "none", "f"]),
)
numbers = st.one_of(
    st.sampled_from([*(repr(value) for value in FLOATS if value == value), "64", "0", "2", ".5", "1e400", "-2"]),
    st.sampled_from(["..0.1", "0.1..", "0..64", "-inf..inf", "1..1", "*", str(2**53 + 1), str(2**62), "9" * 30]),
)
spans = st.sampled_from(["90", "5m", "1h", "60..2h", "..1m", "0.5s"])
dates = st.one_of(
    st.sampled_from(["2d", "36h", "1w", "90s", "1d12h", "today", "yesterday", "2d..", "..2d", "6w..1d", "*"]),
    st.integers(0, 45).map(lambda ago: time.strftime("%Y-%m-%d", time.localtime(time.time() - ago * DAY))),
    st.sampled_from(["2020..2099-01", "..2026-06-30T12:30", "2026-11-25T10:00:00Z", "2026"]),
)
texts = st.sampled_from(["name", "note", "reason", "host", "python"])
TERMS = [
    (texts, st.sampled_from([*ORDER, "~", "!~"]), words),
    (st.sampled_from(["model", "dataset", "optimizer", "metric", "tag", "plugin"]), st.sampled_from(LOOKS), words),
    (
        st.sampled_from(["model", "metric", "plugin", "optimizer"]),
        st.sampled_from(LOOKS),
        st.sampled_from(["cnn", "f1", "modrack/*", "mine/sgd", "mine", "*"]),
    ),
    (st.just("status"), st.sampled_from(ANY), st.sampled_from([*STATUSES, "*ed", "l*"])),
    (st.just("commit"), st.sampled_from(LOOKS), st.sampled_from(["abc1", "abc*", "99", '"abcd"', "*"])),
    (st.sampled_from(["id", "seed", "attempt", "parent", "samples_per_second"]), st.sampled_from(ORDER), numbers),
    (st.just("seconds"), st.sampled_from(ORDER), st.one_of(spans, numbers)),
    (st.sampled_from(["started", "ended"]), st.sampled_from(ORDER), dates),
    (
        st.builds(
            "{}@{}".format,
            st.sampled_from(["loss", "accuracy", "test.accuracy", "recall@5", '"odd name"', "lr"]),
            st.sampled_from(["last", "min", "max", "first", "best", "step", "n", "nans"]),
        ),
        st.sampled_from(ORDER),
        numbers,
    ),
    (st.sampled_from(["loss", "test.accuracy", "recall@5", '"odd name"']), st.sampled_from(ORDER), numbers),
    (st.sampled_from(["lr", "model.width", "width", "mixed"]), st.sampled_from(ORDER), numbers),
    (st.sampled_from(["norm", "model.norm", "mixed", "clip", "betas"]), st.sampled_from([*ORDER, "~", "!~"]), words),
    (st.sampled_from(["bias", "mixed", "clip"]), st.sampled_from(ORDER), st.sampled_from(["true", "0", "none", "*"])),
    (st.sampled_from(["betas", "mixed"]), st.sampled_from(LOOKS), st.sampled_from(["0.9,0.999", "[]", "[1,2]", "9"])),
]  # fmt: skip


def several(key: Any, sign: Any, value: Any) -> Any:
    """`KEY in(…)` of the same."""
    written = st.lists(value, min_size=1, max_size=3).map(lambda some: f"in({', '.join(some)})")
    return st.builds("{}{}{}".format, key, st.sampled_from([" ", "=", "!="]), written)


terms = st.one_of(
    *(st.builds("{}{}{}".format, *parts) for parts in TERMS),
    *(several(*parts) for parts in TERMS),
)
filters = st.recursive(
    terms,
    lambda inner: st.one_of(
        inner.map("-({})".format),
        st.lists(inner, min_size=2, max_size=3).map(" ".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda some: f"({' | '.join(some)})"),
    ),
    max_leaves=5,
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    """A store with random runs, and what is true of them."""
    url = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    store = open_store(tmp_path_factory.mktemp("runs"), url)
    chance = random.Random(4)
    known = [write(store, a_run(chance)) for _ in range(RUNS)]
    deleted = known.pop(3).attributes["id"]
    with store.database.write() as connection:
        connection.execute(update(schema.run).where(schema.run.c.id == deleted).values(deleted=time.time()))
    yield Known(store, known)
    store.database.close()


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=filters, large=st.booleans())
def test_the_database_agrees_with_plain_python(runs: Known, text: str, large: bool) -> None:
    store, known = runs.store, runs.records
    with store.database.read() as connection:
        try:
            tree = bind(parse(text), text, Keys(connection), time.time())
        except UserError as error:
            event(f"refused: {error.message[:20]}")
            return
    event("asked")
    expected = [int(run.attributes["id"] or 0) for run in known if fits(tree, run)]
    with pytest.MonkeyPatch.context() as patch:
        if large:  # plan as for a store in which it is slow to walk along all runs
            patch.setattr(planning, "SMALL", 0)
            patch.setattr(planning, "_SHORT", 0)
        query = store.runs(text)
        assert query.select_ids() == expected[::-1], query.explain()
        assert query.count() == len(expected)
        assert sorted(query.sort("-test.accuracy", "lr").select_ids()) == expected


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    keys=st.lists(
        st.sampled_from(["-lr", "mixed", "loss@min", "-test.accuracy", "-status", "name", "started"]), max_size=2
    ),
    size=st.integers(1, 7),
)
def test_pages_make_up_the_whole(runs: Known, keys: list[str], size: int) -> None:
    store, known = runs.store, runs.records
    query = store.runs().sort(*keys)
    whole = query.select_ids()
    assert sorted(whole) == sorted(int(run.attributes["id"] or 0) for run in known)
    pages: list[int] = []
    after = None
    while True:
        page = query.page(size, after)
        pages += [run.id for run in page.runs]
        after = page.after
        if after is None:
            break
        assert len(page.runs) == size
    assert pages == whole
    assert [run.id for run in query] == whole


@pytest.mark.parametrize("falling", [False, True])
@pytest.mark.parametrize(
    "key", ["mixed", "test.accuracy", "test.accuracy@best", "seconds", "note", "lr", "id", "model"]
)
def test_what_is_missing_comes_last(runs: Known, key: str, falling: bool) -> None:
    store = runs.store
    values = [row[key] for row in store.runs().sort(f"-{key}" if falling else key).columns(key).rows()]
    missing = [value is None or value != value for value in values]
    assert missing == sorted(missing)
    there = [value for value, gone in zip(values, missing, strict=True) if not gone]
    numbers_ = [value for value in there if isinstance(value, int | float)]
    texts_ = [value for value in there if isinstance(value, str)]
    assert numbers_ == sorted(numbers_, reverse=falling)
    assert texts_ == sorted(texts_, reverse=falling)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of an empty database on a server of this module alone."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not homes:
        pytest.skip("there is no PostgreSQL server here (apt-get install postgresql)")
    binaries = homes[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="modrack-pg-"))
    # It does not start as root.
    owner: dict[str, Any] = {"user": "postgres", "cwd": folder} if os.geteuid() == 0 else {"cwd": folder}
    server: subprocess.Popen[bytes] | None = None
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        words_ = ["-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([binaries / "initdb", *words_], check=True, stdout=subprocess.DEVNULL, timeout=120, **owner)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        server = subprocess.Popen(
            [binaries / "postgres", "-D", folder / "data", *options], stderr=subprocess.DEVNULL, **owner
        )
        ready = [binaries / "pg_isready", "-h", folder, "-U", "postgres"]
        for _ in range(300):
            if subprocess.run(ready, stdout=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.1)
        yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    finally:
        if server is not None:
            server.terminate()
            server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)
