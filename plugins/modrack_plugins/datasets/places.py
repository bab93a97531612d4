"""Which file or folder is which split: by what they are called."""

from __future__ import annotations

import re
from pathlib import Path

import modrack
from modrack_plugins.datasets.tables import FORMATS

# What a split is called in names of files and folders.
SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
# Parts of one split have the same name but for these: train-00000-of-00002, train_1.
COUNTING = re.compile(r"\d+|of|part|shard")


def find_places(path: str) -> list[Path]:
    """The places of an option that may name several, with commas between. Raises UserError for one that is missing."""
    # A comma may also belong to a name.
    whole = Path(path).expanduser()
    places = [whole] if whole.exists() else [Path(part.strip()).expanduser() for part in path.split(",")]
    for place in places:
        if not place.exists():
            raise modrack.UserError(f"dataset.path={path}: there is no {place}.")
    return places


def find_tables(folder: Path) -> dict[str, list[Path]]:
    """The tables of each split in a folder, in its split folders, or in its folder `data`; empty if there are none."""
    here = _tables(folder)
    if here:
        return split_by_name(here, str(folder))
    found = {split: _tables(below) for split, below in split_folders(folder).items()}
    found = {split: tables for split, tables in found.items() if tables}
    if found:
        for tables in found.values():
            _refuse_two_formats(tables, folder)
        return _with_train(found, str(folder))
    return find_tables(folder / "data") if (folder / "data").is_dir() else {}


def split_folders(folder: Path) -> dict[str, Path]:
    """The folders below `folder` that are called as a split is."""
    low = {each.name.lower(): each for each in sorted(folder.iterdir()) if each.is_dir()}
    return {split: low[name] for split, names in SPLITS.items() for name in reversed(names) if name in low}


def split_by_name(places: list[Path], path: str) -> dict[str, list[Path]]:
    """The files of each split; one file alone is train."""
    for place in places:
        if place.suffix.lower() not in FORMATS:
            raise modrack.UserError(f"{place}: files end in {', '.join(FORMATS)}.")
    if len(places) == 1:
        return {"train": places}
    found: dict[str, list[Path]] = {}
    for place in places:
        words = _words(place)
        split = next((split for split, names in SPLITS.items() if set(names) & set(words)), None)
        others = found.get(split or "", [])
        if split is None or any(_kin(place) != _kin(other) for other in others):
            reason = "its name says no split" if split is None else f"{others[0].name} is {split} already"
            raise modrack.UserError(
                f"dataset.path={path}: {place.name}: {reason}.",
                "Name them train, validation and test, or give the files: dataset.path=train.csv,test.csv",
            )
        found.setdefault(split, []).append(place)
    return _with_train(found, path)


def _with_train(found: dict[str, list[Path]], path: str) -> dict[str, list[Path]]:
    if "train" not in found:
        names = ", ".join(place.name for places in found.values() for place in places)
        raise modrack.UserError(f"dataset.path={path}: no file is called train.", f"There is: {names}.")
    return found


def _tables(folder: Path) -> list[Path]:
    return sorted(
        each
        for each in folder.iterdir()
        if each.suffix.lower() in FORMATS and each.is_file() and not each.name.startswith((".", "_"))
    )


def _refuse_two_formats(tables: list[Path], folder: Path) -> None:
    other = next((each for each in tables if each.suffix.lower() != tables[0].suffix.lower()), None)
    if other is not None:
        raise modrack.UserError(
            f"dataset.path={folder}: {tables[0]} and {other.name} are the same split in two formats.", "Keep one."
        )


def _words(place: Path) -> list[str]:
    return [word for word in re.split(r"[-_. ]+", place.stem.lower()) if word]


def _kin(place: Path) -> tuple[str, ...]:
    """What parts of one split have in common."""
    return (place.suffix.lower(), *(word for word in _words(place) if not COUNTING.fullmatch(word)))
