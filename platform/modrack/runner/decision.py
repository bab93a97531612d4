"""One line of the plan: what was decided, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Decision:
    """One line of the plan."""

    name: str
    value: Any
    reason: str
