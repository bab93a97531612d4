"""What a filter says of one run, in plain Python: what the SQL must agree with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import eq, ge, gt, le, lt
from typing import Any, NamedTuple

from modrack_registry.store.filter import checks
from modrack_registry.store.filter.bind import Condition
from modrack_registry.store.filter.checks import Check
from modrack_registry.store.filter.nodes import All, Not, Some, Tree
from modrack_registry.store.filter.subjects import Attribute, Metric, Param, Parts, Plugins, Subject, Tags

_ORDER: dict[str, Callable[[Any, Any], bool]] = {"=": eq, "<": lt, "<=": le, ">": gt, ">=": ge}


class Cell(NamedTuple):
    """A value as an option is stored, see `values.pack`; the type of what is no option is empty."""

    type: str = ""
    number: int | float | None = None
    text: str | None = None


@dataclass
class Record:
    """What a filter can ask of a run.

    `attributes` by name (dates in seconds since 1970, `status` the true one), `params` packed and by path, `series` the
    summary of each metric by column, `parts` as (kind, name, full name, plugin).
    """

    attributes: Mapping[str, int | float | str | None]
    params: Mapping[str, tuple[str, float | None, str | None]] = field(default_factory=dict)
    series: Mapping[str, Mapping[str, int | float | None]] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    parts: tuple[tuple[str, str, str, str], ...] = ()


def fits(tree: Tree[Condition], run: Record) -> bool:
    """Whether `run` is one that the filter finds."""
    if isinstance(tree, All):
        return all(fits(part, run) for part in tree.parts)
    if isinstance(tree, Some):
        return any(fits(part, run) for part in tree.parts)
    if isinstance(tree, Not):
        return not fits(tree.part, run)
    return any(holds(tree.check, cell) for cell in cells(tree.subject, run))


def cells(subject: Subject, run: Record) -> list[Cell]:
    """What a run has of `subject`: nothing, one value, or several."""
    if isinstance(subject, Attribute):
        value = run.attributes.get(subject.name)
        return [Cell("", None, value) if isinstance(value, str) else Cell("", value, None)]
    if isinstance(subject, Param):
        return [Cell(*run.params[subject.name])] if subject.name in run.params else []
    if isinstance(subject, Metric):
        found = run.series.get(subject.name)
        return [] if found is None else [Cell("", found[subject.column], None)]
    if isinstance(subject, Tags):
        return [Cell("", None, tag) for tag in run.tags]
    if isinstance(subject, Plugins):
        return [Cell("", None, plugin) for _, _, _, plugin in run.parts]
    assert isinstance(subject, Parts)
    return [Cell("", None, name) for kind, *names, _ in run.parts if kind == subject.kind for name in names]


def holds(check: Check, cell: Cell) -> bool:
    """Whether one value satisfies a check."""
    _, number, text = cell
    if isinstance(check, checks.Number):
        return number is not None and _ORDER[check.order](number, check.value)
    if isinstance(check, checks.Within):
        return (
            number is not None
            and (check.low is None or number >= check.low)
            and (check.high is None or number < check.high or (number == check.high and not check.short))
        )
    if isinstance(check, checks.Text):
        return text is not None and _ORDER[check.order](text, check.value)
    if isinstance(check, checks.Contains):
        return text is not None and check.value in checks.lower(text)
    if isinstance(check, checks.Like):
        return text is not None and _fits_pattern(check.pattern, text)
    if isinstance(check, checks.Present):
        return number is not None or text is not None
    if isinstance(check, checks.IsNone):
        return cell.type == "none"
    if isinstance(check, checks.AnyOf):
        return any(holds(each, cell) for each in check.checks)
    assert isinstance(check, checks.Other)
    return (number is not None or text is not None) and not holds(check.check, cell)


def _fits_pattern(pattern: str, text: str) -> bool:
    signs = {"*": ".*", "?": "."}
    return re.fullmatch("".join(signs.get(char, re.escape(char)) for char in pattern), text, re.DOTALL) is not None
