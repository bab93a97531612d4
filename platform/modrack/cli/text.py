"""Plain text for a terminal or a pipe: columns, cleaned of what a stored name could smuggle in."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

# Control sequences (CSI, OSC, two-byte escapes), then every other control character but newline and tab.
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_BREAKS = re.compile(r"[\n\t\u2028\u2029]+")


def clean(text: Any) -> str:
    """The text without terminal escapes and control characters."""
    return _ESCAPES.sub("", str(text))


def cell(text: Any) -> str:
    """Clean text that keeps to one line."""
    return _BREAKS.sub(" ", clean(text)).strip()


def width() -> int:
    """How many characters a line may have: the terminal's width; plenty where there is none."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 10_000


def columns(rows: Iterable[Sequence[Any]], indent: str = "", gap: str = "  ") -> list[str]:
    """Rows as aligned lines; the last column is cut at the terminal's edge."""
    table = [[cell(each) for each in row] for row in rows]
    if not table:
        return []
    widths = [max(len(row[index]) for row in table if index < len(row)) for index in range(max(map(len, table)))]
    lines = (
        indent + gap.join(text.ljust(size) for text, size in zip(row, widths, strict=False)).rstrip() for row in table
    )
    edge = width()
    return [line if len(line) <= edge else line[: edge - 1] + "…" for line in lines]


def bold(text: str) -> str:
    """The text in bold on a terminal, as it is elsewhere."""
    return f"\x1b[1m{text}\x1b[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def number(value: Any) -> str:
    """A number as a person reads it: 4 digits behind the point, or 4 that count."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return clean(value)
    if isinstance(value, int) or not math.isfinite(value):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4f}"
    return f"{value:.3e}"


def duration(seconds: float | None) -> str:
    """`4.2 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def as_json(value: Any) -> str:
    """The value as JSON: NaN and the infinities as null, times as ISO 8601, paths as text."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)


def as_json_line(value: Any) -> str:
    """The same on one line."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in value]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return _plain(value.item())
    return str(value)
