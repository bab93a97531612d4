"""A mistake in a filter, shown where it is."""

from __future__ import annotations

import unicodedata

from modrack_registry.errors import UserError

# So that a caret stays under its place in a terminal.
WIDTH = 100


def mistake(text: str, at: int, message: str, hint: str | None = None) -> UserError:
    """`message`, the filter `text` with a caret under its character `at`, then `hint`."""
    before, here, after = (_plain(part) for part in (text[:at], text[at : at + 1], text[at + 1 :]))
    if _wide(before + here + after) > WIDTH:
        if _wide(before) > WIDTH // 2:
            before = "…" + before[-(WIDTH // 2) :]
        if len(after) > WIDTH // 2:
            after = after[: WIDTH // 2] + "…"
    lines = [before + here + after, " " * _wide(before) + "^", *((hint or "").splitlines())]
    return UserError(message, "\n".join(lines))


def shown(text: str, most: int = 40) -> str:
    """A piece of a filter inside a message."""
    plain = _plain(text)
    return f"`{plain if len(plain) <= most else plain[: most - 1] + '…'}`"


def _plain(text: str) -> str:
    """One character for each, none of which commands a terminal."""
    return "".join(
        char if char.isprintable() else " " if char.isspace() else "\N{REPLACEMENT CHARACTER}" for char in text
    )


def _wide(text: str) -> int:
    """Columns in a terminal."""
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)
