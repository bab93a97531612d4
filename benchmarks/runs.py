"""How long it takes to ask a large run store, and what a point costs on disk.

    python benchmarks/runs.py [--runs 100000] [--points 10000000] [--at FOLDER] [--url URL] [--mlflow]

Makes the runs (kept in FOLDER, and used again, where one is given), then asks each question many times inside this
process, reading included: 50 runs with all their options and metrics. `--mlflow` asks MLflow the same at a size that
it bears, and modrack at that size beside it.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Double, cast, func, insert, literal, select, text

from modrack_registry.store import Store, open_store, schema

WANTED_MS, WANTED_BYTES = 20.0, 45.0
PAGE, REPEATS = 50, 30
MODELS, DATASETS = ("cnn", "mlp", "resnet", "bert"), ("digits", "idx", "names", "files")
# Metric: points for every hundred of a run, first value, last value (a factor to a random one), better.
METRICS = {
    "train.loss": (40, 2.5, None, "lower"),
    "train.lr": (18, 0.01, None, None),
    "validation.loss": (20, 2.5, None, "lower"),
    "validation.accuracy": (20, 0.1, None, "higher"),
    "test.loss": (1, None, None, "lower"),
    "test.accuracy": (1, None, None, "higher"),
}
QUESTIONS: dict[str, Callable[[Store], Any]] = {
    "first page": lambda store: list(store.runs().limit(PAGE)),
    "three terms: model=cnn lr<0.01 test.accuracy>0.9": lambda store: list(
        store.runs("model=cnn lr<0.01 test.accuracy>0.9").limit(PAGE)
    ),
    "three terms, few fit: model=cnn lr<0.001 test.accuracy>0.995": lambda store: list(
        store.runs("model=cnn lr<0.001 test.accuracy>0.995").limit(PAGE)
    ),
    "sorted by a metric": lambda store: list(store.runs().sort("-test.accuracy").limit(PAGE)),
    "filtered and sorted by a metric": lambda store: list(
        store.runs("model=cnn lr<0.01").sort("-test.accuracy").limit(PAGE)
    ),
    "sorted by an option, the 20th page": lambda store: store.runs().sort("optimizer.lr").page(PAGE, _deep(store)),
    "best run": lambda store: store.runs().best("test.accuracy"),
    "best of a filter": lambda store: store.runs("model=bert lr>0.01 tag:baseline").best("test.accuracy"),
    "compare two": lambda store: list(store.runs("id in(123,456)")),
    "one run": lambda store: store.get(store.resolve("123")),
}
_places: dict[Path, str | None] = {}


def _deep(store: Store) -> str | None:
    if store.home not in _places:
        _places[store.home] = store.runs().sort("optimizer.lr").page(19 * PAGE).after
    return _places[store.home]


def make(store: Store, runs: int, points: int) -> None:
    """`runs` runs with 20 options and 6 metrics each, and about `points` points in all."""
    with store.database.write(create=True) as connection:
        if connection.scalar(select(func.count()).select_from(schema.run)):
            return
        chance = random.Random(0)
        names = {name: number for number, name in enumerate([*_params(chance), *METRICS], 1)}
        rows = [{"id": number, "text": name, "better": METRICS.get(name, [None])[-1]} for name, number in names.items()]
        connection.execute(insert(schema.name), rows)
        parts = [
            {
                "kind": kind,
                "name": name,
                "full": f"modrack/{name}",
                "plugin": "modrack",
                "version": "0.1.0",
                "digest": "d",
            }
            for kind, some in (("model", MODELS), ("dataset", DATASETS), ("optimizer", ("adamw",)))
            for name in some
        ]
        connection.execute(insert(schema.component), [{"id": at, **part} for at, part in enumerate(parts, 1)])
        part_ids = {(part["kind"], part["name"]): at for at, part in enumerate(parts, 1)}
        for begin in range(1, runs + 1, 5000):
            _insert(connection, range(begin, min(begin + 5000, runs + 1)), runs, points, names, part_ids, chance)
        _insert_points(connection)


def _params(chance: random.Random) -> dict[str, Any]:
    known: dict[str, Any] = {"optimizer.lr": 10 ** chance.uniform(-4, -1), "epochs": chance.choice((5, 10, 20))}
    known |= {"model.width": chance.choice((32, 64, 128)), "model.norm": chance.choice(("batch", "layer", "none"))}
    known |= {"device": "auto", "precision": "auto", "seed": chance.randrange(10), "model.dropout": chance.random() / 2}
    return known | {f"task.option_{number}": chance.choice((0.0, 0.1, 1.0)) for number in range(12)}


def _insert(
    connection: Any, numbers: range, runs: int, points: int, names: dict[str, int], parts: Any, chance: random.Random
) -> None:
    now, rows = time.time(), {table: [] for table in ("run", "detail", "param", "used", "tag", "series")}
    for run in numbers:
        model, dataset, params = chance.choice(MODELS), chance.choice(DATASETS), _params(chance)
        started = now - (runs - run) * 60.0
        rows["run"].append(
            {"id": run, "name": f"run-{run}" if run % 3 else None, "status": "finished", "model": model}
            | {"dataset": dataset, "optimizer": "adamw", "task": "classification"}
            | {"started": started, "ended": started + 50, "seconds": 50.0}
            | {"samples_per_second": 1e4 * chance.random(), "seed": params["seed"], "attempt": 1, "folder": str(run)}
            | {"commit": f"{chance.getrandbits(160):040x}", "dirty": 0, "python": "3.11.7", "host": "rack"}
        )  # fmt: skip
        rows["detail"].append({"run": run, "config": "{}"})
        for name, value in params.items():
            kind = "text" if isinstance(value, str) else "int" if isinstance(value, int) else "float"
            number, word = (None, value) if kind == "text" else (float(value), None)
            rows["param"].append({"run": run, "name": names[name], "type": kind, "number": number, "text": word})
        chosen = (("model", model), ("dataset", dataset), ("optimizer", "adamw"))
        rows["used"] += [{"run": run, "position": at, "component": parts[part]} for at, part in enumerate(chosen)]
        if run % 50 == 0:
            rows["tag"].append({"run": run, "text": "baseline"})
        quality = chance.random() ** 0.3
        for name, (share, begin, _, _) in METRICS.items():
            n = max(1, round(share * points / runs / 100)) if share > 1 else 1
            last = quality * chance.uniform(0.98, 1.0) if "accuracy" in name else (1 - quality) * chance.uniform(1, 1.1)
            first = last if begin is None or n == 1 else begin
            low, high = sorted((first, last))
            at = {first: 0, last: (n - 1) * 10}
            rows["series"].append(
                {"run": run, "name": names[name], "n": n, "nans": 0, "first": first, "first_step": 0, "last": last}
                | {"last_step": (n - 1) * 10, "min": low, "min_step": at[low], "max": high, "max_step": at[high]}
            )
    for table, many in rows.items():
        if many:
            connection.execute(insert(schema.metadata.tables[table]), many)


def _insert_points(connection: Any) -> None:
    """Straight lines from first to last, a point every ten steps."""
    series = schema.series.c
    most = connection.scalar(select(func.max(series.n)))
    steps = select(literal(0).label("k")).cte("steps", recursive=True)
    steps = steps.union_all(select(steps.c.k + 1).where(steps.c.k < most - 1))
    share = cast(steps.c.k, Double) / func.coalesce(func.nullif(series.n - 1, 0), 1)
    value = series.first + (series.last - series.first) * share
    line = select(series.id, steps.c.k * 10, value, cast(steps.c.k * 731, BigInteger)).where(steps.c.k < series.n)
    ordered = line.order_by(series.id, steps.c.k)
    connection.execute(insert(schema.point).from_select(["series", "step", "value", "time"], ordered))


def milliseconds(ask: Callable[[], Any], repeats: int = REPEATS) -> list[float]:
    """How long each time took; the first, unlike the others, prepares its statements."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        ask()
        times.append((time.perf_counter() - started) * 1000)
    return times


