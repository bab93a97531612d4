"""A place in a list of runs, as a word that a person or a page can hand back."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple

from modrack_registry.errors import UserError


class Cursor(NamedTuple):
    """The place right after a run: the phase of the order, the run's values there, its number."""

    phase: int
    values: tuple[Any, ...]
    run: int


def pack(cursor: Cursor, order: str) -> str:
    """`cursor` as a word; `order` is what the runs are sorted by."""
    plain = json.dumps([order, cursor.phase, list(cursor.values), cursor.run], separators=(",", ":"))
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def unpack(word: str, order: str) -> Cursor:
    """What `pack` was given. Raises UserError for any other word, and for a place in another order."""
    try:
        of, phase, values, run = json.loads(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)))
        if type(phase) is not int or type(run) is not int or not isinstance(values, list):
            raise ValueError
        if not (
            0 <= phase < 3 and 0 <= run < 2**63 and all(isinstance(each, str | int | float | None) for each in values)
        ):
            raise ValueError
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise UserError("That is no place in a list of runs.", "Take the one that came with the page before.") from None
    if of != order:
        raise UserError(f"That place is in runs sorted by {of or 'number'}.", "Sort the same way, or begin anew.")
    return Cursor(phase, tuple(values), run)
