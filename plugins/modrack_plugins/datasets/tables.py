"""Files of rows as Arrow tables: csv, tsv, json lines, parquet. What is wrong is said with file and row."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import modrack

FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "json", ".ndjson": "json", ".json": "json", ".parquet": "parquet"}


def read_table(path: Path, delimiter: str | None) -> Any:
    """The rows of a file. Raises UserError for one that is empty, no such format, or broken in some row."""
    if path.stat().st_size == 0:
        raise modrack.UserError(f"{path}: the file is empty.")
    kind = FORMATS[path.suffix.lower()]
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as parquet

        try:
            table = parquet.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise modrack.UserError(f"{path}: this is no parquet file ({_first(error)}).") from None
    else:
        text = _decoded(path)
        table = (
            _csv(path, text, delimiter or ("\t" if kind == "tsv" else None)) if kind != "json" else _json(path, text)
        )
    if table.num_rows == 0:
        raise modrack.UserError(f"{path}: there are no rows.")
    return table


def _decoded(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise modrack.UserError(
            f"{path}, line {line}: this is not UTF-8 (byte {raw[error.start]:#04x}).",
            "Convert it: iconv -f latin1 -t utf-8 OLD > NEW",
        ) from None


def _csv(path: Path, text: str, delimiter: str | None) -> Any:
    """Through pyarrow, which guesses types; where that fails, row by row to say which row it was."""
    import io

    import pyarrow as pa
    import pyarrow.csv as arrow

    used = delimiter or _delimiter(text)
    try:
        return arrow.read_csv(
            io.BytesIO(text.encode("utf-8")),
            parse_options=arrow.ParseOptions(delimiter=used, newlines_in_values=True),
            convert_options=arrow.ConvertOptions(strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        width = 0
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=used)
        try:
            for number, row in enumerate(reader, 1):
                width = width or len(row)
                if row and len(row) != width:
                    raise modrack.UserError(
                        f"{path}, row {number} (line {reader.line_num}): {len(row)} fields, where the first row has "
                        f"{width}.",
                        "Quote fields that hold the delimiter, or say dataset.delimiter=…",
                    ) from None
        except csv.Error as broken:
            raise modrack.UserError(f"{path}, line {reader.line_num}: {broken}.") from None
        raise modrack.UserError(f"{path}: it cannot be read as csv ({_first(error)}).") from None


def _delimiter(text: str) -> str:
    """The delimiter that the first line has most of; a comma where it has none."""
    head = text.partition("\n")[0]
    return max((",", ";", "\t", "|"), key=lambda mark: (head.count(mark), mark == ","))


def _json(path: Path, text: str) -> Any:
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    if text.lstrip().startswith("["):
        try:
            rows = json.loads(text)
        except ValueError as error:
            raise modrack.UserError(f"{path}: this is no JSON ({error}).") from None
    else:
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except ValueError as error:
                    raise modrack.UserError(f"{path}, line {number}: this is no JSON ({error}).") from None
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise modrack.UserError(f"{path}, row {number}: each row is an object, this is {type(row).__name__}.")
    if not rows:
        raise modrack.UserError(f"{path}: there are no rows.")
    names = dict.fromkeys(name for row in rows for name in row)
    try:
        return pa.table({name: [row.get(name) for row in rows] for name in names})
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise modrack.UserError(f"{path}: a column holds values of several types ({_first(error)}).") from None


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0].rstrip(".")
