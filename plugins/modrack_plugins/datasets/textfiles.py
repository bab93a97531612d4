"""Plain text files: which are meant, which split each is, and how one becomes rows."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path

import modrack
from modrack_plugins.datasets.places import SPLITS, split_folders
from modrack_plugins.datasets.tables import FORMATS, read_tables

# Shares of whole files that are held out, when files are what is cut.
_SHARE = 0.1


def find_texts(path: str, suffix: str) -> dict[str, list[Path]]:
    """The files of each split, sorted. Raises UserError for a place that is not there, or has no file."""
    whole = Path(path).expanduser()
    found: list[Path] = []
    for part in [str(whole)] if whole.exists() else [each.strip() for each in path.split(",")]:
        place = Path(part).expanduser()
        if place.is_dir():
            folders = split_folders(place)
            if len(folders) > 1 and "train" in folders and whole == place:
                return {split: _of_folder(folder, suffix) for split, folder in folders.items()}
            found += _of_folder(place, suffix)
        elif place.is_file():
            found.append(place)
        else:
            matches = sorted(Path(each) for each in glob.glob(str(place), recursive=True))
            found += [each for each in matches if each.is_file()]
            if not matches:
                raise modrack.UserError(f"dataset.path={path}: there is no {place}.")
    if not found:
        raise modrack.UserError(f"dataset.path={path}: no file is meant by it.")
    return _by_name(found)


def cut_files(files: list[Path], path: str) -> dict[str, list[Path]]:
    """Whole files for validation and test: a tenth of them each, and one at least; seeded. Raises UserError."""
    import numpy as np

    if len(files) < 3:
        raise modrack.UserError(
            f"dataset.path={path}: {len(files)} file(s) are too few to hold whole ones out.", "Say dataset.cut=rows."
        )
    most = max(1, round(len(files) * _SHARE))
    order = np.random.default_rng(0).permutation(len(files)).tolist()
    chosen = {"test": order[:most], "validation": order[most : 2 * most], "train": order[2 * most :]}
    return {split: [files[place] for place in sorted(chosen[split])] for split in SPLITS}


def read_rows(files: list[Path], by: str, size: int, encoding: str) -> list[str]:
    """The texts of `files` by line, paragraph, file or block; none is blank. Raises UserError for unreadable files."""
    rows: list[str] = []
    for file in files:
        try:
            content = file.read_text(encoding)
        except UnicodeDecodeError as error:
            raise modrack.UserError(
                f"{file}: byte {error.start} is not {encoding}.",
                "Say how it is spelled, as in dataset.encoding=latin-1.",
            ) from None
        except LookupError:
            raise modrack.UserError(f"dataset.encoding={encoding}: Python knows no such encoding.") from None
        except OSError as error:
            raise modrack.UserError(f"{file}: {error.strerror}.") from None
        rows += (row for row in _rows(content.removeprefix("\ufeff"), by, size) if row.strip())
    return rows


def read_column(files: list[Path], column: str) -> list[str]:
    """The texts in a column of tables, but for blank ones. Raises UserError for files that are none, or lack it."""
    import pyarrow as pa

    for file in files:
        if file.suffix.lower() not in FORMATS:
            raise modrack.UserError(
                f"dataset.column={column}: {file} is no table.", f"Tables end in {', '.join(FORMATS)}."
            )
    table = read_tables(files, None, (column,))
    if column not in table.rows.column_names:
        raise modrack.UserError(
            f"dataset.column={column}: {table.name} has no such column.",
            f"Its columns: {', '.join(table.rows.column_names)}.",
        )
    try:
        texts = table.rows.column(column).cast(pa.string()).to_pylist()
    except pa.ArrowException:
        raise modrack.UserError(f"dataset.column={column}: {table.name} holds no texts there.") from None
    return [text for text in texts if text is not None and text.strip()]


def _rows(content: str, by: str, size: int) -> Iterator[str]:
    if by == "line":
        yield from (line.strip() for line in content.splitlines())
    elif by == "paragraph":
        yield from (each.strip() for each in re.split(r"\n[ \t]*\n", content))
    elif by == "file":
        yield content
    else:
        yield from _blocks(content, size)


def _blocks(content: str, size: int) -> Iterator[str]:
    """Pieces of `size` characters at most, which end behind white space where there is some in their second half."""
    start = 0
    while start < len(content):
        end = start + size
        if end < len(content):
            half = start + size // 2
            end = next((place + 1 for sign in "\n " if (place := content.rfind(sign, half, end)) >= 0), end)
        yield content[start:end]
        start = end


def _of_folder(folder: Path, suffix: str) -> list[Path]:
    files = sorted(each for each in folder.rglob(f"*{suffix}") if each.is_file() and not _hidden(each, folder))
    if not files:
        there = ", ".join(sorted(each.name for each in folder.iterdir())[:6]) or "nothing"
        raise modrack.UserError(
            f"dataset.path={folder}: no file in it ends in {suffix}.",
            f"Say another ending, as in dataset.suffix=.md. The folder holds: {there}.",
        )
    return files


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _by_name(files: list[Path]) -> dict[str, list[Path]]:
    """By what they are called, where one is called train; otherwise all are train."""
    splits: dict[str, list[Path]] = {}
    for file in files:
        words = set(re.split(r"[-_. ]+", file.stem.lower()))
        split = next((split for split, names in SPLITS.items() if words & set(names)), "")
        splits.setdefault(split, []).append(file)
    if "train" not in splits:
        return {"train": files}
    splits["train"] += splits.pop("", [])
    return splits
