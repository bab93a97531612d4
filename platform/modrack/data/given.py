"""What a person hands over to be predicted: words, files and lines, one entry a row, read as they come."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modrack.data.facts import Data
from modrack.data.images import SUFFIXES
from modrack.data.sheets import TABLES, column_of, read_rows
from modrack_registry.errors import UserError

SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".au")
_FILES = {"image": SUFFIXES, "audio": SOUNDS}


@dataclass(frozen=True)
class Given:
    """One row: what to call it, and what it holds, as it was read."""

    name: str
    value: Any
    folder: Path | None = None


@dataclass(frozen=True)
class Columns:
    """Which column of a table is the input: the one that was asked for, or the first of those that there is.

    `labels` are what the column of labels may be called, `delimiter` what stands between the fields of a csv.
    """

    asked: str | None = None
    usual: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    delimiter: str | None = None


def read_given(
    inputs: Iterable[Any], data: Data, columns: Columns, stdin: Iterable[str] | None = None
) -> Iterator[Given]:
    """The rows of `inputs`: texts, values, tables, files of the sort that `data` give, folders of them; `-` is stdin.

    Raises UserError for what cannot be a row, when its turn comes.
    """
    for each in inputs:
        if isinstance(each, str) and each == "-":
            yield from _lines(sys.stdin if stdin is None else stdin, data, columns)
        elif isinstance(each, (str, Path)):
            yield from _place_or_word(each, data, columns)
        else:
            yield Given(_called(each), each)


def _place_or_word(said: str | Path, data: Data, columns: Columns) -> Iterator[Given]:
    path = Path(said).expanduser()
    suffix = path.suffix.lower()
    if _is_file(path):
        if suffix in TABLES:
            yield from _table(path, data, columns)
        elif suffix == ".txt" and data.gives not in (*_FILES, "tabular"):
            with path.open(encoding="utf-8") as lines:
                yield from (Given(line.rstrip("\r\n"), line.rstrip("\r\n")) for line in lines)
        elif data.gives in _FILES:
            yield Given(str(said), path)
        elif data.gives == "tabular":
            raise UserError(f"{said}: a table ends in {', '.join(TABLES)}.")
        else:
            yield Given(str(said), str(said))
    elif data.gives in _FILES and path.is_dir():
        found = (each for each in sorted(path.rglob("*")) if each.suffix.lower() in _FILES[data.gives])
        first = next(found, None)
        if first is None:
            raise UserError(f"{said}: there is no {data.gives} file in it.")
        yield from (Given(str(each), each) for each in itertools.chain([first], found))
    elif data.gives in _FILES or isinstance(said, Path) or suffix in TABLES:
        raise UserError(f"There is no file {said}.", f"The run takes {data.gives}.")
    elif data.gives == "tabular":
        yield Given(said, _object(said))
    else:
        yield Given(said, said)


def _table(path: Path, data: Data, columns: Columns) -> Iterator[Given]:
    name: str | None = None
    for number, row in enumerate(read_rows(path, columns.delimiter), 1):
        where = f"{path}, row {number}"
        if data.gives == "tabular" and data.inputs:
            yield Given(where, row)
            continue
        if name is None:
            if data.gives == "tabular" and data.input not in row:
                name = ""
            else:
                name = column_of(
                    list(row), path, columns.asked, (*columns.usual, data.input, data.gives), columns.labels
                )
        if not name:
            yield Given(where, [value for column, value in row.items() if column not in columns.labels])
            continue
        value = row.get(name)
        if value is None:
            raise UserError(f"{where}: there is no {name!r}.")
        if data.gives in _FILES and isinstance(value, str):
            yield Given(value, path.parent / Path(value).expanduser())
        else:
            yield Given(value if isinstance(value, str) else where, value)


def _lines(lines: Iterable[str], data: Data, columns: Columns) -> Iterator[Given]:
    """Lines of stdin: a text each, a file each, or a JSON object each; a csv with its header where rows are wanted."""
    stripped = (line.rstrip("\r\n") for line in lines)
    if data.gives != "tabular":
        for line in stripped:
            if data.gives in _FILES:
                yield from _place_or_word(Path(line), data, columns)
            else:
                yield Given(line, line)
        return
    first = next(stripped, None)
    if first is None:
        return
    whole = itertools.chain([first], stripped)
    if first.lstrip().startswith(("{", "[")):
        yield from (Given(f"line {number}", _object(line)) for number, line in enumerate(whole, 1) if line.strip())
        return
    from modrack.data.sheets import read_csv

    for number, row in enumerate(read_csv(whole, "stdin", columns.delimiter), 1):
        plain = [value for column, value in row.items() if column not in columns.labels]
        yield Given(f"row {number}", row if data.inputs else plain)


def _object(said: str) -> Any:
    import json

    try:
        value = json.loads(said)
    except ValueError:
        raise UserError(
            f"{said[:60]!r} is neither a file nor a row.", "A row is a JSON object, as in '{\"age\": 40}'."
        ) from None
    if not isinstance(value, (dict, list)):
        raise UserError(f"{said[:60]!r} is no row.", "A row is a JSON object, as in '{\"age\": 40}'.")
    return value


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # A text may be longer than a file's name can be.
        return False


def _called(value: Any) -> str:
    if isinstance(value, (Mapping, list, tuple)):
        return str(value)[:80]
    return type(value).__name__
