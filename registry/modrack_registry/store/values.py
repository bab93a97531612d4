"""Values of options as typed columns, facts as JSON, long texts as blobs."""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from typing import Any

# Whole numbers up to here are exact as a double.
_EXACT = 2**53


def pack(value: Any) -> tuple[str, float | None, str | None]:
    """An option's value as (type, number, text). A bool has both, so `true` and `1` find it."""
    if value is None:
        return "none", None, None
    if isinstance(value, bool):
        return "bool", float(value), "true" if value else "false"
    if isinstance(value, int):
        number = float(value) if abs(value) < 2**1000 else math.inf if value > 0 else -math.inf
        return "int", number, None if abs(value) <= _EXACT else str(value)
    if isinstance(value, float):
        return "float", None if math.isnan(value) else value, None
    if isinstance(value, str):
        return "text", None, storable(value)
    return "list", None, to_json(value)


def unpack(type_: str, number: float | None, text: str | None) -> Any:
    """What `pack` was given (a tuple comes back as a list)."""
    if type_ == "bool":
        return bool(number)
    if type_ == "int":
        return int(text) if text is not None else int(number or 0)
    if type_ == "float":
        return math.nan if number is None else number
    if type_ == "list":
        return json.loads(text or "null")
    return text


def to_json(value: Any) -> str:
    """Compact JSON; what JSON does not know becomes its text."""
    return storable(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))


def from_json(text: str | None) -> Any:
    """What `to_json` was given; None for NULL."""
    return None if text is None else json.loads(text)


def storable(text: str) -> str:
    """`text` without what no database takes: zero characters (PostgreSQL) and half surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def to_blob(text: str) -> dict[str, Any]:
    """A row of `blob`: the same text is kept once, whoever refers to it."""
    data = text.encode("utf-8", "replace")
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "data": zlib.compress(data, 6)}


def from_blob(data: bytes) -> str:
    """The text of a row of `blob`."""
    return zlib.decompress(data).decode("utf-8")
