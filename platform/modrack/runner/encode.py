"""A split, encoded once by the task: what the feeder cuts batches from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from modrack.data.rows import Rows, chunks
from modrack.runner.order import lengths_of
from modrack.seam import Ragged, Task
from modrack_registry.errors import UserError

CHUNK = 8192
# How much of a column a digest reads: a tenth of a second.
DIGEST_BYTES = 128 << 20


@dataclass
class Encoded:
    """Columns of one split: arrays with a row an entry, or Ragged."""

    columns: dict[str, np.ndarray[Any, Any] | Ragged]
    size: int

    @property
    def bytes(self) -> int:
        return sum(
            column.values.nbytes + column.offsets.nbytes if isinstance(column, Ragged) else column.nbytes
            for column in self.columns.values()
        )

    def digest(self) -> str:
        """SHA-256 of what the model is shown, to tell whether two runs saw the same rows.

        Of large columns evenly spread pieces stand for the whole: what differs in a few rows may not be noticed.
        """
        found = hashlib.sha256()
        for name in sorted(self.columns):
            column = self.columns[name]
            arrays = (column.values, column.offsets) if isinstance(column, Ragged) else (column,)
            for array in arrays:
                flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
                found.update(f"{name} {array.dtype} {array.shape}".encode())
                for piece in _pieces(flat):
                    found.update(piece)
        return found.hexdigest()

    @property
    def lengths(self) -> Tensor | None:
        """Of each row in the column that decides how steps are cut, the first ragged one: (n,) int64, or None."""
        column = next((each for each in self.columns.values() if isinstance(each, Ragged)), None)
        return None if column is None else lengths_of(column.offsets)

    @property
    def ragged(self) -> list[str]:
        return [name for name, column in self.columns.items() if isinstance(column, Ragged)]


def _pieces(flat: Any) -> list[Any]:
    if len(flat) <= DIGEST_BYTES:
        return [flat]
    size = DIGEST_BYTES // 64
    return [flat[start : start + size] for start in np.linspace(0, len(flat) - size, 64).astype(int).tolist()]


def encode_split(split: Any, task: Task) -> Encoded:
    """Encode all of `split`, by chunks. Raises UserError where `encode` gives more or fewer entries than rows."""
    parts: dict[str, list[Any]] = {}
    size = 0
    for rows in chunks(split, CHUNK):
        encoded = encode_rows(rows, task)
        size += encoded.size
        for name, column in encoded.columns.items():
            parts.setdefault(name, []).append(column)
    return pack(Encoded({column: _joined(values) for column, values in parts.items()}, size), task)


def pack(encoded: Encoded, task: Task) -> Encoded:
    """The rows laid out as the task wants them. Raises UserError where columns then differ in length, or are empty."""
    if type(task).pack is Task.pack:
        return encoded
    columns = {name: column for name, column in task.pack(encoded.columns).items() if column is not None}
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) != 1 or not min(sizes.values()):
        raise UserError(
            f"task {type(task).__name__} packed {encoded.size} rows into "
            + (", ".join(f"{size} of {name!r}" for name, size in sizes.items()) or "nothing")
            + ".",
            "`pack` gives columns of one length, and one row at least.",
        )
    return Encoded(columns, next(iter(sizes.values())))


def encode_rows(rows: Rows, task: Task) -> Encoded:
    """Encode one chunk."""
    columns = {name: column for name, column in task.encode(rows).items() if column is not None}
    for name, column in columns.items():
        if len(column) != len(rows):
            raise UserError(
                f"task {type(task).__name__} encoded {len(column)} entries of {name!r} from {len(rows)} rows.",
                "`encode` gives one entry a row.",
            )
    return Encoded(columns, len(rows))


def _joined(parts: list[Any]) -> Any:
    if isinstance(parts[0], Ragged):
        starts = np.cumsum([0, *(part.offsets[-1] for part in parts[:-1])])
        offsets = [part.offsets[:-1] + start for part, start in zip(parts, starts, strict=True)]
        end = np.asarray([starts[-1] + parts[-1].offsets[-1]])
        return Ragged(np.concatenate([part.values for part in parts]), np.concatenate([*offsets, end]), parts[0].pad)
    return np.asarray(parts[0]) if len(parts) == 1 else np.concatenate(parts)
