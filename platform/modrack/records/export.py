"""Runs, or their points, as csv, json, jsonl or parquet."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from modrack_registry.errors import UserError
from modrack_registry.store import Run

Record = dict[str, Any]
FACTS = (
    *("id", "name", "status", "model", "dataset", "optimizer", "task", "started", "ended", "seconds"),
    *("samples_per_second", "seed", "attempt", "parent", "reason", "note", "tags"),
)
POINT = ("run", "metric", "step", "value", "time")
_CHUNK = 10_000


def export(runs: Iterable[Run], out: Path, *, points: bool = False) -> int:
    """Write `runs` into `out`, by the ending of its name; gives how many rows. The file is whole or not there.

    A row is a run, with its options and metrics as columns by their names; with `points` a point: run, metric, step,
    value, and time in seconds since the run started. Raises UserError where it cannot be written.
    """
    aside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        if points:
            count = WRITERS[out.suffix](_points(runs), list(POINT), aside)
        else:
            records = [_record(run) for run in runs]
            columns = list(dict.fromkeys([*FACTS, *(name for record in records for name in record)]))
            count = WRITERS[out.suffix](iter(records), columns, aside)
        aside.replace(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}.", "Choose another place.") from None
    finally:
        aside.unlink(missing_ok=True)
    return count


def _record(run: Run) -> Record:
    record: Record = {}
    for name in FACTS:
        value = getattr(run, name)
        record[name] = (
            value.isoformat() if hasattr(value, "isoformat") else ",".join(value) if name == "tags" else value
        )
    taken = set(FACTS)
    for path, value in run.params.items():
        # `name`, `seed` and `tags` are settings too, and the same.
        if path not in taken:
            record[path] = ",".join(map(str, value)) if isinstance(value, list) else value
    return record | run.metrics


def _points(runs: Iterable[Run]) -> Iterator[Record]:
    for run in runs:
        for metric in run.metrics:
            steps, values, times = run.history(metric)
            for step, value, at in zip(steps, values, times, strict=True):
                yield {"run": run.id, "metric": metric, "step": step, "value": value, "time": at}


def _csv(records: Iterator[Record], columns: list[str], out: Path) -> int:
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        count = 0
        for record in records:
            writer.writerow(record)
            count += 1
    return count


def _jsonl(records: Iterator[Record], columns: list[str], out: Path) -> int:
    count = 0
    with out.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(_line(record) + "\n")
            count += 1
    return count


def _json(records: Iterator[Record], columns: list[str], out: Path) -> int:
    count = 0
    with out.open("w", encoding="utf-8") as file:
        file.write("[")
        for record in records:
            file.write(("," if count else "") + "\n" + _line(record))
            count += 1
        file.write("\n]\n")
    return count


def _line(record: Record) -> str:
    # JSON knows neither NaN nor the infinities.
    plain = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in record.items()
    }
    return json.dumps(plain, ensure_ascii=False)


def _parquet(records: Iterator[Record], columns: list[str], out: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    count, writer = 0, None
    try:
        while chunk := list(islice(records, _CHUNK if columns == list(POINT) else None)):
            values = {name: _alike([record.get(name) for record in chunk]) for name in columns}
            table = pa.table(values)
            if writer is None:
                writer = pq.ParquetWriter(out, table.schema)
            writer.write_table(table)
            count += len(chunk)
        if writer is None:
            writer = pq.ParquetWriter(out, pa.schema([(name, pa.null()) for name in columns]))
    finally:
        if writer is not None:
            writer.close()
    return count


def _alike(values: list[Any]) -> list[Any]:
    """Values of one type, as a column needs: an option that is a number here and a word there becomes words."""
    types = {type(value) for value in values if value is not None}
    if len(types) < 2:
        return values
    if types == {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else str(value) for value in values]


WRITERS: dict[str, Callable[[Iterator[Record], list[str], Path], int]] = {
    ".csv": _csv,
    ".json": _json,
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