def ask_all(store: Store) -> None:
    list(store.runs().limit(1))  # opens the file
    print("| question | ms (median) | slowest | first | wanted below |\n|---|---|---|---|---|")
    for said, ask in QUESTIONS.items():
        times = milliseconds(lambda ask=ask: ask(store))
        median = statistics.median(times[1:])
        print(f"| {said} | {median:.1f} | {max(times[1:]):.1f} | {times[0]:.1f} | {WANTED_MS:.0f} |", flush=True)


def size_of_points(store: Store) -> float:
    """Bytes a point: by the pages of its table where SQLite can tell, else by all that vacuuming without it frees."""
    with store.database.read() as connection:
        assert connection is not None
        count = connection.scalar(select(func.count()).select_from(schema.point))
        if connection.dialect.name == "postgresql":
            return float(connection.scalar(text("SELECT pg_total_relation_size('point')"))) / count
        try:
            pages = connection.scalar(text("SELECT sum(pgsize) FROM dbstat WHERE name = 'point'"))
        except Exception:  # SQLite was built without dbstat: all of the file then
            pages = store.database.path.stat().st_size if store.database.path else 0
        return float(pages) / count


def beside_mlflow(runs: int = 200, points: int = 50) -> None:
    """MLflow and modrack with the same few runs: a page, a filter, a sorted page; and bytes a point."""
    import mlflow
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "modrack")
        make(store, runs, runs * points)
        client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        experiment = client.create_experiment("e")
        chance = random.Random(0)
        begun = Path(folder, "mlflow.db").stat().st_size
        for _ in range(runs):
            run = client.create_run(experiment).info.run_id
            params = [Param(name, str(value)) for name, value in _params(chance).items()]
            metrics = [Metric("test.accuracy", chance.random(), 0, step) for step in range(points)]
            client.log_batch(run, metrics=metrics, params=params)
        size = (Path(folder, "mlflow.db").stat().st_size - begun) / (runs * points)
        questions: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
            "first page": (
                lambda: client.search_runs([experiment], max_results=PAGE),
                lambda: list(store.runs().limit(PAGE)),
            ),
            "filter": (
                lambda: client.search_runs([experiment], "metrics.`test.accuracy` > 0.9", max_results=PAGE),
                lambda: list(store.runs("test.accuracy>0.9").limit(PAGE)),
            ),
            "sorted": (
                lambda: client.search_runs([experiment], order_by=["metrics.`test.accuracy` DESC"], max_results=PAGE),
                lambda: list(store.runs().sort("-test.accuracy").limit(PAGE)),
            ),
        }
        print(f"\n{runs} runs of {points} points, MLflow {mlflow.__version__} on SQLite beside modrack\n")
        print("| question | MLflow ms | modrack ms |\n|---|---|---|")
        for said, asked in questions.items():
            theirs, ours = (statistics.median(milliseconds(ask, 10)[1:]) for ask in asked)
            print(f"| {said} | {theirs:.1f} | {ours:.1f} |", flush=True)
        print(f"| bytes of the file a point, options included | {size:.0f} | {_file(store) / (runs * points):.0f} |")


def _file(store: Store) -> int:
    assert store.database.path is not None
    return store.database.path.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--at", type=Path, help="where to keep the runs")
    parser.add_argument("--url", help="another database than SQLite in FOLDER")
    parser.add_argument("--mlflow", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(asked.at or Path(folder), asked.url)
        started = time.perf_counter()
        make(store, asked.runs, asked.points)
        print(
            f"{asked.runs:,} runs, {asked.points:,} points; made in {time.perf_counter() - started:.0f} s\n", flush=True
        )
        ask_all(store)
        print(f"\n{size_of_points(store):.1f} bytes a point; wanted at most {WANTED_BYTES:.0f}")
    if asked.mlflow:
        beside_mlflow()


if __name__ == "__main__":
    main()
