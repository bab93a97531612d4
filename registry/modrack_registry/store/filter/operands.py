"""What a word can mean: a number, a span of time, a moment, a range."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TypeVar

Value = TypeVar("Value")

_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf)", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_SPAN = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?[smhdw])+", re.ASCII)
_PIECE = re.compile(r"([0-9.]+)([smhdw])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_MOMENT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(\.\d{1,6})?)?\s*(Z|[+-]\d\d:?\d\d)?)?)?)?", re.ASCII
)


def number(text: str) -> int | float | None:
    """A number; an int where it is written as one and fits 64 bits."""
    if _WHOLE.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else None


def real(text: str) -> float | None:
    """A number as options and metrics keep it."""
    found = number(text)
    return None if found is None else float(found)


def span(text: str) -> float | None:
    """Seconds of a text like `90m` or `1h30m`."""
    if not _SPAN.fullmatch(text):
        return None
    return sum(float(amount) * _SECONDS[unit] for amount, unit in _PIECE.findall(text))


def moment(text: str, now: float) -> tuple[float, float] | None:
    """When a date begins and when the next one does, in seconds since 1970. Raises ValueError for a 31 February."""
    if text in ("today", "yesterday"):
        day = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
        day -= timedelta(days=text == "yesterday")
        return day.timestamp(), (day + timedelta(days=1)).timestamp()
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day_, hour, minute, second, fraction, zone = found.groups()
    begin = datetime(
        int(year), int(month or 1), int(day_ or 1), int(hour or 0), int(minute or 0), int(second or 0),
        int(float(fraction or 0) * 1_000_000 + 0.5) if fraction else 0,
    )  # fmt: skip
    if fraction:
        end = begin
    elif hour:
        end = begin + (timedelta(seconds=1) if second else timedelta(minutes=1))
    elif day_:
        end = begin + timedelta(days=1)
    elif month:
        end = begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
    else:
        end = begin.replace(year=begin.year + 1)
    return _seconds(begin, zone), _seconds(end, zone)


def ends(text: str) -> tuple[str, str] | None:
    """Both ends of `A..B`, either of which may be empty; None for what is no range."""
    low, dots, high = text.partition("..")
    return (low, high) if dots and (low or high) else None


def _seconds(local: datetime, zone: str | None) -> float:
    if zone is None:
        return local.timestamp()
    if zone == "Z":
        return local.replace(tzinfo=UTC).timestamp()
    away = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:])) * (-1 if zone[0] == "-" else 1)
    return local.replace(tzinfo=UTC).timestamp() - away.total_seconds()
