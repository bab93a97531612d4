"""The tree of a filter. `at` is where something begins in the text, counted from 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar, Union

Leaf = TypeVar("Leaf")


@dataclass(frozen=True)
class Word:
    """A value as it was typed; `quoted` takes every character as itself."""

    text: str
    quoted: bool
    at: int


@dataclass(frozen=True)
class Key:
    """What a term is about: a name and, for a metric, which of its numbers."""

    text: str
    summary: str | None
    at: int
    quoted: bool = False

    def __str__(self) -> str:
        return self.text if self.summary is None else f"{self.text}@{self.summary}"


@dataclass(frozen=True)
class Term:
    """KEY OPERATOR VALUE. `operator` is one of `parse.OPERATORS`, with several words where it was `in(…)`."""

    key: Key
    operator: str
    words: tuple[Word, ...]
    at: int
    chosen: bool = False  # whether it was `in(…)`


@dataclass(frozen=True)
class All(Generic[Leaf]):
    """Every part holds; without parts, always."""

    parts: tuple[Tree[Leaf], ...]


@dataclass(frozen=True)
class Some(Generic[Leaf]):
    """At least one part holds."""

    parts: tuple[Tree[Leaf], ...]


@dataclass(frozen=True)
class Not(Generic[Leaf]):
    """The part does not hold."""

    part: Tree[Leaf]


Tree = Union[All[Leaf], Some[Leaf], Not[Leaf], Leaf]  # noqa: UP007 - a TypeVar has no `|` yet
