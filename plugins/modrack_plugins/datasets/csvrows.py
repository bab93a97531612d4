"""Rows of a csv."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import modrack
from modrack_plugins.datasets.tables import first

MOST_BLOCK = 2**31 - 1


def read_csv(path: Path, raw: bytes, delimiter: str | None, texts: tuple[str, ...]) -> Any:
    """Through pyarrow, which guesses types; where that fails, row by row to say which row it was."""
    import pyarrow as pa
    import pyarrow.csv as arrow

    if not raw.strip():
        raise modrack.UserError(f"{path}: there are no rows.")
    used = delimiter or _delimiter(raw)
    if len(used) != 1 or not used.isascii():
        raise modrack.UserError(f"dataset.delimiter={used}: it is one character, such as ; or |.")
    try:
        return arrow.read_csv(
            pa.BufferReader(raw),
            # One block: types are guessed from all rows, and a row may be as long as it likes.
            read_options=arrow.ReadOptions(block_size=min(len(raw) + 1, MOST_BLOCK)),
            parse_options=arrow.ParseOptions(delimiter=used, newlines_in_values=True),
            convert_options=arrow.ConvertOptions(
                strings_can_be_null=False, column_types={name: pa.string() for name in texts}
            ),
        )
    except pa.ArrowException as error:
        _refuse_ragged(path, raw.decode("utf-8"), used)
        raise modrack.UserError(f"{path}: it cannot be read as csv ({first(error)}).") from None


def _delimiter(raw: bytes) -> str:
    """The delimiter that the first line has most of; a comma where it has none."""
    head = raw.lstrip().partition(b"\n")[0].decode("utf-8")
    return max((",", ";", "\t", "|"), key=lambda mark: (head.count(mark), mark == ","))


def _refuse_ragged(path: Path, text: str, delimiter: str) -> None:
    """Raise UserError for the first row that has not as many fields as the header."""
    csv.field_size_limit(MOST_BLOCK)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header: list[str] | None = None
    number, line = 0, 1
    try:
        for row in reader:
            if header is None:
                header = row or None
            elif row:
                number += 1
                if len(row) != len(header):
                    long = f"lines {line} to {reader.line_num}" if reader.line_num > line else f"line {line}"
                    hint = "Quote fields that hold the delimiter, or say dataset.delimiter=…"
                    if reader.line_num > line:
                        hint = "A quote may be opened there and not closed."
                    raise modrack.UserError(
                        f"{path}, row {number} ({long}): {len(row)} fields, where the header has {len(header)}.", hint
                    )
            line = reader.line_num + 1
    except csv.Error as broken:
        raise modrack.UserError(f"{path}, line {reader.line_num}: {broken}.") from None
