"""What one value must satisfy. A value is a `Cell`, as an option is stored; numbers and dates fill `number` alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Order = Literal["=", "<", "<=", ">", ">="]


@dataclass(frozen=True)
class Number:
    """A number, compared."""

    order: Order
    value: int | float


@dataclass(frozen=True)
class Within:
    """A number from `low` to `high`, None being without end; `high` itself belongs to it unless `short`."""

    low: int | float | None
    high: int | float | None
    short: bool = False


@dataclass(frozen=True)
class Text:
    """A text, compared by code points."""

    order: Order
    value: str


@dataclass(frozen=True)
class Contains:
    """A text with `value` somewhere in it, a-z being A-Z."""

    value: str


@dataclass(frozen=True)
class Like:
    """A text that fits a pattern: `*` for any characters, `?` for one."""

    pattern: str


@dataclass(frozen=True)
class Present:
    """Any value at all but None and NaN."""


@dataclass(frozen=True)
class IsNone:
    """An option that was None."""


@dataclass(frozen=True)
class AnyOf:
    """At least one of several checks."""

    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Other:
    """There is a value, and it does not satisfy the check."""

    check: Check


Check = Number | Within | Text | Contains | Like | Present | IsNone | AnyOf | Other


def any_of(*checks: Check) -> Check:
    """At least one of `checks`."""
    return checks[0] if len(checks) == 1 else AnyOf(checks)


def lower(text: str) -> str:
    """A-Z as a-z and nothing else, which is what both databases do."""
    return "".join(chr(ord(char) + 32) if "A" <= char <= "Z" else char for char in text)
