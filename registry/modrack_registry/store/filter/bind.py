"""From a tree of terms to a tree of conditions: keys are looked up, values are read as what the key holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from modrack_registry.errors import UserError
from modrack_registry.store.filter import checks, operands
from modrack_registry.store.filter.checks import Check, any_of
from modrack_registry.store.filter.mistakes import mistake
from modrack_registry.store.filter.nodes import All, Key, Not, Some, Term, Tree
from modrack_registry.store.filter.read import Reader, dates, numbers, options, statuses, texts
from modrack_registry.store.filter.subjects import Attribute, Metric, Param, Parts, Plugins, Subject, Tags

# As many mistakes as fit into a message that is read.
_MOST_MISTAKES = 2


class Finder(Protocol):
    """Who knows what runs have; `keys.Keys` asks the database. Raises UserError, pointing into `text`."""

    def find(self, key: Key, text: str) -> Subject: ...


@dataclass(frozen=True)
class Condition:
    """A term of which everything is known: `check` for what `subject` holds."""

    subject: Subject
    check: Check
    term: Term


def bind(tree: Tree[Term], text: str, finder: Finder, now: float) -> Tree[Condition]:
    """The conditions of a filter. `now` is what spans count back from, in seconds since 1970.

    Raises UserError for keys that are unknown or ambiguous, and for values that are not of the key's sort.
    """
    wrong: list[UserError] = []

    def each(node: Tree[Term]) -> Tree[Condition]:
        if isinstance(node, Not):
            return Not(each(node.part))
        if isinstance(node, All):
            return All(tuple(each(part) for part in node.parts))
        if isinstance(node, Some):
            return Some(tuple(each(part) for part in node.parts))
        try:
            return _condition(node, text, finder.find(node.key, text), now)
        except UserError as error:
            wrong.append(error)
            return All(())

    bound = each(tree)
    if wrong:
        raise UserError.collect(wrong[:_MOST_MISTAKES])
    return bound


def _condition(term: Term, text: str, subject: Subject, now: float) -> Tree[Condition]:
    read = _reader(subject, now)
    order = term.operator.removeprefix("!") if term.operator in ("!=", "!~") else term.operator
    found: list[Check] = []
    for word in term.words:
        try:
            found.append(read(order, word))
        except ValueError as error:
            message, hint = (*error.args, None)[:2]
            raise mistake(text, word.at, f"{term.key}: {message}", hint) from None
    made = any_of(*found)
    opposite = term.operator.startswith("!")
    if opposite and not isinstance(subject, Tags | Plugins | Parts):
        return Condition(subject, checks.Other(made), term)
    condition = Condition(subject, made, term)
    if not opposite:
        return condition
    # Of several values none may fit; a run without such a part has no value to compare.
    if isinstance(subject, Parts):
        return All((Condition(subject, checks.Present(), term), Not(condition)))
    return Not(condition)


def _reader(subject: Subject, now: float) -> Reader:
    if isinstance(subject, Param):
        return options(subject)
    if isinstance(subject, Metric):
        return numbers(operands.number if subject.whole else operands.real)
    if not isinstance(subject, Attribute):
        return texts(ordered=False)
    readers: dict[str, Callable[[], Reader]] = {
        "integer": lambda: numbers(operands.number),
        "number": lambda: numbers(operands.real),
        "span": lambda: numbers(_seconds),
        "date": lambda: dates(now),
        "status": lambda: statuses,
        "commit": lambda: texts(ordered=False, short=True),
        "text": lambda: texts(),
    }
    return readers[subject.sort]()


def _seconds(text: str) -> float | None:
    return operands.real(text) if (found := operands.span(text)) is None else found
