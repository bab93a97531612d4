"""What a term can be about. `docs/runs.md` lists them with their meanings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sort = Literal["integer", "number", "span", "date", "text", "commit", "status"]

# What can follow a metric's name: the column of its summary; `best` is `min` or `max` by its direction.
SUMMARIES = {
    "last": "last",
    "min": "min",
    "max": "max",
    "first": "first",
    "best": None,
    "step": "last_step",
    "n": "n",
    "nans": "nans",
}
_WHOLE = ("last_step", "n", "nans")
STATUSES = ("queued", "running", "finished", "failed", "interrupted", "lost")


@dataclass(frozen=True)
class Attribute:
    """A column of the table `run`, of the same name."""

    name: str
    sort: Sort
    indexed: bool = False
    always: bool = False  # never NULL


@dataclass(frozen=True)
class Parts:
    """The components of one kind, by bare or full name."""

    kind: str


@dataclass(frozen=True)
class Tags:
    """The run's tags."""


@dataclass(frozen=True)
class Plugins:
    """The plugins its components came from."""


@dataclass(frozen=True)
class Param:
    """An option: its path, the path's number, and what runs have there: numbers (or true and false), texts."""

    name: str
    number: int
    numbers: bool
    texts: bool


@dataclass(frozen=True)
class Metric:
    """One number of a metric's summary: the metric's name, the name's number, and the column."""

    name: str
    number: int
    column: str
    said: str  # as it was asked for: last, best, …

    @property
    def whole(self) -> bool:
        return self.column in _WHOLE


Subject = Attribute | Parts | Tags | Plugins | Param | Metric

ATTRIBUTES = {
    each.name: each
    for each in (
        Attribute("id", "integer", indexed=True, always=True),
        Attribute("name", "text", indexed=True),
        Attribute("status", "status", indexed=True, always=True),
        Attribute("started", "date", indexed=True, always=True),
        Attribute("ended", "date"),
        Attribute("seconds", "span"),
        Attribute("samples_per_second", "number"),
        Attribute("seed", "integer"),
        Attribute("note", "text"),
        Attribute("reason", "text"),
        Attribute("attempt", "integer", always=True),
        Attribute("parent", "integer"),
        Attribute("host", "text"),
        Attribute("commit", "commit"),
        Attribute("python", "text"),
    )
}
# Kinds of which every run has at most one of interest: they are columns too, and known before any run is.
KINDS = ("model", "dataset", "optimizer", "task")
