"""What the runner tells whoever watches; the command line has the screens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class EpochLine:
    """One evaluation: `values` are the metrics then known, `best` says that the monitored one was never better."""

    epoch: float
    epochs: float | None
    step: int
    values: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    best: bool = False


class Reporter(Protocol):
    """Called from the training loop, at log points and evaluations only."""

    def started(self, run_id: int, facts: dict[str, Any]) -> None: ...
    def progress(self, step: int, total: int, epoch: float, loss: float | None) -> None: ...
    def epoch(self, line: EpochLine) -> None: ...
    def note(self, text: str) -> None: ...
    def finished(self, run: Any) -> None: ...


class Silent:
    """Tells nobody."""

    def started(self, run_id: int, facts: dict[str, Any]) -> None: ...
    def progress(self, step: int, total: int, epoch: float, loss: float | None) -> None: ...
    def epoch(self, line: EpochLine) -> None: ...
    def note(self, text: str) -> None: ...
    def finished(self, run: Any) -> None: ...
