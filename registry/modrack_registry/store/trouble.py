"""What the errors of a database driver mean for a person."""

from __future__ import annotations

from modrack_registry.errors import UserError


class DatabaseTrouble(UserError):
    """The database could not be read or written: what happened, and what to do."""


def explain(error: Exception, place: str) -> DatabaseTrouble:
    """What an error of the database driver means for a person."""
    said = str(getattr(error, "orig", error)).strip()
    low = said.lower()
    for words, meaning, hint in _MEANINGS:
        if words in low:
            return DatabaseTrouble(f"{place} {meaning}.", hint)
    away = "connection" in low or "resolve host" in low
    advice = "Is the server running, and its URL (MODRACK_DB) right?" if away else None
    return DatabaseTrouble(f"{place}: {said.splitlines()[0] if said else type(error).__name__}", advice)


_DAMAGED = "Put a backup in its place; `sqlite3 FILE .recover` saves what it can of this one."
_MEANINGS = (
    ("is locked", "is locked: another program has been writing it for too long", "Try again, or end that program."),
    ("malformed", "is damaged", _DAMAGED),
    ("not a database", "is damaged, or not a database", _DAMAGED),
    ("disk is full", "cannot grow: the disk is full", "Make room, or choose another home."),
    (
        "disk i/o error",
        "cannot be read or written: the disk reports an error",
        "Look at the disk; the log of the system says more.",
    ),
    ("readonly", "cannot be written: it is read-only", "Ask its owner, or choose another home."),
    ("unable to open", "cannot be opened", "Look who owns the file and its folder."),
    ("no such table", "lacks a table: it is damaged", _DAMAGED),
)
