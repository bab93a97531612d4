"""How a filter was read, in words."""

from __future__ import annotations

from datetime import datetime

from modrack_registry.store.filter import checks
from modrack_registry.store.filter.bind import Condition
from modrack_registry.store.filter.checks import Check
from modrack_registry.store.filter.mistakes import shown
from modrack_registry.store.filter.nodes import All, Not, Some, Tree
from modrack_registry.store.filter.subjects import Attribute, Metric, Param, Parts, Plugins, Subject, Tags

_SAID = {
    "last": "last", "min": "smallest", "max": "largest", "first": "first", "best": "best", "step": "last step of",
    "n": "number of points of", "nans": "number of NaNs of",
}  # fmt: skip
_ORDER = {"=": "is", "<": "is below", "<=": "is at most", ">": "is above", ">=": "is at least"}
_DATE_ORDER = {"<": "is before", "<=": "is at or before", ">": "is after", ">=": "is at or after"}


def explain(tree: Tree[Condition], depth: int = 0) -> str:
    """One line for each term, indented as they are grouped."""
    pad = "  " * depth
    if isinstance(tree, All | Some):
        if not tree.parts:
            return f"{pad}every run"
        head = f"{pad}{'all of' if isinstance(tree, All) else 'at least one of'}"
        return "\n".join([head, *(explain(part, depth + 1) for part in tree.parts)])
    if isinstance(tree, Not):
        return f"{pad}not\n{explain(tree.part, depth + 1)}"
    return f"{pad}{describe(tree.subject)} {_says(tree.check, tree)}"


def describe(subject: Subject) -> str:
    """What a key stands for."""
    if isinstance(subject, Param):
        return f"the option {subject.name}"
    if isinstance(subject, Metric):
        of = "" if subject.said in ("step", "n", "nans") else " value of"
        least = f" ({subject.column})" if subject.said == "best" else ""
        return f"the {_SAID[subject.said]}{of} the metric {subject.name}{least}"
    if isinstance(subject, Parts):
        return f"a {subject.kind}'s bare or full name"
    if isinstance(subject, Tags):
        return "a tag"
    if isinstance(subject, Plugins):
        return "a plugin of its parts"
    return f"the attribute {subject.name}"


def _says(check: Check, condition: Condition) -> str:
    date = isinstance(condition.subject, Attribute) and condition.subject.sort == "date"
    if isinstance(check, checks.Other):
        return f"has a value, and not one that {_says(check.check, condition)}"
    if isinstance(check, checks.AnyOf):
        return " or ".join(dict.fromkeys(_says(each, condition) for each in check.checks))
    if isinstance(check, checks.Number):
        words = _DATE_ORDER if date else _ORDER
        return f"{words[check.order]} {_value(check.value, date)}"
    if isinstance(check, checks.Within):
        low = [] if check.low is None else [f"{'from' if date else 'is at least'} {_value(check.low, date)}"]
        until = "to before" if date and check.short else "to" if date else "is at most"
        high = [] if check.high is None else [f"{until} {_value(check.high, date)}"]
        return ("is " if date else "") + (" " if date else " and ").join(low + high)
    if isinstance(check, checks.Text):
        return f"{_ORDER[check.order]} the text {shown(check.value)}"
    if isinstance(check, checks.Contains):
        return f"contains {shown(check.value)}, upper or lower case"
    if isinstance(check, checks.Like):
        return f"fits the pattern {shown(check.pattern)}"
    return "is none" if isinstance(check, checks.IsNone) else "is there"


def _value(value: int | float, date: bool) -> str:
    if not date:
        return f"{value:g}" if isinstance(value, float) else str(value)
    try:
        return f"{datetime.fromtimestamp(value).astimezone():%Y-%m-%d %H:%M:%S %Z}"
    except (ValueError, OverflowError, OSError):
        return f"{value:g} seconds from 1970"
