"""Writing an experiment as TOML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def write_toml(values: Mapping[str, Any], origins: Mapping[str, str], prefix: str) -> list[str]:
    """`key = value  # origin` lines. TOML has no null: what is none stands there as "none", which `train` reads."""
    pairs = [(f"{name} = {value_toml(value)}", origins.get(f"{prefix}{name}", "")) for name, value in values.items()]
    width = max((len(text) for text, _ in pairs if len(text) <= 48), default=0)
    return [f"{text.ljust(width)}  # {_comment(origin)}" if origin else text for text, origin in pairs]


def value_toml(value: Any) -> str:
    """One value as TOML writes it."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(str(key))} = {value_toml(each)}" for key, each in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return f"[{', '.join(map(value_toml, value))}]"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else value_toml(key)


def _comment(text: str) -> str:
    # A control character would end the comment, or break the file.
    return "".join(char if char.isprintable() else "?" for char in text)
