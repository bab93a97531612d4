"""Files of rows as Arrow tables: csv, tsv, json lines, parquet. What is wrong is said with file and row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import modrack

FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "json", ".ndjson": "json", ".json": "json", ".parquet": "parquet"}


@dataclass(frozen=True)
class Table:
    """The rows of a split as an Arrow table, and how many of them each of its files has."""

    rows: Any
    files: tuple[tuple[Path, int], ...]

    @property
    def name(self) -> str:
        """What to call it: the file, or the first of them."""
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"{self.files[0][0]}{more}"

    def file(self, place: int) -> Path:
        """The file that has the row at `place`, counted from 0."""
        return self._at(place)[0]

    def where(self, place: int) -> str:
        """File and row of the row at `place`, counted from 0; said counted from 1, without a header."""
        path, within = self._at(place)
        return f"{path}, row {within + 1}"

    def _at(self, place: int) -> tuple[Path, int]:
        for path, count in self.files:
            if place < count:
                return path, place
            place -= count
        raise IndexError(place)


def read_tables(paths: list[Path], delimiter: str | None, texts: tuple[str, ...] = ()) -> Table:
    """The rows of one split's files, end to end; `texts` are columns whose values stay as they are spelled.

    Raises UserError for one that is empty, no such format, broken in some row, or has other columns than the first.
    """
    import pyarrow as pa

    tables = [read_table(path, delimiter, texts) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        if set(table.column_names) != set(tables[0].column_names):
            raise modrack.UserError(
                f"{path} has other columns than {paths[0].name}: {', '.join(table.column_names)}.",
                f"Those of {paths[0].name}: {', '.join(tables[0].column_names)}.",
            )
    files = tuple((path, table.num_rows) for path, table in zip(paths, tables, strict=True))
    if len(tables) == 1:
        return Table(tables[0], files)
    try:
        return Table(pa.concat_tables(tables, promote_options="permissive"), files)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise modrack.UserError(f"{paths[0]} and {len(paths) - 1} more do not fit together ({first(error)}).") from None


def read_table(path: Path, delimiter: str | None, texts: tuple[str, ...] = ()) -> Any:
    """The rows of a file. Raises UserError for one that is empty, no such format, or broken in some row."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise modrack.UserError(f"{path}: it cannot be read ({error.strerror}).") from None
    if size == 0:
        raise modrack.UserError(f"{path}: the file is empty.")
    kind = FORMATS[path.suffix.lower()]
    if kind == "parquet":
        table = _parquet(path)
    else:
        raw = _utf8(path)
        if kind == "json":
            from modrack_plugins.datasets.jsonrows import read_json

            table = read_json(path, raw)
        else:
            from modrack_plugins.datasets.csvrows import read_csv

            table = read_csv(path, raw, delimiter or ("\t" if kind == "tsv" else None), texts)
    twice = next((name for name in table.column_names if table.column_names.count(name) > 1), None)
    if twice is not None:
        raise modrack.UserError(f"{path}: two columns are called {twice!r}.", "Rename one.")
    if table.num_rows == 0:
        raise modrack.UserError(f"{path}: there are no rows.")
    return table


def first(error: Exception) -> str:
    """The first line of what a library says, short."""
    return (str(error).splitlines() or [""])[0].rstrip(".")[:200]


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        # Through an open file: a folder called train=1 or the like is no partition here.
        with path.open("rb") as file:
            return parquet.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise modrack.UserError(f"{path}: this is no parquet file ({first(error)}).") from None


def _utf8(path: Path) -> bytes:
    """The bytes of a file of text, without the mark that some programs put before them."""
    try:
        raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        raw.decode("utf-8")
    except OSError as error:
        raise modrack.UserError(f"{path}: it cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise modrack.UserError(
            f"{path}, line {line}: this is not UTF-8 (byte {error.object[error.start]:#04x}).",
            "Convert it: iconv -f latin1 -t utf-8 OLD > NEW",
        ) from None
    return raw
