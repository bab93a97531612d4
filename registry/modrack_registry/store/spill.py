"""The file beside a run that takes what the database did not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

SPILL = "spill.jsonl"
# What is being brought in: set aside by name, so that nothing is added to it meanwhile.
_ASIDE = "spill.replayed.jsonl"


def append(folder: Path, attempt: int, entries: Iterable[Any]) -> None:
    """Add entries, a line each, or none of them. Raises OSError."""
    lines = [json.dumps({"attempt": attempt, "entry": entry}, ensure_ascii=False) + "\n" for entry in entries]
    path = folder / SPILL
    with path.open("ab", buffering=0) as file:
        before = file.seek(0, 2)
        data = memoryview("".join(lines).encode("utf-8", "replace"))
        try:
            while data:
                data = data[file.write(data) :]
        except OSError:
            file.truncate(before)  # a full disk must not leave half a line
            raise


def take(folder: Path) -> Path | None:
    """Set the spilled lines aside to be brought in; None where there are none. A second call gives the same ones."""
    aside, spilled = folder / _ASIDE, folder / SPILL
    if not aside.exists():
        try:
            spilled.rename(aside)
        except FileNotFoundError:
            return None
    return aside


def read(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """(attempt, entry) of each line; a torn last line is passed over."""
    with path.open("rb") as file:
        for line in file:
            try:
                row = json.loads(line)
                yield int(row["attempt"]), list(row["entry"])
            except (ValueError, KeyError, TypeError):
                continue


def ended(folder: Path, attempt: int) -> bool:
    """Whether the end of `attempt` is among what was spilled: its writer adds nothing after that."""
    paths = [path for path in (folder / _ASIDE, folder / SPILL) if path.exists()]
    return any(of == attempt and entry[:1] == ["end"] for path in paths for of, entry in read(path))


def waits(folder: Path) -> bool:
    """Whether anything was spilled and not brought in."""
    return (folder / SPILL).exists() or (folder / _ASIDE).exists()
