"""Did you mean …?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, choices: Iterable[str], limit: int = 12) -> str:
    """A hint for a `name` that is none of `choices`: the nearest one, or the whole list while it is short."""
    known = sorted(set(choices))
    close = difflib.get_close_matches(name.lower(), known, n=2, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    if not known:
        return "There is none."
    shown = ", ".join(known[:limit])
    return f"There is: {shown}{', …' if len(known) > limit else ''}."
