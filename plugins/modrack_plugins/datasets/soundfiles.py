"""Folders of sound files, and what is said about them in metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import modrack
from modrack.data.given import SOUNDS
from modrack.data.sheets import read_rows
from modrack.data.sounds import as_dataset
from modrack_plugins.datasets.places import split_folders

METADATA = ("metadata.csv", "metadata.tsv", "metadata.jsonl")
CLASSES = ("label", "class", "category", "target")
TEXTS = ("transcript", "transcription", "text", "sentence")
LAYOUT = "A folder a class (FOLDER/CLASS/x.wav), or a metadata.csv with file_name and label or transcript."
Told = list[tuple[Path, str]]


def read_sound_folder(
    path: str, label: str | None, transcripts: bool | None, rate: int, like: modrack.Data | None
) -> Any:
    """A DatasetDict of the files below `path`, with `label` or `transcript`. Raises UserError for what is amiss."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise modrack.UserError(f"dataset.path={path}: there is no such folder.")
    splits: dict[str, Told] = {}
    texts = False
    table = _metadata(folder)
    below = split_folders(folder)
    if table is not None:
        rows, texts = _read_metadata(table, label, transcripts)
        for file, told in rows:
            splits.setdefault(_split_of(file, below), []).append((file, told))
    else:
        for split, place in (below or {"train": folder}).items():
            table = _metadata(place)
            if table is not None:
                splits[split], texts = _read_metadata(table, label, transcripts)
            elif label is not None:
                raise modrack.UserError(
                    f"dataset.label={label}: {place} has no metadata.csv.", "The class of a sound is its folder."
                )
            else:
                splits[split] = [(file, _class(file, place)) for file in _sounds(place)]
    splits = {split: rows for split, rows in splits.items() if rows}
    if not splits:
        there = ", ".join(sorted(each.name for each in folder.iterdir())[:6]) or "nothing"
        raise modrack.UserError(f"dataset.path={path}: there is no sound in it; it holds {there}.", LAYOUT)
    if "train" not in splits:
        raise modrack.UserError(f"dataset.path={path}: there is nothing for train.", f"There is: {', '.join(splits)}.")
    return _made(splits, texts, rate, like)


def _made(splits: dict[str, Told], texts: bool, rate: int, like: modrack.Data | None) -> Any:
    from datasets import Audio, ClassLabel, DatasetDict, Features, Value

    sound = Audio(sampling_rate=rate, decode=False)
    if texts:
        features = Features({"audio": sound, "transcript": Value("string")})
        return DatasetDict({split: _rows(rows, "transcript", features, None) for split, rows in splits.items()})
    known = like.classes if like is not None and like.target == "class" else None
    names = known or sorted({told for _, told in splits["train"]})
    numbers = {name: number for number, name in enumerate(names)}
    for rows in splits.values():
        for file, told in rows:
            if told not in numbers:
                raise modrack.UserError(f"{file}: the class {told!r} does not occur in train.")
    features = Features({"audio": sound, "label": ClassLabel(names=names)})
    return DatasetDict({split: _rows(rows, "label", features, numbers) for split, rows in splits.items()})


def _rows(rows: Told, name: str, features: Any, numbers: dict[str, int] | None) -> Any:
    columns: dict[str, list[Any]] = {
        "audio": [{"bytes": None, "path": str(file)} for file, _ in rows],
        name: [told if numbers is None else numbers[told] for _, told in rows],
    }
    return as_dataset(columns, features)


def _metadata(folder: Path) -> Path | None:
    return next((folder / name for name in METADATA if (folder / name).is_file()), None)


def _read_metadata(table: Path, label: str | None, transcripts: bool | None) -> tuple[Told, bool]:
    """(files with what is said of them, whether that is a text to write down)."""
    rows: Told = []
    texts = False
    column: str | None = None
    for number, row in enumerate(read_rows(table), 1):
        if column is None:
            column = _column(list(row), label, table)
            texts = column in TEXTS if transcripts is None else transcripts
        name, told = row.get("file_name"), row.get(column)
        if name is None or told is None:
            raise modrack.UserError(f"{table}, row {number}: there is no {'file_name' if name is None else column}.")
        file = table.parent / str(name)
        if not file.is_file():
            raise modrack.UserError(f"{table}, row {number}: there is no file {file}.")
        rows.append((file, str(told)))
    if not rows:
        raise modrack.UserError(f"{table} has no rows.")
    return rows, texts


def _column(names: list[str], label: str | None, table: Path) -> str:
    listed = f"Its columns: {', '.join(names)}."
    if "file_name" not in names:
        raise modrack.UserError(f"{table}: there is no column file_name.", listed)
    if label is not None:
        if label not in names:
            raise modrack.UserError(f"dataset.label={label}: {table} has no such column.", listed)
        return label
    found = [name for name in (*CLASSES, *TEXTS) if name in names]
    if len(found) != 1:
        raise modrack.UserError(f"{table}: which column is to be learned? Say dataset.label=NAME.", listed)
    return found[0]


def _split_of(file: Path, below: dict[str, Path]) -> str:
    return next((split for split, place in below.items() if place in file.parents), "train")


def _sounds(folder: Path) -> list[Path]:
    """Hidden files are left out: file managers leave some."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SOUNDS and not any(each.startswith(".") for each in file.relative_to(folder).parts)
    )


def _class(file: Path, folder: Path) -> str:
    parts = file.relative_to(folder).parts
    if len(parts) < 2:
        raise modrack.UserError(f"{file}: the sound is in no class's folder.", LAYOUT)
    return parts[0]
