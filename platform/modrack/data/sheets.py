"""Rows of tables, one after the other: csv, tsv, json lines and parquet, without holding the file."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from modrack_registry.errors import UserError

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
_ROWS = 1024


def read_rows(path: Path, delimiter: str | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a table by column; fields of a csv are texts. Raises UserError for a broken row, when it comes."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            yield from _parquet(path)
            return
        with path.open(encoding="utf-8-sig", newline="") as lines:
            if suffix in (".csv", ".tsv"):
                yield from read_csv(lines, str(path), delimiter or ("\t" if suffix == ".tsv" else None))
            elif suffix == ".json" and lines.read(1) == "[":
                yield from json.loads(path.read_text("utf-8-sig"))
            else:
                lines.seek(0)
                yield from _json(lines, path)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{path}: it cannot be read ({' '.join(str(error).split())[:200]}).") from None


def read_csv(lines: Iterable[str], where: str, delimiter: str | None = None) -> Iterator[dict[str, Any]]:
    """Rows of a csv with a header; an empty field is None. Raises UserError for a row of another length."""
    source = iter(lines)
    head = next(source, "")
    if delimiter is None:
        marks = (",", ";", "\t", "|")
        delimiter = max(marks, key=lambda mark: (head.count(mark), mark == ","))
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(_together(head, source), delimiter=delimiter)
    names = next(reader, [])
    for number, fields in enumerate(reader, 1):
        if not fields:
            continue
        if len(fields) != len(names):
            raise UserError(f"{where}, row {number}: {len(fields)} fields, where the header has {len(names)}.")
        yield {name: field if field.strip() else None for name, field in zip(names, fields, strict=True)}


def column_of(names: list[str], path: Path, asked: str | None, usual: tuple[str, ...], labels: tuple[str, ...]) -> str:
    """The column that holds the input. Raises UserError where it cannot be told."""
    listed = ", ".join(names)
    if asked is not None:
        if asked not in names:
            raise UserError(f"--column {asked}: {path} has no such column.", f"Its columns: {listed}.")
        return asked
    found = next((name for name in usual if name in names), None)
    if found is not None:
        return found
    left = [name for name in names if name not in labels]
    if len(left) == 1:
        return left[0]
    raise UserError(f"{path}: which column is the input?", f"Say --column NAME; the columns: {listed}.")


def _together(head: str, rest: Iterator[str]) -> Iterator[str]:
    # Lines without their ends, as those of stdin, must not run into each other inside quotes.
    for line in itertools.chain([head], rest):
        yield line if line.endswith("\n") else line + "\n"


def _json(lines: Iterable[str], path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                raise UserError(f"{path}, line {number}: this is no JSON.") from None
            if not isinstance(row, dict):
                raise UserError(f"{path}, line {number}: each row is an object.")
            yield row


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS):
            yield from batch.to_pylist()
