"""Rows of json lines, or of one json list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import modrack
from modrack_plugins.datasets.tables import first


def read_json(path: Path, raw: bytes) -> Any:
    """The rows as an Arrow table. Raises UserError with the line that is no json, or the row that is no object."""
    import pyarrow as pa

    text = raw.decode("utf-8")
    listed = _listed(path, text) if text.lstrip().startswith("[") and path.suffix.lower() == ".json" else None
    rows = _lines(path, text) if listed is None else listed
    if not rows:
        raise modrack.UserError(f"{path}: there are no rows.")
    columns = {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}
    made = {}
    for name, values in columns.items():
        try:
            made[name] = pa.array(values)
        except (pa.ArrowException, OverflowError) as error:
            place = _odd(values)
            if place is None:
                raise modrack.UserError(f"{path}: the column {name!r} cannot be read ({first(error)}).") from None
            raise modrack.UserError(
                f"{path}, row {place + 1}: {name!r} is {type(values[place]).__name__}, and "
                f"{type(values[0]).__name__} in the rows before."
            ) from None
    return pa.table(made)


def _listed(path: Path, text: str) -> list[dict[str, Any]] | None:
    """The rows of one list, or None where each line is a value."""
    try:
        rows = json.loads(text)
    except ValueError as error:
        # Lines that are lists each are told about as lines.
        if "Extra data" in str(error):
            return None
        raise modrack.UserError(f"{path}: this is no JSON ({error}).") from None
    return [_object(path, row, number) for number, row in enumerate(rows, 1)]


def _lines(path: Path, text: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    # Not splitlines: a text may hold U+2028 and its kin, which end no line of JSON.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise modrack.UserError(
                    f"{path}, line {number}: this is no JSON ({error}).", "One object a line."
                ) from None
            rows.append(_object(path, row, len(rows) + 1))
    return rows


def _object(path: Path, row: Any, number: int) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise modrack.UserError(f"{path}, row {number}: each row is an object, this is {type(row).__name__}.")
    return row


def _odd(values: list[Any]) -> int | None:
    """Where the first value is whose type is another than that of the first."""
    return next(
        (place for place, value in enumerate(values) if not isinstance(value, (type(values[0]), type(None)))), None
    )
